package verify

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConfirmation(t *testing.T) {
	t.Parallel()
	cert := &x509.Certificate{Raw: []byte("not really a certificate")}
	other := &x509.Certificate{Raw: []byte("another")}
	sum := sha256.Sum256(cert.Raw)
	thumb := b64(sum[:])
	var cases []claimCase
	for name, cnf := range map[string]any{
		"jkt": object{"jkt": thumb}, "jkt beside x5t#S256": object{"x5t#S256": thumb, "jkt": thumb}, "jwk": object{"jwk": object{"kty": "EC"}},
		"kid": object{"kid": "x"}, "unknown": object{"x": 1}, "unknown beside x5t#S256": object{"x5t#S256": thumb, "x": 1}, "unknown after x5t#S256": object{"x5t#S256": thumb, "z": 1},
		"empty": object{}, "null": nil, "a string": thumb, "an array": []string{thumb},
		"thumbprint null": object{"x5t#S256": nil}, "thumbprint empty": object{"x5t#S256": ""}, "thumbprint short": object{"x5t#S256": b64(sum[:31])},
		"thumbprint long": object{"x5t#S256": b64(append(sum[:], 0))}, "thumbprint padded": object{"x5t#S256": thumb + "="},
		"thumbprint in hex": object{"x5t#S256": fmt.Sprintf("%x", sum)}, "thumbprint with a line break": object{"x5t#S256": thumb[:5] + "\n" + thumb[5:]},
		"SHA-1 thumbprint": object{"x5t": thumb[:27]}, "other spelling": object{"X5T#s256": thumb},
	} {
		cases = append(cases, claimCase{"row 21: " + name, object{"cnf": cnf}, nil, errConfirmation})
	}
	runClaimCases(t, cases)

	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	v := newJWT(t, srv.config())
	token := key.token(goodClaims().with(object{"cnf": object{"x5t#S256": thumb}}))
	for round := range 3 { // the first fills the cache: a hit is checked as well
		if _, err := v.Verify(testContext(t), token, Requirements{}); asCause(err) != errNoCertificate {
			t.Fatalf("row 21: round %d: without a certificate: %v", round, err)
		}
		if _, err := v.Verify(testContext(t), token, Requirements{PeerCertificate: other}); asCause(err) != errBinding {
			t.Fatalf("row 21: round %d: another certificate: %v", round, err)
		} else if e, _ := asError(err); e.Unverified == nil || e.Unverified.Subject != "alice" {
			t.Fatalf("row 21: round %d: it doesn't say whose token was refused: %+v", round, e.Unverified)
		}
		if _, err := v.Verify(testContext(t), token, Requirements{PeerCertificate: &x509.Certificate{}}); asCause(err) != errNoCertificate {
			t.Fatalf("row 21: round %d: an empty certificate: %v", round, err)
		}
		p, err := v.Verify(testContext(t), token, Requirements{PeerCertificate: cert})
		if err != nil {
			t.Fatalf("row 21: round %d: its own certificate: %v", round, err)
		}
		if got, ok := p.CertificateThumbprint(); !ok || got != sum {
			t.Fatal("row 21: thumbprint lost")
		}
	}
}

