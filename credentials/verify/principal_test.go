package verify

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPrincipalIsImmutable(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	v := newJWT(t, srv.config())
	token := key.token(goodClaims().with(object{
		"aud": []string{testAudience, "b"}, "amr": []string{"pwd"}, "roles": []string{"r"}, "groups": []string{"g"}, "permissions": []string{"p"},
		"organization": "acme", "acr": "gold", "auth_time": 1700000000, "nbf": 1700000001,
		"tenant": object{"id": "t1", "size": 3, "tags": []string{"x"}, "none": nil, "ok": true, "big": json.Number("12345678901234567890")},
		"text":   "a\u00e9\"\\\n\U0001F600",
	}))
	p, err := v.Verify(testContext(t), token, Requirements{})
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]string{p.Scopes(), p.Audiences(), p.AMR(), p.Roles(), p.Groups(), p.Permissions()} {
		if len(list) == 0 {
			t.Fatal("a list is empty")
		}
		list[0] = "changed"
	}
	tenant, ok := p.Claim("tenant")
	if !ok {
		t.Fatal("no tenant")
	}
	maps.DeleteFunc(tenant.(map[string]any), func(string, any) bool { return true })
	tags, _ := p.Claim("tenant", "tags")
	tags.([]any)[0] = "changed"

	again, err := v.Verify(testContext(t), token, Requirements{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{
		"scopes": again.Scopes(), "aud": again.Audiences(), "amr": again.AMR(), "roles": again.Roles(), "groups": again.Groups(),
		"permissions": again.Permissions(), "organization": again.Organization(), "acr": again.ACR(), "jti": again.TokenID(),
		"auth_time": again.AuthTime().Unix(), "nbf": again.NotBefore().Unix(), "issuer": again.Issuer(),
	}
	want := map[string]any{
		"scopes": []string{"docs.read", "docs.write"}, "aud": []string{testAudience, "b"}, "amr": []string{"pwd"}, "roles": []string{"r"},
		"groups": []string{"g"}, "permissions": []string{"p"}, "organization": "acme", "acr": "gold", "jti": "token-1",
		"auth_time": int64(1700000000), "nbf": int64(1700000001), "issuer": testIssuer,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	tenant, _ = again.Claim("tenant")
	wantTenant := map[string]any{
		"id": "t1", "size": json.Number("3"), "tags": []any{"x"}, "none": nil, "ok": true, "big": json.Number("12345678901234567890"),
	}
	if diff := cmp.Diff(wantTenant, tenant); diff != "" {
		t.Fatal(diff)
	}
	if text, _ := again.Claim("text"); text != "a\u00e9\"\\\n\U0001F600" {
		t.Fatalf("got %q", text)
	}
	for _, path := range [][]string{nil, {"missing"}, {"tenant", "missing"}, {"sub", "x"}, {"tenant", "tags", "0"}} {
		if got, ok := again.Claim(path...); ok {
			t.Errorf("Claim(%q) = %v", path, got)
		}
	}
	if zero := again.IssuedAt().IsZero(); zero {
		t.Error("iat lost")
	}
}

// The encoder writes bytes that are no UTF-8 as U+FFFD: two names would be one.
func TestNewPrincipalRefusesBadUTF8(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string]object{
		"sub": {"sub": "a\xff"}, "another sub": {"sub": "a\xfe"}, "nested": {"sub": "a", "tenant": object{"id": []string{"x", "\xc3"}}},
		"a name": {"sub": "a", "x\xff": 1}, "cut in two": {"sub": "\u00e9"[:1]},
	} {
		if p, err := NewPrincipal(PrincipalConfig{Claims: fields}); err == nil {
			t.Errorf("%s: got %v", name, p)
		}
	}
	for _, sub := range []string{"a\ufffd", `a\ufffd`, `\\ufffd`, "\u2028\"\\<", `\`} {
		if p, err := NewPrincipal(PrincipalConfig{Claims: object{"sub": sub}}); err != nil || p.Subject() != sub {
			t.Errorf("%q: got %v, %v", sub, p, err)
		}
	}
}

func TestNewPrincipalQuotesNoClaim(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string]object{
		"a number that is none": {"exp": json.Number("secret")}, "JSON that is none": {"x": json.RawMessage("secret")},
		"a text that is no time": {"exp": "secret"}, "bad UTF-8": {"sub": "secret\xff"},
	} {
		if _, err := NewPrincipal(PrincipalConfig{Claims: fields}); err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "'s'") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := NewPrincipal(PrincipalConfig{Claims: object{"x": make(chan int)}}); err == nil || !strings.Contains(err.Error(), "chan int") {
		t.Errorf("got %v", err)
	}
}

func TestNewPrincipal(t *testing.T) {
	t.Parallel()
	p, err := NewPrincipal(PrincipalConfig{Claims: object{"iss": testIssuer, "sub": "alice", "client_id": "web", "scope": "a"}, IssuerName: "main"})
	if err != nil {
		t.Fatal(err)
	}
	if !p.IsUser() || p.Issuer() != testIssuer || p.IssuerName() != "main" || !p.HasScope("a") || time.Until(p.ValidUntil()) < time.Minute {
		t.Fatalf("got %v", p)
	}
	if s, _ := NewPrincipal(PrincipalConfig{Claims: object{"sub": "x"}, Kind: KindService}); !s.IsService() || s.IsUser() {
		t.Error("kind not set")
	}
	if p, err := NewPrincipal(PrincipalConfig{Claims: object{"sub": "x"}, Kind: KindUser + 1}); err == nil || p != nil {
		t.Error("a kind that there isn't is accepted")
	}
	if u, _ := NewPrincipal(PrincipalConfig{Claims: object{"sub": "x"}}); u.Kind() != KindUnclear || u.IsService() || u.IsUser() {
		t.Error("a kind without evidence")
	}
	soon := time.Now().Add(time.Minute)
	if s, _ := NewPrincipal(PrincipalConfig{Claims: object{"sub": "x", "exp": soon.Add(time.Hour).Unix()}, ValidUntil: soon}); !s.ValidUntil().Equal(soon) {
		t.Errorf("valid until %v, want %v", s.ValidUntil(), soon)
	}
	if s, _ := NewPrincipal(PrincipalConfig{Claims: object{"sub": "x", "exp": soon.Unix()}}); s.ValidUntil().Unix() != soon.Unix() {
		t.Errorf("valid until %v, want exp", s.ValidUntil())
	}
	if _, err = NewPrincipal(PrincipalConfig{Claims: object{"sub": "x", "auth_time": "2020-03-24T07:30:55Z"}}); err == nil {
		t.Error("auth_time as a text passes")
	}
	if _, err = NewPrincipal(PrincipalConfig{Claims: object{"exp": "soon"}}); err == nil {
		t.Error("claims of the wrong type pass")
	}
	if _, err = NewPrincipal(PrincipalConfig{Claims: object{"x": make(chan int)}}); err == nil {
		t.Error("what is no JSON passes")
	}
	ctx := NewContext(t.Context(), p)
	if got, ok := FromContext(ctx); !ok || got != p {
		t.Error("not found in the context")
	}
	if _, ok := FromContext(t.Context()); ok {
		t.Error("found in an empty context")
	}
	if _, ok := FromContext(NewContext(t.Context(), nil)); ok {
		t.Error("a nil principal is none")
	}
}

func TestPrincipalString(t *testing.T) {
	t.Parallel()
	p, err := NewPrincipal(PrincipalConfig{Claims: object{"sub": "a\n", "client_id": "web", "email": "secret@example.test"}, IssuerName: "main"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.String(), `user sub="a\n" client="web" issuer="main"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var v Verifier = VerifierFunc(func(context.Context, string, Requirements) (*Principal, error) { return p, nil })
	if got, _ := v.Verify(t.Context(), "", Requirements{}); got != p {
		t.Error("the function is not called")
	}
}
