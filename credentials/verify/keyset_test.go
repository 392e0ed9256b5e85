package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/credentials/credentialstest"
)

// memoryIssuer makes an issuer without a socket and a verifier for it.
func memoryIssuer(t *testing.T, change ...func(*JWTConfig)) (*credentialstest.Issuer, *JWT) {
	t.Helper()
	issuer := credentialstest.NewIssuer(t, credentialstest.InMemory())
	return issuer, verifierOf(t, issuer, change...)
}

func verifierOf(t *testing.T, issuer *credentialstest.Issuer, change ...func(*JWTConfig)) *JWT {
	t.Helper()
	cfg := JWTConfig{
		Issuer: issuer.URL(), Audiences: []string{credentialstest.DefaultAudience}, HTTPClient: issuer.Client(), JWKSURL: issuer.JWKSURL(),
	}
	for _, f := range change {
		f(&cfg)
	}
	return newJWT(t, cfg)
}

func accept(t *testing.T, v Verifier, token, why string) *Principal {
	t.Helper()
	p, err := v.Verify(t.Context(), token, Requirements{})
	if err != nil {
		t.Fatalf("%s: %v (%v)", why, err, errors.Unwrap(err))
	}
	return p
}

func refuse(t *testing.T, v Verifier, token, why string, want Reason) *Error {
	t.Helper()
	_, err := v.Verify(t.Context(), token, Requirements{})
	var e *Error
	if !errors.As(err, &e) || e.Reason != want {
		t.Fatalf("%s: got %v (%v), want %s", why, err, errors.Unwrap(err), want)
	}
	if want == ReasonVerifierUnavailable && e.Kind != DependencyFault {
		t.Fatalf("%s: kind %v", why, e.Kind)
	}
	return e
}

const keysAt = credentialstest.JWKSEndpoint

func TestRow28EmptySet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t)
		token := issuer.Mint(nil)
		accept(t, v, token, "before")
		for name, body := range map[string]string{
			"empty": `{"keys":[]}`, "unusable": `{"keys":[{"kty":"oct","kid":"a","k":"AA"}]}`, "no keys": `{}`, "HTML": "<html>", "nothing": "",
		} {
			issuer.Script(keysAt, credentialstest.Always(credentialstest.Body(200, "application/json", body)))
			before := issuer.Requests(keysAt)
			time.Sleep(time.Minute)
			if issuer.Requests(keysAt) == before {
				t.Fatalf("row 28: %s: no refresh within its interval", name)
			}
			accept(t, v, issuer.Mint(nil), "row 28: "+name+": good keys are kept")
		}
		issuer.Heal(keysAt)
		time.Sleep(2 * time.Minute)
		accept(t, v, issuer.Mint(nil), "row 28: after")
		v.keys.mu.Lock()
		defer v.keys.mu.Unlock()
		if v.keys.lastErr != nil {
			t.Fatalf("row 28: not recovered: %v", v.keys.lastErr)
		}
	})
}

func TestRow28SetWithoutTheCurrentKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var withdrawn atomic.Int64
		issuer, v := memoryIssuer(t, func(c *JWTConfig) {
			c.IssuerName = "main"
			c.Observer.KeysFetched = func(e KeysFetched) {
				withdrawn.Add(int64(e.Withdrawn))
				if e.Issuer != "main" {
					t.Errorf("the event names the issuer %q, not by its short name as every other", e.Issuer)
				}
			}
		})
		token := issuer.Mint(nil)
		accept(t, v, token, "before")
		other := jsonOf(object{"keys": []any{newKey("other", ES256).jwk()}})
		issuer.Script(keysAt, credentialstest.Body(200, "application/json", other))
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if n := withdrawn.Load(); n != 1 {
			t.Fatalf("row 28: %d keys reported as gone, want 1", n)
		}
		// Recovered by the refetch that the token under the missing key causes.
		accept(t, v, token, "row 28: after")
	})
}

