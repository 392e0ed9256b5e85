package verify

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// setOfKeys is a key set as a document.
func setOfKeys(keys ...*testKey) string {
	list := []any{}
	for _, k := range keys {
		list = append(list, k.jwk())
	}
	return jsonOf(object{"keys": list})
}

// fates is what became of good tokens.
type fates struct {
	accepted, unavailable, invalid int
	withdrawn                      int // of the invalid: by what was known before the question
}

func (f *fates) share(n int) float64 {
	return 100 * float64(n) / float64(f.accepted+f.unavailable+f.invalid)
}

func (f *fates) add(err error) {
	e, ok := asError(err)
	switch {
	case err == nil:
		f.accepted++
	case ok && outcomeOf(e) == unavailableNow:
		f.unavailable++
	default:
		f.invalid++
		if ok && asCause(e) == errKeyWithdrawn {
			f.withdrawn++
		}
	}
}

// besideAFlood counts what becomes of good tokens under a key while a stranger's
// made-up kids bring about a fetch whenever the budget allows one.
func besideAFlood(t *testing.T, v *JWT, key *testKey, d time.Duration) *fates {
	t.Helper()
	end := time.Now().Add(d)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for time.Now().Before(end) {
				v.Verify(t.Context(), madeUp(), Requirements{})
				time.Sleep(19 * time.Millisecond)
			}
		})
	}
	f := &fates{}
	for time.Sleep(time.Millisecond); time.Now().Before(end); time.Sleep(103 * time.Millisecond) {
		_, err := v.Verify(t.Context(), key.token(numbered()), Requirements{})
		f.add(err)
	}
	wg.Wait()
	t.Logf("%d calls: %.1f %% UNAVAILABLE, %.1f %% TOKEN_INVALID, %.1f %% by a withdrawn key", f.accepted+f.unavailable+f.invalid,
		f.share(f.unavailable), f.share(f.invalid), f.share(f.withdrawn))
	return f
}

// An issuer whose replicas differ by a key: a stranger's flood has the sets
// fetched in turns, and the tokens under that key are good all the while.
func TestReplicasThatDifferBesideAFlood(t *testing.T) {
	turns := func() func() bool {
		n := 0
		return func() bool { n++; return n%2 == 0 }
	}
	drawn := func(share float64) func() func() bool {
		return func() func() bool {
			random := rand.New(rand.NewPCG(29, 32))
			first := true
			return func() bool {
				lags := random.Float64() < share && !first
				first = false
				return lags
			}
		}
	}
	for name, c := range map[string]struct {
		lags                        func() func() bool // of each fetch
		unavailable, ofAWithdrawing float64            // %, at most
	}{
		"in turns":     {turns, 0, 0},
		"one of three": {drawn(1.0 / 3), 12, 1},
		"one of two":   {drawn(0.5), 25, 1},
	} {
		t.Run("row 29: "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, second := newKey("k1", EdDSA), newKey("k2", EdDSA)
				whole, behind := setOfKeys(first, second), setOfKeys(first)
				srv := newKeyServer()
				lags := c.lags() // fetches are one at a time
				srv.setAnswer(func(*http.Request) *http.Response {
					if lags() {
						return answer(200, behind)
					}
					return answer(200, whole)
				})
				v := newJWT(t, srv.config())
				accept(t, v, second.token(numbered()), "warm")
				f := besideAFlood(t, v, second, 3*time.Minute)
				if f.share(f.unavailable) > c.unavailable || f.share(f.withdrawn) > c.ofAWithdrawing {
					t.Errorf("row 29: of the good tokens %.1f %% UNAVAILABLE, %.1f %% by a withdrawn key; want at most %v and %v",
						f.share(f.unavailable), f.share(f.withdrawn), c.unavailable, c.ofAWithdrawing)
				}
			})
		})
	}
}

// A key that one set lacks serves until a second set has been asked for: its
// tokens, cached or not.
func TestKeyThatOneSetLacks(t *testing.T) {
	for name, back := range map[string]bool{"the second set has it": true, "the second set lacks it": false} {
		t.Run("row 28: "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, second := newKey("k1", ES256), newKey("k2", ES256)
				srv := newKeyServer(first, second)
				v := newJWT(t, srv.config())
				cached := second.token(numbered())
				accept(t, v, cached, "warm")
				srv.publish(first)
				refuse(t, v, madeUp(), "a stranger's", tokenInvalid) // spends the budget
				time.Sleep(confirmPause - time.Millisecond)
				accept(t, v, cached, "row 28: cached, before the second set")
				accept(t, v, second.token(numbered()), "row 28: before the second set")
				accept(t, v, noKid(second), "row 28: before the second set, without kid")
				if back {
					srv.publish(first, second)
				}
				var checks int
				v.checked = func() { checks++ }
				time.Sleep(time.Millisecond)
				synctest.Wait()
				if n := srv.total(); n != 3 {
					t.Fatalf("row 28: %d fetches", n)
				}
				if back {
					accept(t, v, cached, "row 28: cached")
					if checks != 0 {
						t.Errorf("row 28: what was cached was checked %d times again", checks)
					}
					accept(t, v, second.token(numbered()), "row 28: the key is back")
					time.Sleep(keyLinger)
					accept(t, v, second.token(numbered()), "row 28: the key is back, and stays")
					return
				}
				refuse(t, v, cached, "row 32: cached, after the second set", tokenInvalid)
				refuse(t, v, second.token(numbered()), "row 32: after the second set", tokenInvalid)
			})
		})
	}
}

