// The quickstart's rules on OpenFGA, which runs in this process.
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

	// For a server in another process, the client is
	//
	//	conn, err := grpc.NewClient("fga.internal:8081",
	//		grpc.WithTransportCredentials(credentials.NewTLS(nil)),
	//		grpc.WithPerRPCCredentials(openfga.PresharedKey(key)),
	//		grpc.WithDefaultServiceConfig(openfga.ServiceConfig))
	//	client := openfgav1.NewOpenFGAServiceClient(conn)
	client := openfga.Embedded(store.Server)
	engine, err := openfga.New(openfga.Config{Client: client, StoreID: store.ID, ModelID: store.ModelID})
	if err != nil {
		return err
	}
	if err := engine.Ready(ctx); err != nil {
		return err
	}

	return documents.Decide(ctx, os.Stdout, engine)
}
