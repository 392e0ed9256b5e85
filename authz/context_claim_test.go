package authz_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// shortOnly is an engine that allows a duration alone.
type shortOnly struct{ asked int }

func (e *shortOnly) Check(_ context.Context, batch authz.Batch) (authz.Result, error) {
	e.asked++
	answers := make([]authz.Answer, len(batch.Queries))
	for i, query := range batch.Queries {
		answers[i].Effect = authz.EffectDenied
		if _, ok := query.Context["age"].(time.Duration); ok {
			answers[i].Effect = authz.EffectAllowed
		}
	}

	return authz.Result{Answers: answers}, nil
}

// A cached grant for one context isn't the answer for another that JSON writes
// alike, which a principal of the user's own can have.
func TestContextsThatJSONWritesAlikeAreTwo(t *testing.T) {
	engine := &shortOnly{}
	authorizer := newAuthorizer(t, authz.Config{
		Engine: engine, Cache: authz.CacheConfig{Size: 10, TTL: time.Hour, DeniedTTL: time.Hour},
		Resolver: ruled(t, nil, map[string]*authzv1.Rule{"Get": {Policy: &authzv1.Rule_Check{Check: &authzv1.Check{
			Object: "document:1", Relation: "viewer", Context: []*authzv1.ContextValue{{Name: "age", Value: "{$claim.age}"}},
		}}}}),
	})
	with := func(age any) *caller {
		alice := user("alice")
		alice.claims = map[string]any{"age": age}

		return alice
	}
	for i, c := range []struct {
		age    any
		reason authz.Reason
		asked  int
	}{
		{90 * time.Second, "", 1},
		{90 * time.Second, "", 1},
		{json.Number("90000000000"), authz.ReasonRelationDenied, 2},
		{json.Number("90000000000"), authz.ReasonRelationDenied, 2},
		{int64(90e9), authz.ReasonRelationDenied, 3},
		{[]byte("90000000000"), authz.ReasonSubjectInvalid, 3},
	} {
		decision, _ := authorizer.Authorize(t.Context(), "/t.S/Get", with(c.age), nil)
		if decision.Reason() != c.reason || engine.asked != c.asked {
			t.Errorf("%d, %T: %q after %d requests, want %q after %d", i, c.age, decision.Reason(), engine.asked, c.reason, c.asked)
		}
	}
}
