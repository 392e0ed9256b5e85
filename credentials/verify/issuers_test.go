package verify

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/usher-auth/usher/credentials/credentialstest"
)

func twoIssuers(t *testing.T) (a, b *credentialstest.Issuer) {
	t.Helper()
	a = credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true, URL: "https://a.test"})
	b = credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true, URL: "https://b.test"})
	return a, b
}

func TestIssuersEachHasItsOwnRules(t *testing.T) {
	a, b := twoIssuers(t)
	m, err := NewMultiIssuer(
		verifierOf(t, a, func(c *JWTConfig) { c.IssuerName = "a"; c.Algorithms = []Algorithm{ES256}; c.MaxTokenBytes = 4 << 10 }),
		verifierOf(t, b, func(c *JWTConfig) {
			c.IssuerName = "b"
			c.Algorithms = []Algorithm{EdDSA}
			c.Audiences = []string{"https://b-only.test"}
			c.MaxTokenBytes = 32 << 10
			c.Profile = genericProfile()
		}))
	if err != nil {
		t.Fatal(err)
	}
	ofB := object{"aud": "https://b-only.test"}
	eddsa := func(i *credentialstest.Issuer, claims object) string {
		return i.MintWith(credentialstest.MintConfig{Claims: claims, Algorithm: "EdDSA"})
	}
	if p := accept(t, m, a.Mint(nil), "a"); p.IssuerName() != "a" || p.Issuer() != a.URL() {
		t.Errorf("got %v", p)
	}
	for range 2 {
		if p := accept(t, m, eddsa(b, ofB), "b"); p.IssuerName() != "b" {
			t.Errorf("got %v", p)
		}
	}
	refuse(t, m, eddsa(a, nil), "b's algorithm at a", tokenInvalid)
	refuse(t, m, b.Mint(ofB), "a's algorithm at b", tokenInvalid)
	refuse(t, m, a.Mint(ofB), "b's audience at a", tokenInvalid)
	refuse(t, m, eddsa(b, nil), "a's audience at b", tokenInvalid)
	refuse(t, m, a.MintWith(credentialstest.MintConfig{Header: map[string]any{"typ": "JWT"}}), "b's laxness at a", tokenInvalid)
	long := object{"pad": strings.Repeat("x", 8<<10)}
	refuse(t, m, a.Mint(long), "b's size at a", tokenInvalid)
	accept(t, m, eddsa(b, ofB.with(long)), "b's size at b")
	refuse(t, m, "opaque", "no member has introspection", tokenInvalid)
	if _, err := m.Verify(t.Context(), a.Mint(nil), introspected); asCause(err) != errOtherIssuer {
		t.Errorf("introspection where there is none: %v", err)
	}
	if _, err := m.Verify(t.Context(), a.Mint(nil), Requirements{Validation: 9}); asCause(err) != errValidation {
		t.Errorf("no such validation: %v", err)
	}
	if err := m.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestIssuersWithIntrospection(t *testing.T) {
	a, b := twoIssuers(t)
	m, err := NewMultiIssuer(verifierOf(t, a), hybridOf(t, b))
	if err != nil {
		t.Fatal(err)
	}
	opaque := b.MintOpaque(nil)
	if p := accept(t, m, opaque, "opaque"); p.Issuer() != b.URL() {
		t.Errorf("got %v", p)
	}
	token := b.Mint(nil)
	accept(t, m, token, "cached locally")
	b.Revoke(token)
	if _, err := m.Verify(t.Context(), token, introspected); asCause(err) != errInactive {
		t.Errorf("a hit in the cache is introspected too: %v", err)
	}
	accept(t, m, token, "locally still good")

	two, err := NewMultiIssuer(hybridOf(t, a), hybridOf(t, b))
	if err != nil {
		t.Fatal(err)
	}
	refuse(t, two, opaque, "nobody can say whose it is", tokenInvalid)
}

func TestIssuersConfig(t *testing.T) {
	a, b := twoIssuers(t)
	var none *JWT
	var noHybrid *Hybrid
	for name, list := range map[string][]IssuerVerifier{
		"none":               {},
		"nil":                {nil},
		"nil JWT":            {none},
		"nil Hybrid":         {noHybrid},
		"the same issuer":    {verifierOf(t, a), verifierOf(t, a, func(c *JWTConfig) { c.IssuerName = "x" })},
		"the same name":      {verifierOf(t, a, func(c *JWTConfig) { c.IssuerName = "x" }), verifierOf(t, b, func(c *JWTConfig) { c.IssuerName = "x" })},
		"JWT and its Hybrid": {verifierOf(t, a), hybridOf(t, a)},
	} {
		if _, err := NewMultiIssuer(list...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	a.Down()
	m, err := NewMultiIssuer(verifierOf(t, a), verifierOf(t, b))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), a.URL()) || strings.Contains(err.Error(), b.URL()) {
		t.Errorf("which one is not ready? %v", err)
	}
	accept(t, m, b.Mint(nil), "row 30: the other issuer is not affected")
	if err := errors.Join(m.Close(), m.Close()); err != nil {
		t.Error(err)
	}
	refuse(t, m, b.Mint(nil), "closed", unavailableNow)
}

func TestObserver(t *testing.T) {
	var mu sync.Mutex
	var verified []Verified
	var introspections []Introspected
	o := Observer{
		Verified: func(e Verified) {
			mu.Lock()
			defer mu.Unlock()
			verified = append(verified, e)
			panic("a user's code")
		},
		Introspected: func(e Introspected) { mu.Lock(); introspections = append(introspections, e); mu.Unlock() },
		KeysFetched:  func(KeysFetched) { panic("a user's code") },
	}
	a, b := twoIssuers(t)
	in := introspectionOf(t, b, func(c *IntrospectionConfig) { c.Observer = o; c.IssuerName = "b" })
	h, err := NewHybrid(HybridConfig{JWT: verifierOf(t, b, func(c *JWTConfig) { c.Observer = o; c.IssuerName = "b" }), Introspection: in})
	if err != nil {
		t.Fatal(err)
	}
	jwt := verifierOf(t, a, func(c *JWTConfig) { c.Observer = o; c.IssuerName = "a" })
	m, err := NewMultiIssuer(jwt, h)
	if err != nil {
		t.Fatal(err)
	}
	token := a.Mint(nil)
	accept(t, jwt, token, "a")
	accept(t, jwt, token, "a again")
	accept(t, m, token, "through m")
	refuse(t, m, "eyJ.e30.e30", "nobody's", tokenInvalid)
	accept(t, m, b.MintOpaque(nil), "opaque")
	refuse(t, m, "made-up", "opaque", tokenInvalid)

	type seen struct {
		issuer string
		source Source
		ok     bool
	}
	got := make([]seen, 0, len(verified))
	for _, e := range verified {
		got = append(got, seen{e.Issuer, e.Source, e.Err == nil})
	}
	want := []seen{
		{"a", SourceLocal, true},
		{"a", SourceCache, true},
		{"a", SourceLocal, true},
		{"", SourceLocal, false},
		{"b", SourceIntrospection, true},
		{"b", SourceIntrospection, false},
	}
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("event %d: %v, want %v", i, got[i], want[i])
		}
	}
	if len(introspections) != 2 || !introspections[0].Active || introspections[1].Active || introspections[1].Err != nil {
		t.Errorf("got %v", introspections)
	}
}

func TestPredicateThatPanics(t *testing.T) {
	issuer := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
	bad := Profile{Kind: func(*Principal) Kind { panic("a user's code") }}
	refuse(t, verifierOf(t, issuer, func(c *JWTConfig) { c.Profile = bad }), issuer.Mint(nil), "JWT", misconfiguredHere)
	refuse(t, introspectionOf(t, issuer, func(c *IntrospectionConfig) { c.Profile = bad }), issuer.MintOpaque(nil), "introspection", misconfiguredHere)
}
