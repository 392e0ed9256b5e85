package openfga_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/e2e/engines/openfgaserver"
)

const model = `model
  schema 1.1
type user
type team
  relations
    define member: [user, team#member]
type document
  relations
    define owner: [user]
    define blocked: [user]
    define viewer: [user, team#member, user with in_office] or owner
    define reader: viewer but not blocked
    define timed: [user with until]
condition in_office(ip: ipaddress, network: string) {
  ip.in_cidr(network)
}
condition until(now: timestamp, end: timestamp, level: int) {
  now < end && level > 9007199254740992
}
`

func start(t *testing.T) (*openfgaserver.Server, *openfga.Engine) {
	t.Helper()
	s := openfgaserver.Start(t, model)
	s.Write(t,
		&openfgav1.TupleKey{Object: "document:1", Relation: "owner", User: "user:ann"},
		&openfgav1.TupleKey{Object: "document:1", Relation: "viewer", User: "team:eng#member"},
		&openfgav1.TupleKey{Object: "team:eng", Relation: "member", User: "user:bob"},
		&openfgav1.TupleKey{Object: "document:1", Relation: "blocked", User: "user:bob"},
		&openfgav1.TupleKey{Object: "document:2", Relation: "viewer", User: "user:cat", Condition: &openfgav1.RelationshipCondition{Name: "in_office"}},
		&openfgav1.TupleKey{Object: "document:2", Relation: "timed", User: "user:cat", Condition: &openfgav1.RelationshipCondition{Name: "until"}},
	)
	engine, err := openfga.New(openfga.Config{Client: s.Client, StoreID: s.StoreID})
	if err != nil {
		t.Fatal(err)
	}

	return s, engine
}

func query(object, relation, user string) authz.Query {
	return authz.Query{Object: authz.Object{Type: "document", ID: object}, Relation: relation, Subject: authz.Subject{Type: "user", ID: user}}
}

func with(q authz.Query, context map[string]any) authz.Query {
	q.Context = context

	return q
}

func check(t *testing.T, e authz.Engine, mode authz.Mode, queries ...authz.Query) []authz.Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	result, err := e.Check(ctx, authz.Batch{Queries: queries, Consistency: authz.Consistency{Mode: mode}})
	if err != nil {
		t.Fatalf("Check: %v", err)
	}
	if len(result.Answers) != len(queries) {
		t.Fatalf("%d answers to %d queries", len(result.Answers), len(queries))
	}

	return result.Answers
}

