package lint_test

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/usher-auth/usher/authz"
	_ "github.com/usher-auth/usher/authz/internal/testproto/usher/test/cookbook/v1"
	_ "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	"github.com/usher-auth/usher/authz/lint"
)

func TestCompileGivesEachRuleAfterInheritance(t *testing.T) {
	policy, err := lint.Compile(lint.Source{Files: protoregistry.GlobalFiles})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]authz.MethodPolicy{}
	for _, m := range policy.Methods {
		got[m.Method] = m
	}
	for method, want := range map[string]string{
		"usher.test.cookbook.v1.ServersService/InviteMember": "rule.permission.name",
		"usher.test.docs.v1.DocumentService/GetDocument":     "rule.check.object",
	} {
		m, ok := got[method]
		if !ok || len(m.Faults) > 0 || m.Rule == nil {
			t.Errorf("%s: %+v", method, m)

			continue
		}
		if path := m.Path(want[len("rule."):]); path != want {
			t.Errorf("%s: path %s, want %s", method, path, want)
		}
	}
	if policy.Subjects != (authz.Subjects{}) {
		t.Errorf("subjects that aren't known are %v", policy.Subjects)
	}
}

// The server's subjects may be such that a rule's own can't be another issuer's.
func TestSubjectsThatAreNotKnownPutNoRuleAtFault(t *testing.T) {
	policy, err := lint.Compile(lint.Source{Files: compareFiles(t, nil, compareRulesOf(t,
		`check { object: "document:main" relation: "viewer" subject: "user:{$sub}" } access_token { issuers: "a" }`,
		`check { object: "document:main" relation: "viewer" } access_token { issuers: "a" issuers: "b" }`,
	))})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range policy.Methods {
		for _, fault := range m.Faults {
			t.Error(fault)
		}
	}
}
