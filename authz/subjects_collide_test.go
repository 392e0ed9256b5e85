package authz_test

import (
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz"
)

// Row 21a: a user of one issuer can't become the subject of another issuer's user by
// the choice of a name.
func TestSubjectsOfTwoIssuersStayApart(t *testing.T) {
	user := func(template string) authz.Subjects { return authz.Subjects{User: template} }
	for name, c := range map[string]struct {
		rest    authz.Subjects
		own     map[string]authz.Subjects
		issuers authz.Issuers
		refused bool
	}{
		"a prefix that the other's sub may have":      {own: map[string]authz.Subjects{"a": user("user:{$sub}"), "b": user("user:b-{$sub}")}, refused: true},
		"the short name that the other's sub may be":  {rest: user("user:{$issuer}/{$sub}"), own: map[string]authz.Subjects{"a": user("user:{$sub}")}, issuers: authz.Issuers{"a", "b"}, refused: true},
		"the same by an unknown issuer":               {rest: user("user:{$issuer}/{$sub}"), own: map[string]authz.Subjects{"a": user("user:a/{$sub}")}, refused: true},
		"a prefix and a suffix":                       {own: map[string]authz.Subjects{"a": user("user:a-{$sub}"), "b": user("user:{$sub}@b")}, refused: true},
		"a service of one and a user of the other":    {own: map[string]authz.Subjects{"a": {Service: "user:b-{$client_id}"}, "b": user("user:{$sub}")}, refused: true},
		"everybody of an issuer as one":               {rest: user("user:{$issuer}"), refused: true},
		"two prefixes":                                {own: map[string]authz.Subjects{"a": user("user:a-{$sub}"), "b": user("user:b-{$sub}")}},
		"two suffixes":                                {own: map[string]authz.Subjects{"a": user("user:{$sub}@a"), "b": user("user:{$sub}@b")}},
		"two types":                                   {own: map[string]authz.Subjects{"a": user("user:{$sub}"), "b": user("guest:{$sub}")}},
		"the issuer in each":                          {rest: user("user:{$issuer}/{$sub}"), issuers: authz.Issuers{"a", "b"}},
		"the issuer in one, and a prefix that is own": {rest: user("user:{$issuer}/{$sub}"), own: map[string]authz.Subjects{"a": user("user:a/{$sub}")}, issuers: authz.Issuers{"a", "b"}},
		"the issuer's own suffix":                     {rest: user("user:{$sub}/{$issuer}"), own: map[string]authz.Subjects{"a": user("user:{$sub}/a")}, issuers: authz.Issuers{"a", "b"}},
		"one issuer is left for the rest":             {rest: user("user:{$sub}"), own: map[string]authz.Subjects{"a": user("guest:{$sub}")}, issuers: authz.Issuers{"a", "b"}},
		"the rest's template again":                   {rest: user("user:{$sub}"), own: map[string]authz.Subjects{"a": user("user:{$sub}")}, issuers: authz.Issuers{"a", "b"}, refused: true},
		"a service with a user's name, by a prefix":   {own: map[string]authz.Subjects{"a": {Service: "user:s-{$client_id}", User: "user:{$sub}"}}, refused: true},
		"a service with a user's name":                {rest: authz.Subjects{Service: "user:{$client_id}", User: "user:{$sub}"}, issuers: authz.Issuers{"a"}, refused: true},
		"a service with a user's name, by sub":        {rest: authz.Subjects{Service: "user:{$sub}", User: "user:{$sub}"}, issuers: authz.Issuers{"a"}, refused: true},
		"a service with a user's name, several":       {rest: authz.Subjects{Service: "user:{$issuer}/{$client_id}", User: "user:{$issuer}/{$sub}"}, issuers: authz.Issuers{"a", "b"}, refused: true},
		"a service with a user's name, unknown":       {rest: authz.Subjects{Service: "user:{$issuer}/{$client_id}", User: "user:{$issuer}/{$sub}"}, refused: true},
		"a service and a user of two prefixes":        {rest: authz.Subjects{Service: "user:s-{$client_id}", User: "user:u-{$sub}"}, issuers: authz.Issuers{"a"}},
		"a service and a user of two types":           {rest: authz.Subjects{Service: "service:{$client_id}", User: "user:{$sub}"}, issuers: authz.Issuers{"a"}},
		"a service and a user of two relations":       {rest: authz.Subjects{Service: "team:{$client_id}#bot", User: "team:{$sub}#member"}, issuers: authz.Issuers{"a"}},
	} {
		t.Run("row 21a: "+name, func(t *testing.T) {
			_, err := authz.New(authz.Config{Engine: newTuples(), Subjects: c.rest, IssuerSubjects: c.own, Issuers: c.issuers})
			if (err != nil) != c.refused {
				t.Errorf("got %v, refused should be %v", err, c.refused)
			}
			if err != nil && !strings.Contains(err.Error(), "subject") {
				t.Error(err)
			}
		})
	}
}
