// Command client reads documents from a document service that is elsewhere.
//
//	go run ./cmd/client -issuer https://auth.internal -id reader -secret-file /run/secrets/reader \
//		-target docs.internal:8443 onboarding
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	grpccredentials "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/examples/quickstart/client"
	"github.com/usher-auth/usher/examples/quickstart/cmd/internal/trust"
	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"

	"github.com/usher-auth/usher/credentials"
)

// timeout bounds all calls together.
const timeout = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

// run prints the text of each document that the arguments name.
func run(ctx context.Context) (err error) {
	issuer := flag.String("issuer", "", "issuer of tokens; its metadata has the token endpoint")
	id := flag.String("id", "", "this client's id at the issuer")
	secret := flag.String("secret-file", "", "file with its secret")
	target := flag.String("target", "", "address of the document service")
	resource := flag.String("resource", "https://docs.internal", "the service's name in tokens")
	ca := flag.String("ca", "", "PEM file with the roots to trust (default the system's)")
	flag.Parse()
	roots, err := trust.File(*ca)
	if err != nil {
		return err
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: roots}
	defer transport.CloseIdleConnections()

	c, err := client.New(client.Config{
		Issuer: *issuer, ID: *id, Auth: clientauth.SecretBasic(clientauth.File(*secret)),
		HTTP:   &http.Client{Transport: transport},
		Target: *target, Resource: *resource, TLS: grpccredentials.NewTLS(roots),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for _, document := range flag.Args() {
		got, err := c.GetDocument(ctx, &docsv1.GetDocumentRequest{DocumentId: document})
		if err != nil {
			return explain(err)
		}
		fmt.Printf("%s: %s\n", document, got.GetDocument().GetText())
	}
	return nil
}

// explain adds what an error of a call has beside its text: why there was no
// token, or the server's reason and the id of its audit record.
func explain(err error) error {
	if own := (*credentials.Error)(nil); errors.As(err, &own) {
		if cause := errors.Unwrap(own); cause != nil {
			return fmt.Errorf("no token: %w: %w", own, cause)
		}
		return fmt.Errorf("no token: %w", own)
	}
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return fmt.Errorf("%w (%s, decision %s)", err, info.GetReason(), info.GetMetadata()["decision_id"])
		}
	}
	return err
}
