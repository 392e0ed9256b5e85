package verify

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// claimCase is a change to good claims, as JSON text, that must be refused.
type claimCase struct {
	name   string
	change object
	drop   []string
	want   *Error
}

func runClaimCases(t *testing.T, cases []claimCase) {
	t.Helper()
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	refused := make([]refusedCase, 0, len(cases))
	for _, c := range cases {
		refused = append(refused, refusedCase{c.name, key.token(goodClaims().without(c.drop...).with(c.change)), c.want})
	}
	v := newJWT(t, srv.config())
	for _, c := range refused {
		t.Run(c.name, func(t *testing.T) {
			_, err := v.Verify(testContext(t), c.token, Requirements{})
			if asCause(err) != c.want {
				t.Fatalf("got %v, want %v", err, c.want.Err)
			}
			if n := srv.total(); n != 0 {
				t.Fatalf("%d fetches", n)
			}
		})
	}
}

func TestRow16Expiry(t *testing.T) {
	t.Parallel()
	raw := func(s string) object { return object{"exp": json.RawMessage(s)} }
	runClaimCases(t, []claimCase{
		{"row 16: missing", nil, []string{"exp"}, errClaimsNoExp},
		{"row 16: null", raw("null"), nil, errClaimsType},
		{"row 16: a string", raw(`"9999999999"`), nil, errClaimsType},
		{"row 16: RFC 3339", raw(`"2099-01-01T00:00:00Z"`), nil, errClaimsType},
		{"row 16: negative", raw("-1"), nil, errClaimsType},
		{"row 16: minus zero", raw("-0"), nil, errClaimsType},
		{"row 16: 1e19", raw("1e19"), nil, errClaimsType},
		{"row 16: 1e300", raw("1e300"), nil, errClaimsType},
		{"row 16: 1e400", raw("1e400"), nil, errClaimsType},
		{"row 16: twenty digits", raw("10000000000000000000"), nil, errClaimsType},
		{"row 16: after the year 9999", raw("253402300800"), nil, errClaimsType},
		{"row 16: a boolean", raw("true"), nil, errClaimsType},
		{"row 16: an array", raw("[9999999999]"), nil, errClaimsType},
		{"row 16: an object", raw("{}"), nil, errClaimsType},
		{"row 16: zero", raw("0"), nil, errExpired},
		{"row 16: milliseconds for seconds are beyond any clock", raw("9999999999999"), nil, errClaimsType},
		{"row 16: nbf a string", object{"nbf": "1"}, nil, errClaimsType},
		{"row 16: iat null", object{"iat": nil}, nil, errClaimsType},
		{"row 16: auth_time a string", object{"auth_time": "1"}, nil, errClaimsType},
	})
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	v := newJWT(t, srv.config())
	in5 := time.Now().Unix() + 300
	for _, text := range []string{fmt.Sprintf("%d.75", in5), fmt.Sprintf("%d.0", in5), "4.1e9", "4100000000", "253402300799"} {
		p, err := v.Verify(testContext(t), key.token(goodClaims().with(raw(text))), Requirements{})
		if err != nil {
			t.Errorf("row 16: legal NumericDate %s: %v", text, err)
		} else if p.ExpiresAt().Before(time.Now()) {
			t.Errorf("row 16: %s read as %v", text, p.ExpiresAt())
		}
	}
	p, _ := v.Verify(testContext(t), key.token(goodClaims().with(raw(fmt.Sprintf("%d.75", in5)))), Requirements{})
	if got := p.ExpiresAt(); !got.Equal(time.Unix(in5, 750e6)) {
		t.Errorf("row 16: fraction lost: %v", got)
	}
}

