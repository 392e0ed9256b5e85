//go:build unix

package lint_test

import (
	"fmt"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lint"
	"github.com/usher-auth/usher/authz/schema"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// compareTree is a condition whose groups are all_of and any_of by turns, with different
// checks at its leaves.
func compareTree(depth, width int, all bool, serial *int) *authzv1.Condition {
	if depth == 0 {
		*serial++

		return &authzv1.Condition{Condition: &authzv1.Condition_Check{Check: &authzv1.Check{Object: "document:{id}", Relation: "r" + strconv.Itoa(*serial)}}}
	}
	conditions := make([]*authzv1.Condition, width)
	for i := range conditions {
		conditions[i] = compareTree(depth-1, width, !all, serial)
	}
	if all {
		return &authzv1.Condition{Condition: &authzv1.Condition_AllOf{AllOf: &authzv1.AllOf{Conditions: conditions}}}
	}

	return &authzv1.Condition{Condition: &authzv1.Condition_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: conditions}}}
}

func compareTreeRule(depth, width int, all bool, first int) *authzv1.Rule {
	tree := compareTree(depth, width, all, &first)
	if all {
		return &authzv1.Rule{Policy: &authzv1.Rule_AllOf{AllOf: tree.GetAllOf()}}
	}

	return &authzv1.Rule{Policy: &authzv1.Rule_AnyOf{AnyOf: tree.GetAnyOf()}}
}

// compareMany is a policy of many methods.
func compareMany(n int, rule func(i int) *authzv1.Rule) *authz.Policy {
	policy := &authz.Policy{Subjects: authz.Subjects{Service: "service:{$client_id}", User: "user:{$sub}"}, Issuers: []string{"main"}}
	for i := range n {
		policy.Methods = append(policy.Methods, authz.MethodPolicy{Method: fmt.Sprintf("t.S/M%06d", i), Rule: rule(i)})
	}

	return policy
}

// compareLimit is how much time of processors any comparison may take.
const compareLimit = 2 * time.Second * compareSlowdown

// compareTook returns the time of processors that a function takes: other programs of a
// busy machine don't count.
func compareTook(tb testing.TB, run func()) time.Duration {
	tb.Helper()
	used := func() time.Duration {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			tb.Fatal(err)
		}

		return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	runtime.GC()
	before := used()
	run()

	return used() - before
}

// Rules that are as large and as entangled as can be end in time, with what they can't be
// told of.
func TestCompareOfHostileRulesEnds(t *testing.T) {
	wide := func(all bool, first int) func(int) *authzv1.Rule {
		return func(int) *authzv1.Rule { return compareTreeRule(2, 30, all, first) }
	}
	deep := func(all bool, first int) func(int) *authzv1.Rule {
		return func(int) *authzv1.Rule { return compareTreeRule(4, 11, all, first) }
	}
	dropped := func(rule func(int) *authzv1.Rule) func(int) *authzv1.Rule {
		return func(i int) *authzv1.Rule {
			r := proto.CloneOf(rule(i))
			for _, group := range [][]*authzv1.Condition{r.GetAllOf().GetConditions(), r.GetAnyOf().GetConditions()} {
				if len(group) > 0 {
					group[0] = group[1]
				}
			}

			return r
		}
	}
	for name, c := range map[string]struct {
		methods  int
		old, new func(int) *authzv1.Rule
		want     []lint.Verdict
	}{
		"30 times any of 30, the same":         {10, wide(true, 0), wide(true, 0), []lint.Verdict{lint.Same}},
		"30 times any of 30, one dropped":      {10, wide(true, 0), dropped(wide(true, 0)), []lint.Verdict{lint.Looser}},
		"30 times all of 30, one dropped":      {10, wide(false, 0), dropped(wide(false, 0)), []lint.Verdict{lint.Tighter}},
		"30 times any of 30, all others":       {10, wide(true, 0), wide(true, 10_000), []lint.Verdict{lint.Both, lint.CantTell}},
		"any of 30 times all of 30":            {10, wide(true, 0), wide(false, 0), []lint.Verdict{lint.Both, lint.Looser, lint.CantTell}},
		"11 to the power of 4, one dropped":    {2, deep(true, 0), dropped(deep(true, 0)), []lint.Verdict{lint.Looser, lint.CantTell}},
		"11 to the power of 4, one way around": {2, deep(true, 0), deep(false, 0), []lint.Verdict{lint.Both, lint.Looser, lint.Tighter, lint.CantTell}},
		"larger than what is compared":         {2, func(int) *authzv1.Rule { return compareTreeRule(3, 30, true, 0) }, func(int) *authzv1.Rule { return compareTreeRule(3, 30, false, 0) }, []lint.Verdict{lint.CantTell}},
		"1,000 methods of them": {
			1000, func(int) *authzv1.Rule { return compareTreeRule(2, 20, true, 0) }, func(int) *authzv1.Rule { return compareTreeRule(2, 20, false, 7) },
			[]lint.Verdict{lint.Both, lint.Looser, lint.CantTell},
		},
	} {
		t.Run(name, func(t *testing.T) {
			old, updated := compareMany(c.methods, c.old), compareMany(c.methods, c.new)
			for _, model := range []*schema.Schema{nil, compareModel(t)} {
				var comparison *lint.Comparison
				if took := compareTook(t, func() { comparison = lint.Compare(old, updated, lint.CompareConfig{Schema: model}) }); took > compareLimit {
					t.Errorf("it took %v", took)
				} else {
					t.Log(took)
				}
				tally := map[lint.Verdict]int{lint.Same: c.methods - len(comparison.Changes)}
				for _, change := range comparison.Changes {
					tally[change.Verdict]++
					if len(change.Differences) > 100 {
						t.Errorf("%d differences", len(change.Differences))
					}
					compareReadable(t, change)
				}
				for _, verdict := range c.want {
					delete(tally, verdict)
				}
				delete(tally, lint.CantTell)
				for verdict, n := range tally {
					if n > 0 {
						t.Errorf("%d are %v", n, verdict)
					}
				}
			}
		})
	}
}