// Whether the second set fails to come or doesn't come at all, a key that the
// first one lacks is gone soon.
func TestWithdrawnKeyWhoseConfirmationFails(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(*http.Request) *http.Response
		after  time.Duration // the set that lacked the key
	}{
		"fails":    {func(*http.Request) *http.Response { return answer(503, "") }, confirmPause},
		"is empty": {func(*http.Request) *http.Response { return answer(200, `{"keys":[]}`) }, confirmPause},
		"hangs":    {func(r *http.Request) *http.Response { <-r.Context().Done(); return &http.Response{} }, keyLinger},
	} {
		t.Run("row 32: the second fetch "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, second := newKey("k1", ES256), newKey("k2", ES256)
				srv := newKeyServer(first, second)
				v := newJWT(t, srv.config())
				cached := second.token(numbered())
				accept(t, v, cached, "warm")
				srv.publish(first)
				refuse(t, v, madeUp(), "a stranger's", tokenInvalid)
				srv.setAnswer(c.answer)
				time.Sleep(c.after - time.Millisecond)
				accept(t, v, cached, "row 32: not yet gone")
				time.Sleep(time.Millisecond)
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				for what, token := range map[string]string{"cached": cached, "new": second.token(numbered())} {
					if _, err := v.Verify(ctx, token, Requirements{}); err == nil {
						t.Errorf("row 32: the token of a key that is gone, %s, was accepted", what)
					}
				}
				accept(t, v, first.token(numbered()), "row 28: the other key is kept")
				// A set that lacks the key is the second one.
				srv.setAnswer(nil)
				time.Sleep(defaultFetchTimeout + 2*maxProbe)
				wantUntil(t, v, second.token(numbered()), 2*defaultUnknownKeyInterval)
				wantUntil(t, v, madeUp(), 2*defaultUnknownKeyInterval) // spends the budget
				refuse(t, v, second.token(numbered()), "row 32: seen gone twice", tokenInvalid)
				// And one that has it brings it back.
				srv.publish(first, second)
				time.Sleep(defaultUnknownKeyInterval)
				accept(t, v, second.token(numbered()), "row 28: published again")
				accept(t, v, second.token(numbered()), "row 28: published again")
			})
		})
	}
}

// A key that came back once may do so again: its tokens are void by what was
// known before they came only once many sets in turn lack it.
func TestKeyThatCameBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := newKey("k1", ES256), newKey("k2", ES256)
		srv := newKeyServer(first, second)
		v := newJWT(t, srv.config())
		fetch := func(keys ...*testKey) {
			t.Helper()
			srv.publish(keys...)
			if err := v.keys.now(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for _, lackedBy := range []int{1, 2, 3} {
			fetch(first, second)
			for range lackedBy {
				fetch(first)
			}
			fetch(first, second)
			accept(t, v, second.token(numbered()), "row 29: the key is back")
			fetch(first)
			accept(t, v, second.token(numbered()), "row 29: one set lacks it")
			time.Sleep(defaultUnknownKeyInterval)
			refuse(t, v, madeUp(), "a stranger's", tokenInvalid) // spends the budget
			for n := 3; n < waveringSets; n++ {                  // one that the stranger had fetched, and one to confirm
				wantWait(t, v, second.token(numbered()), fmt.Sprint("row 29: ", n, " sets lack it"))
				fetch(first)
			}
			for range 50 {
				refuse(t, v, second.token(numbered()), "row 32: it is gone for good", tokenInvalid)
			}
			time.Sleep(defaultUnknownKeyInterval)
		}
	})
}

// A background refresh is so early that a withdrawn key is gone within the
// refresh interval, though two sets must lack it.
func TestWithinTheRefreshInterval(t *testing.T) {
	k := &keySet{refresh: minRefresh}
	for range 1000 {
		if d := k.nextRefresh(http.Header{}); d > minRefresh-keyLinger || d < minRefresh-minRefresh/10 {
			t.Fatalf("row 32: the next refresh after %v", d)
		}
	}
}
