package authztest

import (
	"testing"

	"github.com/usher-auth/usher/authz"
)

// PermissionSuite is what every [authz.PermissionEngine] must pass; see
// [PermissionSuite.Run].
type PermissionSuite struct {
	// New returns the adapter over a server that has the grants and no others. It is
	// called for each case. Subjects are of the types user and service, and objects of
	// the type document. Required.
	New func(tb testing.TB, grants ...Permission) authz.PermissionEngine
	// Hanging returns the adapter over a server that takes requests and never answers.
	// Optional: without it cancellation is tested before a request only.
	Hanging func(tb testing.TB) authz.PermissionEngine
	// Limit is the server's own batch limit, around which batches are sized. Optional.
	// Default 50.
	Limit int
	// Lacks names what the engine's protocol can't express.
	Lacks PermissionLacks
}

// PermissionLacks names what an engine can't express. A query that needs it must be
// refused as EngineMisconfigured, by ValidateQuery, too, if the engine has it.
type PermissionLacks struct {
	// Objects is set if a permission can't be limited to an object.
	Objects bool
	// NoObject is set if a permission must be limited to an object.
	NoObject bool
}

// Run runs every case as a subtest of at most 30 s.
func (s PermissionSuite) Run(t *testing.T) {
	t.Helper()
	if s.New == nil {
		t.Fatal("authztest: PermissionSuite.New is required")
	}
	common := kindSuite{
		kind: authz.QueryPermission, limit: s.Limit, noObject: s.Lacks.Objects,
		open: func(tb testing.TB, tuples ...Tuple) (asker, any) {
			tb.Helper()
			grants := make([]Permission, len(tuples))
			for i, tuple := range tuples {
				grants[i] = Permission{Subject: tuple.Subject.String(), Name: tuple.Relation}
				if tuple.Object != (authz.Object{}) {
					grants[i].On = tuple.Object.String()
				}
			}
			engine := s.New(tb, grants...)
			if isNil(engine) {
				return nil, nil
			}

			return engine.CheckPermissions, engine
		},
	}
	if s.Hanging != nil {
		common.hanging = func(tb testing.TB) asker { tb.Helper(); return s.Hanging(tb).CheckPermissions }
	}
	common.run(t, kindCases(), permissionCases(s.Lacks))
}

func permissionCases(lacks PermissionLacks) []kindCase {
	const name = "documents.edit"
	global := Tuple{Relation: name, Subject: authz.Subject{Type: "user", ID: "alice"}}
	limited := global
	limited.Object = authz.Object{Type: "document", ID: "1"}
	ask := func(tuple Tuple, subject string) authz.Query {
		return authz.Query{Kind: authz.QueryPermission, Object: tuple.Object, Relation: tuple.Relation, Subject: authz.Subject{Type: "user", ID: subject}}
	}

	return []kindCase{
		{"on no object", func(t *testing.T, f *kindFixture) {
			f.noObject = false
			f.allow(t, global)
			if lacks.NoObject {
				f.misconfigured(t, ask(global, "alice"))

				return
			}
			other := ask(global, "alice")
			other.Relation = "documents.delete"
			f.expect(t, []bool{true, false, false}, ask(global, "alice"), ask(global, "bob"), other)
		}},
		{"on an object", func(t *testing.T, f *kindFixture) {
			f.noObject = false
			f.allow(t, limited)
			if lacks.Objects {
				f.misconfigured(t, ask(limited, "alice"))

				return
			}
			elsewhere := ask(limited, "alice")
			elsewhere.Object.ID = "2"
			f.expect(t, []bool{true, false, false}, ask(limited, "alice"), ask(limited, "bob"), elsewhere)
			if !lacks.NoObject {
				f.expect(t, []bool{false}, ask(global, "alice"))
			}
		}},
	}
}
