package authz_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// A kind of callers has a fault exactly if the rule denies it where every tuple is written
// that the schema allows, and every condition that asks no engine holds.
func TestAKindIsAtFaultExactlyIfNoTuplesLetItPass(t *testing.T) {
	s := model(t)
	engine := authz.EngineFunc(func(_ context.Context, batch authz.Batch) (authz.Result, error) {
		answers := make([]authz.Answer, len(batch.Queries))
		for i, q := range batch.Queries {
			answers[i].Effect = authz.EffectDenied
			if s.Holders(q.Object.Type, q.Relation).May(q.Subject.Type, q.Subject.Relation) {
				answers[i].Effect = authz.EffectAllowed
			}
		}

		return authz.Result{Answers: answers}, nil
	})
	random := rand.New(rand.NewPCG(16, 2))
	rules := map[string]*authzv1.Rule{}
	for i := range 400 {
		c := randomCondition(random, 1)
		rule := &authzv1.Rule{Policy: &authzv1.Rule_AllOf{AllOf: &authzv1.AllOf{Conditions: []*authzv1.Condition{c}}}}
		if group := c.GetAnyOf(); group != nil {
			rule.Policy = &authzv1.Rule_AnyOf{AnyOf: group}
		}
		rules[fmt.Sprintf("M%03d", i)] = rule
	}
	a := newAuthorizer(t, authz.Config{Engine: engine, Resolver: ruledOver(t, &docsv1.Values{}, nil, rules), Breaker: authz.BreakerConfig{Disabled: true}})
	policy := a.Policy()
	faults := map[string]string{}
	for _, fault := range policy.ValidateSchema(s) {
		faults[fault.Method] += fault.Problem + "\n"
	}
	counts := [2]int{}
	for _, m := range policy.Methods {
		for kind, principal := range map[string]*caller{"user": user("alice"), "service": backend("robot")} {
			_, err := a.Authorize(t.Context(), "/"+m.Method, principal, &docsv1.Values{Text: "1"})
			if err != nil && reasonOf(err) != authz.ReasonRelationDenied {
				t.Fatal(err)
			}
			told := faults[m.Method]
			fault := strings.Contains(told, "a "+kind+" can never pass") || strings.Contains(told, "no caller can pass")
			if fault != (err != nil) {
				t.Errorf("%s of %v: %v, and the faults are:\n%s", kind, m.Rule, err, told)
			}
			if fault {
				counts[1]++
			} else {
				counts[0]++
			}
		}
	}
	t.Logf("%d may pass, %d can't", counts[0], counts[1])
	if counts[0] < 100 || counts[1] < 100 {
		t.Error("the rules are one-sided: they show little")
	}
}

func randomCondition(random *rand.Rand, depth int) *authzv1.Condition {
	if depth < 4 && random.IntN(2) == 0 || depth == 1 {
		parts := make([]*authzv1.Condition, 1+random.IntN(3))
		for i := range parts {
			parts[i] = randomCondition(random, depth+1)
		}
		if random.IntN(2) == 0 {
			return &authzv1.Condition{Condition: &authzv1.Condition_AllOf{AllOf: &authzv1.AllOf{Conditions: parts}}}
		}

		return &authzv1.Condition{Condition: &authzv1.Condition_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: parts}}}
	}
	if random.IntN(6) == 0 {
		return scope("documents")
	}
	rule := check("document:{text}", []string{"owner", "reader", "viewer"}[random.IntN(3)])
	rule.GetCheck().Subject = []string{"", "", "", "team:{text}#member", "service:robot", "user:{text}"}[random.IntN(6)]

	return condition(rule)
}

// brokenMethod is a descriptor that panics, as malformed ones can.
type brokenMethod struct{ protoreflect.MethodDescriptor }

func TestValidateSchemaOfABrokenDescriptor(t *testing.T) {
	rule := given(check("document:{text}", "dated"), "now", "{text}")
	policy := &authz.Policy{Methods: []authz.MethodPolicy{
		{Method: "t.S/Broken", Descriptor: brokenMethod{}, Rule: rule}, {Method: "t.S/Typo", Rule: check("documnt:1", "viewer")},
	}}
	faults := policy.ValidateSchema(model(t))
	ids := make([]string, len(faults))
	for i, fault := range faults {
		ids[i] = fault.Method + " " + fault.ID
	}
	if got := strings.Join(ids, ", "); got != "t.S/Broken "+authz.FaultRuleInvalid+", t.S/Typo "+authz.FaultSchemaType {
		t.Error(got)
	}
}

func BenchmarkValidateSchema(b *testing.B) {
	s := model(b)
	for _, n := range []int{100, 1000} {
		rules := map[string]*authzv1.Rule{}
		for i := range n {
			rules[fmt.Sprintf("M%d", i)] = anyPasses(condition(check("document:{text}", "viewer")), condition(given(check("document:{text}", "dated"), "now", "{$now}")))
		}
		policy := rulePolicy(b, authz.Config{}, rules)
		b.Run(fmt.Sprintf("%d methods", n), func(b *testing.B) {
			for b.Loop() {
				policy.ValidateSchema(s)
			}
		})
	}
}
