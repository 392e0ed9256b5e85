// The quickstart's rules on an AuthZEN 1.0 server: OpenFGA's own endpoints,
// which are experimental, behind HTTP on loopback. Copy engine.go: the rest runs it
// here.
package main

import (
	"context"
	"errors"
	"log"
	"net/http/httptest"
	"os"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	authzenv1 "github.com/openfga/api/proto/authzen/v1"
	"github.com/openfga/openfga/pkg/server"

	"github.com/usher-auth/usher/examples/engines/documents"
	"github.com/usher-auth/usher/examples/engines/fgastore"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	store, err := fgastore.Start(ctx, server.WithExperimentals("authzen"))
	if err != nil {
		return err
	}
	defer store.Server.Close()
	mux := runtime.NewServeMux()
	if err := authzenv1.RegisterAuthZenServiceHandlerServer(ctx, mux, store.Server); err != nil {
		return err
	}
	pdp := httptest.NewServer(mux)
	defer pdp.Close()

	engine, err := newEngine(pdp.URL + "/stores/" + store.ID) // OpenFGA has the paths for each store
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()

	return documents.Decide(ctx, os.Stdout, engine)
}