// TestDecisions asks a real OpenFGA each query alone and all in one batch.
func TestDecisions(t *testing.T) {
	s, _ := start(t)
	pinned, err := openfga.New(openfga.Config{Client: s.Client, StoreID: s.StoreID, ModelID: s.ModelID})
	if err != nil {
		t.Fatal(err)
	}
	office := map[string]any{"ip": "10.0.0.7", "network": "10.0.0.0/8"}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	cases := []struct {
		name    string
		query   authz.Query
		effect  authz.Effect
		missing []string
		kind    authz.EngineErrorKind
		failed  bool
	}{
		{name: "a direct tuple allows", query: query("1", "owner", "ann"), effect: authz.EffectAllowed},
		{name: "a computed relation allows", query: query("1", "viewer", "ann"), effect: authz.EffectAllowed},
		{name: "a group's member is allowed", query: query("1", "viewer", "bob"), effect: authz.EffectAllowed},
		{name: "an exclusion denies", query: query("1", "reader", "bob"), effect: authz.EffectDenied},
		{name: "a stranger is denied", query: query("1", "viewer", "dan"), effect: authz.EffectDenied},
		{name: "an object that nobody wrote is denied", query: query("9", "viewer", "ann"), effect: authz.EffectDenied},
		{name: "row 60: a condition without its context is conditional and names it", query: query("2", "viewer", "cat"), effect: authz.EffectConditional, missing: []string{"ip", "network"}},
		{name: "row 60: half the context names the other half", query: with(query("2", "viewer", "cat"), map[string]any{"ip": "10.0.0.7"}), effect: authz.EffectConditional, missing: []string{"network"}},
		{name: "a condition that holds allows", query: with(query("2", "viewer", "cat"), office), effect: authz.EffectAllowed},
		{name: "a condition that doesn't hold denies", query: with(query("2", "viewer", "cat"), map[string]any{"ip": "192.0.2.1", "network": "10.0.0.0/8"}), effect: authz.EffectDenied},
		{name: "an integer beyond 2^53 keeps its digits", query: with(query("2", "timed", "cat"), map[string]any{"now": now, "end": now.Add(time.Hour), "level": int64(9007199254740993)}), effect: authz.EffectAllowed},
		{name: "context of the wrong type is the operator's", query: with(query("2", "viewer", "cat"), map[string]any{"ip": "not an address", "network": "10.0.0.0/8"}), failed: true, kind: authz.EngineMisconfigured},
		{name: "row 62: an unknown relation is the operator's", query: query("1", "viwer", "ann"), failed: true, kind: authz.EngineMisconfigured},
		{name: "row 62: an unknown type is the operator's", query: authz.Query{Object: authz.Object{Type: "file", ID: "1"}, Relation: "viewer", Subject: authz.Subject{Type: "user", ID: "ann"}}, failed: true, kind: authz.EngineMisconfigured},
		{name: "row 55: a wildcard subject is refused", query: query("1", "viewer", "*"), failed: true, kind: authz.EngineBadSubject},
		{name: "row 55: an object with a colon is refused", query: query("1:2", "viewer", "ann"), failed: true, kind: authz.EngineBadRequest},
	}
	judge := func(t *testing.T, i int, answer authz.Answer) {
		t.Helper()
		c := cases[i]
		var fault *authz.EngineError
		switch {
		case c.failed != (answer.Err != nil):
			t.Errorf("err = %v", answer.Err)
		case c.failed && (!errors.As(answer.Err, &fault) || fault.Kind != c.kind):
			t.Errorf("err = %v, want kind %v", answer.Err, c.kind)
		case c.failed && answer.Effect != authz.EffectUnknown:
			t.Errorf("effect %v with an error", answer.Effect)
		case !c.failed && answer.Effect != c.effect:
			t.Errorf("effect = %v, want %v", answer.Effect, c.effect)
		case !reflect.DeepEqual(answer.Missing, c.missing):
			t.Errorf("missing = %q, want %q", answer.Missing, c.missing)
		}
	}
	for _, mode := range []authz.Mode{authz.ModeMinimizeLatency, authz.ModeAtLeastAsFresh, authz.ModeFullyConsistent} {
		var all []authz.Query
		for i, c := range cases {
			all = append(all, c.query)
			t.Run(fmt.Sprintf("%v/%s", mode, c.name), func(t *testing.T) {
				judge(t, i, check(t, pinned, mode, c.query)[0])
			})
		}
		t.Run(fmt.Sprintf("%v/all in a batch", mode), func(t *testing.T) {
			for i, answer := range check(t, pinned, mode, all...) {
				t.Run(cases[i].name, func(t *testing.T) { judge(t, i, answer) })
			}
		})
	}
}

// TestNewestModelIsPinned shows that a model written later doesn't change a
// running engine.
func TestNewestModelIsPinned(t *testing.T) {
	s, engine := start(t)
	if got := check(t, engine, authz.ModeMinimizeLatency, query("1", "owner", "ann"))[0]; got.Effect != authz.EffectAllowed {
		t.Fatalf("answer = %+v", got)
	}
	s.WriteModel(t, "model\n  schema 1.1\ntype user\ntype document\n  relations\n    define editor: [user]\n")
	if got := check(t, engine, authz.ModeMinimizeLatency, query("1", "owner", "ann"))[0]; got.Effect != authz.EffectAllowed {
		t.Errorf("after another model: %+v", got)
	}
	later, err := openfga.New(openfga.Config{Client: s.Client, StoreID: s.StoreID})
	if err != nil {
		t.Fatal(err)
	}
	if got := check(t, later, authz.ModeMinimizeLatency, query("1", "owner", "ann"))[0]; got.Err == nil {
		t.Errorf("a new engine uses the old model: %+v", got)
	}
}
