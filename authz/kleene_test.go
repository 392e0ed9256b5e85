package authz_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// judge is an engine that answers by the object's name, and counts the queries.
type judge struct{ queries int }

func (j *judge) Check(_ context.Context, batch authz.Batch) (authz.Result, error) {
	j.queries += len(batch.Queries)
	failed := func(kind authz.EngineErrorKind) authz.Answer {
		return authz.Answer{Err: &authz.EngineError{Kind: kind, Err: errors.New("it failed")}}
	}
	result := authz.Result{Answers: make([]authz.Answer, len(batch.Queries))}
	for i, query := range batch.Queries {
		result.Answers[i] = map[string]authz.Answer{
			"yes": {Effect: authz.EffectAllowed}, "no": {Effect: authz.EffectDenied}, "nay": {Effect: authz.EffectDenied},
			"bad": failed(authz.EngineBadRequest), "subject": failed(authz.EngineBadSubject), "revision": failed(authz.EngineBadRevision),
			"broken": failed(authz.EngineMisconfigured), "down": failed(authz.EngineUnavailable),
		}[query.Object.ID]
	}

	return result, nil
}

func (*judge) SupportsConsistency(authz.Mode) bool { return true }

// cond parses "all(yes unset any(down held))": engine objects, "unset" for a check of
// an unset field, "held" and "lacked" for scopes, "equal" and "unequal" for matches.
func cond(tb testing.TB, text string) *authzv1.Condition {
	tb.Helper()
	if name, inner, group := strings.Cut(text, "("); group {
		var parts []*authzv1.Condition
		depth, from := 0, 0
		inner = strings.TrimSuffix(inner, ")")
		for i, c := range inner + " " {
			switch {
			case c == '(':
				depth++
			case c == ')':
				depth--
			case c == ' ' && depth == 0:
				parts = append(parts, cond(tb, inner[from:i]))
				from = i + 1
			}
		}
		if name == "all" {
			return &authzv1.Condition{Condition: &authzv1.Condition_AllOf{AllOf: &authzv1.AllOf{Conditions: parts}}}
		}

		return &authzv1.Condition{Condition: &authzv1.Condition_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: parts}}}
	}
	switch text {
	case "held", "lacked":
		scope := map[string]string{"held": "documents", "lacked": "other"}[text]

		return &authzv1.Condition{Condition: &authzv1.Condition_HasScope{HasScope: &authzv1.HasScope{Scope: scope}}}
	case "equal", "unequal":
		right := map[string]string{"equal": "a", "unequal": "b"}[text]

		return &authzv1.Condition{Condition: &authzv1.Condition_Match{Match: &authzv1.Match{Left: "{text}", Right: right}}}
	case "unset":
		return &authzv1.Condition{Condition: &authzv1.Condition_Check{Check: &authzv1.Check{Object: "document:{first}", Relation: "viewer"}}}
	default:
		return &authzv1.Condition{Condition: &authzv1.Condition_Check{Check: &authzv1.Check{Object: "document:" + text, Relation: "viewer"}}}
	}
}

func ruleOf(tb testing.TB, text string) *authzv1.Rule {
	tb.Helper()
	switch policy := cond(tb, text).GetCondition().(type) {
	case *authzv1.Condition_AllOf:
		return &authzv1.Rule{Policy: &authzv1.Rule_AllOf{AllOf: policy.AllOf}}
	case *authzv1.Condition_AnyOf:
		return &authzv1.Rule{Policy: &authzv1.Rule_AnyOf{AnyOf: policy.AnyOf}}
	default:
		tb.Fatalf("%s is no group", text)

		return nil
	}
}

