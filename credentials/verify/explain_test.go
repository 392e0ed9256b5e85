package verify

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// causeOf refuses a token and returns the cause's text and what it said.
func causeOf(t *testing.T, v Verifier, token string, req Requirements) (string, *Error) {
	t.Helper()
	_, err := v.Verify(testContext(t), token, req)
	e, ok := asError(err)
	if !ok || e.Kind != CredentialFault {
		t.Fatalf("got %v", err)
	}
	return e.Err.Error(), e
}

func TestCausesSayTheSettingAndTheValues(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	cfg := newKeyServer(key).config()
	cfg.Audiences = []string{testAudience, "b", "c", "d", "e", "f"}
	v := newJWT(t, cfg)
	cognito := newKeyServer(key).config()
	cognito.Profile = Cognito()
	clients := newJWT(t, cognito)
	keycloak := newKeyServer(key).config()
	keycloak.Profile = Keycloak()
	two := newJWT(t, keycloak)
	sum := sha256.Sum256([]byte("a certificate"))
	now := time.Now()
	withTyp := func(typ string) string {
		return key.tokenOf(jsonOf(key.header().with(object{"typ": typ})), jsonOf(goodClaims()))
	}
	for name, c := range map[string]struct {
		v     Verifier
		token string
		req   Requirements
		want  []string
	}{
		"iss": {v, key.token(goodClaims().with(object{"iss": "https://evil.test"})), Requirements{}, []string{
			`JWTConfig.Issuer is "https://issuer.test"`, `unverified iss "https://evil.test"`,
		}},
		"iss with a slash": {v, key.token(goodClaims().with(object{"iss": testIssuer + "/"})), Requirements{}, []string{
			`unverified iss "https://issuer.test/"`, "the slash at the end",
		}},
		"iss missing": {v, key.token(goodClaims().without("iss")), Requirements{}, []string{`unverified iss ""`}},
		"iss too long": {v, key.token(goodClaims().with(object{"iss": strings.Repeat("i", 5000)})), Requirements{}, []string{
			`unverified iss "` + strings.Repeat("i", 128) + `"`,
		}},
		"iss with a line break": {v, key.token(goodClaims().with(object{"iss": "a\nb"})), Requirements{}, []string{`unverified iss "a\nb"`}},
		"aud": {v, key.token(goodClaims().with(object{"aud": []string{"1", "2", "3", "4", "5"}})), Requirements{}, []string{
			`JWTConfig.Audiences is "https://docs.internal", "b", "c", "d" and 2 more`, `unverified aud "1", "2", "3", "4"`,
		}},
		"aud missing":      {v, key.token(goodClaims().without("aud")), Requirements{}, []string{"unverified aud absent"}},
		"client for aud":   {clients, key.tokenOf(jsonOf(key.header()), jsonOf(goodClaims().without("aud").with(object{"token_use": "access"}))), Requirements{}, []string{`JWTConfig.Audiences`, `unverified client id "web"`, "Amazon Cognito"}},
		"typ":              {v, withTyp("JWT"), Requirements{}, []string{"JWTConfig.Profile RFC 9068", `"at+jwt"`, `unverified typ "JWT"`}},
		"token_use":        {v, key.token(goodClaims().with(object{"token_use": "refresh"})), Requirements{}, []string{`unverified claim token_use "refresh"`, "JWTConfig.Profile RFC 9068"}},
		"nonce":            {v, key.token(goodClaims().with(object{"nonce": "n-0"})), Requirements{}, []string{"nonce", "Profile.Tolerated"}},
		"client":           {two, key.token(goodClaims().with(object{"typ": "Bearer", "azp": "other"})), Requirements{}, []string{"JWTConfig.Profile Keycloak", "azp, client_id, clientId"}},
		"no proof":         {two, key.tokenOf(jsonOf(key.header().with(object{"typ": "JWT"})), jsonOf(goodClaims())), Requirements{}, []string{"JWTConfig.Profile Keycloak", `typ "JWT"`}},
		"expired":          {v, key.token(goodClaims().with(object{"exp": now.Add(-time.Hour).Unix()})), Requirements{}, []string{"exp " + now.Add(-time.Hour).UTC().Format("2006-01-02T15:04:"), "(1h0m", " ago)", "JWTConfig.Leeway 30s"}},
		"not yet":          {v, key.token(goodClaims().with(object{"nbf": now.Add(time.Hour).Unix()})), Requirements{}, []string{"unverified nbf", " (in ", "JWTConfig.Leeway 30s", "clocks"}},
		"no certificate":   {v, key.token(goodClaims().with(object{"cnf": object{"x5t#S256": b64(sum[:])}})), Requirements{}, []string{"the connection has none", "ClientAuth"}},
		"other than bound": {v, key.token(goodClaims().with(object{"cnf": object{"x5t#S256": b64(sum[:])}})), Requirements{PeerCertificate: &x509.Certificate{Raw: []byte("another")}}, []string{"another client certificate"}},
	} {
		t.Run(name, func(t *testing.T) {
			text, e := causeOf(t, c.v, c.token, c.req)
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q doesn't say %q", text, want)
				}
			}
			if strings.Contains(text, c.token) || strings.Contains(text, "n-0") || len(text) > 1500 || strings.ContainsAny(text, "\n\r\x00") {
				t.Errorf("says too much: %q", text)
			}
			if e.Error() != "verify: the token is not valid" && e.Error() != "verify: the token has expired" {
				t.Errorf("the caller's text is %q", e)
			}
			if e.Unverified == nil {
				t.Error("nothing unverified")
			}
			if !errors.Is(e, asCause(e).Err) {
				t.Error("the constant cause is not in the chain")
			}
		})
	}
}

