package openfgaserver

import (
	"context"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
)

// SuiteModel is [authztest.SuiteModel] in OpenFGA's language.
const SuiteModel = `model
  schema 1.1

type user

type service

type team
  relations
    define member: [user, service, team#member]

type folder
  relations
    define parent: [folder]
    define owner: [user, service, team#member]
    define editor: [user, service, team#member]
    define viewer: [user, service, team#member]
    define edit: owner or editor or edit from parent
    define view: viewer or edit or view from parent

type document
  relations
    define parent: [folder]
    define owner: [user, service, team#member]
    define editor: [user, service, team#member]
    define viewer: [user, service, team#member]
    define banned: [user]
    define guest: [user with on_network]
    define edit: owner or editor or edit from parent
    define view: viewer or edit or view from parent
    define read: view but not banned
    define visit: guest

condition on_network(trusted: bool) {
  trusted
}
`

// Writer writes [authztest.Tuple]s into a server. OpenFGA has no revisions.
type Writer struct{ Server *Server }

var _ authztest.Writer = Writer{}

// Write adds tuples.
func (w Writer) Write(ctx context.Context, tuples ...authztest.Tuple) (authz.Revision, error) {
	keys := make([]*openfgav1.TupleKey, len(tuples))
	for i, t := range tuples {
		keys[i] = &openfgav1.TupleKey{Object: t.Object.String(), Relation: t.Relation, User: t.Subject.String()}
		if t.Condition != "" {
			keys[i].Condition = &openfgav1.RelationshipCondition{Name: t.Condition}
		}
	}

	return "", w.Server.WriteTuples(ctx, keys...)
}

// Delete removes tuples.
func (w Writer) Delete(ctx context.Context, tuples ...authztest.Tuple) (authz.Revision, error) {
	keys := make([]*openfgav1.TupleKeyWithoutCondition, len(tuples))
	for i, t := range tuples {
		keys[i] = &openfgav1.TupleKeyWithoutCondition{Object: t.Object.String(), Relation: t.Relation, User: t.Subject.String()}
	}
	_, err := w.Server.Client.Write(ctx, &openfgav1.WriteRequest{
		StoreId: w.Server.StoreID, AuthorizationModelId: w.Server.ModelID,
		Deletes: &openfgav1.WriteRequestDeletes{TupleKeys: keys},
	})

	return "", err
}