func TestRow29FloodOfUnknownKids(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t)
		accept(t, v, issuer.Mint(nil), "warm")
		stranger := newKey("x", EdDSA)
		flood := func() {
			var wg sync.WaitGroup
			for i := range 200 {
				wg.Go(func() {
					k := &testKey{kid: fmt.Sprint("kid-", i), alg: EdDSA, priv: stranger.priv}
					claims := goodClaims().with(object{"iss": issuer.URL(), "aud": credentialstest.DefaultAudience})
					if _, err := v.Verify(t.Context(), k.token(claims), Requirements{}); asCause(err) != errKeyUnknown {
						t.Errorf("row 29: got %v", err)
					}
				})
			}
			wg.Wait()
		}
		for round := range 5 {
			before := issuer.Requests(keysAt)
			start := time.Now()
			flood()
			if n := issuer.Requests(keysAt) - before; n > 1 {
				t.Fatalf("row 29: round %d: %d fetches", round, n)
			}
			flood() // the budget is spent: no fetch and no wait
			if n := issuer.Requests(keysAt) - before; n > 1 {
				t.Fatalf("row 29: round %d: %d fetches in one interval", round, n)
			}
			if d := time.Since(start); d != 0 {
				t.Fatalf("row 29: calls waited %v", d)
			}
			time.Sleep(DefaultUnknownKeyInterval)
		}
	})
}

func TestRow29FloodOfBadSignatures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t)
		good := issuer.Mint(nil)
		accept(t, v, good, "warm")
		forger := newKey("f", ES256).priv
		before := issuer.Requests(keysAt)
		for range 50 {
			bad := issuer.Mint(nil, credentialstest.WithSigner(forger))
			if e := refuse(t, v, bad, "row 29", ReasonTokenInvalid); e != errSignature {
				t.Fatalf("row 29: %v", e.Err)
			}
			noKid := issuer.Mint(nil, credentialstest.WithSigner(forger), credentialstest.WithHeader("kid", nil))
			refuse(t, v, noKid, "row 29: without kid", ReasonTokenInvalid)
		}
		if n := issuer.Requests(keysAt) - before; n > 1 {
			t.Fatalf("row 29: %d fetches", n)
		}
	})
}

func TestRow30FaultyKeyServer(t *testing.T) {
	// Over real sockets; what takes time has a short timeout.
	trap := newKeyServer(newKey("k1", ES256))
	trapURL := onLoopback(t, trap).URL
	for name, fault := range map[string]credentialstest.Fault{
		"404": credentialstest.Status(404, ""), "500": credentialstest.Status(500, ""), "503 with Retry-After": credentialstest.Status(503, "7"),
		"204": credentialstest.Status(204, ""), "HTML": credentialstest.HTML(200), "reset": credentialstest.Reset(), "cut off": credentialstest.Truncate(),
		"100 MiB": credentialstest.HugeBody(100 << 20), "redirect": credentialstest.Redirect(302, trapURL+"/jwks"),
		"permanent redirect": credentialstest.Redirect(308, trapURL+"/jwks"), "hanging": credentialstest.Hang(), "dribbling": credentialstest.SlowBody(50 * time.Millisecond),
	} {
		t.Run("row 30: "+name, func(t *testing.T) {
			t.Parallel()
			issuer := credentialstest.NewIssuer(t)
			v := verifierOf(t, issuer, func(c *JWTConfig) { c.FetchTimeout = time.Second })
			issuer.Script(keysAt, fault)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err := v.Verify(ctx, issuer.Mint(nil), Requirements{})
			e := wantError(t, err, ReasonVerifierUnavailable)
			if e.RetryAfter <= 0 {
				t.Error("no RetryAfter")
			}
			if name == "503 with Retry-After" && e.RetryAfter < 6*time.Second {
				t.Errorf("RetryAfter %v, the server said 7 s", e.RetryAfter)
			}
			if strings.Contains(e.Err.Error(), "not-a-secret") || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the cause %q quotes the body, or poses as the caller's deadline", e.Err)
			}
			if err := v.Ready(ctx); err != nil {
				t.Errorf("not recovered: %v", err)
			}
		})
	}
	t.Run("row 30: wrong content type", func(t *testing.T) {
		issuer := credentialstest.NewIssuer(t)
		issuer.Script(keysAt, credentialstest.ContentType("text/plain"))
		accept(t, verifierOf(t, issuer), issuer.Mint(nil), "a key set is a key set")
	})
	t.Run("row 30: TLS failure", func(t *testing.T) {
		issuer := credentialstest.NewIssuer(t, credentialstest.TLS())
		v := verifierOf(t, issuer, func(c *JWTConfig) { c.HTTPClient = &http.Client{Transport: &http.Transport{}} })
		refuse(t, v, issuer.Mint(nil), "unknown authority", ReasonVerifierUnavailable)
		accept(t, verifierOf(t, issuer), issuer.Mint(nil), "known authority")
	})
	t.Cleanup(func() {
		if n := trap.total(); n != 0 {
			t.Errorf("row 30: %d redirects were followed", n)
		}
	})
}

