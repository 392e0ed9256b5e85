package verify

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// numbered are good claims of a token that no other test token equals.
var numberOfToken atomic.Int64

func numbered() object {
	return goodClaims().with(object{"jti": fmt.Sprint("token-", numberOfToken.Add(1)), "exp": time.Now().Add(2 * time.Hour).Unix()})
}

// madeUp returns a token with a kid that doesn't exist, and no valid signature.
func madeUp() string {
	header := forger().header().with(object{"kid": fmt.Sprint("made-up-", numberOfToken.Add(1))})
	return b64([]byte(jsonOf(header))) + "." + b64([]byte(jsonOf(numbered()))) + "." + b64(make([]byte, 64))
}

var forger = sync.OnceValue(func() *testKey { return newKey("forger", EdDSA) })

// forged is a token under a known kid that another key signed.
func forged(kid string) string {
	k := &testKey{kid: kid, alg: EdDSA, priv: forger().priv}
	return k.token(numbered())
}

func noKid(k *testKey) string {
	return k.tokenOf(jsonOf(k.header().without("kid")), jsonOf(numbered()))
}

// wantWait checks that a token is refused for want of the budget, and returns
// how long to wait.
func wantWait(t *testing.T, v Verifier, token, why string) time.Duration {
	t.Helper()
	e := refuse(t, v, token, why, unavailableNow)
	if e.RetryAfter <= 0 || e.RetryAfter > defaultUnknownKeyInterval {
		t.Fatalf("%s: RetryAfter %v", why, e.RetryAfter)
	}
	return e.RetryAfter
}

func TestSpentBudgetIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey("k1", EdDSA)
		srv := newKeyServer(key)
		v := newJWT(t, srv.config())
		accept(t, v, key.token(numbered()), "warm")
		for name, token := range map[string]func() string{
			"unknown kid": madeUp, "bad signature": func() string { return forged("k1") }, "no kid": func() string { return noKid(forger()) },
		} {
			before := srv.total()
			refuse(t, v, token(), "row 29: "+name+": a key set was fetched after the question", tokenInvalid)
			time.Sleep(500 * time.Millisecond)
			wait := wantWait(t, v, token(), "row 29: over budget: "+name)
			if wait != defaultUnknownKeyInterval-500*time.Millisecond {
				t.Errorf("row 29: %s: RetryAfter %v", name, wait)
			}
			accept(t, v, key.token(numbered()), "row 29: a good token beside")
			if n := srv.total() - before; n != 1 {
				t.Errorf("row 29: %s: %d fetches", name, n)
			}
			time.Sleep(wait)
			refuse(t, v, token(), "row 29: "+name+": after the wait", tokenInvalid)
			time.Sleep(defaultUnknownKeyInterval)
		}
	})
}

func TestMadeUpKidBeforeARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second, third := newKey("k1", ES256), newKey("k2", ES256), newKey("k3", ES256)
		srv := newKeyServer(first)
		v := newJWT(t, srv.config())
		accept(t, v, first.token(numbered()), "warm")
		refuse(t, v, madeUp(), "a stranger's", tokenInvalid)
		srv.publish(first, second)
		token := second.token(numbered())
		time.Sleep(wantWait(t, v, token, "row 33: the budget is spent"))
		accept(t, v, token, "row 33: after the wait")
		// A second rotation within the interval.
		srv.publish(first, second, third)
		token = third.token(numbered())
		time.Sleep(wantWait(t, v, token, "row 33: the budget is spent again"))
		accept(t, v, token, "row 33: after the second wait")
	})
}