func TestRow17TimesAndLeeway(t *testing.T) {
	for _, leeway := range []time.Duration{NoLeeway, time.Second, DefaultLeeway, MaxLeeway} {
		synctest.Test(t, func(t *testing.T) {
			key := newKey("k1", EdDSA)
			srv := newKeyServer(key)
			cfg := srv.config()
			cfg.Leeway = leeway
			cfg.CacheSize = -1
			v, err := NewJWT(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			seconds := int64(max(leeway, 0) / time.Second)
			now := time.Now().Unix() // a whole second: the bubble's clock stands
			for _, c := range []struct {
				name  string
				claim string
				at    int64
				want  *Error
			}{
				{"exp one second within", "exp", now - seconds + 1, nil},
				{"exp exactly at the leeway", "exp", now - seconds, errExpired},
				{"exp one second beyond", "exp", now - seconds - 1, errExpired},
				{"nbf exactly at the leeway", "nbf", now + seconds, nil},
				{"nbf one second beyond", "nbf", now + seconds + 1, errClaimsNotYet},
				{"iat exactly at the leeway", "iat", now + seconds, nil},
				{"iat one second beyond", "iat", now + seconds + 1, errClaimsNotYet},
			} {
				_, err := v.Verify(t.Context(), key.token(goodClaims().with(object{c.claim: c.at})), Requirements{})
				if got := asCause(err); got != c.want || (c.want == nil && err != nil) {
					t.Errorf("row 17: leeway %v: %s: got %v", leeway, c.name, err)
				}
			}
			if _, err := v.Verify(t.Context(), key.token(goodClaims().with(object{"exp": 0})), Requirements{}); asCause(err).Reason != ReasonTokenExpired {
				t.Errorf("row 17: %v", err)
			}
		})
	}
	for _, leeway := range []time.Duration{-2, -time.Second, MaxLeeway + 1} {
		cfg := newKeyServer().config()
		cfg.Leeway = leeway
		if v, err := NewJWT(cfg); err == nil {
			v.Close()
			t.Errorf("row 17: a leeway of %v can be configured", leeway)
		}
	}
}

func TestRow17ExpiryEndsACachedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey("k1", EdDSA)
		srv := newKeyServer(key)
		v, err := NewJWT(srv.config())
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		token := key.token(goodClaims().with(object{"exp": time.Now().Unix() + 60}))
		p, err := v.Verify(t.Context(), token, Requirements{})
		if err != nil {
			t.Fatal(err)
		}
		if want := time.Now().Add(90 * time.Second); !p.ValidUntil().Equal(want) {
			t.Fatalf("valid until %v, want %v", p.ValidUntil(), want)
		}
		time.Sleep(90*time.Second - time.Nanosecond*1000)
		if _, err := v.Verify(t.Context(), token, Requirements{}); err != nil {
			t.Fatalf("a microsecond before the end: %v", err)
		}
		time.Sleep(time.Microsecond)
		if _, err := v.Verify(t.Context(), token, Requirements{}); asCause(err) != errExpired {
			t.Fatalf("at the end: %v", err)
		}
	})
}

func TestRow18Issuer(t *testing.T) {
	t.Parallel()
	cases := []claimCase{
		{"row 18: missing", nil, []string{"iss"}, errClaimsIssuer},
		{"row 18: null", object{"iss": nil}, nil, errClaimsType},
		{"row 18: an array", object{"iss": []string{testIssuer}}, nil, errClaimsType},
	}
	for name, iss := range map[string]string{
		"empty": "", "trailing slash": testIssuer + "/", "host in capitals": "https://ISSUER.test", "scheme in capitals": "HTTPS://issuer.test",
		"port": testIssuer + ":443", "user information": "https://x@issuer.test", "fragment": testIssuer + "#", "query": testIssuer + "?",
		"percent encoding": "https://issuer%2etest", "leading space": " " + testIssuer, "trailing space": testIssuer + " ", "http": "http://issuer.test",
		"dot": "https://issuer.test.", "prefix": testIssuer[:len(testIssuer)-1], "longer": testIssuer + ".evil.test", "NUL": testIssuer + "\x00",
		"path": testIssuer + "/.", "homoglyph": "https://іssuer.test",
	} {
		cases = append(cases, claimCase{"row 18: " + name, object{"iss": iss}, nil, errClaimsIssuer})
	}
	runClaimCases(t, cases)
}

func TestRow19Audience(t *testing.T) {
	t.Parallel()
	runClaimCases(t, []claimCase{
		{"row 19: missing", nil, []string{"aud"}, errClaimsAudience},
		{"row 19: empty", object{"aud": ""}, nil, errClaimsAudience},
		{"row 19: null", object{"aud": nil}, nil, errClaimsType},
		{"row 19: an empty array", object{"aud": []string{}}, nil, errClaimsAudience},
		{"row 19: a number", object{"aud": 1}, nil, errClaimsType},
		{"row 19: a number among strings", object{"aud": []any{testAudience, 1}}, nil, errClaimsType},
		{"row 19: null among strings", object{"aud": []any{testAudience, nil}}, nil, errClaimsType},
		{"row 19: nested array", object{"aud": []any{[]string{testAudience}}}, nil, errClaimsType},
		{"row 19: an object", object{"aud": object{testAudience: true}}, nil, errClaimsType},
		{"row 19: another", object{"aud": "https://other.internal"}, nil, errClaimsAudience},
		{"row 19: a superstring", object{"aud": testAudience + ".evil"}, nil, errClaimsAudience},
		{"row 19: a substring", object{"aud": testAudience[:10]}, nil, errClaimsAudience},
		{"row 19: trailing slash", object{"aud": testAudience + "/"}, nil, errClaimsAudience},
		{"row 19: in capitals", object{"aud": strings.ToUpper(testAudience)}, nil, errClaimsAudience},
		{"row 19: several in one string", object{"aud": "x " + testAudience}, nil, errClaimsAudience},
		{"row 19: a wildcard", object{"aud": "*"}, nil, errClaimsAudience},
	})
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	v := newJWT(t, srv.config())
	for _, aud := range []any{testAudience, []string{testAudience}, []string{"other", testAudience}, []string{testAudience, testAudience}} {
		if _, err := v.Verify(testContext(t), key.token(goodClaims().with(object{"aud": aud})), Requirements{}); err != nil {
			t.Errorf("row 19: %v: %v", aud, err)
		}
	}
	for _, audiences := range [][]string{nil, {}, {""}, {testAudience, ""}} {
		cfg := srv.config()
		cfg.Audiences = audiences
		if v, err := NewJWT(cfg); err == nil {
			v.Close()
			t.Errorf("row 19: audiences %q can be configured", audiences)
		}
	}
}

