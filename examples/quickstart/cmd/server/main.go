// Command server runs the document service in front of an authorization server
// and an OpenFGA store that are elsewhere.
//
//	export OPENFGA_KEY=…
//	go run ./cmd/server -issuer https://auth.internal -cert tls.crt -key tls.key \
//		-openfga fga.internal:8081 -store 01J… -model 01J…
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/usher-auth/usher/examples/quickstart/cmd/internal/trust"
	"github.com/usher-auth/usher/examples/quickstart/documents"
	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"
	"github.com/usher-auth/usher/examples/quickstart/server"

	"github.com/usher-auth/usher/interceptor/telemetry"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends. Standard error has a record of each decision.
func run(ctx context.Context) (err error) {
	listen := flag.String("listen", "127.0.0.1:8443", "address to listen on")
	cert := flag.String("cert", "", "PEM file with this server's certificate")
	key := flag.String("key", "", "PEM file with its key")
	ca := flag.String("ca", "", "PEM file with the roots to trust (default the system's)")
	issuer := flag.String("issuer", "", "issuer of the callers' tokens")
	audience := flag.String("audience", "https://docs.internal", "this service's name in tokens")
	fga := flag.String("openfga", "", "address of OpenFGA's gRPC API")
	insecureFGA := flag.Bool("openfga-insecure", false, "OpenFGA has no TLS and wants no key")
	store := flag.String("store", "", "OpenFGA store")
	model := flag.String("model", "", "OpenFGA authorization model")
	pdp := flag.String("authzen", "", "URL of an AuthZEN API, such as http://127.0.0.1:8080/stores/01J…; without it there is no PressService")
	flag.Parse()

	tls, err := credentials.NewServerTLSFromFile(*cert, *key)
	if err != nil {
		return fmt.Errorf("-cert and -key: %w", err)
	}
	roots, err := trust.File(*ca)
	if err != nil {
		return err
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: roots}
	defer transport.CloseIdleConnections()
	conn, err := dialOpenFGA(*fga, roots, *insecureFGA)
	if err != nil {
		return err
	}
	defer conn.Close()
	tel, err := telemetry.New(telemetry.Config{Audit: slog.New(slog.NewJSONHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	client := openfgav1.NewOpenFGAServiceClient(conn)
	cfg := server.Config{
		Issuer: *issuer, Audience: *audience, HTTP: &http.Client{Transport: transport}, TLS: tls,
		OpenFGA: client, StoreID: *store, ModelID: *model, Telemetry: *tel,
		Register: func(s grpc.ServiceRegistrar) {
			docsv1.RegisterDocumentServiceServer(s, documents.New(documents.OpenFGA{Client: client, StoreID: *store}))
			if *pdp != "" {
				docsv1.RegisterPressServiceServer(s, &documents.Press{})
			}
		},
	}
	if *pdp != "" {
		decider, err := newDecider(*pdp, *model, transport)
		if err != nil {
			return err
		}
		defer decider.Close()
		cfg.Attributes = decider
	}
	srv, err := server.New(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	if err := srv.Ready(ctx); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	fmt.Println("serving on", listener.Addr())
	return srv.Serve(ctx, listener)
}
