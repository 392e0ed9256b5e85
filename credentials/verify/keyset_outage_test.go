package verify

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/credentials/credentialstest"
)

func TestFaultyKeyServer(t *testing.T) {
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
			issuer := credentialstest.NewIssuer(t, credentialstest.Config{})
			v := verifierOf(t, issuer, func(c *JWTConfig) { c.FetchTimeout = time.Second })
			issuer.Script(keysAt, fault)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err := v.Verify(ctx, issuer.Mint(nil), Requirements{})
			e := wantError(t, err, unavailableNow)
			if e.RetryAfter <= 0 {
				t.Error("no RetryAfter")
			}
			if name == "503 with Retry-After" && e.RetryAfter < 6*time.Second {
				t.Errorf("RetryAfter %v, the server said 7 s", e.RetryAfter)
			}
			if strings.Contains(e.Err.Error(), "not-a-secret") || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the cause %q quotes the body, or poses as the caller's deadline", e.Err)
			}
			for err = v.Ready(ctx); err != nil && ctx.Err() == nil; err = v.Ready(ctx) {
				time.Sleep(100 * time.Millisecond) // the timeout is short for a loaded machine
			}
			if err != nil {
				t.Errorf("not recovered: %v", err)
			}
		})
	}
	t.Run("row 30: wrong content type", func(t *testing.T) {
		issuer := credentialstest.NewIssuer(t, credentialstest.Config{})
		issuer.Script(keysAt, credentialstest.ContentType("text/plain"))
		accept(t, verifierOf(t, issuer), issuer.Mint(nil), "a key set is a key set")
	})
	t.Run("row 30: TLS failure", func(t *testing.T) {
		issuer := credentialstest.NewIssuer(t, credentialstest.Config{TLS: true})
		v := verifierOf(t, issuer, func(c *JWTConfig) { c.HTTPClient = &http.Client{Transport: &http.Transport{}} })
		refuse(t, v, issuer.Mint(nil), "unknown authority", unavailableNow)
		accept(t, verifierOf(t, issuer), issuer.Mint(nil), "known authority")
	})
	t.Cleanup(func() {
		if n := trap.total(); n != 0 {
			t.Errorf("row 30: %d redirects were followed", n)
		}
	})
}

func TestCallersKeepTheirOwnDeadline(t *testing.T) {
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

func TestHangingServerDelaysNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t)
		other := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true, URL: "https://other.test"})
		otherV := verifierOf(t, other)
		multi, err := NewMultiIssuer(v, otherV)
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
		known := issuer.MintWith(credentialstest.MintConfig{KeyID: "key-1"})
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

func TestServerDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t)
		issuer.Down()
		e := refuse(t, v, issuer.Mint(nil), "row 31: cold", unavailableNow)
		if e.RetryAfter <= 0 {
			t.Error("row 31: no RetryAfter")
		}
		issuer.Up()
		time.Sleep(2 * time.Second)
		accept(t, v, issuer.Mint(nil), "row 31: recovered unaided")

		issuer.Down()
		longLived := issuer.Mint(object{"exp": time.Now().Add(72 * time.Hour).Unix()})
		accept(t, v, longLived, "row 31: warm")
		time.Sleep(defaultMaxStale - 2*time.Minute)
		accept(t, v, issuer.Mint(nil), "row 31: warm keys are used up to MaxStale")
		accept(t, v, longLived, "row 31: cached tokens too")
		time.Sleep(3 * time.Minute)
		if e := refuse(t, v, issuer.Mint(nil), "row 31: past MaxStale", unavailableNow); e.RetryAfter <= 0 {
			t.Error("row 31: no RetryAfter past MaxStale")
		}
		refuse(t, v, longLived, "row 31: cached, past MaxStale", unavailableNow)
		before := issuer.Requests(keysAt)
		for range 100 {
			refuse(t, v, longLived, "row 31: backing off", unavailableNow)
		}
		if n := issuer.Requests(keysAt) - before; n > 1 {
			t.Errorf("row 31: %d fetches by 100 calls while the server is down", n)
		}
		issuer.Up()
		time.Sleep(maxBackoff + time.Second)
		accept(t, v, longLived, "row 31: recovered")
	})
}

func TestUnknownKidWhileTheServerIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t)
		accept(t, v, issuer.Mint(nil), "warm")
		issuer.Down()
		issuer.Rotate()
		fresh := issuer.Mint(nil)
		for range 3 {
			refuse(t, v, fresh, "row 31: nobody can say that the key is unknown", unavailableNow)
		}
		issuer.Up()
		time.Sleep(defaultUnknownKeyInterval)
		accept(t, v, fresh, "row 31: recovered")
	})
}

func TestTheLeaderLeaves(t *testing.T) {
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