func TestRow30CallersKeepTheirOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t)
		issuer.Script(keysAt, credentialstest.Delay(3*time.Second))
		token := issuer.Mint(nil)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := v.Verify(ctx, token, Requirements{})
		if d := time.Since(start); d != 100*time.Millisecond {
			t.Errorf("row 30: left after %v", d)
		}
		var e *Error
		if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &e) {
			t.Errorf("row 30: got %v, want the caller's own deadline", err)
		}
		accept(t, v, token, "row 30: the fetch goes on for the next")
		if d := time.Since(start); d != 3*time.Second || issuer.Requests(keysAt) != 1 {
			t.Errorf("row 30: after %v and %d fetches", d, issuer.Requests(keysAt))
		}
	})
}

func TestRow30HangingServerDelaysNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t)
		other := credentialstest.NewIssuer(t, credentialstest.InMemory(), credentialstest.URL("https://other.test"))
		otherV := verifierOf(t, other)
		multi, err := Issuers(v, otherV)
		if err != nil {
			t.Fatal(err)
		}
		accept(t, multi, issuer.Mint(nil), "warm")
		issuer.Script(keysAt, credentialstest.Always(credentialstest.Delay(3*time.Second)))
		issuer.Rotate()
		fresh := issuer.Mint(nil) // under a key that isn't known yet
		done := make(chan error, 1)
		go func() {
			_, err := multi.Verify(t.Context(), fresh, Requirements{})
			done <- err
		}()
		synctest.Wait() // it waits for the fetch
		start := time.Now()
		known := issuer.Mint(nil, credentialstest.WithKey("key-1"))
		accept(t, multi, known, "row 30: a known key of the same issuer")
		accept(t, multi, other.Mint(nil), "row 30: another issuer, cold")
		for range 100 {
			accept(t, multi, known, "row 30: cached")
		}
		if d := time.Since(start); d != 0 {
			t.Fatalf("row 30: waited %v for somebody else's fetch", d)
		}
		if err := <-done; err != nil {
			t.Fatalf("row 30: the new key: %v", err)
		}
		if d := time.Since(start); d != 3*time.Second {
			t.Fatalf("row 30: the new key took %v", d)
		}
	})
}

func TestRow31ServerDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t)
		issuer.Down()
		e := refuse(t, v, issuer.Mint(nil), "row 31: cold", ReasonVerifierUnavailable)
		if e.RetryAfter <= 0 {
			t.Error("row 31: no RetryAfter")
		}
		issuer.Up()
		time.Sleep(2 * time.Second)
		accept(t, v, issuer.Mint(nil), "row 31: recovered unaided")

		issuer.Down()
		longLived := issuer.Mint(object{"exp": time.Now().Add(72 * time.Hour).Unix()})
		accept(t, v, longLived, "row 31: warm")
		time.Sleep(DefaultMaxStale - 2*time.Minute)
		accept(t, v, issuer.Mint(nil), "row 31: warm keys are used up to MaxStale")
		accept(t, v, longLived, "row 31: cached tokens too")
		time.Sleep(3 * time.Minute)
		if e := refuse(t, v, issuer.Mint(nil), "row 31: past MaxStale", ReasonVerifierUnavailable); e.RetryAfter <= 0 {
			t.Error("row 31: no RetryAfter past MaxStale")
		}
		refuse(t, v, longLived, "row 31: cached, past MaxStale", ReasonVerifierUnavailable)
		before := issuer.Requests(keysAt)
		for range 100 {
			refuse(t, v, longLived, "row 31: backing off", ReasonVerifierUnavailable)
		}
		if n := issuer.Requests(keysAt) - before; n > 1 {
			t.Errorf("row 31: %d fetches by 100 calls while the server is down", n)
		}
		issuer.Up()
		time.Sleep(maxBackoff + time.Second)
		accept(t, v, longLived, "row 31: recovered")
	})
}

func TestRow31UnknownKidWhileTheServerIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t)
		accept(t, v, issuer.Mint(nil), "warm")
		issuer.Down()
		issuer.Rotate()
		fresh := issuer.Mint(nil)
		for range 3 {
			refuse(t, v, fresh, "row 31: nobody can say that the key is unknown", ReasonVerifierUnavailable)
		}
		issuer.Up()
		time.Sleep(DefaultUnknownKeyInterval)
		accept(t, v, fresh, "row 31: recovered")
	})
}

