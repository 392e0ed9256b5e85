package main

import (
	"context"

	"github.com/usher-auth/usher/authz/openfga"
)

// newEngine returns an engine that asks OpenFGA about one store, by one model. The
// client of a server in another process is
//
//	conn, err := grpc.NewClient("fga.internal:8081",
//		grpc.WithTransportCredentials(credentials.NewTLS(nil)),
//		grpc.WithPerRPCCredentials(openfga.PresharedKey(key)),
//		grpc.WithDefaultServiceConfig(openfga.ServiceConfig))
//	client := openfgav1.NewOpenFGAServiceClient(conn)
func newEngine(ctx context.Context, client openfga.Client, storeID, modelID string) (*openfga.Engine, error) {
	engine, err := openfga.New(openfga.Config{Client: client, StoreID: storeID, ModelID: modelID})
	if err != nil {
		return nil, err
	}

	return engine, engine.Ready(ctx)
}
