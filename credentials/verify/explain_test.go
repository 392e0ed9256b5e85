package verify

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/internal/authn"
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

// Causes of tokens that are refused before their claims are read, or after them.
func TestCausesSayWhatTheHeaderAndTheKeysAre(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	cfg := srv.config()
	cfg.Algorithms = []Algorithm{RS256, ES256}
	v := newJWT(t, cfg)
	both := must(NewMultiIssuer(newJWT(t, srv.config())))
	own := newKeyServer(key).config()
	own.Profile = Profile{Types: []string{"JWT"}, AccessToken: []Evidence{
		{{Claim: Path{"scopes"}, Test: Present}}, {{Claim: Path{"kind"}, Test: Equals, Values: []string{"access"}}},
	}, OtherToken: []Evidence{{{Claim: Path{"aud"}, Test: Contains, Values: []string{clientPlaceholder}}}}}
	mine := newJWT(t, own)
	withAlg := func(alg string) string {
		return key.tokenOf(jsonOf(key.header().with(object{"alg": alg})), jsonOf(goodClaims()))
	}
	asJWT := func(claims object) string {
		return key.tokenOf(jsonOf(key.header().with(object{"typ": "JWT"})), jsonOf(claims))
	}
	const url = `"https://issuer.test/jwks"`
	for name, c := range map[string]struct {
		v     Verifier
		token string
		want  []string
	}{
		"alg":                     {v, withAlg("RS512"), []string{"JWTConfig.Algorithms is ", `"RS256"`, `"ES256"`, `unverified alg "RS512"`}},
		"alg with a secret":       {v, withAlg("HS256"), []string{`unverified alg "HS256"`}},
		"alg of many issuers":     {both, withAlg("RS512"), []string{`JWTConfig.Algorithms is "RS256", "PS256", "ES256", "EdDSA"`, `unverified alg "RS512"`}},
		"alg too long":            {v, withAlg(strings.Repeat("é\n", 100)), []string{`unverified alg "`}},
		"opaque":                  {v, "opaque", []string{"verify.NewIntrospection", "verify.NewHybrid"}},
		"above the limit":         {v, strings.Repeat("a", 27<<10), []string{"MaxTokenBytes", "16 KiB"}},
		"another issuer's key":    {v, newKey("k9\n", ES256).token(goodClaims()), []string{`unverified kid "k9\n"`, `alg "ES256"`, url, `"k1"`}},
		"another key of the name": {v, newKey("k1", ES256).token(goodClaims()), []string{`unverified kid "k1"`, url}},
		"DPoP":                    {v, key.token(goodClaims().with(object{"cnf": object{"jkt": "x"}})), []string{"cnf.jkt", "DPoP"}},
		"scope":                   {v, key.token(goodClaims().with(object{"scope": 1})), []string{"scope"}},
		"exp":                     {v, key.token(goodClaims().with(object{"exp": "soon"})), []string{"exp"}},
		"no evidence":             {mine, asJWT(goodClaims().with(object{"kind": "i\nd"})), []string{"JWTConfig.Profile of your own", "AccessToken", "scopes (absent)", `kind "access" (unverified "i\nd")`}},
		"evidence of another":     {mine, asJWT(goodClaims().with(object{"scopes": "x", "aud": []string{testAudience, "web"}})), []string{"OtherToken", `aud`, `"web"`}},
		"typ":                     {mine, key.token(goodClaims()), []string{"JWTConfig.Profile of your own"}},
	} {
		t.Run(name, func(t *testing.T) {
			allowFetch(v)
			text, e := causeOf(t, c.v, c.token, Requirements{})
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q doesn't say %q", text, want)
				}
			}
			if strings.Contains(text, c.token) && len(c.token) > 10 || len(text) > 1500 || strings.ContainsAny(text, "\n\r\x00") {
				t.Errorf("says too much: %q", text)
			}
			if e.Error() != "verify: the token is not valid" {
				t.Errorf("the caller's text is %q", e)
			}
		})
	}
	// The budget is spent: it isn't known whether the key exists, but its id is.
	spent := newJWT(t, srv.config())
	spent.Verify(testContext(t), key.token(goodClaims()), Requirements{})
	spent.Verify(testContext(t), newKey("k8", ES256).token(goodClaims()), Requirements{})
	_, err := spent.Verify(testContext(t), newKey("k9", ES256).token(goodClaims()), Requirements{})
	e := wantError(t, err, unavailableNow)
	if !errors.Is(e, errBudget) || e.RetryAfter <= 0 || e.Unverified == nil || e.Unverified.Subject != "alice" {
		t.Errorf("got %+v", e)
	}
	for _, want := range []string{"UnknownKeyInterval", `unverified kid "k9"`, url} {
		if !strings.Contains(e.Err.Error(), want) {
			t.Errorf("%q doesn't say %q", e.Err, want)
		}
	}
}

