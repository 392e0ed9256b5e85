package lint_test

import (
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lint"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// Names of a context are the rule's own texts: none of them may look like two others, or
// like one of another part.
func TestCompareTellsValuesForTheEngineApart(t *testing.T) {
	const check = `check: {object: "document:{id}" relation: "viewer" `
	const attributes = `attributes: {resource: "document:{id}" action: "edit" `
	for name, c := range map[string]struct{ old, new string }{
		"two names in one": {
			check + `context: {name: "a" value: "x"} context: {name: "b" value: "y"}}`,
			check + `context: {name: "a=\"x\";b" value: "y"}}`,
		},
		"a property as context": {
			attributes + `resource_properties: {name: "owner" value: "{id}"}}`,
			attributes + `context: {name: "resource.owner" value: "{id}"}}`,
		},
		"a property of another": {
			attributes + `subject_properties: {name: "owner" value: "{id}"}}`,
			attributes + `context: {name: "subject.owner" value: "{id}"}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, pair := range [][2]string{{c.old, c.new}, {c.new, c.old}} {
				comparison := lint.Compare(comparePolicy(t, pair[0]), comparePolicy(t, pair[1]), lint.CompareConfig{})
				if len(comparison.Changes) != 1 || comparison.Changes[0].Verdict != lint.Both {
					t.Errorf("%v", comparison.Changes)
				}
			}
		})
	}
}

// Whether a rule has a fault depends on the server's configuration, which a comparison of
// .proto files doesn't know: a rule that changed isn't denied for sure.
func TestCompareOfChangedRulesWithFaults(t *testing.T) {
	fault := []*authz.RuleError{{Method: "t.S/M", Problem: "several issuers are admitted"}}
	faulty := func(text string) *authz.Policy {
		p := comparePolicy(t, text)
		p.Methods[0].Faults = fault

		return p
	}
	const admin, guest = `has_role: {role: "admin"}`, `has_role: {role: "guest"}`
	all := func(text string) string { return `all_of: {conditions: {` + text + `}}` }
	for name, c := range map[string]struct {
		old, new *authz.Policy
		want     lint.Verdict
	}{
		"in both, changed":             {faulty(all(admin)), faulty(all(guest)), lint.CantTell},
		"in both, the same":            {faulty(all(admin)), faulty(all(admin)), lint.Same},
		"in the new one, changed":      {comparePolicy(t, all(admin)), faulty(all(guest)), lint.CantTell},
		"in the new one, the same":     {comparePolicy(t, all(admin)), faulty(all(admin)), lint.Tighter},
		"in the new one, of no rule":   {comparePolicy(t, ""), faulty(all(guest)), lint.CantTell},
		"in the new one, of no method": {nil, faulty(all(guest)), lint.CantTell},
		"in the old one":               {faulty(all(admin)), comparePolicy(t, all(guest)), lint.Looser},
		"in the old one, removed":      {faulty(all(admin)), comparePolicy(t, ""), lint.Same},
		"that can't be read":           {comparePolicy(t, all(admin)), faulty(""), lint.Tighter},
		"denied":                       {comparePolicy(t, all(admin)), faulty(`deny: {}`), lint.Tighter},
	} {
		t.Run(name, func(t *testing.T) {
			got := lint.Same
			for _, change := range lint.Compare(c.old, c.new, lint.CompareConfig{}).Changes {
				if change.Method != "" {
					got = change.Verdict
				}
			}
			if got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// The rule of another service decides whether this one has a fault, if the server's
// issuers aren't given.
func TestCompareSeesALooseningBesideAnIssuerThatIsNewElsewhere(t *testing.T) {
	compile := func(role, elsewhere string) *authz.Policy {
		policy, err := lint.Compile(lint.Source{Files: compareFiles(t, nil, compareRulesOf(t, role, elsewhere))})
		if err != nil {
			t.Fatal(err)
		}

		return policy
	}
	const role = `all_of: {conditions: {has_role: {role: "ROLE"}}}`
	const partners = `authenticated: {} access_token: {issuers: ["staff", "partners"]}`
	for _, old := range []*authz.Policy{compile(strings.ReplaceAll(role, "ROLE", "admin"), `authenticated: {}`), compile(strings.ReplaceAll(role, "ROLE", "admin"), partners)} {
		comparison := lint.Compare(old, compile(strings.ReplaceAll(role, "ROLE", "guest"), partners), lint.CompareConfig{})
		found := false
		for _, change := range comparison.Changes {
			found = found || change.Differences[0].Part == "rule" && change.Verdict == lint.CantTell
		}
		if !found {
			t.Errorf("%v", comparison.Changes)
		}
	}
}

// That the revision is another one doesn't hide what is looser beside it.
func TestCompareOfARevisionAndWhatIsBesideIt(t *testing.T) {
	old := comparePolicy(t, viewer+`consistency: {mode: MODE_AT_LEAST_AS_FRESH revision: "{text}"}`)
	updated := comparePolicy(t, viewer+`consistency: {mode: MODE_AT_LEAST_AS_FRESH revision: "{other}" if_absent: MODE_MINIMIZE_LATENCY}`)
	if c := lint.Compare(old, updated, lint.CompareConfig{}); len(c.Changes) != 1 || c.Changes[0].Verdict != lint.Looser || len(c.Changes[0].Differences) != 2 {
		t.Errorf("%v", c.Changes)
	}
}

// A request that leaves a field unset is told so, though the condition on the field is
// another one now.
func TestCompareOfWhatIsToldByAnotherCondition(t *testing.T) {
	old := comparePolicy(t, `check: {object: "document:{id}" relation: "viewer" on_missing: ON_MISSING_DENY}`)
	updated := comparePolicy(t, `check: {object: "document:{id}" relation: "owner"}`)
	c := lint.Compare(old, updated, lint.CompareConfig{Schema: compareSchema(t)})
	if len(c.Changes) != 1 || c.Changes[0].Verdict != lint.Both {
		t.Errorf("%v", c.Changes)
	}
}

func compareRulesOf(tb testing.TB, texts ...string) []*authzv1.Rule {
	tb.Helper()
	rules := make([]*authzv1.Rule, len(texts))
	for i, text := range texts {
		rules[i] = compareRule(tb, text)
	}

	return rules
}