// The key is published while a fetch that a made-up kid caused is under way: its
// answer proves nothing about a token that came after it had begun.
func TestFetchThatBeganBeforeTheQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := newKey("k1", ES256), newKey("k2", ES256)
		srv := newKeyServer(first)
		v := newJWT(t, srv.config())
		accept(t, v, first.token(numbered()), "warm")
		old := jsonOf(object{"keys": []any{first.jwk()}})
		var slow atomic.Bool
		slow.Store(true)
		srv.setAnswer(func(*http.Request) *http.Response {
			if slow.Swap(false) {
				time.Sleep(time.Second)
				return answer(200, old)
			}
			return nil
		})
		stranger := make(chan error, 1)
		go func() {
			_, err := v.Verify(t.Context(), madeUp(), Requirements{})
			stranger <- err
		}()
		synctest.Wait()
		srv.publish(first, second)
		token := second.token(numbered())
		time.Sleep(wantWait(t, v, token, "row 33: nothing is proven"))
		wantError(t, <-stranger, tokenInvalid) // its own fetch
		accept(t, v, token, "row 33: after the wait")
	})
}

func TestFailedFetchSpendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := newKey("k1", ES256), newKey("k2", ES256)
		srv := newKeyServer(first)
		cfg := srv.config()
		cfg.UnknownKeyInterval = time.Hour
		v := newJWT(t, cfg)
		accept(t, v, first.token(numbered()), "warm")
		srv.publish(second)
		srv.setAnswer(func(*http.Request) *http.Response { return answer(500, "") })
		token := second.token(numbered())
		for range 5 {
			time.Sleep(wantWait(t, v, token, "row 29: down"))
		}
		srv.setAnswer(nil)
		accept(t, v, token, "row 29: a fetch that failed spent nothing")
		if e := refuse(t, v, madeUp(), "row 29: the good fetch did", unavailableNow); e.RetryAfter < 59*time.Minute {
			t.Fatalf("row 29: RetryAfter %v", e.RetryAfter)
		}
	})
}

func TestSameKidWithANewKey(t *testing.T) {
	for name, several := range map[string]bool{"one issuer": false, "several issuers": true} {
		t.Run("row 33 "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				before, after := newKey("k1", ES256), newKey("k1", ES256)
				srv := newKeyServer(before)
				var v Verifier = newJWT(t, srv.config())
				if several {
					other := newKeyServer(newKey("k1", ES256)).config()
					other.Issuer, other.IssuerName = "https://other.test", "other"
					m, err := NewMultiIssuer(v.(*JWT), newJWT(t, other))
					if err != nil {
						t.Fatal(err)
					}
					v = m
				}
				old := before.token(numbered())
				accept(t, v, old, "warm")
				accept(t, v, old, "cached")
				srv.publish(after)
				accept(t, v, after.token(numbered()), "row 33: the new key, on its first call")
				if n := srv.total(); n != 2 {
					t.Errorf("row 33: %d fetches", n)
				}
				accept(t, v, old, "row 33: the cached token of the old key, which one set lacks")
				accept(t, v, before.token(numbered()), "row 33: another of the old key")
				accept(t, v, after.token(numbered()), "row 33: the new key")
				time.Sleep(confirmPause)
				synctest.Wait()
				refuse(t, v, old, "row 33: the cached token of the old key", tokenInvalid)
				// Each of a thousand clients is told at once that its token is void: that
				// the old key is gone has been seen twice.
				for range 5 {
					refuse(t, v, before.token(numbered()), "row 33: another of the old key", tokenInvalid)
				}
				accept(t, v, after.token(numbered()), "row 33: the new key")
				if n := srv.total(); n != 3 { // one of them to see again that the old key is gone
					t.Errorf("row 33: %d fetches", n)
				}
				// The old key comes back, as from a replica that lags.
				srv.publish(after, &testKey{kid: "k0", alg: before.alg, priv: before.priv})
				time.Sleep(defaultUnknownKeyInterval)
				returned := &testKey{kid: "k0", alg: before.alg, priv: before.priv}
				accept(t, v, returned.token(numbered()), "row 33: the old key, published again")
			})
		})
	}
}

