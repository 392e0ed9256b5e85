package verify

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// judgedBy sets a user's code that decides whose token it is.
func judgedBy(cfg *JWTConfig, f func(*Principal) bool) {
	cfg.Profile.Kind = func(p *Principal) Kind {
		if f(p) {
			return KindService
		}
		return KindUser
	}
}

// within verifies with a deadline, and checks that the call is back by then.
func within(t *testing.T, v Verifier, token string, d time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	start := time.Now()
	_, err := v.Verify(ctx, token, Requirements{})
	if took := time.Since(start); took > d {
		t.Errorf("back after %v, the deadline was %v", took, d)
	}
	return err
}

func TestWaitersOfACheckKeepTheirDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey("k1", EdDSA)
		v := newJWT(t, newKeyServer(key).config())
		accept(t, v, key.token(numbered()), "warm")
		release := make(chan struct{})
		v.checked = func() { <-release }
		token := key.token(numbered())
		leader := make(chan error, 1)
		go func() {
			_, err := v.Verify(t.Context(), token, Requirements{})
			leader <- err
		}()
		synctest.Wait()
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				err := within(t, v, token, time.Duration(i+1)*100*time.Millisecond)
				var e *Error
				if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &e) {
					t.Errorf("got %v, want the caller's own deadline", err)
				}
			})
		}
		wg.Wait()
		close(release)
		if err := <-leader; err != nil {
			t.Fatal(err)
		}
	})
}

func TestPredicateThatNeverReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey("k1", EdDSA)
		cfg := newKeyServer(key).config()
		release := make(chan struct{})
		var asked, hangs atomic.Int64
		judgedBy(&cfg, func(p *Principal) bool {
			asked.Add(1)
			if strings.HasPrefix(p.Subject(), "hang") {
				hangs.Add(1)
				<-release
			}
			return false
		})
		v := newJWT(t, cfg)
		accept(t, v, key.token(numbered()), "warm")
		asked.Store(0)
		token := key.token(numbered().with(object{"sub": "hang"}))
		for range 3 { // who comes first leaves at the deadline too
			if err := within(t, v, token, 100*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("got %v, want the caller's own deadline", err)
			}
		}
		leader, leave := context.WithCancel(t.Context())
		waiter := make(chan error, 1)
		go func() {
			_, err := v.Verify(t.Context(), token, Requirements{})
			waiter <- err
		}()
		synctest.Wait()
		leave()
		if _, err := v.Verify(leader, token, Requirements{}); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want the caller's own cancel", err)
		}
		accept(t, v, key.token(numbered()), "another token is not held up")
		if n := asked.Load(); n != 2 {
			t.Errorf("the predicate was asked %d times about two tokens", n)
		}
		synctest.Wait() // the others no longer count
		// How many hang is bounded.
		v.flight.apart.Store(maxChecks)
		refuse(t, v, key.token(numbered()), "one check too many", unavailableNow)
		synctest.Wait()
		v.flight.apart.Store(1)
		close(release)
		if err := <-waiter; err != nil {
			t.Fatalf("the waiter: %v", err)
		}
		accept(t, v, token, "after")
		if n := hangs.Load(); n != 1 {
			t.Errorf("%d predicates hung", n)
		}
		synctest.Wait()
		if n := v.flight.apart.Load(); n != 0 {
			t.Errorf("%d checks still count", n)
		}
	})
}

func TestPredicateThatEndsItsGoroutine(t *testing.T) {
	for name, end := range map[string]func(){"Goexit": runtime.Goexit, "panic": func() { panic("a secret") }} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				key := newKey("k1", EdDSA)
				cfg := newKeyServer(key).config()
				judgedBy(&cfg, func(*Principal) bool {
					end()
					return false
				})
				v := newJWT(t, cfg)
				token := key.token(numbered())
				for range 3 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					_, err := v.Verify(ctx, token, Requirements{})
					cancel()
					wantError(t, err, misconfiguredHere)
				}
			})
		})
	}
}

// Two tokens whose hashes are equal by chance are two checks.
func TestChecksOfTokensWithOneHash(t *testing.T) {
	var f signatureFlight
	keys := &keySnapshot{}
	f.calls = map[uint64]*signatureCheck{hashToken("a"): {token: "another", keys: keys}}
	want := &Principal{}
	for _, do := range []func(context.Context, string, *keySnapshot, func() (*Principal, error)) (*Principal, error){f.do, f.doApart} {
		got, err := do(t.Context(), "a", keys, func() (*Principal, error) { return want, nil })
		if got != want || err != nil {
			t.Errorf("got %v, %v", got, err)
		}
	}
	if c := f.calls[hashToken("a")]; c == nil || c.token != "another" {
		t.Error("the other token's check is forgotten")
	}
}
