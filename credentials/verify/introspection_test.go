package verify

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/credentialstest"
)

const (
	introspectAt = credentialstest.IntrospectionEndpoint
	testClient   = "docs-server"
	testSecret   = "not-a-secret"
)

func introspectionOf(t *testing.T, issuer *credentialstest.Issuer, change ...func(*IntrospectionConfig)) *Introspection {
	t.Helper()
	issuer.AddClient(credentialstest.Client{ID: testClient, Secret: testSecret})
	cfg := IntrospectionConfig{
		URL: issuer.IntrospectURL(), Issuer: issuer.URL(), ClientID: testClient,
		Auth:      clientauth.SecretBasic(clientauth.Constant(testSecret)),
		Audiences: []string{credentialstest.DefaultAudience}, HTTPClient: issuer.Client(),
	}
	for _, f := range change {
		f(&cfg)
	}
	in, err := NewIntrospection(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	return in
}

func memoryIntrospection(t *testing.T, change ...func(*IntrospectionConfig)) (*credentialstest.Issuer, *Introspection) {
	t.Helper()
	issuer := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
	return issuer, introspectionOf(t, issuer, change...)
}

func TestIntrospection(t *testing.T) {
	issuer := credentialstest.NewIssuer(t, credentialstest.Config{})
	in := introspectionOf(t, issuer)
	token := issuer.MintOpaque(object{"sub": "alice", "client_id": "web", "scope": "a b", "tenant": object{"id": "t1"}})
	for range 3 {
		p := accept(t, in, token, "active")
		if p.Subject() != "alice" || p.ClientID() != "web" || !p.HasScope("b") || !p.IsUser() || p.Issuer() != issuer.URL() {
			t.Fatalf("got %v", p)
		}
		if id, _ := p.Claim("tenant", "id"); id != "t1" {
			t.Fatalf("tenant %v", id)
		}
	}
	if n := issuer.Requests(introspectAt); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	got := issuer.Received(introspectAt)[0]
	if got.Form.Get("token") != token || got.Form.Get("token_type_hint") != "access_token" || got.Header.Get("Authorization") == "" {
		t.Errorf("received %v", got.Form)
	}
	accept(t, in, issuer.Mint(nil), "a JWT is a token like any other")
	refuse(t, in, "unknown-token", "unknown", tokenInvalid)
	if _, err := in.Verify(t.Context(), token, Requirements{Validation: ValidationLocal}); asCause(err) != errCantLocal {
		t.Errorf("local validation: %v", err)
	}
	if _, err := in.Verify(t.Context(), token, Requirements{Validation: 9}); asCause(err) != errValidation {
		t.Errorf("no such validation: %v", err)
	}
}

func TestTokensThatAreNotIntrospected(t *testing.T) {
	issuer, in := memoryIntrospection(t)
	for _, token := range []string{"", "a b", "a\nb", "a\x00", "é", "=", strings.Repeat("a", defaultMaxTokenBytes+1)} {
		refuse(t, in, token, fmt.Sprintf("row 5: %.10q", token), tokenInvalid)
	}
	if n := issuer.Requests(introspectAt); n != 0 {
		t.Errorf("rows 4, 5: %d requests", n)
	}
}

func TestNeverActive(t *testing.T) {
	ok := `"sub":"alice","client_id":"web","aud":"` + credentialstest.DefaultAudience + `"`
	for name, body := range map[string]string{
		"missing":                `{` + ok + `}`,
		"a string":               `{"active":"true",` + ok + `}`,
		"one":                    `{"active":1,` + ok + `}`,
		"null":                   `{"active":null,` + ok + `}`,
		"an array":               `{"active":[true],` + ok + `}`,
		"capitals":               `{"ACTIVE":true,` + ok + `}`,
		"capital beside true":    `{"active":true,"Active":true,` + ok + `}`,
		"capital null beside":    `{"active":true,"ACTIVE":null,` + ok + `}`,
		"a number":               `{"active":1e0,` + ok + `}`,
		"an object":              `{"active":{"active":true},` + ok + `}`,
		"false, then null":       `{"active":false,"active":null,` + ok + `}`,
		"escaped, then false":    `{"\u0061ctive":true,"active":false,` + ok + `}`,
		"null, then root":        `{"active":true,"sub":null,` + ok + `}`,
		"repeated underneath":    `{"active":true,"act":{"sub":"a","sub":"b"},` + ok + `}`,
		"false, trailing JSON":   `{"active":false}{"active":true,` + ok + `}`,
		"false, cut off":         `{"active":false,"sub":"al`,
		"two byte order marks":   "\ufeff\ufeff" + `{"active":true,` + ok + `}`,
		"1,000 members":          `{"active":true,` + ok + `,"x":{` + manyMembers(1000) + `}}`,
		"True":                   `{"active":True,` + ok + `}`,
		"trailing JSON":          `{"active":true,` + ok + `}{"active":true}`,
		"trailing text":          `{"active":true,` + ok + `} x`,
		"repeated":               `{"active":true,"active":true,` + ok + `}`,
		"false, then true":       `{"active":false,"active":true,` + ok + `}`,
		"true, then false":       `{"active":true,"active":false,` + ok + `}`,
		"repeated sub":           `{"active":true,"sub":"root",` + ok + `}`,
		"an array around it":     `[{"active":true,` + ok + `}]`,
		"true alone":             `true`,
		"a string of JSON":       `"{\"active\":true}"`,
		"nothing":                ``,
		"HTML":                   `<html>active</html>`,
		"invalid UTF-8":          "{\"active\":true,\"x\":\"\xff\"," + ok + "}",
		"exp a string":           `{"active":true,"exp":"9999999999",` + ok + `}`,
		"10,000 deep":            `{"active":true,` + ok + `,"x":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + `}`,
		"active only underneath": `{"data":{"active":true},` + ok + `}`,
	} {
		t.Run("row 36: "+name, func(t *testing.T) {
			issuer, in := memoryIntrospection(t)
			issuer.Script(introspectAt, credentialstest.Always(credentialstest.Body(200, "application/json", body)))
			refuse(t, in, "opaque", "a malformed answer is an outage", unavailableNow)
		})
	}
	t.Run("row 36: false", func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		issuer.Script(introspectAt, credentialstest.Body(200, "application/json", `{"active": false}`))
		if e := refuse(t, in, "opaque", "inactive", tokenInvalid); asCause(e) != errInactive {
			t.Fatal(e.Err)
		}
	})
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"m%d":%d,`, i, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}

// The verdict stands whatever else the answer holds, and is remembered.
func TestFalseDecides(t *testing.T) {
	for name, body := range map[string]string{
		"null beside":              `{"active":false,"scope":null}`,
		"wrong types beside":       `{"active":false,"exp":"soon","aud":7,"sub":["a"],"iss":{}}`,
		"a binding beside":         `{"active":false,"cnf":{"jkt":1},"act":"root"}`,
		"a capital beside":         `{"active":false,"Active":true,"ISS":"x"}`,
		"another member repeated":  `{"active":false,"sub":"a","sub":"b"}`,
		"repeated underneath":      `{"act":{"sub":"a","sub":"b"},"active":false}`,
		"last":                     `{"error":"not_found","active" : false }`,
		"escaped":                  `{"\u0061ctive":false}`,
		"an active one underneath": `{"active":false,"token":{"active":true}}`,
	} {
		t.Run("row 36: "+name, func(t *testing.T) {
			issuer, in := memoryIntrospection(t)
			issuer.Script(introspectAt, credentialstest.Always(credentialstest.Body(200, "application/json", body)))
			for range 3 {
				if e := refuse(t, in, "opaque", "inactive", tokenInvalid); asCause(e) != errInactive {
					t.Fatal(e.Err)
				}
			}
			if n := issuer.Requests(introspectAt); n != 1 {
				t.Errorf("row 36: asked %d times", n)
			}
		})
	}
}

// A reader may ignore a byte order mark (RFC 8259 §8.1).
func TestByteOrderMarkIsIgnored(t *testing.T) {
	issuer, in := memoryIntrospection(t)
	issuer.Script(introspectAt, credentialstest.Body(200, "application/json", "\ufeff"+activeAnswer))
	accept(t, in, "opaque", "row 36: a byte order mark")
}

func TestNullIsAbsent(t *testing.T) {
	optional := []string{"iss", "exp", "nbf", "iat", "jti", "scope", "scp", "username", "token_type", "token_use", "typ", "nonce", "cnf", "act", "acr", "amr", "roles", "tenant"}
	for _, name := range optional {
		t.Run("row 36: "+name, func(t *testing.T) {
			issuer, in := memoryIntrospection(t)
			body := object{"active": true, "sub": "alice", "client_id": "web", "aud": credentialstest.DefaultAudience, name: nil, "x<&>\n\"": 1}
			issuer.Script(introspectAt, credentialstest.Body(200, "application/json", jsonOf(body)))
			p := accept(t, in, "opaque", name)
			if _, there := p.Claim(name); there {
				t.Error("the claim is there")
			}
			if odd, _ := p.Claim("x<&>\n\""); fmt.Sprint(odd) != "1" {
				t.Errorf("another claim became %v", odd)
			}
		})
	}
	for name, want := range map[string]*Error{"aud": errClaimsAudience, "sub": errClaimsIdentity} {
		issuer, in := memoryIntrospection(t)
		body := object{"active": true, "sub": "alice", "aud": credentialstest.DefaultAudience, "client_id": nil, name: nil}
		issuer.Script(introspectAt, credentialstest.Body(200, "application/json", jsonOf(body)))
		if e := refuse(t, in, "opaque", name, tokenInvalid); asCause(e) != want {
			t.Errorf("row 36: %s null: %v", name, e.Err)
		}
	}
}

// Null says that a member is absent, but proves nothing by that: a profile whose
// services have no sub must not take a user of a server that writes null for one.
func TestNullIsNoEvidence(t *testing.T) {
	for name, c := range map[string]struct {
		answer object
		want   Kind
	}{
		"absent":        {object{}, KindService},
		"sub null":      {object{"sub": nil}, KindUnclear},
		"username null": {object{"username": nil}, KindUnclear},
		"another null":  {object{"exp": nil}, KindService},
	} {
		t.Run("row 21a: "+name, func(t *testing.T) {
			issuer, in := memoryIntrospection(t, func(c *IntrospectionConfig) { c.Profile = NodeOIDCProvider() })
			body := object{"active": true, "client_id": "web", "aud": credentialstest.DefaultAudience, "token_type": "Bearer"}.with(c.answer)
			issuer.Script(introspectAt, credentialstest.Body(200, "application/json", jsonOf(body)))
			if p := accept(t, in, "opaque", name); p.Kind() != c.want {
				t.Errorf("row 21a: kind %v, want %v", p.Kind(), c.want)
			}
		})
	}
}

func TestActiveButNotForUs(t *testing.T) {
	cert := &x509.Certificate{Raw: []byte("not really a certificate")}
	sum := sha256.Sum256(cert.Raw)
	now := time.Now().Unix()
	for name, c := range map[string]struct {
		change object
		want   *Error
	}{
		"another iss":             {object{"iss": "https://evil.test"}, errClaimsIssuer},
		"iss with a slash":        {object{"iss": "https://issuer.test/"}, errClaimsIssuer},
		"iss empty":               {object{"iss": ""}, errClaimsIssuer},
		"another aud":             {object{"aud": "https://other.test"}, errClaimsAudience},
		"aud missing":             {object{"aud": nil}, errClaimsAudience},
		"aud empty":               {object{"aud": []string{}}, errClaimsAudience},
		"expired":                 {object{"exp": now - 3600}, errExpired},
		"nbf in the future":       {object{"nbf": now + 3600}, errClaimsNotYet},
		"iat in the future":       {object{"iat": now + 3600}, errClaimsNotYet},
		"token_type refresh":      {object{"token_type": "refresh_token"}, errClaimsUse},
		"token_type id":           {object{"token_type": "id_token"}, errClaimsUse},
		"token_type DPoP":         {object{"token_type": "DPoP"}, errClaimsUse},
		"token_type N_A":          {object{"token_type": "N_A"}, errClaimsUse},
		"token_use refresh":       {object{"token_use": "refresh_token"}, errClaimsUse},
		"token_use id":            {object{"token_use": "id"}, errClaimsUse},
		"typ Refresh":             {object{"typ": "Refresh"}, errClaimsUse},
		"nonce":                   {object{"nonce": "n"}, errClaimsUse},
		"nobody":                  {object{"sub": nil, "client_id": nil}, errClaimsIdentity},
		"bound by DPoP":           {object{"cnf": object{"jkt": "x"}}, errConfirmation},
		"bound to a certificate":  {object{"cnf": object{"x5t#S256": b64(sum[:])}}, errNoCertificate},
		"an endless actor chain":  {object{"act": "root"}, errClaimsActor},
		"token_type bearer":       {object{"token_type": "bearer"}, nil},
		"token_type access_token": {object{"token_type": "access_token"}, nil},
		"token_use access_token":  {object{"token_use": "access_token"}, nil},
		"iss absent":              {object{"iss": nil}, nil},
		"exp absent":              {object{"exp": nil}, nil},
	} {
		t.Run("row 37: "+name, func(t *testing.T) {
			issuer, in := memoryIntrospection(t)
			full := object{"active": true, "iss": issuer.URL(), "sub": "alice", "client_id": "web", "aud": credentialstest.DefaultAudience, "exp": now + 300}
			body := full.with(c.change)
			for k, v := range body {
				if v == nil {
					delete(body, k)
				}
			}
			issuer.Script(introspectAt, credentialstest.Always(credentialstest.Body(200, "application/json", jsonOf(body))))
			for range 2 { // the second is from a cache
				_, err := in.Verify(t.Context(), "opaque", Requirements{})
				if asCause(err) != c.want || c.want == nil && err != nil {
					t.Fatalf("got %v", err)
				}
			}
			if n := issuer.Requests(introspectAt); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
	t.Run("row 37: bound to this certificate", func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		token := issuer.MintOpaque(object{"cnf": object{"x5t#S256": b64(sum[:])}})
		for range 2 {
			if _, err := in.Verify(t.Context(), token, Requirements{PeerCertificate: cert}); err != nil {
				t.Fatal(err)
			}
			if _, err := in.Verify(t.Context(), token, Requirements{}); asCause(err) != errNoCertificate {
				t.Fatalf("a hit without the certificate: %v", err)
			}
		}
	})
	t.Run("row 37: any audience only where it is said", func(t *testing.T) {
		issuer, in := memoryIntrospection(t, func(c *IntrospectionConfig) { c.Audiences, c.InsecureAnyAudience = nil, true })
		accept(t, in, issuer.MintOpaque(object{"aud": "https://other.test"}), "said")
	})
}

func TestExpAbsentIsCachedForTheCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		token := issuer.MintOpaque(object{"exp": nil})
		p := accept(t, in, token, "row 37: exp absent")
		if want := time.Now().Add(defaultPositiveTTL); !p.ValidUntil().Equal(want) {
			t.Errorf("valid until %v, want %v", p.ValidUntil(), want)
		}
		issuer.Revoke(token)
		time.Sleep(defaultPositiveTTL - time.Millisecond)
		accept(t, in, token, "within the cap")
		time.Sleep(time.Millisecond)
		refuse(t, in, token, "row 37: asked again at the cap", tokenInvalid)
	})
}