func TestCausesOfIntrospectionAndOfManyIssuers(t *testing.T) {
	t.Parallel()
	in := introspectionWith(t, Profile{})
	verdict, err := in.verdict("opaque", jsonOf(object{"active": true, "iss": testIssuer + "/", "aud": testAudience, "sub": "alice", "client_id": "web"}), nil, time.Now())
	if err != nil || verdict.refused == nil {
		t.Fatalf("got %v, %v", verdict, err)
	}
	text := verdict.refused.Err.Error()
	if !strings.Contains(text, `IntrospectionConfig.Issuer is "https://issuer.test", unverified iss "https://issuer.test/"`) || !strings.Contains(text, "slash") {
		t.Errorf("got %q", text)
	}
	want := &Unverified{Issuer: testIssuer + "/", Subject: "alice", ClientID: "web", Audiences: []string{testAudience}}
	if diff := cmp.Diff(want, verdict.refused.Unverified); diff != "" {
		t.Error(diff)
	}

	key := newKey("k1", ES256)
	a, b := newKeyServer(key).config(), newKeyServer(key).config()
	b.Issuer, b.IssuerName = "https://b.test", "b"
	m := must(Issuers(newJWT(t, a), newJWT(t, b)))
	text, e := causeOf(t, m, key.token(goodClaims().with(object{"iss": "https://b.test/"})), Requirements{})
	if !strings.Contains(text, `"https://issuer.test", "https://b.test"`) || !strings.Contains(text, `"https://b.test/"; they differ by the slash`) {
		t.Errorf("got %q", text)
	}
	if e.Unverified == nil || e.Unverified.Issuer != "https://b.test/" {
		t.Errorf("got %+v", e.Unverified)
	}
	text, _ = causeOf(t, m, key.token(goodClaims().with(object{"aud": "x"})), Requirements{})
	if !strings.Contains(text, `unverified aud "x"`) {
		t.Errorf("got %q", text)
	}
}

func TestUnverifiedIsBounded(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	v := newJWT(t, newKeyServer(key).config())
	long := strings.Repeat("é", 200)
	token := key.tokenOf(jsonOf(key.header().with(object{"typ": long})), jsonOf(goodClaims().with(object{
		"iss": long, "sub": long, "client_id": long, "aud": slices.Repeat([]string{long}, 9),
	})))
	_, e := causeOf(t, v, token, Requirements{})
	u := e.Unverified
	if len(u.Audiences) != 4 {
		t.Errorf("%d audiences", len(u.Audiences))
	}
	for _, text := range append([]string{u.Issuer, u.Subject, u.ClientID, u.Type}, u.Audiences...) {
		if text != long[:128] {
			t.Errorf("got %d bytes", len(text))
		}
	}
	// What could not be decoded says nothing; what was only not signed says all.
	if _, e = causeOf(t, v, "a.b.c", Requirements{}); e.Unverified != nil {
		t.Errorf("got %+v", e.Unverified)
	}
	forged := newKey("k1", ES256).token(goodClaims())
	if _, e = causeOf(t, v, forged, Requirements{}); e.Unverified == nil || e.Unverified.Subject != "alice" || e.Unverified.Type != "at+jwt" {
		t.Errorf("got %+v", e.Unverified)
	}
	// A refusal is shared by nobody else: the next one's texts are its own.
	_, one := causeOf(t, v, key.token(goodClaims().with(object{"iss": "https://one.test"})), Requirements{})
	_, two := causeOf(t, v, key.token(goodClaims().with(object{"iss": "https://two.test"})), Requirements{})
	if one.Unverified.Issuer != "https://one.test" || two.Unverified.Issuer != "https://two.test" {
		t.Errorf("got %+v and %+v", one.Unverified, two.Unverified)
	}
}

// Refusals of answers are remembered: they must not keep the answers alive.
func TestRefusedAnswersAreNotKept(t *testing.T) {
	in := introspectionWith(t, Profile{})
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, kept := heap(), make([]*Error, 0, 300)
	for range cap(kept) {
		answer := jsonOf(object{"active": true, "iss": "https://evil.test", "sub": "alice", "typ": "x", "pad": strings.Repeat("x", 60<<10)})
		c, refused := decodeClaims(answer)
		if refused != nil {
			t.Fatal(refused.Err)
		}
		kept = append(kept, in.expected.refuse(errClaimsIssuer, nil, c, 0))
	}
	if grown := int64(heap()) - int64(before); grown > 5<<20 {
		t.Errorf("300 refusals keep %d bytes", grown)
	}
	runtime.KeepAlive(kept)
}

// A flood of refused tokens must not cost much more than before causes had words.
func TestRefusalsAllocateOnce(t *testing.T) {
	key := newKey("k1", ES256)
	v := newJWT(t, newKeyServer(key).config())
	d, refused := decode(key.token(goodClaims().with(object{"iss": "https://evil.test"})), v.limit, v.algs, v.headers)
	if refused != nil {
		t.Fatal(refused.Err)
	}
	if n := testing.AllocsPerRun(100, func() { v.expected.refuse(errClaimsIssuer, d.header, d.claims, 0) }); n != 1 {
		t.Errorf("%v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { v.Verify(t.Context(), "not-a-token", Requirements{}) }); n != 0 {
		t.Errorf("%v allocations for a malformed token", n)
	}
}
