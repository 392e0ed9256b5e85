package authz_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	"github.com/usher-auth/usher/authz/schema"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// model is a schema with every sort of parameter.
func model(tb testing.TB) *schema.Schema {
	tb.Helper()
	user, service := schema.Subject{Type: "user"}, schema.Subject{Type: "service"}
	with := func(s schema.Subject, condition string) schema.Subject {
		s.Condition = condition

		return s
	}
	direct := func(name string, subjects ...schema.Subject) schema.Relation {
		return schema.Relation{Name: name, Expression: schema.Direct{Subjects: subjects}}
	}
	s, err := schema.New("model.fga", []schema.Type{
		{Name: "user"},
		{Name: "service"},
		{Name: "team", Relations: []schema.Relation{direct("member", user)}},
		{Name: "document", Relations: []schema.Relation{
			direct("owner", user), direct("reader", service), direct("viewer", user, service, schema.Subject{Type: "team", Relation: "member"}),
			direct("dated", with(user, "fresh"), with(service, "near")),
			direct("timed", with(user, "fresh")),
			direct("sized", with(user, "small"), service),
			{Name: "opaque", Expression: schema.Unknown{}},
		}},
	}, []schema.Condition{
		{Name: "fresh", Parameters: map[string]string{"now": "timestamp", "count": "int"}},
		{Name: "small", Parameters: map[string]string{"size": "uint"}},
		{Name: "near", Parameters: map[string]string{"address": "ipaddress"}},
	})
	if err != nil {
		tb.Fatal(err)
	}

	return s
}

// rulePolicy is the policy of rules over Values.
func rulePolicy(tb testing.TB, config authz.Config, rules map[string]*authzv1.Rule) *authz.Policy {
	tb.Helper()
	config.Engine, config.Resolver = newTuples(), ruledOver(tb, &docsv1.Values{}, nil, rules)
	policy := newAuthorizer(tb, config).Policy()
	for _, m := range policy.Methods {
		for _, fault := range m.Faults {
			tb.Fatal(fault)
		}
	}

	return policy
}

func admit(rule *authzv1.Rule, kinds ...authzv1.Kind) *authzv1.Rule {
	rule.AccessToken = &authzv1.AccessToken{Kinds: kinds}

	return rule
}

func asking(subject string, rule *authzv1.Rule) *authzv1.Rule {
	rule.GetCheck().Subject = subject

	return rule
}

func given(rule *authzv1.Rule, pairs ...string) *authzv1.Rule {
	for i := 0; i < len(pairs); i += 2 {
		rule.GetCheck().Context = append(rule.GetCheck().Context, &authzv1.ContextValue{Name: pairs[i], Value: pairs[i+1]})
	}

	return rule
}

func condition(rule *authzv1.Rule) *authzv1.Condition {
	return &authzv1.Condition{Condition: &authzv1.Condition_Check{Check: rule.GetCheck()}}
}

func anyPasses(conditions ...*authzv1.Condition) *authzv1.Rule {
	return &authzv1.Rule{Policy: &authzv1.Rule_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: conditions}}}
}

func allPass(conditions ...*authzv1.Condition) *authzv1.Rule {
	return &authzv1.Rule{Policy: &authzv1.Rule_AllOf{AllOf: &authzv1.AllOf{Conditions: conditions}}}
}

func scope(name string) *authzv1.Condition {
	return &authzv1.Condition{Condition: &authzv1.Condition_HasScope{HasScope: &authzv1.HasScope{Scope: name}}}
}

