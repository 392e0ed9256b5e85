package authz_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// onlyDocs is a resolver of the document service alone.
type onlyDocs struct{}

func (onlyDocs) RangeFiles(visit func(protoreflect.FileDescriptor) bool) {
	visit(docsv1.File_usher_test_docs_v1_docs_proto)
}

// policyOf returns the rules of the document service.
func policyOf(t *testing.T, rules ...authz.MethodRule) *authz.Policy {
	t.Helper()
	authorizer, err := authz.New(authz.Config{
		Engine:   authztest.NewEngine(),
		Subjects: authz.Subjects{Service: "service:{$client_id}", User: "user:{$sub}"},
		Issuers:  authz.Issuers{"test"}, Rules: rules, Resolver: onlyDocs{},
	})
	if err != nil {
		t.Fatal(err)
	}

	return authorizer.Policy()
}

func TestPolicyHasEachRuleAsItIsEnforced(t *testing.T) {
	p := policyOf(t)
	if p.Subjects.User != "user:{$sub}" || !slices.Equal(p.Issuers, []string{"test"}) {
		t.Errorf("subjects %v, issuers %v", p.Subjects, p.Issuers)
	}
	const service = "usher.test.docs.v1.DocumentService/"
	for _, tt := range []struct{ method, rule, path, at string }{
		// The default's scope and recheck interval have no effect on a public method.
		{"Ping", `public { reason: "a probe" }`, "public", "rule.public"},
		// A unary method has no stream.
		{"Whoami", `authenticated {} access_token { scopes: "documents" }`, "access_token.scopes[0]", "service_rule.default.access_token.scopes[0]"},
		{"GetDocument", `check { object: "document:{document_id}" relation: "viewer" } access_token { scopes: "documents" }`, "check.object", "rule.check.object"},
	} {
		i := slices.IndexFunc(p.Methods, func(m authz.MethodPolicy) bool { return m.Method == service+tt.method })
		if i < 0 {
			t.Fatalf("no %s", tt.method)
		}
		m := p.Methods[i]
		want := &authzv1.Rule{}
		if err := prototext.Unmarshal([]byte(tt.rule), want); err != nil {
			t.Fatal(err)
		}
		if got := prototext.Format(m.Rule); got != prototext.Format(want) {
			t.Errorf("%s: %s, want %s", tt.method, got, tt.rule)
		}
		if at := m.Path(tt.path); at != tt.at {
			t.Errorf("%s: %s is at %s, want %s", tt.method, tt.path, at, tt.at)
		}
		if m.Descriptor == nil || m.File == "" || len(m.Faults) > 0 {
			t.Errorf("%s: %+v", tt.method, m)
		}
	}
}

func TestPolicyIsACopy(t *testing.T) {
	authorizer := cookbook()
	p := authorizer.Policy()
	for _, m := range p.Methods {
		if m.Rule != nil {
			m.Rule.Policy = &authzv1.Rule_Public{Public: &authzv1.Public{}}
		}
	}
	for _, m := range authorizer.Policy().Methods {
		if m.Method == "usher.test.docs.v1.DocumentService/GetDocument" && m.Rule.GetCheck() == nil {
			t.Error("changing a policy changed the authorizer's")
		}
	}
}

func TestOnlyKeepsMethodsAndNamesTheOthersAsWithoutARule(t *testing.T) {
	p := policyOf(t).Only("/usher.test.docs.v1.DocumentService/Whoami", "other.Service/Get", "usher.test.docs.v1.DocumentService/Whoami")
	if len(p.Methods) != 2 || p.Methods[0].Method != "other.Service/Get" || p.Methods[0].Rule != nil || p.Methods[1].Rule.GetAuthenticated() == nil {
		t.Errorf("%+v", p.Methods)
	}
}