func TestKeySetOfOtherAlgorithmsSaysWhich(t *testing.T) {
	t.Parallel()
	other := newKey("k1", RS512).jwk()
	unnamed := newKey("k2", ES384).jwk().without("alg")
	private := newKey("k3", ES256).jwk().with(object{"d": "AQAB"})
	srv := newKeyServer()
	srv.publishRaw(other, unnamed, private)
	text := newJWT(t, srv.config()).Ready(testContext(t)).Error()
	if !strings.Contains(text, "no key that could be used, of 3") || !strings.Contains(text, `"RS512", "ES384", not in JWTConfig.Algorithms`) {
		t.Errorf("got %q", text)
	}
}

func TestMetadataThatIsNowhereNamesBothPlaces(t *testing.T) {
	t.Parallel()
	srv := newKeyServer()
	srv.setAnswer(func(*http.Request) *http.Response { return answer(404, "") })
	cfg := srv.config()
	cfg.JWKSURL = ""
	text := newJWT(t, cfg).Ready(testContext(t)).Error()
	for _, want := range []string{
		`metadata at "https://issuer.test/.well-known/openid-configuration": HTTP status 404`,
		`metadata at "https://issuer.test/.well-known/oauth-authorization-server": HTTP status 404`,
		"set JWTConfig.MetadataURL or JWKSURL",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q doesn't say %q", text, want)
		}
	}
}

func TestCausesOfAnswersSayWhat(t *testing.T) {
	t.Parallel()
	in := introspectionWith(t, Profile{})
	for text, want := range map[string][]string{
		`{"active":"true"}`:            {`the member active is a string`},
		`{"active":1}`:                 {`the member active is a number`},
		`{}`:                           {"one member active"},
		`{"active":true,"exp":"soon"}`: {"exp"},
		`<html>`:                       {"not one well-formed JSON object"},
		`{"active":true,"a":1,"a":2}`:  {"not one well-formed JSON object", "repeated"},
	} {
		_, err := in.verdict("opaque", text, nil, time.Now())
		if err == nil || !errors.Is(err, errAnswer) {
			t.Fatalf("%s: got %v", text, err)
		}
		for _, want := range append(want, "introspection at IntrospectionConfig.URL https://") {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q doesn't say %q", text, err, want)
			}
		}
	}
	verdict := must(in.verdict("opaque", `{"active":false}`, nil, time.Now()))
	for _, want := range []string{"IntrospectionConfig.URL https://", "unknown there, expired or revoked", "may not introspect"} {
		if text := verdict.Value.refused.Err.Error(); !strings.Contains(text, want) {
			t.Errorf("%q doesn't say %q", text, want)
		}
	}
	verdict = must(in.verdict("opaque", jsonOf(object{"active": true, "sub": "alice", "client_id": "web"}), nil, time.Now()))
	if text := verdict.Value.refused.Err.Error(); !strings.Contains(text, "unverified aud absent") || !strings.Contains(text, "IntrospectionConfig.InsecureAnyAudience") {
		t.Errorf("got %q", text)
	}
	missing := &authError{os.ErrNotExist}
	_, missing.err = authn.Read(t.Context(), clientauth.File("/run/secrets/mis\nsing"), "the client's secret")
	if text := missing.Error(); !strings.Contains(text, `does not exist: "/run/secrets/mis\nsing"`) {
		t.Errorf("got %q", text)
	}
}

func TestCausesOfIntrospectionAndOfManyIssuers(t *testing.T) {
	t.Parallel()
	in := introspectionWith(t, Profile{})
	verdict, err := in.verdict("opaque", jsonOf(object{"active": true, "iss": testIssuer + "/", "aud": testAudience, "sub": "alice", "client_id": "web"}), nil, time.Now())
	if err != nil || verdict.Value.refused == nil {
		t.Fatalf("got %v, %v", verdict, err)
	}
	text := verdict.Value.refused.Err.Error()
	if !strings.Contains(text, `IntrospectionConfig.Issuer is "https://issuer.test", unverified iss "https://issuer.test/"`) || !strings.Contains(text, "slash") {
		t.Errorf("got %q", text)
	}
	want := &Unverified{Issuer: testIssuer + "/", Subject: "alice", ClientID: "web", Audiences: []string{testAudience}}
	if diff := cmp.Diff(want, verdict.Value.refused.Unverified); diff != "" {
		t.Error(diff)
	}

	key := newKey("k1", ES256)
	a, b := newKeyServer(key).config(), newKeyServer(key).config()
	b.Issuer, b.IssuerName = "https://b.test", "b"
	m := must(NewMultiIssuer(newJWT(t, a), newJWT(t, b)))
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
	// Two refusals share no texts.
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
	if n := testing.AllocsPerRun(100, func() { refuseAlg("HS256", v.algs) }); n != 1 {
		t.Errorf("%v allocations for an algorithm", n)
	}
	if n := testing.AllocsPerRun(100, func() { wrongType("scope") }); n != 0 {
		t.Errorf("%v allocations for a claim of the wrong type", n)
	}
	if n := testing.AllocsPerRun(100, func() { v.Verify(t.Context(), "not-a-token", Requirements{}) }); n != 0 {
		t.Errorf("%v allocations for a malformed token", n)
	}
}