// A problem that is known to be hard for every such procedure is given up in time: that
// n+1 pigeons have a hole each of n.
func TestCompareGivesUpInTime(t *testing.T) {
	const holes = 14
	in := func(pigeon, hole int) *authzv1.Condition {
		return &authzv1.Condition{Condition: &authzv1.Condition_HasScope{HasScope: &authzv1.HasScope{Scope: fmt.Sprintf("%d in %d", pigeon, hole)}}}
	}
	each, shared := &authzv1.AllOf{}, &authzv1.AnyOf{}
	for pigeon := range holes + 1 {
		some := &authzv1.AnyOf{}
		for hole := range holes {
			some.Conditions = append(some.Conditions, in(pigeon, hole))
			for other := range pigeon {
				shared.Conditions = append(shared.Conditions, &authzv1.Condition{Condition: &authzv1.Condition_AllOf{AllOf: &authzv1.AllOf{
					Conditions: []*authzv1.Condition{in(pigeon, hole), in(other, hole)},
				}}})
			}
		}
		each.Conditions = append(each.Conditions, &authzv1.Condition{Condition: &authzv1.Condition_AnyOf{AnyOf: some}})
	}
	old := compareMany(1000, func(int) *authzv1.Rule { return &authzv1.Rule{Policy: &authzv1.Rule_AnyOf{AnyOf: shared}} })
	updated := compareMany(1000, func(int) *authzv1.Rule { return &authzv1.Rule{Policy: &authzv1.Rule_AllOf{AllOf: each}} })
	var comparison *lint.Comparison
	if took := compareTook(t, func() { comparison = lint.Compare(old, updated, lint.CompareConfig{}) }); took > compareLimit {
		t.Errorf("it took %v", took)
	}
	if len(comparison.Changes) != 1000 {
		t.Fatalf("%d changes", len(comparison.Changes))
	}
	for _, change := range comparison.Changes {
		if change.Verdict != lint.CantTell || change.Differences[0].Witness != "can't tell: the rules are too large to compare" {
			t.Fatal(change)
		}
	}
}

