package main

import (
	"context"
	"errors"

	"github.com/authzed/grpcutil"
	"github.com/authzed/spicedb/pkg/cmd/datastore"
	"github.com/authzed/spicedb/pkg/cmd/server"
	"github.com/authzed/spicedb/pkg/cmd/util"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// start runs SpiceDB on an in-memory network. Its defaults would open public
// ports and send telemetry: both are off.
func start(ctx context.Context) (*grpc.ClientConn, func() error, error) {
	const key = "not-a-secret"
	ctx, cancel := context.WithCancel(ctx)
	// Rules without a consistency minimize latency, and SpiceDB then answers from
	// a snapshot that may be seconds old. The example checks right after it wrote,
	// so its store doesn't round snapshots down.
	fresh := func(c *datastore.Config) { c.RevisionQuantization = 0 }
	store, err := datastore.NewDatastore(ctx, datastore.DefaultDatastoreConfig().ToOption(), datastore.WithRequestHedgingEnabled(false), fresh)
	if err != nil {
		cancel()

		return nil, nil, err
	}
	running, err := server.NewConfigWithOptionsAndDefaults(
		server.WithDatastore(store),
		server.WithPresharedSecureKey(key),
		server.WithGRPCServer(util.GRPCServerConfig{Network: util.BufferedNetwork, Enabled: true}),
		server.WithHTTPGateway(util.HTTPServerConfig{HTTPEnabled: false}),
		server.WithMetricsAPI(util.HTTPServerConfig{HTTPEnabled: false}),
		server.WithDispatchServer(util.GRPCServerConfig{Enabled: false}),
		server.WithSilentlyDisableTelemetry(true),
		server.WithTelemetryEndpoint(""),
		server.WithEnableMemoryProtectionMiddleware(false),
	).Complete(ctx)
	if err != nil {
		cancel()

		return nil, nil, errors.Join(err, store.Close())
	}
	served := make(chan error, 1)
	go func() { served <- running.Run(ctx) }()
	stop := func() error {
		cancel()

		return errors.Join(<-served, store.Close())
	}
	conn, err := running.NewClient(grpc.WithTransportCredentials(insecure.NewCredentials()), grpcutil.WithInsecureBearerToken(key))
	if err != nil {
		return nil, nil, errors.Join(err, stop())
	}

	return conn, func() error { return errors.Join(conn.Close(), stop()) }, nil
}