func TestValidateSchema(t *testing.T) {
	const service, user = authzv1.Kind_KIND_SERVICE, authzv1.Kind_KIND_USER
	permission := &authzv1.Rule{Policy: &authzv1.Rule_Permission{Permission: &authzv1.Permission{Name: "documents.edit", On: "nothing:{text}"}}}
	for name, tc := range map[string]struct {
		rule     *authzv1.Rule
		subjects authz.Subjects
		// want are the faults, each as "ID path@column: " and parts of its text, split by "|".
		want []string
	}{
		"all is in the schema":      {rule: check("document:{text}", "viewer")},
		"row 62: a type that isn't": {check("documnt:{text}", "viewer"), authz.Subjects{}, []string{`SCHEMA_TYPE rule.check.object@0: |"model.fga"|no type "documnt"|write "document"`}},
		"row 62: a type like none":  {check("invoice:{text}", "viewer"), authz.Subjects{}, []string{`SCHEMA_TYPE rule.check.object@0: |no type "invoice"|the schema has "document", "service", "team", "user"`}},
		"row 62: a relation that isn't": {
			check("document:{text}", "veiwer"), authz.Subjects{}, []string{`SCHEMA_RELATION rule.check.relation@-1: |no relation "veiwer" of type "document"|write "viewer"`},
		},
		"a relation of another type": {check("team:{text}", "viewer"), authz.Subjects{}, []string{`SCHEMA_RELATION rule.check.relation@-1: |has "member"`}},
		"a type without relations":   {check("user:{text}", "viewer"), authz.Subjects{}, []string{`SCHEMA_RELATION rule.check.relation@-1: |; add the relation to the model`}},
		"a subject's type": {
			asking("usr:{text}", check("document:{text}", "viewer")), authz.Subjects{}, []string{`SCHEMA_TYPE rule.check.subject@0: |no type "usr"|write "user"`},
		},
		"a userset's relation": {
			asking("team:{text}#members", check("document:{text}", "viewer")), authz.Subjects{}, []string{`SCHEMA_RELATION rule.check.subject@12: |no relation "members" of type "team"|write "member"`},
		},
		"a userset that holds it":    {rule: asking("team:{text}#member", check("document:{text}", "viewer"))},
		"a permission has no schema": {rule: permission},
		"in a group": {
			anyPasses(scope("a"), condition(check("documnt:{text}", "viewer"))), authz.Subjects{}, []string{`SCHEMA_TYPE rule.any_of.conditions[1].check.object@0: `},
		},
		"a configured subject's type": {
			check("document:{text}", "viewer"), authz.Subjects{User: "usr:{$sub}"}, []string{`SCHEMA_TYPE Subjects.User@0: |the subject "usr:{$sub}"|no type "usr"|write "user"`},
		},
		"a configured subject that isn't asked about": {
			rule: asking("user:{text}", check("document:{text}", "viewer")), subjects: authz.Subjects{User: "usr:{$sub}"},
		},
		"one kind can't hold it": {
			check("document:{text}", "owner"), authz.Subjects{}, []string{
				`SCHEMA_SUBJECT rule.check@-1: |a service can never pass|"service:{$client_id}" can't have "owner" of "document"|gives to "user"|admit KIND_USER alone in access_token.kinds|"reader"`,
			},
		},
		"the kind that can hold it":           {rule: admit(check("document:{text}", "owner"), user)},
		"a kind without a subject isn't told": {rule: check("document:{text}", "owner"), subjects: authz.Subjects{User: "user:{$sub}"}},
		"nobody can hold it": {
			admit(check("document:{text}", "owner"), service), authz.Subjects{}, []string{`SCHEMA_SUBJECT rule.check@-1: |a service can never pass|let the model's relation take "service"`},
		},
		"a subject of the rule's own": {
			asking("team:{text}#member", check("document:{text}", "owner")), authz.Subjects{}, []string{
				`SCHEMA_SUBJECT rule.check.subject@-1: |no caller can pass|"team:{text}#member" can't have "owner"|or ask for a relation that it can have: "viewer"`,
			},
		},
		"another way to pass":        {rule: anyPasses(scope("admin"), condition(check("document:{text}", "owner")))},
		"each kind its own relation": {rule: anyPasses(condition(check("document:{text}", "reader")), condition(check("document:{text}", "owner")))},
		"both relations": {
			allPass(condition(check("document:{text}", "reader")), condition(check("document:{text}", "owner"))), authz.Subjects{}, []string{
				`SCHEMA_SUBJECT rule.all_of.conditions[0].check@-1: |a user can never pass|"reader"`, `SCHEMA_SUBJECT rule.all_of.conditions[1].check@-1: |a service can never pass|"owner"`,
			},
		},
		"an unknown relation holds anybody": {rule: given(check("document:{text}", "opaque"), "anything", "{text}")},
		"a number below zero for an unsigned one": {
			rule: given(check("document:{text}", "sized"), "size", "-1"), want: []string{`SCHEMA_CONTEXT rule.check.context[0].value@-1: |"-1"|"size" is of type uint`},
		},
		"a list for an integer": {
			rule: given(check("document:{text}", "dated"), "now", "{$now|minute}", "count", "{unsigned[]}"), want: []string{
				`SCHEMA_LACKING_CONTEXT rule.check.context@-1: |"address" of condition "near"`,
				`SCHEMA_CONTEXT rule.check.context[1].value@-1: |a list whose elements are each an integer|"count" is of type int`,
			},
		},
		"context that nothing takes": {
			given(check("document:{text}", "viewer"), "now", "{$now|minute}"), authz.Subjects{}, []string{`SCHEMA_CONTEXT rule.check.context[0].name@-1: |takes "now"|no condition takes part`},
		},
		"context under a wrong name": {
			given(admit(check("document:{text}", "timed"), user), "nwo", "{$now|minute}", "count", "3"), authz.Subjects{}, []string{
				`SCHEMA_LACKING_CONTEXT rule.check.context@-1: |no value for "now" of condition "fresh"`, `SCHEMA_CONTEXT rule.check.context[0].name@-1: |takes "nwo"|write "now"`,
			},
		},
		"context of another type": {
			given(admit(check("document:{text}", "timed"), user), "now", "{wrapped_flag}", "count", "three"), authz.Subjects{}, []string{
				`SCHEMA_CONTEXT rule.check.context[0].value@-1: |the value is a boolean|of type timestamp`, `SCHEMA_CONTEXT rule.check.context[1].value@-1: |the string "three"|of type int`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			policy := rulePolicy(t, authz.Config{Subjects: tc.subjects, Permissions: permits{}}, map[string]*authzv1.Rule{"Get": tc.rule})
			faults := policy.ValidateSchema(model(t))
			for i, fault := range faults {
				if fault.File != "t.proto" || fault.Method != "t.S/Get" {
					t.Errorf("at %s %s", fault.File, fault.Method)
				}
				if i >= len(tc.want) {
					t.Errorf("unexpected: %v", fault)

					continue
				}
				text := fmt.Sprintf("%s %s@%d: %s; %s", strings.TrimPrefix(fault.ID, "USHER_"), fault.Path, fault.Column, fault.Problem, fault.Fix)
				for part := range strings.SplitSeq(tc.want[i], "|") {
					if !strings.Contains(text, part) {
						t.Errorf("no %q in %s", part, text)
					}
				}
			}
			if len(faults) < len(tc.want) {
				t.Errorf("lacks %q", tc.want[len(faults):])
			}
		})
	}
}