// Clients that hold tokens of a withdrawn key must be told so, or they go on
// sending them: all of them, not one for each fetch.
func TestTokensOfAWithdrawnKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := newKey("k1", ES256), newKey("k2", ES256)
		srv := newKeyServer(first)
		v := newJWT(t, srv.config())
		accept(t, v, first.token(numbered()), "warm")
		srv.publish(second)
		accept(t, v, second.token(numbered()), "the new key")
		token := first.token(numbered())
		accept(t, v, token, "row 32: seen gone once: perhaps a replica that lags")
		time.Sleep(confirmPause)
		synctest.Wait()
		refuse(t, v, token, "row 32: seen gone twice, and cached", tokenInvalid)
		for range 100 {
			refuse(t, v, first.token(numbered()), "row 32: seen gone twice", tokenInvalid)
			refuse(t, v, noKid(first), "row 32: without kid", tokenInvalid)
		}
		wantWait(t, v, forged("k1"), "row 32: not the withdrawn key's signature")
		if n := srv.total(); n != 3 { // one of them to see again that the key is gone
			t.Errorf("row 32: %d fetches", n)
		}
		srv.publish(first, second)
		time.Sleep(defaultUnknownKeyInterval)
		accept(t, v, token, "row 32: published again")
		// How many are remembered is bounded.
		for i := range 3 * maxWithdrawn {
			srv.publish(newKey(fmt.Sprint("n", i), ES256))
			if err := v.keys.now(t.Context()); err != nil {
				t.Fatal(err)
			}
			s := v.keys.snapshot.Load()
			if n := len(s.withdrawn) + len(s.leaving); n > maxWithdrawn+maxKeys {
				t.Fatalf("row 32: %d withdrawn keys are kept", n)
			}
		}
		if n := len(v.keys.snapshot.Load().withdrawn); n != maxWithdrawn {
			t.Fatalf("row 32: %d withdrawn keys are kept", n)
		}
	})
}

// A withdrawal is confirmed by a fetch of its own: a flood that spends the budget
// doesn't keep clients from hearing that their tokens are void.
func TestWithdrawalIsConfirmedBesideAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := newKey("k1", ES256), newKey("k2", ES256)
		srv := newKeyServer(first)
		v := newJWT(t, srv.config())
		accept(t, v, first.token(numbered()), "warm")
		srv.publish(second)
		accept(t, v, second.token(numbered()), "row 33: the new key") // spends the budget
		accept(t, v, first.token(numbered()), "row 33: seen gone once")
		time.Sleep(confirmPause)
		synctest.Wait()
		wantWait(t, v, madeUp(), "row 33: the budget is still spent")
		refuse(t, v, first.token(numbered()), "row 33: seen gone twice", tokenInvalid)
		if n := srv.total(); n != 3 {
			t.Errorf("row 33: %d fetches", n)
		}
	})
}

// A key set that is another one at each fetch is fetched twice, not for ever.
func TestASetThatAlwaysChangesIsNotFetchedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newKeyServer(newKey("k0", ES256))
		cfg := srv.config()
		var made, fetched atomic.Int64
		cfg.Observer.KeysFetched = func(KeysFetched) {
			fetched.Add(1)
			srv.publish(newKey(fmt.Sprint("n", made.Add(1)), ES256))
		}
		v := newJWT(t, cfg)
		for range 2 {
			if err := v.keys.now(t.Context()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // until the next set is there
		}
		time.Sleep(20 * confirmPause)
		synctest.Wait()
		if n := fetched.Load(); n != 3 {
			t.Errorf("row 28: %d fetches in %v, want the two that were asked for and one more", n, 20*confirmPause)
		}
	})
}

