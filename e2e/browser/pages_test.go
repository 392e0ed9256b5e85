package browser

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lint"
	"github.com/usher-auth/usher/authz/schema"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

func page(t *testing.T, m *lint.Matrix) string {
	t.Helper()
	var out bytes.Buffer
	if err := m.HTML(&out); err != nil {
		t.Fatal(err)
	}

	return out.String()
}

func matrix(t *testing.T, config lint.MatrixConfig) *lint.Matrix {
	t.Helper()
	m, err := lint.NewMatrix(config)
	if err != nil {
		t.Fatal(err)
	}

	return m
}

// quickstart is who may call what by the quickstart's rules and model.
func quickstart(t *testing.T) *lint.Matrix {
	t.Helper()
	wire, err := os.ReadFile("../../authz/lint/testdata/quickstart.binpb")
	if err != nil {
		t.Fatal(err)
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(wire, set); err != nil {
		t.Fatal(err)
	}
	files := &protoregistry.Files{}
	for _, file := range set.GetFile() {
		descriptor, err := protodesc.NewFile(file, protoregistry.GlobalFiles)
		if err != nil {
			t.Fatal(err)
		}
		if err := files.RegisterFile(descriptor); err != nil {
			t.Fatal(err)
		}
	}
	policy, err := lint.Compile(lint.Source{Files: files, Subjects: subjects})
	if err != nil {
		t.Fatal(err)
	}

	return matrix(t, lint.MatrixConfig{Policies: []lint.NamedPolicy{{Policy: policy}}, Schema: model(t)})
}

var subjects = authz.Subjects{Service: "service:{$client_id}", User: "user:{$sub}"}

// model has what the quickstart's model.fga has, and a type that users alone can hold.
func model(t *testing.T) *schema.Schema {
	t.Helper()
	anyone := schema.Direct{Subjects: []schema.Subject{{Type: "user"}, {Type: "service"}, {Type: "team", Relation: "member"}}}
	relations := []schema.Relation{
		{Name: "owner", Expression: anyone},
		{Name: "editor", Expression: schema.Union{anyone, schema.Computed{Relation: "owner"}}},
		{Name: "viewer", Expression: schema.Union{anyone, schema.Computed{Relation: "editor"}}},
	}
	s, err := schema.New("model.fga", []schema.Type{
		{Name: "user"},
		{Name: "service"},
		{Name: "team", Relations: []schema.Relation{{Name: "member", Expression: anyone}}},
		{Name: "folder", Relations: relations},
		{Name: "document", Relations: relations},
		{Name: "invoice", Relations: []schema.Relation{{Name: "approver", Expression: schema.Direct{Subjects: []schema.Subject{{Type: "user"}}}}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}

	return s
}

// many are servers with n methods together, of every policy, with faults and changes.
func many(t *testing.T, n int) *lint.Matrix {
	t.Helper()
	policies := map[string]*authz.Policy{}
	config := lint.MatrixConfig{Schema: model(t), Title: "Who may call what at Example", Comparison: &lint.Comparison{}}
	for _, name := range []string{"billing", "documents", "search"} {
		policies[name] = &authz.Policy{Subjects: subjects}
		config.Policies = append(config.Policies, lint.NamedPolicy{Name: name, Policy: policies[name]})
	}
	for i := range n {
		policy := config.Policies[i*3/n].Policy
		method := fmt.Sprintf("example.%s.v1.%sService/%s%s%d", config.Policies[i*3/n].Name, things[i/12%len(things)], verbs[i%len(verbs)], things[i/12%len(things)], i)
		m := authz.MethodPolicy{Method: method, File: "example/services.proto", Line: 10 + i*8, Rule: rule(i)}
		switch {
		case i%100 == 49:
			m.Faults = []*authz.RuleError{{
				ID: authz.FaultRuleInvalid, File: m.File, Line: m.Line, Method: method, Path: "rule.check.object", Column: 9,
				Problem: "there is no field \"document\" in example.GetRequest; it has document_id", Fix: "name one of them",
			}}
		case i%100 == 77:
			m.Rule = nil
		case i%25 == 3:
			config.Comparison.Changes = append(config.Comparison.Changes, change(method, i/25))
		case i%10 == 6:
			m.ServerStreaming = true
			m.Rule.Stream = &authzv1.Stream{RecheckInterval: durationpb.New(60e9)}
			m.Inherited = []string{"stream.recheck_interval"}
		}
		policy.Methods = append(policy.Methods, m)
	}

	return matrix(t, config)
}

// change is the i-th of the changes that rules have.
func change(method string, i int) lint.Change {
	looser := lint.Difference{Verdict: lint.Looser, Part: "access_token.scopes", Witness: "now also: a service token without scope admin"}
	tighter := lint.Difference{Verdict: lint.Tighter, Part: "policy", Witness: "now refused: a caller that isn't owner of document:{document_id}"}
	unknown := lint.Difference{Verdict: lint.CantTell, Part: "policy", Witness: "can't tell: how two expressions relate isn't known"}

	return []lint.Change{
		{Method: method, Verdict: lint.Looser, Differences: []lint.Difference{looser}},
		{Method: method, Verdict: lint.Tighter, Differences: []lint.Difference{tighter}},
		{Method: method, Verdict: lint.Both, Differences: []lint.Difference{looser, tighter}},
		{Method: method, Verdict: lint.CantTell, Differences: []lint.Difference{unknown}},
	}[i%4]
}

var (
	verbs  = []string{"Get", "List", "Create", "Update", "Delete", "Watch", "Move", "Share", "Approve", "Export", "Import", "Archive"}
	things = []string{"Document", "Folder", "Invoice", "Project", "Report", "Team", "Member", "Comment"}
)

// rule is the i-th of the rules that services have.
func rule(i int) *authzv1.Rule {
	check := func(object, relation string) *authzv1.Check {
		return &authzv1.Check{Object: object, Relation: relation}
	}
	switch i % 12 {
	case 1:
		return &authzv1.Rule{Policy: &authzv1.Rule_Handler{Handler: &authzv1.Handler{Reason: "which there are is known only after a read"}}}
	case 2:
		return &authzv1.Rule{Policy: &authzv1.Rule_Permission{Permission: &authzv1.Permission{Name: "things.create", On: "folder:{parent_id}"}}}
	case 4:
		return &authzv1.Rule{
			Policy: &authzv1.Rule_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: []*authzv1.Condition{
				{Condition: &authzv1.Condition_HasScope{HasScope: &authzv1.HasScope{Scope: "admin"}}},
				{Condition: &authzv1.Condition_Check{Check: check("document:{document_id}", "owner")}},
			}}},
			OnDeny: authzv1.OnDeny_ON_DENY_NOT_FOUND,
		}
	case 5:
		return &authzv1.Rule{Policy: &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}}, AccessToken: &authzv1.AccessToken{Scopes: []string{"read"}}}
	case 8:
		return &authzv1.Rule{
			Policy: &authzv1.Rule_Check{Check: check("invoice:{invoice_id}", "approver")},
			AccessToken: &authzv1.AccessToken{
				Kinds: []authzv1.Kind{authzv1.Kind_KIND_USER}, AcrValues: []string{"mfa"}, MaxAge: durationpb.New(300e9),
			},
			Consistency: &authzv1.Consistency{Mode: authzv1.Mode_MODE_FULLY_CONSISTENT},
		}
	case 9:
		return &authzv1.Rule{
			Policy:    &authzv1.Rule_Expression{Expression: &authzv1.Expression{Cel: "request.amount <= 1000 || caller.claims.department == 'finance'"}},
			RateLimit: &authzv1.RateLimit{Requests: 10, Per: durationpb.New(60e9), Key: authzv1.RateLimit_KEY_CLIENT},
		}
	case 11:
		if i%36 == 11 {
			return &authzv1.Rule{Policy: &authzv1.Rule_Public{Public: &authzv1.Public{Reason: "a probe, which has no credential"}}}
		}

		return &authzv1.Rule{Policy: &authzv1.Rule_Deny{Deny: &authzv1.Deny{Reason: "not yet"}}}
	default:
		return &authzv1.Rule{Policy: &authzv1.Rule_Check{Check: check("document:{document_id}", []string{"viewer", "editor", "owner"}[i%3])}}
	}
}
