// The quickstart's rules on OpenFGA, which runs in this process. Copy engine.go: the
// rest runs it here.
package main

import (
	"context"
	"log"
	"os"

	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/examples/engines/documents"
	"github.com/usher-auth/usher/examples/engines/fgastore"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	store, err := fgastore.Start(ctx)
	if err != nil {
		return err
	}
	defer store.Server.Close()

	engine, err := newEngine(ctx, openfga.Embedded(store.Server), store.ID, store.ModelID)
	if err != nil {
		return err
	}

	return documents.Decide(ctx, os.Stdout, engine)
}
