package authz

import (
	"context"
	"slices"
	"testing"
	"time"

	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// What the cache knows may decide one part of a rule: then its other objects aren't
// asked about, and aren't told among the decision's checks.
func TestWhatTheCacheDecidesIsNotAskedFurther(t *testing.T) {
	var asked []string
	engine := EngineFunc(func(_ context.Context, batch Batch) (Result, error) {
		result := Result{Answers: make([]Answer, len(batch.Queries))}
		for i, query := range batch.Queries {
			asked = append(asked, query.Object.String())
			if result.Answers[i].Effect = EffectDenied; query.Object.ID == "good" {
				result.Answers[i].Effect = EffectAllowed
			}
		}

		return result, nil
	})
	authorizer, err := New(Config{
		Engine: engine, Subjects: Subjects{User: "user:{$sub}"}, Issuers: Issuers{"i"}, Cache: CacheConfig{Size: 100, TTL: time.Hour},
	})
	if err != nil {
		t.Fatal(err)
	}
	documents := &authzv1.Check{Object: "document:{texts[]}", Relation: "viewer"}
	folder := &authzv1.Check{Object: "folder:good", Relation: "viewer"}
	alone := &authzv1.Rule{Policy: &authzv1.Rule_Check{Check: documents}}
	either := &authzv1.Rule{Policy: &authzv1.Rule_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: []*authzv1.Condition{
		{Condition: &authzv1.Condition_Check{Check: documents}}, {Condition: &authzv1.Condition_Check{Check: folder}},
	}}}}
	for _, step := range []struct {
		name    string
		rule    *authzv1.Rule
		objects []string
		asked   []string
		checks  int
		allowed bool
	}{
		{"nothing is known", alone, []string{"bad"}, []string{"document:bad"}, 1, false},
		{"a denial is known", alone, []string{"new", "bad"}, nil, 1, false},
		{"a denial is known beside another part", either, []string{"new", "bad"}, []string{"folder:good"}, 2, true},
		{"a grant is known beside another part", either, []string{"new"}, nil, 1, true},
	} {
		t.Run(step.name, func(t *testing.T) {
			asked = nil
			method := authorizer.compileMethod(kindsMethod(t), &site{}, step.rule, nil)
			if err := method.Err(); err != nil {
				t.Fatal(err)
			}
			decision, err := method.Authorize(t.Context(), &Call{
				Principal: propertyCaller{}, Message: &docsv1.Kinds{Texts: step.objects}, Explain: true,
			})
			if (err == nil) != step.allowed || decision.Allowed() != step.allowed {
				t.Errorf("got %v, %v", decision, err)
			}
			if !slices.Equal(asked, step.asked) {
				t.Errorf("asked about %v, not %v", asked, step.asked)
			}
			if got := len(decision.Checks()); got != step.checks {
				t.Errorf("%d checks in %v, not %d", got, decision, step.checks)
			}
		})
	}
}