// permits is an engine of permissions.
type permits struct{ authz.PermissionEngine }

func TestValidateSchemaOfInheritedRules(t *testing.T) {
	files := ruled(t, &authzv1.ServiceRule{Default: check("documnt:1", "viewer")}, map[string]*authzv1.Rule{"Get": nil, "Put": nil})
	policy := newAuthorizer(t, authz.Config{Engine: newTuples(), Resolver: files}).Policy()
	faults := policy.ValidateSchema(model(t))
	if len(faults) != 2 || faults[0].Path != "service_rule.default.check.object" || faults[1].Method != "t.S/Put" {
		t.Error(faults)
	}
}

func TestAConfiguredSubjectIsReportedOnce(t *testing.T) {
	policy := rulePolicy(t, authz.Config{Subjects: authz.Subjects{User: "user:{$sub}", Service: "team:{$client_id}#owner"}}, map[string]*authzv1.Rule{
		"Get": check("document:1", "viewer"), "Put": check("document:2", "viewer"),
	})
	faults := policy.ValidateSchema(model(t))
	if len(faults) != 1 || faults[0].Method != "t.S/Get" || faults[0].Path != "Subjects.Service" || faults[0].Column != len("team:{$client_id}#") {
		t.Error(faults)
	}
}

func TestSubjectsOfIssuers(t *testing.T) {
	policy := rulePolicy(t, authz.Config{
		Issuers: authz.Issuers{"main", "other"},
		IssuerSubjects: map[string]authz.Subjects{
			"main": {User: "user:main/{$sub}", Service: "service:main/{$client_id}"}, "other": {User: "team:{$sub}#member"},
		},
	}, map[string]*authzv1.Rule{
		"Both":  check("document:1", "owner"),
		"Main":  {Policy: check("document:1", "owner").GetPolicy(), AccessToken: &authzv1.AccessToken{Issuers: []string{"main"}, Kinds: []authzv1.Kind{authzv1.Kind_KIND_USER}}},
		"Other": {Policy: check("document:1", "owner").GetPolicy(), AccessToken: &authzv1.AccessToken{Issuers: []string{"other"}}},
	})
	var got []string
	for _, fault := range policy.ValidateSchema(model(t)) {
		who, _, _ := strings.Cut(fault.Problem, " can't")
		got = append(got, strings.TrimPrefix(fault.Method, "t.S/")+" "+who)
	}
	want := []string{
		`Both a service can never pass: "service:main/{$client_id}"`, `Both a user can never pass: "team:{$sub}#member"`,
		`Other a user can never pass: "team:{$sub}#member"`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestValidateSchemaWithoutWhatAServerKnows(t *testing.T) {
	policy := rulePolicy(t, authz.Config{}, map[string]*authzv1.Rule{
		"Get": check("document:1", "owner"), "Team": asking("team:1#member", check("document:1", "owner")), "Typo": check("documnt:1", "owner"),
		"When": given(check("document:1", "dated"), "now", "{wrapped_flag}", "count", "x", "address", "{$peer.ip}"),
	})
	policy.Subjects = authz.Subjects{} // as package lint has it
	for i := range policy.Methods {
		policy.Methods[i].Descriptor = nil // as a file has it
	}
	var got []string
	for _, fault := range policy.ValidateSchema(model(t)) {
		got = append(got, fault.Method+" "+fault.ID+" "+fault.Path)
	}
	want := []string{
		"t.S/Team " + authz.FaultSchemaSubject + " rule.check.subject", "t.S/Typo " + authz.FaultSchemaType + " rule.check.object",
		"t.S/When " + authz.FaultSchemaContext + " rule.check.context[1].value",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestValidateSchemaOfNothing(t *testing.T) {
	if faults := (&authz.Policy{}).ValidateSchema(nil); len(faults) != 0 {
		t.Error(faults)
	}
	if faults := (*authz.Policy)(nil).ValidateSchema(model(t)); len(faults) != 0 {
		t.Error(faults)
	}
	broken := &authz.Policy{Methods: []authz.MethodPolicy{
		{Method: "t.S/Nil", Rule: &authzv1.Rule{}},
		{Method: "t.S/Empty", Rule: check("", "")},
		{Method: "t.S/Group", Rule: anyPasses(nil, &authzv1.Condition{})},
		{Method: "t.S/NilCheck", Rule: &authzv1.Rule{Policy: &authzv1.Rule_Check{}}},
		{Method: "t.S/Faulty", Rule: check("nothing:1", "viewer"), Faults: []*authz.RuleError{{}}},
		{Method: "t.S/Deep", Rule: anyPasses(deep(5000))},
	}}
	for _, fault := range broken.ValidateSchema(model(t)) {
		t.Error(fault)
	}
}

// deep nests groups.
func deep(n int) *authzv1.Condition {
	c := scope("a")
	for range n {
		c = &authzv1.Condition{Condition: &authzv1.Condition_AllOf{AllOf: &authzv1.AllOf{Conditions: []*authzv1.Condition{c}}}}
	}

	return c
}

// The time of many faults against a large schema is bounded.
func TestValidateSchemaOfManyFaults(t *testing.T) {
	types := make([]schema.Type, 0, 10_000)
	for i := range cap(types) {
		types = append(types, schema.Type{Name: fmt.Sprintf("type_with_a_long_name_%d", i)})
	}
	large, err := schema.New("large", types, nil)
	if err != nil {
		t.Fatal(err)
	}
	policy := &authz.Policy{}
	for i := range 10_000 {
		policy.Methods = append(policy.Methods, authz.MethodPolicy{Method: fmt.Sprint("t.S/M", i), Rule: proto.CloneOf(check(fmt.Sprintf("tpye_with_a_long_name_%d:1", i), "viewer"))})
	}
	if faults := policy.ValidateSchema(large); len(faults) != len(policy.Methods) {
		t.Error(len(faults))
	}
}