// What can't be compiled may be in a policy that was read from a file.
func TestCompareOfOddRulesDoesntPanic(t *testing.T) {
	nested := &authzv1.Condition{Condition: &authzv1.Condition_HasScope{HasScope: &authzv1.HasScope{}}}
	for range 5000 {
		nested = &authzv1.Condition{Condition: &authzv1.Condition_AllOf{AllOf: &authzv1.AllOf{Conditions: []*authzv1.Condition{nil, nested}}}}
	}
	rules := []*authzv1.Rule{
		nil,
		{},
		{Policy: &authzv1.Rule_AllOf{}},
		{Policy: &authzv1.Rule_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: []*authzv1.Condition{nil, {}}}}},
		{Policy: &authzv1.Rule_Check{}},
		{Policy: &authzv1.Rule_Match{}},
		{Policy: &authzv1.Rule_Permission{}},
		{Policy: &authzv1.Rule_Expression{}},
		{Policy: &authzv1.Rule_Attributes{}},
		{Policy: &authzv1.Rule_Public{}},
		{Policy: &authzv1.Rule_AllOf{AllOf: nested.GetAllOf()}},
		{
			Policy: &authzv1.Rule_Authenticated{}, AccessToken: &authzv1.AccessToken{Kinds: []authzv1.Kind{0, 99}, Issuers: []string{"", "x", "x"}, Validation: 99},
			Stream: &authzv1.Stream{MessageCheck: 99}, Consistency: &authzv1.Consistency{Mode: 99, IfAbsent: 99}, OnDeny: 99,
			RateLimit: &authzv1.RateLimit{Key: 99, Scope: 99},
		},
		{Policy: &authzv1.Rule_Check{Check: &authzv1.Check{Object: "\n\x00{", Relation: "\xff", Subject: "::", Context: []*authzv1.ContextValue{nil, {Name: "\n"}}}}},
	}
	for i := range rules {
		for k := range rules {
			old, updated := compareMany(1, func(int) *authzv1.Rule { return rules[i] }), compareMany(1, func(int) *authzv1.Rule { return rules[k] })
			comparison := lint.Compare(old, updated, lint.CompareConfig{Schema: compareModel(t)})
			for _, change := range comparison.Changes {
				compareReadable(t, change)
			}
			if i == k && len(comparison.Changes) > 0 {
				t.Errorf("rule %d differs from itself: %v", i, comparison.Changes)
			}
			_ = lint.Findings(comparison)
		}
	}
	twice := compareMany(2, func(int) *authzv1.Rule { return rules[9] })
	twice.Methods[1].Method = twice.Methods[0].Method
	if c := lint.Compare(twice, twice, lint.CompareConfig{}); len(c.Changes) == 0 || c.Changes[0].Verdict != lint.CantTell {
		t.Errorf("a method that is there twice: %v", c.Changes)
	}
}

// compareOrdinary is a rule as services have them; those that changed lost a scope.
func compareOrdinary(changed bool) func(int) *authzv1.Rule {
	return func(i int) *authzv1.Rule {
		check := func(relation string) *authzv1.Condition {
			return &authzv1.Condition{Condition: &authzv1.Condition_Check{Check: &authzv1.Check{Object: "document:{id}", Relation: relation}}}
		}
		rule := &authzv1.Rule{
			Policy: &authzv1.Rule_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: []*authzv1.Condition{
				check("viewer"), {Condition: &authzv1.Condition_AllOf{AllOf: &authzv1.AllOf{Conditions: []*authzv1.Condition{
					check("editor"), {Condition: &authzv1.Condition_HasRole{HasRole: &authzv1.HasRole{Role: "auditor" + strconv.Itoa(i%10)}}},
				}}}},
			}}},
			AccessToken: &authzv1.AccessToken{Scopes: []string{"documents", "read"}, Kinds: []authzv1.Kind{authzv1.Kind_KIND_USER}},
		}
		if changed {
			rule.AccessToken.Scopes = rule.GetAccessToken().GetScopes()[:1]
			rule.Policy = &authzv1.Rule_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: append(rule.GetAnyOf().GetConditions(), check("owner"), check("guest"))}}
		}

		return rule
	}
}

func TestCompareOfManyMethodsIsQuick(t *testing.T) {
	old, updated := compareMany(10_000, compareOrdinary(false)), compareMany(10_000, compareOrdinary(true))
	model := compareModel(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var comparison *lint.Comparison
	if took := compareTook(t, func() { comparison = lint.Compare(old, updated, lint.CompareConfig{Schema: model}) }); took > compareLimit {
		t.Errorf("it took %v", took)
	}
	runtime.ReadMemStats(&after)
	t.Logf("%d MiB allocated", (after.TotalAlloc-before.TotalAlloc)>>20)
	if len(comparison.Changes) != 10_000 {
		t.Errorf("%d changes", len(comparison.Changes))
	}
	for _, change := range comparison.Changes {
		if change.Verdict != lint.Looser || len(change.Differences) != 2 {
			t.Fatal(change)
		}
	}
}

func BenchmarkCompare(b *testing.B) {
	for _, methods := range []int{1000, 10_000} {
		for _, changed := range []bool{false, true} {
			b.Run(fmt.Sprintf("methods=%d/changed=%v", methods, changed), func(b *testing.B) {
				old, updated := compareMany(methods, compareOrdinary(false)), compareMany(methods, compareOrdinary(changed))
				model := compareModel(b)
				b.ReportAllocs()
				for b.Loop() {
					lint.Compare(old, updated, lint.CompareConfig{Schema: model})
				}
			})
		}
	}
}