// Whatever the issuer does meanwhile, a signature is checked with two key sets
// at most.
func TestBadSignatureIsCheckedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newKeyServer()
		srv.setAnswer(func(*http.Request) *http.Response {
			time.Sleep(10 * time.Millisecond)
			return answer(200, jsonOf(object{"keys": []any{newKey("k1", EdDSA).jwk()}})) // another one each time
		})
		v := newJWT(t, srv.config())
		if err := v.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		var checks atomic.Int64
		v.checked = func() { checks.Add(1) }
		refuse(t, v, forged("k1"), "row 29", tokenInvalid)
		if n := checks.Load(); n != 2 {
			t.Fatalf("row 29: %d checks", n)
		}
		wantWait(t, v, forged("k1"), "row 29: over budget")
		if n := checks.Load(); n != 3 {
			t.Fatalf("row 29: %d checks over budget", n-2)
		}
		// A fetch that began before, then one's own.
		time.Sleep(defaultUnknownKeyInterval)
		checks.Store(0)
		go v.keys.now(t.Context())
		synctest.Wait()
		refuse(t, v, forged("k1"), "row 29: two fetches", unavailableNow)
		if n := checks.Load(); n != 2 {
			t.Fatalf("row 29: %d checks beside another's fetch", n)
		}
	})
}

// outage asks a verifier all the while that an issuer is down, and until its
// tokens pass again. It returns for how long calls failed after that.
func outage(t *testing.T, v *JWT, srv *keyServer, d time.Duration, during func(), token string) time.Duration {
	t.Helper()
	srv.setAnswer(func(*http.Request) *http.Response { return answer(503, "") })
	during()
	before := srv.total()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		e := refuse(t, v, token, "down", unavailableNow)
		if e.RetryAfter <= 0 || e.RetryAfter > 2*time.Second {
			t.Fatalf("RetryAfter %v while down", e.RetryAfter)
		}
	}
	if n := srv.total() - before; n > int(d/time.Second)+2 || n < int(d/(2*time.Second))-1 {
		t.Errorf("%d requests in an outage of %v", n, d)
	}
	srv.setAnswer(nil)
	for up := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		_, err := v.Verify(t.Context(), token, Requirements{})
		if err == nil {
			return time.Since(up)
		}
		wantError(t, err, unavailableNow)
	}
}

func TestRecoveryAfterAnOutage(t *testing.T) {
	for _, d := range []time.Duration{20 * time.Second, time.Minute, 10 * time.Minute} {
		for name, c := range map[string]struct {
			warm  bool
			after *testKey
		}{
			"without keys":               {false, newKey("k1", EdDSA)},
			"new key":                    {true, newKey("k2", EdDSA)},
			"same kid":                   {true, newKey("k1", EdDSA)},
			"without keys, and new ones": {false, newKey("k2", EdDSA)},
		} {
			t.Run(fmt.Sprint("row 33 ", name, ", down for ", d), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					before := newKey("k1", EdDSA)
					srv := newKeyServer(before)
					v := newJWT(t, srv.config())
					if c.warm {
						accept(t, v, before.token(numbered()), "warm")
					}
					took := outage(t, v, srv, d, func() { srv.publish(c.after) }, c.after.token(numbered()))
					if took > 2*time.Second {
						t.Errorf("row 33: calls failed for %v after the issuer answered", took)
					}
					if c.warm {
						wantUntil(t, v, before.token(numbered()), 2*defaultUnknownKeyInterval)
					}
				})
			})
		}
	}
}

// wantUntil checks that a void token is refused as such within d. While one set
// alone lacks its key it may pass.
func wantUntil(t *testing.T, v Verifier, token string, d time.Duration) {
	t.Helper()
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		_, err := v.Verify(t.Context(), token, Requirements{})
		var e *Error
		if errors.As(err, &e) && outcomeOf(e) == tokenInvalid {
			return
		}
		if err != nil || time.Since(start) > keyLinger {
			wantError(t, err, unavailableNow)
		}
		if time.Since(start) > d {
			t.Fatalf("after %v still not refused for good", d)
		}
	}
}

// Without calls, a server probes less and less often; the first call fetches.
func TestFirstCallAfterAQuietOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey("k1", EdDSA)
		srv := newKeyServer(key)
		srv.setAnswer(func(*http.Request) *http.Response { return answer(503, "") })
		v := newJWT(t, srv.config())
		refuse(t, v, key.token(numbered()), "down", unavailableNow)
		time.Sleep(10 * time.Minute)
		srv.setAnswer(nil)
		time.Sleep(2 * time.Second)
		accept(t, v, key.token(numbered()), "row 33: the first call")
	})
}