func TestIntrospectionClientAuthentication(t *testing.T) {
	key := newKey("c", ES256)
	issuer := credentialstest.NewIssuer(t, credentialstest.Config{})
	for name, auth := range map[string]clientauth.Method{
		"basic": clientauth.SecretBasic(clientauth.Constant(testSecret)),
		"post":  clientauth.SecretPost(clientauth.Constant(testSecret)),
		"jwt":   clientauth.PrivateKeyJWT(clientauth.PrivateKey{Key: clientauth.Signer(key.priv)}),
	} {
		t.Run(name, func(t *testing.T) {
			in := introspectionOf(t, issuer, func(c *IntrospectionConfig) { c.Auth = auth })
			issuer.AddClient(credentialstest.Client{ID: testClient, Secret: testSecret, Keys: []crypto.PublicKey{key.priv.Public()}})
			accept(t, in, issuer.MintOpaque(nil), name)
		})
	}
}

func TestIntrospectionConfig(t *testing.T) {
	good := IntrospectionConfig{
		URL: "https://issuer.test/introspect", Issuer: testIssuer, ClientID: "c", Audiences: []string{testAudience},
		Auth: clientauth.SecretBasic(clientauth.Constant("not-a-secret")),
	}
	for name, change := range map[string]func(*IntrospectionConfig){
		"no URL":                  func(c *IntrospectionConfig) { c.URL = "" },
		"plain http":              func(c *IntrospectionConfig) { c.URL = "http://issuer.test/introspect" },
		"no issuer":               func(c *IntrospectionConfig) { c.Issuer = "" },
		"no client":               func(c *IntrospectionConfig) { c.ClientID = "" },
		"no authentication":       func(c *IntrospectionConfig) { c.Auth = nil },
		"no audience":             func(c *IntrospectionConfig) { c.Audiences = nil },
		"both kinds of audience":  func(c *IntrospectionConfig) { c.InsecureAnyAudience = true },
		"leeway too large":        func(c *IntrospectionConfig) { c.Leeway = time.Hour },
		"negative time":           func(c *IntrospectionConfig) { c.Timeout = -1 },
		"negative limit":          func(c *IntrospectionConfig) { c.MaxConcurrent = -1 },
		"positive life too large": func(c *IntrospectionConfig) { c.PositiveTTL = 2 * time.Hour },
	} {
		cfg := good
		change(&cfg)
		if in, err := NewIntrospection(cfg); err == nil {
			in.Close()
			t.Errorf("%s: accepted", name)
		}
	}
	in, err := NewIntrospection(good)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(in.Ready(t.Context()), in.Close(), in.Close()); err != nil {
		t.Fatal(err)
	}
	refuse(t, in, "opaque", "closed", unavailableNow)
	if in.Ready(t.Context()) == nil {
		t.Error("ready though closed")
	}
}

func FuzzIntrospectionAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"active":true,"sub":"a","client_id":"b","aud":"https://docs.internal"}`, `{"active":false}`, `{"active":"true"}`, `{"ACTIVE":true}`,
		`{"active":true,"active":false}`, `{"active":true}x`, `[]`, `{"active":true,"exp":1e300}`, `{"active":true,"cnf":{"jkt":"x"}}`,
	} {
		f.Add(seed)
	}
	in, err := NewIntrospection(IntrospectionConfig{
		URL: "https://issuer.test/introspect", Issuer: testIssuer, ClientID: "c", Audiences: []string{testAudience},
		Auth: clientauth.SecretBasic(clientauth.Constant("not-a-secret")),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { in.Close() })
	f.Fuzz(func(t *testing.T, text string) {
		verdict, err := in.verdict("token", text, nil, time.Now())
		if err != nil || verdict.Value.refused != nil {
			return
		}
		var loose struct {
			Active any    `json:"active"`
			Sub    string `json:"sub"`
		}
		if json.Unmarshal([]byte(text), &loose) != nil || loose.Active != true || loose.Sub != verdict.Value.principal.Subject() {
			t.Fatalf("%q is taken as active", text)
		}
		if !slices.Contains(verdict.Value.principal.Audiences(), testAudience) {
			t.Fatalf("%q is taken as ours", text)
		}
	})
}
