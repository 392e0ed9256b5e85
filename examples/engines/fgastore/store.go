// Package fgastore is an OpenFGA in this process that has the documents' model and
// relationships.
package fgastore

import (
	"context"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"github.com/openfga/language/pkg/go/transformer"
	"github.com/openfga/openfga/pkg/server"
	"github.com/openfga/openfga/pkg/storage/memory"

	"github.com/usher-auth/usher/examples/engines/documents"
)

// model is the quickstart's, in OpenFGA's language.
const model = `model
  schema 1.1
type user
type service
type team
  relations
    define member: [user, service, team#member]
type folder
  relations
    define parent: [folder]
    define owner: [user, service, team#member] or owner from parent
    define editor: [user, service, team#member] or owner or editor from parent
    define viewer: [user, service, team#member] or editor or viewer from parent
type document
  relations
    define parent: [folder]
    define owner: [user, service, team#member] or owner from parent
    define editor: [user, service, team#member] or owner or editor from parent
    define viewer: [user, service, team#member] or editor or viewer from parent
`

// Store is an OpenFGA in this process with the model and the relationships.
type Store struct {
	Server      *server.Server
	ID, ModelID string
}

// Start returns a new Store. The caller must close its Server.
func Start(ctx context.Context, opts ...server.OpenFGAServiceV1Option) (*Store, error) {
	fga, err := server.NewServerWithOpts(append(opts, server.WithDatastore(memory.New()))...)
	if err != nil {
		return nil, err
	}
	store, err := fga.CreateStore(ctx, &openfgav1.CreateStoreRequest{Name: "documents"})
	if err != nil {
		return nil, err
	}
	parsed, err := transformer.TransformDSLToProto(model)
	if err != nil {
		return nil, err
	}
	written, err := fga.WriteAuthorizationModel(ctx, &openfgav1.WriteAuthorizationModelRequest{
		StoreId: store.GetId(), SchemaVersion: parsed.GetSchemaVersion(), TypeDefinitions: parsed.GetTypeDefinitions(),
	})
	if err != nil {
		return nil, err
	}
	tuples := make([]*openfgav1.TupleKey, len(documents.Relationships))
	for i, r := range documents.Relationships {
		tuples[i] = &openfgav1.TupleKey{Object: r.Object.String(), Relation: r.Relation, User: r.Subject.String()}
	}
	_, err = fga.Write(ctx, &openfgav1.WriteRequest{
		StoreId: store.GetId(), AuthorizationModelId: written.GetAuthorizationModelId(),
		Writes: &openfgav1.WriteRequestWrites{TupleKeys: tuples},
	})

	return &Store{Server: fga, ID: store.GetId(), ModelID: written.GetAuthorizationModelId()}, err
}