func TestRow32WithdrawnKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t, func(c *JWTConfig) { c.RefreshInterval = 10 * time.Minute })
		token := issuer.Mint(nil)
		accept(t, v, token, "before")
		issuer.Rotate()
		issuer.Withdraw("key-1")
		accept(t, v, token, "row 32: until the refresh")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if e := refuse(t, v, token, "row 32: the cached token", ReasonTokenInvalid); e != errKeyUnknown {
			t.Fatalf("row 32: %v", e.Err)
		}
		refuse(t, v, issuer.Mint(nil, credentialstest.WithKey("key-1")), "row 32: a new one", ReasonTokenInvalid)
		accept(t, v, issuer.Mint(nil), "row 32: the other key")
	})
}

func TestRow33Rotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t)
		accept(t, v, issuer.Mint(nil), "warm")
		for round := range 10 {
			issuer.Script(keysAt, credentialstest.Always(credentialstest.Delay(50*time.Millisecond)))
			before := issuer.Requests(keysAt)
			issuer.Rotate()
			fresh := issuer.Mint(nil)
			var wg sync.WaitGroup
			for range 32 {
				wg.Go(func() {
					if _, err := v.Verify(t.Context(), fresh, Requirements{}); err != nil {
						t.Errorf("row 33: round %d: %v", round, err)
					}
				})
			}
			wg.Wait()
			if n := issuer.Requests(keysAt) - before; n != 1 {
				t.Errorf("row 33: round %d: %d fetches, want 1", round, n)
			}
			time.Sleep(DefaultUnknownKeyInterval)
		}
	})
}

// The key is published while a fetch that began before is still under way.
func TestRow33RotationDuringAFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t)
		accept(t, v, issuer.Mint(nil), "warm")
		old := jsonOf(object{"keys": []any{credentialstest.JWK(issuer.PublicKey("key-1"))}})
		issuer.Script(keysAt, credentialstest.Delay(time.Second, credentialstest.Body(200, "application/json", old)))
		go v.keys.now(t.Context())
		synctest.Wait()
		issuer.Rotate()
		accept(t, v, issuer.Mint(nil), "row 33: one more fetch brings it")
	})
}

func TestRow34Discovery(t *testing.T) {
	const metadata = credentialstest.MetadataEndpoint
	for name, change := range map[string]map[string]any{
		"another issuer":         {"issuer": "https://evil.test"},
		"trailing slash":         {"issuer": "https://issuer.test/"},
		"issuer missing":         {"issuer": nil},
		"issuer a number":        {"issuer": 1},
		"jwks_uri missing":       {"jwks_uri": nil},
		"jwks_uri a number":      {"jwks_uri": 1},
		"jwks_uri plain http":    {"jwks_uri": "http://issuer.test/jwks"},
		"jwks_uri on loopback":   {"jwks_uri": "http://127.0.0.1:9/jwks"},
		"jwks_uri a file":        {"jwks_uri": "file:///etc/keys"},
		"jwks_uri relative":      {"jwks_uri": "/jwks"},
		"jwks_uri with user":     {"jwks_uri": "https://a:b@issuer.test/jwks"},
		"jwks_uri with fragment": {"jwks_uri": "https://issuer.test/jwks#x"},
	} {
		t.Run("row 34: "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer, v := memoryIssuer(t, func(c *JWTConfig) { c.JWKSURL = "" })
				issuer.Script(metadata, credentialstest.Always(credentialstest.Alter(change)))
				err := v.Ready(t.Context())
				if e := wantError(t, err, ReasonMisconfigured); e.Kind != ConfigurationFault {
					t.Fatalf("kind %v", e.Kind)
				}
				text, said := strings.CutPrefix(err.Error(), "verify: the verifier is misconfigured: ")
				if !said || text == "" || strings.Contains(text, "a:b") {
					t.Fatalf("Ready says %q: want the cause, without a password", err)
				}
				refuse(t, v, issuer.Mint(nil), "first use", ReasonMisconfigured)
				if n := issuer.Requests(keysAt); n != 0 {
					t.Fatalf("%d fetches of keys", n)
				}
			})
		})
	}
	t.Run("row 34: an outage is none", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			issuer, v := memoryIssuer(t, func(c *JWTConfig) { c.JWKSURL = "" })
			issuer.Script(metadata, credentialstest.Status(503, ""))
			refuse(t, v, issuer.Mint(nil), "first use", ReasonVerifierUnavailable)
			time.Sleep(2 * time.Second)
			accept(t, v, issuer.Mint(nil), "recovered")
		})
	})
	t.Run("RFC 8414 where there is no OpenID Connect", func(t *testing.T) {
		key := newKey("k1", ES256)
		srv := newKeyServer(key)
		iss := testIssuer + "/tenant"
		srv.setAnswer(func(r *http.Request) *http.Response {
			switch r.URL.Path {
			case "/.well-known/oauth-authorization-server/tenant":
				return answer(200, jsonOf(object{"issuer": iss, "jwks_uri": testIssuer + "/jwks"}))
			case "/jwks":
				return nil
			default:
				return answer(404, "")
			}
		})
		cfg := srv.config()
		cfg.Issuer, cfg.JWKSURL = iss, ""
		accept(t, newJWT(t, cfg), key.token(goodClaims().with(object{"iss": iss})), "discovered")
	})
	t.Run("explicit metadata", func(t *testing.T) {
		issuer := credentialstest.NewIssuer(t)
		v := verifierOf(t, issuer, func(c *JWTConfig) { c.JWKSURL, c.MetadataURL = "", issuer.MetadataURL() })
		accept(t, v, issuer.Mint(nil), "discovered")
	})
}

