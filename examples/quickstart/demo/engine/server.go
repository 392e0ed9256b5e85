// Package engine is a real Zanzibar engine on a loopback port: OpenFGA with its
// memory store, the document-sharing model of model.fga, and a company's worth
// of relationships.
//
//	server, err := engine.Start(ctx)
//	defer server.Close()
//	adapter, err := openfga.New(openfga.Config{Client: server.Client(), StoreID: server.StoreID(), ModelID: server.ModelID()})
package engine

import (
	"context"
	_ "embed" // for the model
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"github.com/openfga/language/pkg/go/transformer"
	"github.com/openfga/openfga/pkg/server"
	"github.com/openfga/openfga/pkg/storage/memory"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/usher-auth/usher/examples/quickstart/demo/internal/outage"
)

//go:embed model.fga
var model string

// writeLimit is how many tuples OpenFGA takes in one Write.
const writeLimit = 100

// reconnect bounds how long the engine is still taken for down after it has come
// back; gRPC's own default lets that grow to two minutes.
var reconnect = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 500 * time.Millisecond},
	MinConnectTimeout: time.Second,
}

// Server is a running engine. Safe for concurrent use.
type Server struct {
	fga      *server.Server
	grpc     *grpc.Server
	listener *outage.Listener
	served   chan error

	authzen         *http.Server
	authzenListener *outage.Listener
	authzenServed   chan error

	conn    *grpc.ClientConn
	client  openfgav1.OpenFGAServiceClient
	storeID string
	modelID string
	tuples  int
}

// Start starts an engine and loads the model, People and Company.
func Start(ctx context.Context) (*Server, error) {
	fga, err := server.NewServerWithOpts(server.WithDatastore(memory.New()), server.WithExperimentals("authzen"))
	if err != nil {
		return nil, fmt.Errorf("engine: start OpenFGA: %w", err)
	}
	listener, err := outage.Listen("")
	if err != nil {
		fga.Close()
		return nil, err
	}
	s := &Server{fga: fga, grpc: grpc.NewServer(), listener: listener, served: make(chan error, 1), authzenServed: make(chan error, 1)}
	openfgav1.RegisterOpenFGAServiceServer(s.grpc, fga)
	go func() { s.served <- s.grpc.Serve(listener) }()
	if err := errors.Join(s.serveAuthZEN(), s.load(ctx)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) load(ctx context.Context) error {
	var err error
	s.conn, err = grpc.NewClient(s.Addr(),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithConnectParams(reconnect))
	if err != nil {
		return err
	}
	s.client = openfgav1.NewOpenFGAServiceClient(s.conn)
	store, err := s.client.CreateStore(ctx, &openfgav1.CreateStoreRequest{Name: "quickstart"})
	if err != nil {
		return fmt.Errorf("engine: create the store: %w", err)
	}
	s.storeID = store.GetId()
	parsed, err := transformer.TransformDSLToProto(model)
	if err != nil {
		return fmt.Errorf("engine: parse model.fga: %w", err)
	}
	written, err := s.client.WriteAuthorizationModel(ctx, &openfgav1.WriteAuthorizationModelRequest{
		StoreId:         s.storeID,
		SchemaVersion:   parsed.GetSchemaVersion(),
		TypeDefinitions: parsed.GetTypeDefinitions(),
		Conditions:      parsed.GetConditions(),
	})
	if err != nil {
		return fmt.Errorf("engine: write the model: %w", err)
	}
	s.modelID = written.GetAuthorizationModelId()
	all := slices.Concat(People, Company())
	s.tuples = len(all) + len(Publishers)
	return errors.Join(s.Write(ctx, all...), s.writeConditional(ctx, Publishers))
}

// Addr is the address of OpenFGA's gRPC API.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Client is a connection to it, closed with the server.
func (s *Server) Client() openfgav1.OpenFGAServiceClient { return s.client }

// StoreID names the store that has the model.
func (s *Server) StoreID() string { return s.storeID }

// ModelID names the model.
func (s *Server) ModelID() string { return s.modelID }

// Tuples is how many relationships were loaded at start.
func (s *Server) Tuples() int { return s.tuples }

// Write adds relationships.
func (s *Server) Write(ctx context.Context, tuples ...Tuple) error {
	for chunk := range slices.Chunk(tuples, writeLimit) {
		keys := make([]*openfgav1.TupleKey, 0, len(chunk))
		for _, t := range chunk {
			keys = append(keys, &openfgav1.TupleKey{User: t.User, Relation: t.Relation, Object: t.Object})
		}
		if _, err := s.client.Write(ctx, &openfgav1.WriteRequest{
			StoreId: s.storeID, Writes: &openfgav1.WriteRequestWrites{TupleKeys: keys},
		}); err != nil {
			return fmt.Errorf("engine: write relationships: %w", err)
		}
	}
	return nil
}

// writeConditional adds relationships with their conditions.
func (s *Server) writeConditional(ctx context.Context, tuples []Conditional) error {
	keys := make([]*openfgav1.TupleKey, 0, len(tuples))
	for _, t := range tuples {
		keys = append(keys, &openfgav1.TupleKey{
			User: t.User, Relation: t.Relation, Object: t.Object, Condition: &openfgav1.RelationshipCondition{Name: t.Condition},
		})
	}
	_, err := s.client.Write(ctx, &openfgav1.WriteRequest{StoreId: s.storeID, Writes: &openfgav1.WriteRequestWrites{TupleKeys: keys}})
	return err
}

// Delete removes relationships.
func (s *Server) Delete(ctx context.Context, tuples ...Tuple) error {
	for chunk := range slices.Chunk(tuples, writeLimit) {
		keys := make([]*openfgav1.TupleKeyWithoutCondition, 0, len(chunk))
		for _, t := range chunk {
			keys = append(keys, &openfgav1.TupleKeyWithoutCondition{User: t.User, Relation: t.Relation, Object: t.Object})
		}
		if _, err := s.client.Write(ctx, &openfgav1.WriteRequest{
			StoreId: s.storeID, Deletes: &openfgav1.WriteRequestDeletes{TupleKeys: keys},
		}); err != nil {
			return fmt.Errorf("engine: delete relationships: %w", err)
		}
	}
	return nil
}

// Down takes the engine off the network until Up.
func (s *Server) Down() {
	s.listener.Down()
	s.authzenListener.Down()
}

// Up puts it back.
func (s *Server) Up() {
	s.listener.Up()
	s.authzenListener.Up()
}

// Close stops the engine. Call it once.
func (s *Server) Close() error {
	var err error
	if s.conn != nil {
		err = s.conn.Close()
	}
	if s.authzen != nil {
		err = errors.Join(err, s.authzen.Close())
		if served := <-s.authzenServed; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
	}
	s.grpc.Stop()
	err = errors.Join(err, <-s.served)
	s.fga.Close()
	return err
}
