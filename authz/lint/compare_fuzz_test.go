package lint_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lint"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// FuzzCompare compares any two rules: it must not panic, a rule is the same as itself, and
// what is told one way around is told the other way around.
func FuzzCompare(f *testing.F) {
	for _, pair := range [][2]string{
		{viewer, owner},
		{viewer + `access_token: {scopes: "a"}`, `handler: {}`},
		{`public: {}`, `deny: {}`},
		{`any_of: {conditions: {` + viewer + `} conditions: {has_role: {role: "a"}}}`, `all_of: {conditions: {` + viewer + `} conditions: {has_role: {role: "a"}}}`},
		{`expression: {cel: "true"} stream: {recheck_interval: {seconds: 5}}`, `match: {left: "{a}" right: "{$sub}"} consistency: {mode: MODE_FULLY_CONSISTENT}`},
	} {
		var wire [2][]byte
		for i, text := range pair {
			var err error
			if wire[i], err = proto.Marshal(compareRule(f, text)); err != nil {
				f.Fatal(err)
			}
		}
		f.Add(wire[0], wire[1], true)
	}
	model := compareModel(f)
	f.Fuzz(func(t *testing.T, first, second []byte, known bool) {
		a, b := &authzv1.Rule{}, &authzv1.Rule{}
		if len(first)+len(second) > 4096 || proto.Unmarshal(first, a) != nil || proto.Unmarshal(second, b) != nil {
			return
		}
		policy := func(rule *authzv1.Rule) *authz.Policy {
			p := &authz.Policy{Methods: []authz.MethodPolicy{{Method: "t.S/M", ClientStreaming: true, Rule: rule}}}
			if known {
				p.Subjects, p.Issuers = authz.Subjects{Service: "service:{$client_id}"}, []string{"a", "b"}
			}

			return p
		}
		config := lint.CompareConfig{Schema: model}
		for _, rule := range []*authzv1.Rule{a, b} {
			if same := lint.Compare(policy(rule), policy(proto.CloneOf(rule)), config); len(same.Changes) > 0 {
				t.Errorf("a rule differs from itself: %v", same.Changes)
			}
		}
		comparison := lint.Compare(policy(a), policy(b), config)
		compareMirrored(t, comparison, lint.Compare(policy(b), policy(a), config))
		for _, change := range comparison.Changes {
			compareReadable(t, change)
		}
		_ = lint.Findings(comparison)
	})
}
