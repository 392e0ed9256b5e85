package cerbos

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authzen"
	"github.com/usher-auth/usher/authz/authztest"
)

// single asks one evaluation in a request: Cerbos's evaluations must each have a
// context.
func single(c *authzen.Config) { c.SingleOnly = true }

func TestAttributes(t *testing.T) {
	authztest.AttributeSuite{
		New: func(tb testing.TB, tuples ...authztest.Tuple) authz.AttributeEngine {
			tb.Helper()

			return start(tb, policies(tb, tuples...), single)
		},
		Limit:   10,
		Ignores: authztest.AttributeIgnores{Context: true, ActionProperties: true},
	}.Run(t)
}

func TestPermissions(t *testing.T) {
	authztest.PermissionSuite{
		New: func(tb testing.TB, grants ...authztest.Permission) authz.PermissionEngine {
			tb.Helper()
			tuples := make([]authztest.Tuple, len(grants))
			for i, grant := range grants {
				if grant.On == "" {
					grant.On = "platform:main"
				}
				tuples[i] = authztest.MustTuples(grant.On + "#" + grant.Name + "@" + grant.Subject)[0]
			}

			return start(tb, policies(tb, tuples...), single, func(c *authzen.Config) {
				c.PermissionResource = authz.Object{Type: "platform", ID: "main"}
			})
		},
		Limit: 10,
	}.Run(t)
}

// Cerbos answers all evaluations of a request that are of one subject id with the type
// and the properties of the first one, and those of one resource likewise. Through the
// engine, each query gets its own answer.
func TestEvaluationsInOneRequest(t *testing.T) {
	engine := start(t, policies(t, authztest.MustTuples("document:1#view@user:alice[by_subject]")...))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ask := func(kind, id, department string) authz.Query {
		return authz.Query{
			Kind: authz.QueryAttributes, Object: authz.Object{Type: "document", ID: "1"}, Relation: "view",
			Subject:    authz.Subject{Type: kind, ID: id},
			Properties: &authz.Properties{Subject: map[string]any{"department": department}},
			Context:    map[string]any{"network": "office"},
		}
	}
	queries := []authz.Query{
		ask("user", "alice", "engineering"), ask("user", "alice", "sales"), ask("service", "alice", "engineering"),
		ask("user", "bob", "engineering"), ask("user", "alice", "engineering"),
	}
	for range 2 {
		result, err := engine.EvaluateAttributes(ctx, authz.Batch{Queries: queries})
		if err != nil {
			t.Fatal(err)
		}
		for i, answer := range result.Answers {
			q := queries[i]
			want := q.Subject == authz.Subject{Type: "user", ID: "alice"} && q.Properties.Subject["department"] == "engineering"
			if answer.Err != nil || (answer.Effect == authz.EffectAllowed) != want {
				t.Errorf("row 68: %s with %v is %v (%v)", q, q.Properties.Subject, answer.Effect, answer.Err)
			}
		}
		// And in the other order, in which the first one is denied.
		queries[0], queries[2] = queries[2], queries[0]
	}

	t.Run("without a context are refused, not denied", func(t *testing.T) {
		for i := range queries {
			queries[i].Context = nil
		}
		_, err := engine.EvaluateAttributes(ctx, authz.Batch{Queries: queries})
		var fault *authz.EngineError
		if !errors.As(err, &fault) || fault.Kind != authz.EngineMisconfigured {
			t.Errorf("err = %v", err)
		}
	})
}
