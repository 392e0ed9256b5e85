// Package explain shows how real engines explain their answers.
package explain

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/authz/spicedb"
	"github.com/usher-auth/usher/e2e/engines/openfgaserver"
	"github.com/usher-auth/usher/e2e/engines/spicedbserver"
)

// world is what all engines hold.
var world = authztest.MustTuples(
	"document:1#parent@folder:a", "folder:a#parent@folder:b", "folder:b#viewer@team:eng#member", "team:eng#member@user:ann",
	"team:eng#member@user:someone-else", "document:1#viewer@user:eve", "document:1#banned@user:eve", "document:1#guest@user:bob[on_network]",
)

func fatal(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func engines(t *testing.T) map[string]authz.Engine {
	t.Helper()
	ctx := deadline(t)
	fga := openfgaserver.Start(t, openfgaserver.SuiteModel)
	_, err := openfgaserver.Writer{Server: fga}.Write(ctx, world...)
	fatal(t, err)
	overFGA, err := openfga.New(openfga.Config{Client: fga.Client, StoreID: fga.StoreID, ModelID: fga.ModelID, Timeout: 20 * time.Second})
	fatal(t, err)
	spice := spicedbserver.Start(t, spicedbserver.SuiteSchema)
	_, err = spicedbserver.Writer{Server: spice}.Write(ctx, world...)
	fatal(t, err)
	overSpice, err := spicedb.New(spicedb.Config{Client: spice.Client, Timeout: 20 * time.Second})
	fatal(t, err)
	tuples := authztest.NewModelEngine(authztest.SuiteModel())
	_, err = tuples.Write(ctx, world...)
	fatal(t, err)

	return map[string]authz.Engine{"OpenFGA": overFGA, "SpiceDB": overSpice, "authztest": tuples}
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)

	return ctx
}

func text(step *authz.Trace, indent string) string {
	if step == nil {
		return ""
	}
	var lines strings.Builder
	lines.WriteString(indent + step.String() + "\n")
	for _, within := range step.Steps {
		lines.WriteString(text(within, indent+"  "))
	}

	return lines.String()
}

func query(tuple string, with map[string]any) authz.Query {
	parsed := authztest.MustTuples(tuple)[0]

	return authz.Query{Object: parsed.Object, Relation: parsed.Relation, Subject: parsed.Subject, Context: with}
}

func TestRealEnginesExplain(t *testing.T) {
	ctx := deadline(t)
	cases := map[string]struct {
		query  authz.Query
		effect authz.Effect
		steps  []string // of every engine's trace
	}{
		"a grant through two folders and a team": {
			query("document:1#view@user:ann", nil), authz.EffectAllowed,
			[]string{"document:1#view@user:ann allowed", "folder:b#viewer@user:ann allowed", "team:eng#member@user:ann allowed"},
		},
		"a denial": {
			query("document:1#edit@user:ann", nil), authz.EffectDenied,
			[]string{"document:1#edit@user:ann denied", "document:1#owner@user:ann denied"},
		},
		"an exclusion": {
			query("document:1#read@user:eve", nil), authz.EffectDenied,
			[]string{"document:1#read@user:eve denied", "document:1#banned@user:eve allowed"},
		},
		"a condition that holds": {
			query("document:1#visit@user:bob", map[string]any{"trusted": true}), authz.EffectAllowed,
			[]string{"document:1#visit@user:bob allowed", "document:1#guest@user:bob allowed"},
		},
		"a condition that doesn't hold": {
			query("document:1#visit@user:bob", map[string]any{"trusted": false}), authz.EffectDenied,
			[]string{"document:1#visit@user:bob denied", "document:1#guest@user:bob denied"},
		},
		"a condition without its context": {
			query("document:1#visit@user:bob", nil), authz.EffectConditional,
			[]string{"document:1#visit@user:bob conditional", "trusted"},
		},
	}
	for name, c := range cases {
		// SpiceDB shows nothing within what it has in its cache, so each case has its own.
		for engine, e := range engines(t) {
			t.Run(engine+": "+name, func(t *testing.T) {
				explanation, err := authz.Explain(ctx, e, c.query, authz.Consistency{Mode: authz.ModeFullyConsistent})
				if err != nil || explanation.Answer.Effect != c.effect {
					t.Fatalf("%+v, %v", explanation.Answer, err)
				}
				result, err := e.Check(ctx, authz.Batch{Queries: []authz.Query{c.query}, Consistency: authz.Consistency{Mode: authz.ModeFullyConsistent}})
				if err != nil || result.Answers[0].Effect != c.effect {
					t.Errorf("Check says %+v, %v", result, err)
				}
				got := text(explanation.Trace, "")
				for _, want := range c.steps {
					if !strings.Contains(got, want) {
						t.Errorf("no %q in\n%s", want, got)
					}
				}
				if strings.Contains(got, "someone-else") {
					t.Errorf("another subject is named:\n%s", got)
				}
			})
		}
	}
}

func TestRealEnginesDoNotExplainWhatTheModelLacks(t *testing.T) {
	ctx := deadline(t)
	for engine, e := range engines(t) {
		for name, q := range map[string]authz.Query{
			"a relation": query("document:1#nothing@user:ann", nil), "a type": query("nothing:1#view@user:ann", nil),
		} {
			t.Run(engine+": "+name, func(t *testing.T) {
				explanation, err := authz.Explain(ctx, e, q, authz.Consistency{})
				if err == nil {
					err = explanation.Answer.Err
				}
				var fault *authz.EngineError
				if !errors.As(err, &fault) || fault.Kind != authz.EngineMisconfigured || explanation.Trace != nil {
					t.Errorf("%+v, %v", explanation, err)
				}
			})
		}
	}
}
