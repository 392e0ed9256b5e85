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
	"io"
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
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends. It prints the address to out and a JSON record of
// each decision to audit.
func run(ctx context.Context, args []string, out, audit io.Writer) (err error) {
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8443", "address to listen on")
	cert := flags.String("cert", "", "PEM file with this server's certificate")
	key := flags.String("key", "", "PEM file with its key")
	ca := flags.String("ca", "", "PEM file with the roots to trust (default the system's)")
	issuer := flags.String("issuer", "", "issuer of the callers' tokens")
	audience := flags.String("audience", "https://docs.internal", "this service's name in tokens")
	fga := flags.String("openfga", "", "address of OpenFGA's gRPC API")
	insecureFGA := flags.Bool("openfga-insecure", false, "OpenFGA has no TLS and wants no key")
	store := flags.String("store", "", "OpenFGA store")
	model := flags.String("model", "", "OpenFGA authorization model")
	if err := flags.Parse(args); err != nil {
		return err
	}

	tls, err := credentials.NewServerTLSFromFile(*cert, *key)
	if err != nil {
		return err
	}
	roots, err := trust.File(*ca)
	if err != nil {
		return err
	}
	transport := &http.Transport{TLSClientConfig: roots}
	defer transport.CloseIdleConnections()
	conn, err := dialOpenFGA(*fga, roots, *insecureFGA)
	if err != nil {
		return err
	}
	defer conn.Close()
	tel, err := telemetry.New(telemetry.Config{Audit: slog.New(slog.NewJSONHandler(audit, nil))})
	if err != nil {
		return err
	}
	client := openfgav1.NewOpenFGAServiceClient(conn)
	srv, err := server.New(server.Config{
		Issuer: *issuer, Audience: *audience, HTTP: &http.Client{Transport: transport}, TLS: tls,
		OpenFGA: client, StoreID: *store, ModelID: *model, Telemetry: *tel,
		Register: func(s grpc.ServiceRegistrar) {
			docsv1.RegisterDocumentServiceServer(s, documents.New(documents.OpenFGA{Client: client, StoreID: *store}))
		},
	})
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
	fmt.Fprintln(out, "serving on", listener.Addr())
	return srv.Serve(ctx, listener)
}
