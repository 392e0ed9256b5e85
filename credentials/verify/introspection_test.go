package verify

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
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
		"bound to a certificate":  {object{"cnf": object{"x5t#S256": b64(sum[:])}}, errBinding},
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
			if _, err := in.Verify(t.Context(), token, Requirements{}); asCause(err) != errBinding {
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

func TestRow38FaultyEndpoint(t *testing.T) {
	trap := newKeyServer()
	trapURL := onLoopback(t, trap).URL
	for name, fault := range map[string]credentialstest.Fault{
		"302": credentialstest.Redirect(302, trapURL+"/"), "307": credentialstest.Redirect(307, trapURL+"/"), "308": credentialstest.Redirect(308, trapURL+"/"),
		"400": credentialstest.Error(400, "invalid_request"), "401": credentialstest.Error(401, "invalid_client"), "403": credentialstest.Status(403, ""),
		"404": credentialstest.Status(404, ""), "429": credentialstest.Status(429, "3"), "500": credentialstest.Status(500, ""), "503": credentialstest.Status(503, "3"),
		"HTML": credentialstest.HTML(200), "body over the limit": credentialstest.HugeBody(10 << 20), "reset": credentialstest.Reset(),
		"cut off": credentialstest.Truncate(), "hanging": credentialstest.Hang(), "dribbling": credentialstest.SlowBody(50 * time.Millisecond), "204": credentialstest.Status(204, ""),
		"201": credentialstest.Body(201, "application/json", `{"active":true,"sub":"root"}`),
	} {
		t.Run("row 38: "+name, func(t *testing.T) {
			t.Parallel()
			issuer := credentialstest.NewIssuer(t)
			in := introspectionOf(t, issuer, func(c *IntrospectionConfig) { c.Timeout = time.Second })
			issuer.Script(introspectAt, fault)
			_, err := in.Verify(t.Context(), issuer.MintOpaque(nil), Requirements{})
			e := wantError(t, err, ReasonVerifierUnavailable)
			if e.Kind != DependencyFault || e.RetryAfter <= 0 {
				t.Errorf("kind %v, RetryAfter %v", e.Kind, e.RetryAfter)
			}
			text := fmt.Sprintf("%v %v", e, e.Err)
			if strings.Contains(text, testSecret) || strings.Contains(text, "opaque-") || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the error %q tells too much", text)
			}
		})
	}
	t.Cleanup(func() {
		if n := trap.total(); n != 0 {
			t.Errorf("row 38: the token was posted again, %d times", n)
		}
	})
}

func TestRow38OwnCredentialsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t, func(c *IntrospectionConfig) {
			c.Auth = credentials.SecretPost(credentials.Constant("not-the-secret"))
		})
		for range 20 {
			refuse(t, in, issuer.MintOpaque(nil), "row 38: 401", ReasonVerifierUnavailable)
		}
		if n := issuer.Requests(introspectAt); n != 1 {
			t.Errorf("row 38: %d requests with refused credentials", n)
		}
		issuer.AddClient(credentialstest.Client{ID: testClient, Secret: "not-the-secret"})
		time.Sleep(refusedPause)
		accept(t, in, issuer.MintOpaque(nil), "row 38: mended without a restart")
	})
}

func TestRow38SecretThatCantBeRead(t *testing.T) {
	issuer, in := memoryIntrospection(t, func(c *IntrospectionConfig) {
		c.Auth = credentials.SecretBasic(func(context.Context) (string, error) { return "", errors.New("vault path secret/x") })
	})
	e := refuse(t, in, "opaque", "row 38", ReasonVerifierUnavailable)
	if strings.Contains(e.Error()+e.Err.Error(), "vault") || issuer.Requests(introspectAt) != 0 {
		t.Errorf("row 38: %v", e.Err)
	}
}

func TestRow38RetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		issuer.Script(introspectAt, credentialstest.Status(429, "20"))
		for range 10 {
			e := refuse(t, in, issuer.MintOpaque(nil), "row 38: 429", ReasonVerifierUnavailable)
			if e.RetryAfter != 20*time.Second {
				t.Errorf("row 38: RetryAfter %v", e.RetryAfter)
			}
		}
		if n := issuer.Requests(introspectAt); n != 1 {
			t.Errorf("row 38: %d requests before the time", n)
		}
		time.Sleep(20 * time.Second)
		accept(t, in, issuer.MintOpaque(nil), "row 38: after the time")
	})
}

func TestRow38CircuitBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		known := issuer.MintOpaque(nil)
		accept(t, in, known, "before")
		issuer.Script(introspectAt, credentialstest.Always(credentialstest.Status(500, "")))
		before := issuer.Requests(introspectAt)
		for range 100 {
			if e := refuse(t, in, issuer.MintOpaque(nil), "row 38: down", ReasonVerifierUnavailable); e.RetryAfter <= 0 {
				t.Error("row 38: no RetryAfter")
			}
		}
		if n := issuer.Requests(introspectAt) - before; n != breakerFailures {
			t.Errorf("row 38: %d requests to a failing endpoint, want %d", n, breakerFailures)
		}
		accept(t, in, known, "row 38: what is known needs no request")
		issuer.Heal(introspectAt)
		time.Sleep(breakerOpen + time.Millisecond)
		accept(t, in, issuer.MintOpaque(nil), "row 38: recovered")

		// What a caller can bring about opens nothing.
		issuer.Script(introspectAt, credentialstest.Always(credentialstest.Error(400, "invalid_request")))
		for range 3 * breakerFailures {
			refuse(t, in, issuer.MintOpaque(nil), "row 38: 400", ReasonVerifierUnavailable)
		}
		issuer.Heal(introspectAt)
		accept(t, in, issuer.MintOpaque(nil), "row 38: the breaker stayed closed")
	})
}