// Rotations each second for a minute beside a flood of made-up kids, 50 callers:
// no good token is ever called invalid, and none waits for longer than an
// interval. The flood brings about one fetch an interval, and what is withdrawn
// meanwhile one more.
func TestRotationsBesideAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers, rotations = 50, 60
		keys := make([]*testKey, rotations+1)
		for i := range keys {
			keys[i] = newKey(fmt.Sprint("k", i), EdDSA)
		}
		srv := newKeyServer(keys[0])
		v := newJWT(t, srv.config())
		accept(t, v, keys[0].token(numbered()), "warm")
		start := time.Now()
		var newest atomic.Int64
		var done atomic.Bool
		var accepted, waited, worst atomic.Int64
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() { // each with a token of its own, from the newest key
				time.Sleep(time.Duration(i) * time.Millisecond)
				var key *testKey
				var token string
				for !done.Load() {
					if k := keys[newest.Load()]; k != key {
						key, token = k, k.token(numbered())
					}
					for asked := time.Now(); ; {
						_, err := v.Verify(t.Context(), token, Requirements{})
						if err == nil {
							accepted.Add(1)
							if d := time.Since(asked); d > 0 {
								waited.Add(1)
								worst.Store(max(worst.Load(), int64(d)))
							}
							break
						}
						var e *Error
						if !errors.As(err, &e) || outcomeOf(e) != unavailableNow || e.RetryAfter <= 0 || e.RetryAfter > defaultUnknownKeyInterval {
							t.Errorf("row 33: an honest call: %v", err)
							return
						}
						time.Sleep(e.RetryAfter)
					}
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		bad := forged("k0")
		for range 5 { // the flood: always there when the budget allows
			wg.Go(func() {
				for !done.Load() {
					v.Verify(t.Context(), madeUp(), Requirements{})
					v.Verify(t.Context(), bad, Requirements{})
					time.Sleep(20 * time.Millisecond)
				}
			})
		}
		for i := 1; i <= rotations; i++ {
			time.Sleep(time.Second)
			srv.publish(keys[max(0, i-10) : i+1]...)
			newest.Store(int64(i))
		}
		done.Store(true)
		wg.Wait()
		if d := time.Duration(worst.Load()); d > defaultUnknownKeyInterval {
			t.Errorf("row 33: a good token waited %v", d)
		}
		if n, most := srv.total(), 2+2*int(time.Since(start)/defaultUnknownKeyInterval); n > most {
			t.Errorf("row 29: %d fetches, want at most %d", n, most)
		}
		if accepted.Load() < callers*rotations/4 {
			t.Errorf("only %d calls passed", accepted.Load())
		}
		t.Logf("%d passed, %d of them after a wait of at most %v; %d fetches", accepted.Load(), waited.Load(), time.Duration(worst.Load()), srv.total())
	})
}

// A cache on the way must not answer what was true before the token came: for
// the background's refreshes it may.
func TestRefetchPassesByCaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := newKey("k1", EdDSA), newKey("k2", EdDSA)
		srv := newKeyServer(first)
		old := jsonOf(object{"keys": []any{first.jwk()}})
		var revalidated atomic.Int64
		srv.setAnswer(func(r *http.Request) *http.Response {
			if r.Header.Get("Cache-Control") == "no-cache" {
				revalidated.Add(1)
				return nil
			}
			return answer(200, old)
		})
		v := newJWT(t, srv.config())
		accept(t, v, first.token(numbered()), "warm")
		srv.publish(first, second)
		time.Sleep(time.Hour)
		if n := revalidated.Load(); n != 0 {
			t.Errorf("%d of the background's requests pass by caches", n)
		}
		accept(t, v, second.token(numbered()), "row 33: a cache lags")
	})
}
