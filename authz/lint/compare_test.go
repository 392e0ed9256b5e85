package lint_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lint"
	"github.com/usher-auth/usher/authz/schema"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// compareRule reads a rule, nil if the text is empty.
func compareRule(tb testing.TB, text string) *authzv1.Rule {
	tb.Helper()
	if text == "" {
		return nil
	}
	rule := &authzv1.Rule{}
	if err := prototext.Unmarshal([]byte(text), rule); err != nil {
		tb.Fatalf("%s: %v", text, err)
	}

	return rule
}

// comparePolicy is the policy of one method, t.S/M. Its rule is after inheritance.
func comparePolicy(tb testing.TB, text string) *authz.Policy {
	tb.Helper()

	return &authz.Policy{
		Subjects: authz.Subjects{Service: "service:{$client_id}", User: "user:{$sub}"}, Issuers: []string{"a", "b"},
		Methods: []authz.MethodPolicy{{Method: "t.S/M", ClientStreaming: true, File: "t.proto", Line: 3, Rule: compareRule(tb, text)}},
	}
}

// compareSchema has documents whose owners are editors, and editors viewers.
func compareSchema(tb testing.TB) *schema.Schema {
	tb.Helper()
	direct := schema.Direct{Subjects: []schema.Subject{{Type: "user"}, {Type: "service"}}}
	model, err := schema.New("test", []schema.Type{
		{Name: "user"},
		{Name: "service"},
		{Name: "document", Relations: []schema.Relation{
			{Name: "owner", Expression: direct},
			{Name: "editor", Expression: schema.Union{direct, schema.Computed{Relation: "owner"}}},
			{Name: "viewer", Expression: schema.Union{direct, schema.Computed{Relation: "editor"}}},
		}},
	}, nil)
	if err != nil {
		tb.Fatal(err)
	}

	return model
}

// compareTexts returns the differences of the only change, one a line.
func compareTexts(tb testing.TB, comparison *lint.Comparison) string {
	tb.Helper()
	if len(comparison.Changes) > 1 {
		tb.Fatalf("%d changes", len(comparison.Changes))
	}
	var lines []string
	for _, change := range comparison.Changes {
		for _, d := range change.Differences {
			lines = append(lines, d.Verdict.String()+": "+d.Part+": "+d.Witness)
		}
	}

	return strings.Join(lines, "\n")
}

const (
	viewer = `check: {object: "document:{id}" relation: "viewer"}`
	editor = `check: {object: "document:{id}" relation: "editor"}`
	owner  = `check: {object: "document:{id}" relation: "owner"}`
)