func TestKind(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	v := newJWT(t, srv.config())
	for name, c := range map[string]struct {
		claims object
		kind   Kind
	}{
		"a user through a client":           {goodClaims(), KindUser},
		"a client of its own":               {goodClaims().with(object{"sub": "web"}), KindService},
		"a client without sub":              {goodClaims().without("sub"), KindUnclear},
		"username and no sub":               {goodClaims().without("sub").with(object{"username": "alice"}), KindUnclear},
		"user_name and no sub":              {goodClaims().without("sub").with(object{"user_name": "alice"}), KindUnclear},
		"sub empty":                         {goodClaims().with(object{"sub": ""}), KindUnclear},
		"sub and client_id empty":           {goodClaims().with(object{"sub": "web", "client_id": ""}), KindUnclear},
		"a user without client_id":          {goodClaims().without("client_id"), KindUnclear},
		"sub that only looks like a client": {goodClaims().with(object{"sub": "WEB"}), KindUser},
	} {
		p, err := v.Verify(testContext(t), key.token(c.claims), Requirements{})
		if err != nil {
			t.Fatalf("row 21a: %s: %v", name, err)
		}
		if p.Kind() != c.kind || p.IsService() != (c.kind == KindService) || p.IsUser() != (c.kind == KindUser) {
			t.Errorf("row 21a: %s: %v", name, p)
		}
	}
	if _, err := v.Verify(testContext(t), key.token(goodClaims().without("sub", "client_id")), Requirements{}); asCause(err) != errClaimsIdentity {
		t.Errorf("row 21a: nobody at all: %v", err)
	}
	cfg := srv.config()
	cfg.Profile.Kind = func(p *Principal) Kind {
		if strings.HasSuffix(p.Subject(), "@clients") {
			return KindService
		}
		return p.Kind()
	}
	own := newJWT(t, cfg)
	p, err := own.Verify(testContext(t), key.token(goodClaims().with(object{"sub": "abc@clients"})), Requirements{})
	if err != nil || !p.IsService() {
		t.Errorf("row 21a: predicate not asked: %v", err)
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	v := newJWT(t, srv.config())
	for name, c := range map[string]struct {
		change object
		want   []string
	}{
		"a string":                    {object{"scope": "a b"}, []string{"a", "b"}},
		"one":                         {object{"scope": "a"}, []string{"a"}},
		"empty":                       {object{"scope": ""}, nil},
		"duplicates and odd spaces":   {object{"scope": "  a  b a "}, []string{"a", "b"}},
		"a tab doesn't separate":      {object{"scope": "a\tb"}, []string{"a\tb"}},
		"an array":                    {object{"scope": []string{"a", "b"}}, []string{"a", "b"}},
		"scp as an array":             {object{"scp": []string{"a", "b"}}, []string{"a", "b"}},
		"scp as a string":             {object{"scp": "a b"}, []string{"a", "b"}},
		"scope before scp":            {object{"scope": "a", "scp": "b"}, []string{"a"}},
		"empty scope before scp":      {object{"scope": "", "scp": "b"}, nil},
		"absent":                      {nil, nil},
		"space within an array entry": {object{"scope": []string{"a b"}}, []string{"a b"}},
	} {
		p, err := v.Verify(testContext(t), key.token(goodClaims().without("scope").with(c.change)), Requirements{})
		if err != nil {
			t.Fatalf("row 22: %s: %v", name, err)
		}
		got := p.Scopes()
		if len(got) == 0 {
			got = nil
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("row 22: %s: %s", name, diff)
		}
	}
	p, _ := v.Verify(testContext(t), key.token(goodClaims().with(object{"scope": "docs.read.all xdocs.write"})), Requirements{})
	for _, scope := range []string{"docs.read", "docs.write", "docs", "", " ", "docs.read.all xdocs.write", "DOCS.READ.ALL"} {
		if p.HasScope(scope) {
			t.Errorf("row 22: %q matched by a part", scope)
		}
	}
	runClaimCases(t, []claimCase{
		{"row 22: a number", object{"scope": 1}, nil, errClaimsType},
		{"row 22: null", object{"scope": nil}, nil, errClaimsType},
		{"row 22: an object", object{"scope": object{"a": true}}, nil, errClaimsType},
		{"row 22: an array with a number", object{"scope": []any{"a", 1}}, nil, errClaimsType},
		{"row 22: scp a number", object{"scp": 1}, []string{"scope"}, errClaimsType},
	})
}

func TestActors(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	v := newJWT(t, srv.config())
	chain := func(n int) object {
		var o object
		for i := n; i > 0; i-- {
			next := object{"sub": fmt.Sprintf("actor-%d", i), "iss": testIssuer, "client_id": "c"}
			if o != nil {
				next["act"] = o
			}
			o = next
		}
		return o
	}
	p, err := v.Verify(testContext(t), key.token(goodClaims().with(object{"act": chain(3)})), Requirements{})
	if err != nil {
		t.Fatal(err)
	}
	a, ok := p.Actor()
	if !ok || a.Subject() != "actor-1" || a.Issuer() != testIssuer || a.ClientID() != "c" {
		t.Fatalf("row 23: the outermost is the actor: %+v", a)
	}
	for want := 2; want <= 3; want++ {
		if a, ok = a.Prior(); !ok || a.Subject() != fmt.Sprintf("actor-%d", want) {
			t.Fatalf("row 23: prior actor %d: %+v", want, a)
		}
	}
	if _, ok = a.Prior(); ok {
		t.Fatal("row 23: the chain has no end")
	}
	if _, err = v.Verify(testContext(t), key.token(goodClaims().with(object{"act": chain(maxActors)})), Requirements{}); err != nil {
		t.Fatalf("row 23: the longest chain: %v", err)
	}
	runClaimCases(t, []claimCase{
		{"row 23: too deep", object{"act": chain(maxActors + 1)}, nil, errClaimsActor},
		{"row 23: a string", object{"act": "root"}, nil, errClaimsActor},
		{"row 23: null", object{"act": nil}, nil, errClaimsActor},
		{"row 23: nobody", object{"act": object{}}, nil, errClaimsActor},
		{"row 23: sub a number", object{"act": object{"sub": 1}}, nil, errClaimsActor},
		{"row 23: prior a string", object{"act": object{"sub": "a", "act": "b"}}, nil, errClaimsActor},
	})
}
