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

	"github.com/usher-auth/usher/credentials"
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
		Auth:      credentials.SecretBasic(credentials.Constant(testSecret)),
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
	issuer := credentialstest.NewIssuer(t, credentialstest.InMemory())
	return issuer, introspectionOf(t, issuer, change...)
}

func TestIntrospection(t *testing.T) {
	issuer := credentialstest.NewIssuer(t)
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
	refuse(t, in, "unknown-token", "unknown", ReasonTokenInvalid)
	if _, err := in.Verify(t.Context(), token, Requirements{Validation: ValidationLocal}); asCause(err) != errCantLocal {
		t.Errorf("local validation: %v", err)
	}
	if _, err := in.Verify(t.Context(), token, Requirements{Validation: 9}); asCause(err) != errValidation {
		t.Errorf("no such validation: %v", err)
	}
}

func TestRow5TokensThatAreNotIntrospected(t *testing.T) {
	issuer, in := memoryIntrospection(t)
	for _, token := range []string{"", "a b", "a\nb", "a\x00", "é", "=", strings.Repeat("a", DefaultMaxTokenBytes+1)} {
		refuse(t, in, token, fmt.Sprintf("row 5: %.10q", token), ReasonTokenInvalid)
	}
	if n := issuer.Requests(introspectAt); n != 0 {
		t.Errorf("rows 4, 5: %d requests", n)
	}
}

func TestRow36NeverActive(t *testing.T) {
	ok := `"sub":"alice","client_id":"web","aud":"` + credentialstest.DefaultAudience + `"`
	for name, body := range map[string]string{
		"missing":                `{` + ok + `}`,
		"a string":               `{"active":"true",` + ok + `}`,
		"one":                    `{"active":1,` + ok + `}`,
		"null":                   `{"active":null,` + ok + `}`,
		"an array":               `{"active":[true],` + ok + `}`,
		"capitals":               `{"ACTIVE":true,` + ok + `}`,
		"capital beside false":   `{"active":false,"Active":true,` + ok + `}`,
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
		"exp null":               `{"active":true,"exp":null,` + ok + `}`,
		"10,000 deep":            `{"active":true,` + ok + `,"x":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + `}`,
		"active only underneath": `{"data":{"active":true},` + ok + `}`,
	} {
		t.Run("row 36: "+name, func(t *testing.T) {
			issuer, in := memoryIntrospection(t)
			issuer.Script(introspectAt, credentialstest.Always(credentialstest.Body(200, "application/json", body)))
			refuse(t, in, "opaque", "a malformed answer is an outage", ReasonVerifierUnavailable)
		})
	}
	t.Run("row 36: false", func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		issuer.Script(introspectAt, credentialstest.Body(200, "application/json", `{"active": false}`))
		if e := refuse(t, in, "opaque", "inactive", ReasonTokenInvalid); e != errInactive {
			t.Fatal(e.Err)
		}
	})
}

func TestRow37ActiveButNotForUs(t *testing.T) {
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

func TestRow37ExpAbsentIsCachedForTheCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		token := issuer.MintOpaque(object{"exp": nil})
		p := accept(t, in, token, "row 37: exp absent")
		if want := time.Now().Add(DefaultPositiveTTL); !p.ValidUntil().Equal(want) {
			t.Errorf("valid until %v, want %v", p.ValidUntil(), want)
		}
		issuer.Revoke(token)
		time.Sleep(DefaultPositiveTTL - time.Millisecond)
		accept(t, in, token, "within the cap")
		time.Sleep(time.Millisecond)
		refuse(t, in, token, "row 37: asked again at the cap", ReasonTokenInvalid)
	})
}

func TestIntrospectionClientAuthentication(t *testing.T) {
	key := newKey("c", ES256)
	issuer := credentialstest.NewIssuer(t)
	for name, auth := range map[string]credentials.Auth{
		"basic": credentials.SecretBasic(credentials.Constant(testSecret)),
		"post":  credentials.SecretPost(credentials.Constant(testSecret)),
		"jwt":   credentials.PrivateKeyJWT(credentials.PrivateKey{Key: credentials.Signer(key.priv)}),
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
		Auth: credentials.SecretBasic(credentials.Constant("not-a-secret")),
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
	refuse(t, in, "opaque", "closed", ReasonVerifierUnavailable)
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
		Auth: credentials.SecretBasic(credentials.Constant("not-a-secret")),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { in.Close() })
	f.Fuzz(func(t *testing.T, text string) {
		verdict, err := in.verdict("token", text)
		if err != nil || verdict.refused != nil {
			return
		}
		var loose struct {
			Active any    `json:"active"`
			Sub    string `json:"sub"`
		}
		if json.Unmarshal([]byte(text), &loose) != nil || loose.Active != true || loose.Sub != verdict.principal.Subject() {
			t.Fatalf("%q is taken as active", text)
		}
		if !slices.Contains(verdict.principal.Audiences(), testAudience) {
			t.Fatalf("%q is taken as ours", text)
		}
	})
}
