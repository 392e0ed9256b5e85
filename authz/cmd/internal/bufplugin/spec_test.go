package bufplugin_test

import (
	"slices"
	"testing"

	"buf.build/go/bufplugin/check"

	"github.com/usher-auth/usher/authz/cmd/internal/bufplugin"
	"github.com/usher-auth/usher/authz/cmd/internal/ids"
	"github.com/usher-auth/usher/authz/lint"
)

func TestTheSpecHasARuleForEachID(t *testing.T) {
	spec := bufplugin.Spec()
	if err := check.ValidateSpec(spec); err != nil {
		t.Fatal(err)
	}
	want := map[string]check.RuleType{}
	for _, id := range ids.Lint {
		want[id.Name] = check.RuleTypeLint
	}
	for _, id := range ids.Breaking {
		want[id.Name] = check.RuleTypeBreaking
	}
	for _, rule := range spec.Rules {
		if want[rule.ID] != rule.Type {
			t.Errorf("%s has type %v", rule.ID, rule.Type)
		}
		delete(want, rule.ID)
		// A stricter rule is asked for by its id.
		strict := rule.ID == lint.FindingTightened
		if rule.Default == strict || slices.Contains(rule.CategoryIDs, bufplugin.Category) == strict {
			t.Errorf("%s: default %t, categories %v", rule.ID, rule.Default, rule.CategoryIDs)
		}
	}
	if len(want) > 0 {
		t.Errorf("no rule for %v", want)
	}
}
