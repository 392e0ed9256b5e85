package spicedbserver

import (
	"context"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
)

// SuiteSchema is [authztest.SuiteModel] in SpiceDB's language.
const SuiteSchema = `
caveat on_network(trusted bool) {
	trusted
}

definition user {}
definition service {}

definition team {
	relation member: user | service | team#member
}

definition folder {
	relation parent: folder
	relation owner: user | service | team#member
	relation editor: user | service | team#member
	relation viewer: user | service | team#member
	permission edit = owner + editor + parent->edit
	permission view = viewer + edit + parent->view
}

definition document {
	relation parent: folder
	relation owner: user | service | team#member
	relation editor: user | service | team#member
	relation viewer: user | service | team#member
	relation banned: user
	relation guest: user with on_network
	permission edit = owner + editor + parent->edit
	permission view = viewer + edit + parent->view
	permission read = view - banned
	permission visit = guest
}
`

// Writer writes [authztest.Tuple]s into a server.
type Writer struct{ Server *Server }

var _ authztest.Writer = Writer{}

// Write adds tuples.
func (w Writer) Write(ctx context.Context, tuples ...authztest.Tuple) (authz.Revision, error) {
	token, err := w.Server.Write(ctx, relationships(tuples)...)

	return authz.Revision(token), err
}

// Delete removes tuples.
func (w Writer) Delete(ctx context.Context, tuples ...authztest.Tuple) (authz.Revision, error) {
	token, err := w.Server.Delete(ctx, relationships(tuples)...)

	return authz.Revision(token), err
}

func relationships(tuples []authztest.Tuple) []*v1.Relationship {
	out := make([]*v1.Relationship, len(tuples))
	for i, t := range tuples {
		out[i] = &v1.Relationship{
			Resource: &v1.ObjectReference{ObjectType: t.Object.Type, ObjectId: t.Object.ID},
			Relation: t.Relation,
			Subject: &v1.SubjectReference{
				Object:           &v1.ObjectReference{ObjectType: t.Subject.Type, ObjectId: t.Subject.ID},
				OptionalRelation: t.Subject.Relation,
			},
		}
		if t.Condition != "" {
			out[i].OptionalCaveat = &v1.ContextualizedCaveat{CaveatName: t.Condition}
		}
	}

	return out
}
