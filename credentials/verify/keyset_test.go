package verify

import (
	"errors"
	"net/http"
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
	issuer := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
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

func refuse(t *testing.T, v Verifier, token, why string, want outcome) *Error {
	t.Helper()
	_, err := v.Verify(t.Context(), token, Requirements{})
	var e *Error
	if !errors.As(err, &e) || outcomeOf(e) != want {
		t.Fatalf("%s: got %v (%v), want %v", why, err, errors.Unwrap(err), want)
	}
	return e
}

const keysAt = credentialstest.JWKSEndpoint

func TestEmptySet(t *testing.T) {
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

func TestSetWithoutTheCurrentKey(t *testing.T) {
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
		// The issuer's key, and half a second later the other one.
		if n := withdrawn.Load(); n != 2 {
			t.Fatalf("row 28: %d keys reported as gone, want 2", n)
		}
		// Recovered by the refetch that the token under the missing key causes.
		accept(t, v, token, "row 28: after")
	})
}

func TestWithdrawnKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t, func(c *JWTConfig) { c.RefreshInterval = 10 * time.Minute })
		token := issuer.Mint(nil)
		accept(t, v, token, "before")
		issuer.Rotate()
		issuer.Withdraw("key-1")
		accept(t, v, token, "row 32: until the refresh")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if e := refuse(t, v, token, "row 32: the cached token", tokenInvalid); asCause(e) != errKeyUnknown {
			t.Fatalf("row 32: %v", e.Err)
		}
		refuse(t, v, issuer.MintWith(credentialstest.MintConfig{KeyID: "key-1"}), "row 32: a new one", tokenInvalid)
		accept(t, v, issuer.Mint(nil), "row 32: the other key")
	})
}

func TestRotation(t *testing.T) {
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
			time.Sleep(defaultUnknownKeyInterval)
		}
	})
}

// The key is published while a fetch that began before is still under way.
func TestRotationDuringAFetch(t *testing.T) {
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
		refuse(t, v, issuer.Mint(nil), "down", unavailableNow)
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
		e := refuse(t, v, issuer.Mint(nil), "429", unavailableNow)
		if e.RetryAfter < 89*time.Second || e.RetryAfter > 90*time.Second {
			t.Errorf("RetryAfter %v", e.RetryAfter)
		}
		time.Sleep(89 * time.Second)
		refuse(t, v, issuer.Mint(nil), "still", unavailableNow)
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
		wantError(t, <-waiting, unavailableNow)
		refuse(t, v, issuer.Mint(nil), "closed", unavailableNow)
		warm := verifierOf(t, issuer)
		issuer.Heal(keysAt)
		accept(t, warm, issuer.Mint(nil), "warm")
		warm.Close()
		refuse(t, warm, issuer.Mint(nil), "closed with keys", unavailableNow)
		if err := v.Ready(t.Context()); err == nil {
			t.Error("ready though closed")
		}
	})
}

func TestOneVerificationForManyCallers(t *testing.T) {
	issuer := credentialstest.NewIssuer(t, credentialstest.Config{})
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

func TestKeysBelongToTheirIssuer(t *testing.T) {
	a := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true, URL: "https://a.test"})
	b := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true, URL: "https://b.test"})
	va := verifierOf(t, a)
	m, err := NewMultiIssuer(va, verifierOf(t, b))
	if err != nil {
		t.Fatal(err)
	}
	accept(t, m, a.Mint(nil), "row 20: a's token")
	accept(t, m, b.Mint(nil), "row 20: b's token")
	for _, kid := range []string{a.KeyID(), "key-1"} {
		forged := b.MintWith(credentialstest.MintConfig{Claims: object{"iss": a.URL()}, Header: map[string]any{"kid": kid}})
		allowFetch(va)
		refuse(t, m, forged, "row 20: a's token signed by b", tokenInvalid)
	}
	allowFetch(va)
	noKid := b.MintWith(credentialstest.MintConfig{Claims: object{"iss": a.URL()}, Header: map[string]any{"kid": nil}})
	refuse(t, m, noKid, "row 20: a's token signed by b, without kid", tokenInvalid)

	t.Run("row 21a: equal sub under two issuers", func(t *testing.T) {
		pa, pb := accept(t, m, a.Mint(nil), "a"), accept(t, m, b.Mint(nil), "b")
		if pa.Subject() != pb.Subject() || pa.Issuer() == pb.Issuer() || pa.IssuerName() == pb.IssuerName() {
			t.Fatalf("%v and %v", pa, pb)
		}
	})
	t.Run("row 20: an unknown issuer costs no fetch", func(t *testing.T) {
		before := a.Requests(keysAt) + b.Requests(keysAt)
		refuse(t, m, a.Mint(object{"iss": "https://c.test"}), "unknown", tokenInvalid)
		if after := a.Requests(keysAt) + b.Requests(keysAt); after != before {
			t.Fatalf("%d fetches", after-before)
		}
	})
}