// Rows 57 and 61: an error that doesn't decide doesn't choose the status.
func TestErrorsThatDontDecideDontChooseTheStatus(t *testing.T) {
	const (
		denied      = authz.ReasonRelationDenied
		missing     = authz.ReasonObjectMissing
		unavailable = authz.ReasonEngineUnavailable
		broken      = authz.ReasonMisconfigured
		scope       = authz.ReasonInsufficientScope
	)
	for _, c := range []struct {
		rule    string
		want    authz.Reason
		queries int
	}{
		{"any(all(bad no) down)", unavailable, 3},
		{"any(down all(no bad))", unavailable, 3},
		{"any(all(unset no) down)", unavailable, 1},
		{"any(all(unset lacked) down)", unavailable, 1},
		{"any(held unset)", "", 0},
		{"any(unset held)", "", 0},
		{"any(unset yes)", "", 1},
		{"any(unset no)", missing, 1},
		{"any(unset down)", unavailable, 1},
		{"any(unset lacked)", missing, 0},
		{"any(bad down)", unavailable, 2},
		{"any(bad no)", missing, 2},
		{"any(broken down)", unavailable, 2},
		{"any(bad broken)", broken, 2},
		{"any(bad yes down)", "", 3},
		{"all(unset yes)", missing, 0},
		{"all(yes unset)", missing, 0},
		{"all(unset lacked)", scope, 0},
		{"all(unset unequal)", denied, 0},
		{"all(bad no)", denied, 2},
		{"all(no down)", denied, 2},
		{"all(bad down)", missing, 2},
		{"all(down bad)", missing, 2},
		{"all(broken down)", broken, 2},
		{"all(subject down)", authz.ReasonSubjectInvalid, 2},
		{"all(revision down)", authz.ReasonRevisionInvalid, 2},
		{"all(any(unset no) nay)", denied, 2},
		{"all(any(unset no) yes)", missing, 2},
		{"all(any(unset held) yes)", "", 1},
		{"any(all(unset yes) all(yes yes))", "", 1},
		{"any(all(held any(unset lacked)) no)", missing, 1},
		// Neither does a denial that doesn't decide choose the reason.
		{"all(any(unequal held) lacked)", scope, 0},
		{"all(any(lacked held) no)", denied, 1},
		{"any(all(held no) lacked)", denied, 1},
	} {
		for _, warm := range []bool{false, true} {
			t.Run("row 57 "+c.rule+map[bool]string{true: " again"}[warm], func(t *testing.T) {
				engine := &judge{}
				config := authz.Config{
					Engine: engine, Resolver: ruled(t, nil, map[string]*authzv1.Rule{"M": ruleOf(t, c.rule)}),
					Breaker: authz.BreakerConfig{Disabled: true},
				}
				if warm {
					config.Cache = authz.CacheConfig{Size: 100, TTL: 1e12}
				}
				authorizer := newAuthorizer(t, config)
				_, err := authorizer.Authorize(t.Context(), "/t.S/M", user("alice"), &docsv1.Kinds{Text: "a"})
				if reasonOf(err) != c.want || !warm && engine.queries != c.queries {
					t.Errorf("got %v after %d queries, want %q after %d", err, engine.queries, c.want, c.queries)
				}
				if !warm {
					return
				}
				// What the cache knows doesn't change the status.
				if _, err = authorizer.Authorize(t.Context(), "/t.S/M", user("alice"), &docsv1.Kinds{Text: "a"}); reasonOf(err) != c.want {
					t.Errorf("from the cache: got %v, want %q", err, c.want)
				}
			})
		}
	}
}

// The field at fault is the one of the condition that decides.
func TestFieldOfTheErrorThatDecides(t *testing.T) {
	rule := ruleOf(t, "any(all(unset lacked) all(held unset))")
	rule.GetAnyOf().GetConditions()[1].GetAllOf().GetConditions()[1].GetCheck().Object = "document:{nested.item.id}"
	_, err := one(t, &judge{}, "M", rule).Authorize(t.Context(), &authz.Call{Principal: user("alice"), Message: &docsv1.Kinds{}})
	var refused *authz.Error
	if !errors.As(err, &refused) || refused.Field != "nested.item.id" {
		t.Errorf("got %v", err)
	}
}

// A revision that can't be one matters where the engine is asked.
func TestRevisionThatDoesntDecide(t *testing.T) {
	for rule, want := range map[string]authz.Reason{
		"any(held yes)": "", "all(lacked yes)": authz.ReasonInsufficientScope, "any(lacked yes)": authz.ReasonRevisionInvalid, "all(unset yes)": authz.ReasonObjectMissing,
	} {
		t.Run(rule, func(t *testing.T) {
			r := ruleOf(t, rule)
			r.Consistency = &authzv1.Consistency{Mode: authzv1.Mode_MODE_AT_LEAST_AS_FRESH, Revision: "{$metadata.x-rev}"}
			engine := &judge{}
			_, err := one(t, engine, "M", r).Authorize(t.Context(), &authz.Call{
				Principal: user("alice"), Message: &docsv1.Kinds{}, Metadata: func(string) string { return "a b" },
			})
			if reasonOf(err) != want || engine.queries > 0 {
				t.Errorf("got %v after %d queries, want %q", err, engine.queries, want)
			}
		})
	}
}

// Row 58: the cap on objects is the call's, whatever its other conditions are.
func TestTooManyObjectsRefuseTheCall(t *testing.T) {
	rule := ruleOf(t, "any(held unset)")
	rule.GetAnyOf().GetConditions()[1].GetCheck().Object = "document:{texts[]}"
	engine := &judge{}
	method := newAuthorizer(t, authz.Config{Engine: engine, MaxObjects: 2, Resolver: ruled(t, nil, map[string]*authzv1.Rule{"M": rule})}).Method("/t.S/M")
	for objects, want := range map[int]authz.Reason{2: "", 3: authz.ReasonObjectMissing} {
		_, err := method.Authorize(t.Context(), &authz.Call{Principal: user("alice"), Message: &docsv1.Kinds{Texts: make([]string, objects)}})
		if reasonOf(err) != want || engine.queries > 0 {
			t.Errorf("%d objects: %v after %d queries", objects, err, engine.queries)
		}
	}
}
