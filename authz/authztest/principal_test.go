package authztest_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz/authztest"
)

// A principal returns its claims as a token would have them, even after changes to
// the values that it was made of and to the values that it returned.
func TestPrincipalIsItsClaims(t *testing.T) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 999, time.UTC)
	given := authztest.Claims{"scope": "read write", "acr": "mfa", "auth_time": at, "level": 3, "groups": []string{"a"}, "org": map[string]any{"id": 7}}
	p := authztest.User("alice", given, authztest.Claims{"iss": "main", "client_id": nil, "acr": "pwd"})
	given["scope"] = "admin"
	groups, _ := p.Claim("groups")
	groups.([]any)[0] = "b"
	p.Claims()["sub"] = "bob"
	for name, test := range map[string]struct{ got, want any }{
		"issuer": {p.Issuer(), "main"}, "issuer's name": {p.IssuerName(), "main"}, "sub": {p.Subject(), "alice"}, "client id": {p.ClientID(), ""},
		"acr": {p.ACR(), "pwd"}, "auth_time": {p.AuthTime().Equal(at.Truncate(time.Second)), true},
		"a scope": {p.HasScope("write"), true}, "two scopes": {p.HasScope("read write"), false}, "another's scope": {p.HasScope("admin"), false},
		"no scope": {p.HasScope(""), false},
		"a user":   {p.IsUser() && !p.IsService(), true}, "a service": {authztest.Service("a").IsService() && authztest.Service("a").Subject() == "a", true},
		"no auth_time": {authztest.User("a").AuthTime().IsZero(), true},
	} {
		if test.got != test.want {
			t.Errorf("%s: %v, want %v", name, test.got, test.want)
		}
	}
	for _, test := range []struct {
		path []string
		want any
	}{
		{[]string{"level"}, json.Number("3")},
		{[]string{"groups"}, []any{"a"}},
		{[]string{"org", "id"}, json.Number("7")},
		{[]string{"org", "no"}, nil},
		{[]string{"level", "no"}, nil},
		{[]string{"client_id"}, nil},
		{[]string{"sub"}, "alice"},
	} {
		if got, ok := p.Claim(test.path...); !reflect.DeepEqual(got, test.want) || ok != (test.want != nil) {
			t.Errorf("%v: %v, %v, want %v", test.path, got, ok, test.want)
		}
	}
	if _, ok := p.Claim(); ok {
		t.Error("there is a claim without a name")
	}
}

// Claims that no token can have are the test's own mistake.
func TestPrincipalRefusesWhatNoTokenHas(t *testing.T) {
	for name, claims := range map[string]authztest.Claims{
		"a list of scopes": {"scope": []string{"read"}}, "a numeric sub": {"sub": 1}, "a function": {"f": func() {}},
		"a sub that isn't UTF-8": {"sub": "a\xff"},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			authztest.User("alice", claims)
		}()
	}
}