func TestRow38CallersKeepTheirOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		issuer.Script(introspectAt, credentialstest.Delay(2*time.Second))
		token := issuer.MintOpaque(nil)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := in.Verify(ctx, token, Requirements{})
		var e *Error
		if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &e) || time.Since(start) != 100*time.Millisecond {
			t.Errorf("row 38: %v after %v", err, time.Since(start))
		}
		accept(t, in, token, "row 38: the request goes on for the next")
		if n := issuer.Requests(introspectAt); n != 1 {
			t.Errorf("row 38: %d requests", n)
		}
	})
}

func TestRow38FloodOfMadeUpTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t, func(c *IntrospectionConfig) { c.MaxConcurrent = 4 })
		issuer.Script(introspectAt, credentialstest.Always(credentialstest.Delay(100*time.Millisecond)))
		var wg sync.WaitGroup
		for i := range 500 {
			wg.Go(func() {
				if _, err := in.Verify(t.Context(), fmt.Sprint("made-up-", i), Requirements{}); err == nil {
					t.Error("row 38: a made-up token passes")
				}
			})
		}
		wg.Wait()
		if n := issuer.Peak(introspectAt); n > 4 {
			t.Errorf("row 38: %d requests at once, want at most 4", n)
		}
		if n := issuer.Requests(introspectAt); n > queueFactor*4 {
			t.Errorf("row 38: %d requests, want at most %d", n, queueFactor*4)
		}
		issuer.Heal(introspectAt)
		accept(t, in, issuer.MintOpaque(nil), "row 38: after the flood")
	})
}

func TestRow39PositiveEntryNeverOutlivesExp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t, func(c *IntrospectionConfig) { c.Leeway = NoLeeway; c.PositiveTTL = time.Hour })
		token := issuer.MintOpaque(object{"exp": time.Now().Unix() + 5})
		accept(t, in, token, "row 39: before exp")
		time.Sleep(5*time.Second - time.Millisecond)
		accept(t, in, token, "row 39: just before exp")
		if n := issuer.Requests(introspectAt); n != 1 {
			t.Errorf("row 39: %d requests", n)
		}
		time.Sleep(time.Millisecond)
		refuse(t, in, token, "row 39: at exp", ReasonTokenInvalid)
	})
}

func TestRow39NegativeEntryIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		token := issuer.MintOpaque(nil)
		issuer.Script(introspectAt, credentialstest.Body(200, "application/json", `{"active":false}`))
		for range 100 {
			refuse(t, in, token, "row 39: inactive", ReasonTokenInvalid)
		}
		time.Sleep(DefaultNegativeTTL - time.Millisecond)
		refuse(t, in, token, "row 39: still", ReasonTokenInvalid)
		if n := issuer.Requests(introspectAt); n != 1 {
			t.Errorf("row 39: %d requests", n)
		}
		time.Sleep(time.Millisecond)
		accept(t, in, token, "row 39: asked again")
	})
}

func TestRow39ManyCallersWithOneToken(t *testing.T) {
	issuer := credentialstest.NewIssuer(t)
	in := introspectionOf(t, issuer)
	open := make(chan struct{})
	issuer.Script(introspectAt, credentialstest.Gate(open))
	token := issuer.MintOpaque(nil)
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			if _, err := in.Verify(t.Context(), token, Requirements{}); err != nil {
				t.Error(err)
			}
		})
	}
	if err := issuer.Await(t.Context(), introspectAt, 1); err != nil {
		t.Fatal(err)
	}
	close(open)
	wg.Wait()
	if n := issuer.Requests(introspectAt); n != 1 {
		t.Errorf("row 39: %d requests by 1,000 calls with one token", n)
	}
}

func TestRow39TheLeaderLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		issuer.Script(introspectAt, credentialstest.Delay(time.Second))
		token := issuer.MintOpaque(nil)
		leader, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() {
			_, err := in.Verify(leader, token, Requirements{})
			left <- err
		}()
		synctest.Wait()
		waiter := make(chan error, 1)
		go func() {
			_, err := in.Verify(t.Context(), token, Requirements{})
			waiter <- err
		}()
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("the leader: %v", err)
		}
		if err := <-waiter; err != nil {
			t.Errorf("the waiter: %v", err)
		}
	})
}

func TestMadeUpTokensDontDriveOutGoodOnes(t *testing.T) {
	issuer, in := memoryIntrospection(t, func(c *IntrospectionConfig) { c.CacheSize = 64 })
	good := issuer.MintOpaque(nil)
	accept(t, in, good, "first")
	for i := range 1000 {
		refuse(t, in, fmt.Sprint("made-up-", i), "made up", ReasonTokenInvalid)
	}
	before := issuer.Requests(introspectAt)
	accept(t, in, good, "again")
	if issuer.Requests(introspectAt) != before {
		t.Error("the good token's verdict was driven out")
	}
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