func TestCompareTellsAWitness(t *testing.T) {
	for name, c := range map[string]struct {
		old, new string
		want     []string
	}{
		"a scope dropped for services": {
			viewer + `access_token: {kinds: KIND_SERVICE scopes: ["read", "admin"]}`, viewer + `access_token: {kinds: KIND_SERVICE scopes: "read"}`,
			[]string{"looser: access_token.scopes: now also: a service token without scope admin"},
		},
		"a scope added": {
			viewer, viewer + `access_token: {scopes: "read"}`,
			[]string{"tighter: access_token.scopes: no longer: a token without scope read"},
		},
		"two scopes dropped": {
			viewer + `access_token: {scopes: ["a", "b"]}`, viewer,
			[]string{
				"looser: access_token.scopes: now also: a token without scope a",
				"looser: access_token.scopes: now also: a token without scope b",
			},
		},
		"a scope as a condition": {
			viewer + `access_token: {scopes: "a"}`, `all_of: {conditions: {` + viewer + `} conditions: {has_scope: {scope: "a"}}}`, nil,
		},
		"one of some scopes dropped": {
			viewer + `access_token: {any_scope: ["a", "b"]}`, viewer + `access_token: {any_scope: ["a"]}`,
			[]string{"tighter: access_token.any_scope: no longer: a token with scope b, without scope a"},
		},
		"a weaker relation": {
			editor, viewer,
			[]string{"looser: policy: now also: a caller that is viewer of document:{id} but not editor"},
		},
		"another relation": {
			`check: {object: "document:{id}" relation: "commenter"}`, viewer,
			[]string{
				"looser: policy: now also: a caller that is viewer of document:{id} but not commenter",
				"tighter: policy: no longer: a caller that is commenter of document:{id} but not viewer",
			},
		},
		"a relation that another implies": {
			viewer, `any_of: {conditions: {` + viewer + `} conditions: {` + owner + `}}`, nil,
		},
		"a relation that another implies, of a userset": {
			`check: {object: "document:{id}" relation: "viewer" subject: "team:{team}#member"}`,
			`any_of: {
				conditions: {check: {object: "document:{id}" relation: "viewer" subject: "team:{team}#member"}}
				conditions: {check: {object: "document:{id}" relation: "owner" subject: "team:{team}#member"}}
			}`,
			[]string{"looser: policy: now also: a caller that is owner of document:{id} as team:{team}#member but not viewer"},
		},
		"all_of to any_of": {
			`all_of: {conditions: {` + viewer + `} conditions: {has_role: {role: "auditor"}}}`,
			`any_of: {conditions: {` + viewer + `} conditions: {has_role: {role: "auditor"}}}`,
			[]string{
				"looser: policy: now also: a token with role auditor, whose caller isn't viewer of document:{id}",
				"looser: policy: now also: a token without role auditor, whose caller is viewer of document:{id}",
			},
		},
		"kinds widened": {
			viewer + `access_token: {kinds: KIND_SERVICE}`, viewer,
			[]string{"looser: access_token.kinds: now also: a user token"},
		},
		"an issuer more": {
			viewer + `access_token: {issuers: "a"}`, viewer,
			[]string{"looser: access_token.issuers: now also: a token of issuer b"},
		},
		"all issuers": {
			viewer + `access_token: {issuers: "a" issuers: "b"}`, viewer, nil,
		},
		"a longer age": {
			viewer + `access_token: {max_age: {seconds: 300}}`, viewer + `access_token: {max_age: {seconds: 3600}}`,
			[]string{"looser: access_token.max_age: now also: a token authenticated at most 1h ago, not authenticated in the last 5m"},
		},
		"a claim's value more": {
			`any_of: {conditions: {has_claim: {path: "tier" any_of: "gold"}}}`,
			`any_of: {conditions: {has_claim: {path: "tier" any_of: ["gold", "silver"]}}}`,
			[]string{`looser: policy: now also: a token with claim tier "silver", without claim tier "gold"`},
		},
		"public": {
			viewer, `public: {}`, []string{"looser: policy: now also: anyone, without a token"},
		},
		"no longer public": {
			`public: {}`, viewer, []string{"tighter: policy: no longer: anyone without a token"},
		},
		"no rule before": {
			``, viewer, []string{"looser: policy: now also: a caller that is viewer of document:{id}"},
		},
		"any caller": {
			`deny: {}`, `authenticated: {}`, []string{"looser: policy: now also: any caller with a valid token"},
		},
		"denied": {
			`authenticated: {}`, `deny: {}`, []string{"tighter: policy: no longer: any caller with a valid token"},
		},
		"a handler decides": {
			viewer, `handler: {}`, []string{"can't tell: policy: can't tell: what the method's handler decides isn't known"},
		},
		"a handler decides no more": {
			`handler: {}`, `authenticated: {}`, []string{"looser: policy: now also: a caller, where the method's handler doesn't grant it"},
		},
		"a handler and a scope less": {
			`handler: {} access_token: {scopes: "a"}`, `handler: {}`, []string{"looser: access_token.scopes: now also: a token without scope a"},
		},
		"an expression edited": {
			`expression: {cel: "request.a"}`, `expression: {cel: "request.b"}`, []string{"can't tell: policy: can't tell: how two expressions relate isn't known"},
		},
		"an expression dropped": {
			`all_of: {conditions: {` + viewer + `} conditions: {expression: {cel: "request.a"}}}`, viewer,
			[]string{`looser: policy: now also: a caller, where the expression "request.a" is false`},
		},
		"a match the other way around": {
			`match: {left: "{$sub}" right: "{user_id}"}`, `match: {left: "{user_id}" right: "{$sub}"}`, nil,
		},
		"a match dropped": {
			`all_of: {conditions: {` + viewer + `} conditions: {match: {left: "{user_id}" right: "{$sub}"}}}`, viewer,
			[]string{"looser: policy: now also: a caller, where {$sub} isn't {user_id}"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := compareTexts(t, lint.Compare(comparePolicy(t, c.old), comparePolicy(t, c.new), lint.CompareConfig{Schema: compareSchema(t)}))
			if want := strings.Join(c.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}