func TestRow35TheLeaderLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t)
		issuer.Script(keysAt, credentialstest.Delay(time.Second))
		token := issuer.Mint(nil)
		leader, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() {
			_, err := v.Verify(leader, token, Requirements{})
			left <- err
		}()
		synctest.Wait()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := v.Verify(t.Context(), token, Requirements{}); err != nil {
					t.Errorf("row 35: a waiter: %v", err)
				}
			})
		}
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("row 35: the leader: %v", err)
		}
		wg.Wait()
		if n := issuer.Requests(keysAt); n != 1 {
			t.Errorf("row 35: %d fetches", n)
		}
	})
}

func TestBackgroundRefresh(t *testing.T) {
	for name, c := range map[string]struct {
		cacheControl string
		refresh      time.Duration
		atLeast      int // fetches in an hour
		atMost       int
	}{
		"by default every quarter of an hour": {"", 0, 4, 5},
		"the server may ask for more":         {"max-age=300", 0, 12, 14},
		"never for more than one a minute":    {"max-age=1", 0, 60, 68},
		"no-store is the same":                {"no-store", 0, 60, 68},
		"never for less":                      {"public, max-age=86400", 0, 4, 5},
		"nonsense counts as none at all":      {"max-age=x", 0, 60, 68},
		"as configured":                       {"", 5 * time.Minute, 12, 14},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				key := newKey("k1", EdDSA)
				srv := newKeyServer(key)
				srv.setAnswer(func(*http.Request) *http.Response {
					res := answer(200, jsonOf(object{"keys": []any{key.jwk()}}))
					if c.cacheControl != "" {
						res.Header.Set("Cache-Control", c.cacheControl)
					}
					return res
				})
				cfg := srv.config()
				cfg.RefreshInterval = c.refresh
				v := newJWT(t, cfg)
				if err := v.Ready(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				if n := srv.total() - 1; n < c.atLeast || n > c.atMost {
					t.Errorf("%d refreshes in an hour, want %d to %d", n, c.atLeast, c.atMost)
				}
			})
		})
	}
}

func TestFailedFetchesBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t)
		issuer.Down()
		refuse(t, v, issuer.Mint(nil), "down", ReasonVerifierUnavailable)
		time.Sleep(time.Hour)
		synctest.Wait()
		v.keys.mu.Lock()
		failures := v.keys.failures
		v.keys.mu.Unlock()
		if failures < 55 || failures > 140 {
			t.Errorf("%d attempts in an hour", failures)
		}
	})
}

func TestRetryAfterIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t)
		issuer.Script(keysAt, credentialstest.Status(429, "90"))
		e := refuse(t, v, issuer.Mint(nil), "429", ReasonVerifierUnavailable)
		if e.RetryAfter < 89*time.Second || e.RetryAfter > 90*time.Second {
			t.Errorf("RetryAfter %v", e.RetryAfter)
		}
		time.Sleep(89 * time.Second)
		refuse(t, v, issuer.Mint(nil), "still", ReasonVerifierUnavailable)
		if n := issuer.Requests(keysAt); n != 1 {
			t.Errorf("%d requests before the time", n)
		}
		time.Sleep(2 * time.Second)
		accept(t, v, issuer.Mint(nil), "after")
	})
}

func TestJWTClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t)
		issuer.Script(keysAt, credentialstest.Hang())
		waiting := make(chan error, 1)
		go func() {
			_, err := v.Verify(t.Context(), issuer.Mint(nil), Requirements{})
			waiting <- err
		}()
		synctest.Wait()
		if err := errors.Join(v.Close(), v.Close()); err != nil {
			t.Fatal(err)
		}
		wantError(t, <-waiting, ReasonVerifierUnavailable)
		refuse(t, v, issuer.Mint(nil), "closed", ReasonVerifierUnavailable)
		warm := verifierOf(t, issuer)
		issuer.Heal(keysAt)
		accept(t, warm, issuer.Mint(nil), "warm")
		warm.Close()
		refuse(t, warm, issuer.Mint(nil), "closed with keys", ReasonVerifierUnavailable)
		if err := v.Ready(t.Context()); err == nil {
			t.Error("ready though closed")
		}
	})
}

func TestOneVerificationForManyCallers(t *testing.T) {
	issuer := credentialstest.NewIssuer(t)
	v := verifierOf(t, issuer)
	accept(t, v, issuer.Mint(nil), "warm")
	for range 20 {
		var mu sync.Mutex
		checks := 0
		v.checked = func() { mu.Lock(); checks++; mu.Unlock() }
		token := issuer.Mint(nil)
		start := make(chan struct{})
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				<-start
				if _, err := v.Verify(t.Context(), token, Requirements{}); err != nil {
					t.Error(err)
				}
			})
		}
		close(start)
		wg.Wait()
		if checks != 1 {
			t.Fatalf("%d verifications by 64 callers with one token", checks)
		}
	}
}

func TestRow20KeysBelongToTheirIssuer(t *testing.T) {
	a := credentialstest.NewIssuer(t, credentialstest.InMemory(), credentialstest.URL("https://a.test"))
	b := credentialstest.NewIssuer(t, credentialstest.InMemory(), credentialstest.URL("https://b.test"))
	m, err := Issuers(verifierOf(t, a), verifierOf(t, b))
	if err != nil {
		t.Fatal(err)
	}
	accept(t, m, a.Mint(nil), "row 20: a's token")
	accept(t, m, b.Mint(nil), "row 20: b's token")
	for _, kid := range []string{a.KeyID(), "key-1"} {
		forged := b.Mint(object{"iss": a.URL()}, credentialstest.WithHeader("kid", kid))
		refuse(t, m, forged, "row 20: a's token signed by b", ReasonTokenInvalid)
	}
	noKid := b.Mint(object{"iss": a.URL()}, credentialstest.WithHeader("kid", nil))
	refuse(t, m, noKid, "row 20: a's token signed by b, without kid", ReasonTokenInvalid)

	t.Run("row 21a: equal sub under two issuers", func(t *testing.T) {
		pa, pb := accept(t, m, a.Mint(nil), "a"), accept(t, m, b.Mint(nil), "b")
		if pa.Subject() != pb.Subject() || pa.Issuer() == pb.Issuer() || pa.IssuerName() == pb.IssuerName() {
			t.Fatalf("%v and %v", pa, pb)
		}
	})
	t.Run("row 20: an unknown issuer costs no fetch", func(t *testing.T) {
		before := a.Requests(keysAt) + b.Requests(keysAt)
		refuse(t, m, a.Mint(object{"iss": "https://c.test"}), "unknown", ReasonTokenInvalid)
		if after := a.Requests(keysAt) + b.Requests(keysAt); after != before {
			t.Fatalf("%d fetches", after-before)
		}
	})
}

func TestRow29CallsThatWaitAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t)
		known := issuer.Mint(nil)
		accept(t, v, known, "warm")
		issuer.Script(keysAt, credentialstest.Delay(3*time.Second))
		unknown := issuer.Mint(nil, credentialstest.WithHeader("kid", "x"))
		v.keys.waiting.Store(maxWaiting)
		refuse(t, v, unknown, "row 29: one too many", ReasonVerifierUnavailable)
		accept(t, v, issuer.Mint(nil), "row 29: a known key")
		v.keys.waiting.Store(0)
		refuse(t, v, unknown, "row 29: one that may wait", ReasonTokenInvalid)
		if n := v.keys.waiting.Load(); n != 0 {
			t.Errorf("%d still count as waiting", n)
		}
	})
}
