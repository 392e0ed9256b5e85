// Package spicedbserver runs SpiceDB inside a test, with its memory datastore,
// behind a real gRPC connection over an in-memory network. Nothing of it
// listens on a port or calls home.
package spicedbserver

import (
	"context"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"github.com/authzed/grpcutil"
	"github.com/authzed/spicedb/pkg/cmd/datastore"
	"github.com/authzed/spicedb/pkg/cmd/server"
	"github.com/authzed/spicedb/pkg/cmd/util"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	// key is what the server and its clients share; it protects nothing.
	key = "not-a-secret"
	// maxWrite is SpiceDB's default limit of updates in one write.
	maxWrite = 1000
)

// Server is a running SpiceDB with one schema.
type Server struct {
	// Client asks for permissions.
	Client v1.PermissionsServiceClient
	// Schema writes schemas.
	Schema v1.SchemaServiceClient
}

// Start runs a server with the schema and stops it with the test.
func Start(tb testing.TB, schema string, opts ...server.ConfigOption) *Server {
	tb.Helper()
	ctx, stop := context.WithCancel(context.Background())
	store, err := datastore.NewDatastore(ctx, datastore.DefaultDatastoreConfig().ToOption(),
		datastore.WithRequestHedgingEnabled(false))
	if err != nil {
		tb.Fatalf("starting SpiceDB's datastore: %v", err)
	}
	running, err := server.NewConfigWithOptionsAndDefaults(append([]server.ConfigOption{
		server.WithDatastore(store),
		server.WithPresharedSecureKey(key),
		server.WithGRPCServer(util.GRPCServerConfig{Network: util.BufferedNetwork, Enabled: true}),
		server.WithHTTPGateway(util.HTTPServerConfig{HTTPEnabled: false}),
		server.WithMetricsAPI(util.HTTPServerConfig{HTTPEnabled: false}),
		server.WithDispatchServer(util.GRPCServerConfig{Enabled: false}),
		server.WithSilentlyDisableTelemetry(true),
		server.WithTelemetryEndpoint(""),
		server.WithEnableMemoryProtectionMiddleware(false),
		server.WithOTel(*server.NewOTelConfigWithOptionsAndDefaults(server.WithPrometheusRegistry(prometheus.NewRegistry()))),
	}, opts...)...).Complete(ctx)
	if err != nil {
		tb.Fatalf("configuring SpiceDB: %v", err)
	}
	served := make(chan error, 1)
	go func() { served <- running.Run(ctx) }()
	conn, err := running.NewClient(
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpcutil.WithInsecureBearerToken(key))
	if err != nil {
		tb.Fatalf("dialing SpiceDB: %v", err)
	}
	tb.Cleanup(func() {
		if err := conn.Close(); err != nil {
			tb.Errorf("closing the connection: %v", err)
		}
		stop()
		if err := <-served; err != nil {
			tb.Errorf("stopping SpiceDB: %v", err)
		}
		if err := store.Close(); err != nil {
			tb.Errorf("closing SpiceDB's datastore: %v", err)
		}
	})

	s := &Server{Client: v1.NewPermissionsServiceClient(conn), Schema: v1.NewSchemaServiceClient(conn)}
	bounded, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := s.Schema.WriteSchema(bounded, &v1.WriteSchemaRequest{Schema: schema}, grpc.WaitForReady(true)); err != nil {
		tb.Fatalf("writing the schema: %v", err)
	}

	return s
}

// Write touches relationships, as many as there are, and returns the ZedToken
// that has them.
func (s *Server) Write(ctx context.Context, relationships ...*v1.Relationship) (string, error) {
	return s.update(ctx, v1.RelationshipUpdate_OPERATION_TOUCH, relationships)
}

// Delete removes relationships.
func (s *Server) Delete(ctx context.Context, relationships ...*v1.Relationship) (string, error) {
	return s.update(ctx, v1.RelationshipUpdate_OPERATION_DELETE, relationships)
}

func (s *Server) update(ctx context.Context, operation v1.RelationshipUpdate_Operation, relationships []*v1.Relationship) (string, error) {
	token := ""
	for len(relationships) > 0 {
		n := min(len(relationships), maxWrite)
		request := &v1.WriteRelationshipsRequest{}
		for _, r := range relationships[:n] {
			request.Updates = append(request.Updates, &v1.RelationshipUpdate{Operation: operation, Relationship: r})
		}
		response, err := s.Client.WriteRelationships(ctx, request)
		if err != nil {
			return "", err
		}
		token, relationships = response.GetWrittenAt().GetToken(), relationships[n:]
	}

	return token, nil
}
