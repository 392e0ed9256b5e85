package lint_test

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lint"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// A check with a subject of its own doesn't ask who the caller is: who calls need not be
// able to hold its relation.
func TestMatrixHoldersAreThoseOfTheCaller(t *testing.T) {
	s := model(t, nil, nil)
	s = model(t, append(s.Type("document").Relations, relation("owner", users), relation("trusts", services)), nil)
	own := &authzv1.Condition{Condition: &authzv1.Condition_Check{Check: &authzv1.Check{Object: "document:{id}", Relation: "trusts", Subject: "service:main"}}}
	caller := &authzv1.Condition{Condition: &authzv1.Condition_Check{Check: &authzv1.Check{Object: "document:{id}", Relation: "owner"}}}
	for name, c := range map[string]struct {
		rule *authzv1.Rule
		want []string
		text string
	}{
		"both":        {&authzv1.Rule{Policy: &authzv1.Rule_AllOf{AllOf: &authzv1.AllOf{Conditions: []*authzv1.Condition{own, caller}}}}, []string{"user"}, "  user"},
		"either":      {&authzv1.Rule{Policy: &authzv1.Rule_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: []*authzv1.Condition{own, caller}}}}, []string{"user"}, "  user"},
		"its own":     {&authzv1.Rule{Policy: &authzv1.Rule_Check{Check: own.GetCheck()}}, nil, ""},
		"the caller":  {&authzv1.Rule{Policy: &authzv1.Rule_Check{Check: caller.GetCheck()}}, []string{"user"}, "  user"},
		"nobody else": {&authzv1.Rule{Policy: &authzv1.Rule_Check{Check: &authzv1.Check{Object: "document:{id}", Relation: "none"}}}, nil, "no subject"},
	} {
		t.Run(name, func(t *testing.T) {
			policy := &authz.Policy{Methods: []authz.MethodPolicy{{Method: "a.A/Get", Rule: c.rule}}}
			m := newMatrix(t, lint.MatrixConfig{Schema: s, Policies: []lint.NamedPolicy{{Policy: policy}}})
			if got := m.Methods[0].Who; !slices.Equal(got, c.want) {
				t.Errorf("held by %q, want %q", got, c.want)
			}
			for format, write := range map[string]func(io.Writer) error{"text": m.Text, "Markdown": m.Markdown} {
				got := written(t, write)
				if c.text != "no subject" && strings.Contains(got, "no subject") {
					t.Errorf("%s says that no subject holds it:\n%s", format, got)
				}
				if !strings.Contains(got, strings.TrimSpace(c.text)) {
					t.Errorf("%s lacks %q:\n%s", format, c.text, got)
				}
			}
		})
	}
}

// The kinds that a rule admits are those of the issuers that it admits.
func TestMatrixAdmitsTheKindsOfTheRulesIssuers(t *testing.T) {
	service, user := authz.Subjects{Service: "service:{$client_id}"}, authz.Subjects{User: "user:{$sub}"}
	open := &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}}
	of := func(issuers ...string) *authzv1.Rule {
		return &authzv1.Rule{Policy: open, AccessToken: &authzv1.AccessToken{Issuers: issuers}}
	}
	for name, c := range map[string]struct {
		policy authz.Policy
		rule   *authzv1.Rule
		want   []string
	}{
		"an issuer with its own":    {authz.Policy{Subjects: user, IssuerSubjects: map[string]authz.Subjects{"partner": service}}, of("partner"), []string{"service"}},
		"an issuer without":         {authz.Policy{Subjects: user, IssuerSubjects: map[string]authz.Subjects{"partner": service}}, of("corp"), []string{"user"}},
		"both":                      {authz.Policy{Subjects: user, IssuerSubjects: map[string]authz.Subjects{"partner": service}}, of("corp", "partner"), []string{"service", "user"}},
		"every issuer":              {authz.Policy{Subjects: user, IssuerSubjects: map[string]authz.Subjects{"partner": service}}, of(), []string{"service", "user"}},
		"every issuer that is":      {authz.Policy{Subjects: user, Issuers: []string{"partner"}, IssuerSubjects: map[string]authz.Subjects{"partner": service}}, of(), []string{"service"}},
		"subjects that aren't told": {authz.Policy{}, of("corp"), []string{"service", "user"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.policy.Methods = []authz.MethodPolicy{{Method: "a.A/Get", Rule: c.rule}}
			m := newMatrix(t, lint.MatrixConfig{Policies: []lint.NamedPolicy{{Policy: &c.policy}}})
			if got := m.Methods[0].Admits; !slices.Equal(got, c.want) {
				t.Errorf("admits %q, want %q", got, c.want)
			}
		})
	}
}
