package lint_test

import (
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lint"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// TestLintKnowsWhichCallersHaveASubject compares what it says with what a server decides.
func TestLintKnowsWhichCallersHaveASubject(t *testing.T) {
	file := must(seedFiles(t).FindFileByPath("usher/test/seeds/v1/everything.proto"))
	calls := everythingCalls(file.Messages().ByName("DoRequest"))
	service, user := authz.Subjects{Service: "service:{$issuer}/{$client_id}"}, authz.Subjects{User: "user:{$issuer}/{$sub}"}
	check := &authzv1.Rule{Policy: &authzv1.Rule_Check{Check: &authzv1.Check{Object: "text:{text}", Relation: "viewer"}}}
	open := &authzv1.Rule{Policy: &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}}}
	users := &authzv1.AccessToken{Kinds: []authzv1.Kind{authzv1.Kind_KIND_USER}}
	partners := &authzv1.AccessToken{Issuers: []string{"partner"}}
	with := func(rule *authzv1.Rule, token *authzv1.AccessToken) *authzv1.Rule {
		return &authzv1.Rule{Policy: rule.GetPolicy(), AccessToken: token}
	}
	permission := &authzv1.Rule{Policy: &authzv1.Rule_Permission{Permission: &authzv1.Permission{Name: "read"}}}
	for name, c := range map[string]struct {
		config authz.Config
		rule   *authzv1.Rule
		passes bool
	}{
		"services alone have one, and users are admitted":   {authz.Config{Subjects: service}, with(check, users), false},
		"the same, and nothing is asked about the caller":   {authz.Config{Subjects: service}, with(open, users), true},
		"users have one, and are admitted":                  {authz.Config{Subjects: user}, with(check, users), true},
		"services alone have one, and kinds aren't limited": {authz.Config{Subjects: service}, check, true},
		"an issuer without any":                             {authz.Config{IssuerSubjects: map[string]authz.Subjects{"corp": service}}, with(open, partners), false},
		"an issuer with some of its own":                    {authz.Config{IssuerSubjects: map[string]authz.Subjects{"partner": service}}, with(open, partners), true},
		"an issuer whose own have no user":                  {authz.Config{Subjects: user, IssuerSubjects: map[string]authz.Subjects{"partner": service}}, with(check, &authzv1.AccessToken{Issuers: []string{"partner"}, Kinds: users.GetKinds()}), false},
		"a permission of the token needs none":              {authz.Config{Subjects: service, Permissions: authz.ClaimPermissions{}}, with(permission, &authzv1.AccessToken{Issuers: []string{"partner"}, Kinds: users.GetKinds()}), true},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.Engine, c.config.Resolver, c.config.Issuers = grants{}, one{file}, authz.Issuers{"corp", "partner"}
			c.config.Rules = []authz.MethodRule{{Selector: everythingDo, Rule: c.rule}}
			authorizer, err := authz.New(c.config)
			if err != nil {
				t.Fatal(err)
			}
			// No call has a permission.
			if granted := strings.Contains(decisions(authorizer, calls), "+"); granted != c.passes && c.config.Permissions == nil {
				t.Errorf("a server grants: %v", granted)
			}
			findings := lint.Lint(authorizer.Policy(), lint.Config{})
			impassable := len(findings) == 1 && findings[0].ID == lint.IDRulePassable
			if impassable == c.passes || c.passes && len(findings) > 0 {
				t.Errorf("got %v", findings)
			}
		})
	}
}
