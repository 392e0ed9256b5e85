// Package openfgaserver runs OpenFGA inside a test, with its memory datastore,
// behind a real gRPC connection.
package openfgaserver

import (
	"context"
	"net"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"github.com/openfga/language/pkg/go/transformer"
	"github.com/openfga/openfga/pkg/server"
	"github.com/openfga/openfga/pkg/storage/memory"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
)

// maxWrite is OpenFGA's limit of tuples in one Write.
const maxWrite = 100

// Server is a running OpenFGA with one store and one model.
type Server struct {
	// API is the server itself.
	API *server.Server
	// Client is connected to it over an in-memory network.
	Client openfgav1.OpenFGAServiceClient
	// StoreID and ModelID name what was written.
	StoreID, ModelID string
}

// Start runs a server with a store of the model, written in OpenFGA's
// language, and stops it with the test.
func Start(tb testing.TB, model string, opts ...server.OpenFGAServiceV1Option) *Server {
	tb.Helper()
	api, err := server.NewServerWithOpts(append([]server.OpenFGAServiceV1Option{server.WithDatastore(memory.New())}, opts...)...)
	if err != nil {
		tb.Fatalf("starting OpenFGA: %v", err)
	}
	listener := bufconn.Listen(1 << 20)
	srv := grpc.NewServer()
	openfgav1.RegisterOpenFGAServiceServer(srv, api)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///openfga",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		tb.Fatalf("dialing OpenFGA: %v", err)
	}
	tb.Cleanup(func() {
		if err := conn.Close(); err != nil {
			tb.Errorf("closing the connection: %v", err)
		}
		srv.Stop()
		<-served
		api.Close()
	})

	s := &Server{API: api, Client: openfgav1.NewOpenFGAServiceClient(conn)}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	store, err := s.Client.CreateStore(ctx, &openfgav1.CreateStoreRequest{Name: "usher"})
	if err != nil {
		tb.Fatalf("creating the store: %v", err)
	}
	s.StoreID = store.GetId()
	s.ModelID = s.WriteModel(tb, model)

	return s
}

// WriteModel adds a model to the store and returns its id.
func (s *Server) WriteModel(tb testing.TB, model string) string {
	tb.Helper()
	parsed, err := transformer.TransformDSLToProto(model)
	if err != nil {
		tb.Fatalf("parsing the model: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	written, err := s.Client.WriteAuthorizationModel(ctx, &openfgav1.WriteAuthorizationModelRequest{
		StoreId: s.StoreID, SchemaVersion: parsed.GetSchemaVersion(),
		TypeDefinitions: parsed.GetTypeDefinitions(), Conditions: parsed.GetConditions(),
	})
	if err != nil {
		tb.Fatalf("writing the model: %v", err)
	}

	return written.GetAuthorizationModelId()
}

// Write adds tuples, as many as there are, or ends the test.
func (s *Server) Write(tb testing.TB, tuples ...*openfgav1.TupleKey) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.WriteTuples(ctx, tuples...); err != nil {
		tb.Fatalf("writing %d tuples: %v", len(tuples), err)
	}
}

// WriteTuples adds tuples, as many as there are.
func (s *Server) WriteTuples(ctx context.Context, tuples ...*openfgav1.TupleKey) error {
	for len(tuples) > 0 {
		n := min(len(tuples), maxWrite)
		_, err := s.Client.Write(ctx, &openfgav1.WriteRequest{
			StoreId: s.StoreID, AuthorizationModelId: s.ModelID,
			Writes: &openfgav1.WriteRequestWrites{TupleKeys: tuples[:n]},
		})
		if err != nil {
			return err
		}
		tuples = tuples[n:]
	}

	return nil
}