func TestRow21Confirmation(t *testing.T) {
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
		if _, err := v.Verify(testContext(t), token, Requirements{}); asCause(err) != errBinding {
			t.Fatalf("row 21: round %d: without a certificate: %v", round, err)
		}
		if _, err := v.Verify(testContext(t), token, Requirements{PeerCertificate: other}); asCause(err) != errBinding {
			t.Fatalf("row 21: round %d: another certificate: %v", round, err)
		}
		if _, err := v.Verify(testContext(t), token, Requirements{PeerCertificate: &x509.Certificate{}}); asCause(err) != errBinding {
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

func TestRow21aKind(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	v := newJWT(t, srv.config())
	for name, c := range map[string]struct {
		claims  object
		service bool
	}{
		"a user through a client":           {goodClaims(), false},
		"a client of its own":               {goodClaims().with(object{"sub": "web"}), true},
		"a client without sub":              {goodClaims().without("sub"), true},
		"a user without client_id":          {goodClaims().without("client_id"), false},
		"sub that only looks like a client": {goodClaims().with(object{"sub": "WEB"}), false},
	} {
		p, err := v.Verify(testContext(t), key.token(c.claims), Requirements{})
		if err != nil {
			t.Fatalf("row 21a: %s: %v", name, err)
		}
		if p.IsService() != c.service || p.IsUser() == c.service {
			t.Errorf("row 21a: %s: service %t", name, p.IsService())
		}
	}
	if _, err := v.Verify(testContext(t), key.token(goodClaims().without("sub", "client_id")), Requirements{}); asCause(err) != errClaimsIdentity {
		t.Errorf("row 21a: nobody at all: %v", err)
	}
	cfg := srv.config()
	cfg.IsService = func(p *Principal) bool { return strings.HasSuffix(p.Subject(), "@clients") }
	own := newJWT(t, cfg)
	p, err := own.Verify(testContext(t), key.token(goodClaims().with(object{"sub": "abc@clients"})), Requirements{})
	if err != nil || !p.IsService() {
		t.Errorf("row 21a: predicate not asked: %v", err)
	}
}

func TestRow22Scopes(t *testing.T) {
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

func TestRow23Actors(t *testing.T) {
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

func TestClaimsOfTheWrongType(t *testing.T) {
	t.Parallel()
	var cases []claimCase
	for _, name := range []string{"sub", "jti", "client_id", "acr", "token_use", "typ", "token_type"} {
		for kind, value := range map[string]any{"a number": 1, "null": nil, "an array": []string{"x"}, "an object": object{}} {
			cases = append(cases, claimCase{name + " " + kind, object{name: value}, nil, errClaimsType})
		}
	}
	cases = append(cases, claimCase{"amr a string", object{"amr": "pwd"}, nil, errClaimsType}, claimCase{"amr null", object{"amr": nil}, nil, errClaimsType})
	runClaimCases(t, cases)
}

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

func TestNewPrincipal(t *testing.T) {
	t.Parallel()
	p, err := NewPrincipal(object{"iss": testIssuer, "sub": "alice", "client_id": "web", "scope": "a"}, WithIssuerName("main"))
	if err != nil {
		t.Fatal(err)
	}
	if !p.IsUser() || p.Issuer() != testIssuer || p.IssuerName() != "main" || !p.HasScope("a") || time.Until(p.ValidUntil()) < time.Minute {
		t.Fatalf("got %v", p)
	}
	if s, _ := NewPrincipal(object{"sub": "x"}, WithKind(true)); !s.IsService() {
		t.Error("kind not set")
	}
	if _, err = NewPrincipal(object{"exp": "soon"}); err == nil {
		t.Error("claims of the wrong type pass")
	}
	if _, err = NewPrincipal(object{"x": make(chan int)}); err == nil {
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

func TestClaimsWithoutOneForm(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		value any
		want  []string
	}{
		"an array":            {[]string{"a", "b"}, []string{"a", "b"}},
		"a string":            {"a", []string{"a"}},
		"SCIM objects":        {[]object{{"value": "a"}}, nil},
		"an object":           {object{"a": true}, nil},
		"a number in between": {[]any{"a", 1}, nil},
		"null":                {nil, nil},
	} {
		p, err := NewPrincipal(object{"sub": "x", "roles": c.value, "groups": c.value, "permissions": c.value, "organization": object{"id": "x"}})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, got := range [][]string{p.Roles(), p.Groups(), p.Permissions()} {
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		if id, _ := p.Claim("organization", "id"); p.Organization() != "" || id != "x" {
			t.Errorf("%s: an organization that is no string", name)
		}
	}
}

func TestPrincipalString(t *testing.T) {
	t.Parallel()
	p, err := NewPrincipal(object{"sub": "a\n", "client_id": "web", "email": "secret@example.test"}, WithIssuerName("main"))
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
