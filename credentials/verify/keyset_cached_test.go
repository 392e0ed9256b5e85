package verify

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// lagging is a key server behind a cache that answers with what was true before.
func lagging(before []*testKey, now ...*testKey) *keyServer {
	srv := newKeyServer(now...)
	list := []any{}
	for _, k := range before {
		list = append(list, k.jwk())
	}
	old := jsonOf(object{"keys": list})
	srv.setAnswer(func(r *http.Request) *http.Response {
		if r.Header.Get("Cache-Control") == "no-cache" {
			return nil
		}
		return answer(200, old)
	})
	return srv
}

// What a cache on the way answers to the first fetch of a server that was
// restarted is no proof that a token's key doesn't exist.
func TestFirstFetchFromACache(t *testing.T) {
	for name, kid := range map[string]string{"a new kid": "k2", "the same kid": "k1"} {
		t.Run("row 33: "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, second := newKey("k1", EdDSA), newKey(kid, EdDSA)
				srv := lagging([]*testKey{first}, second)
				v := newJWT(t, srv.config())
				accept(t, v, second.token(numbered()), "row 33: on the first call")
				if n := srv.total(); n != 2 {
					t.Errorf("row 33: %d fetches", n)
				}
				accept(t, v, first.token(numbered()), "row 32: the key that only the cache has, and one set lacks")
				time.Sleep(defaultUnknownKeyInterval)
				refuse(t, v, first.token(numbered()), "row 32: the key that only the cache has", tokenInvalid)
			})
		})
	}
}

// The fetch that confirms a withdrawal passes by caches: a copy from before would
// bring the old key back and take the new one away.
func TestWithdrawalIsNotConfirmedByACache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := newKey("k1", EdDSA), newKey("k2", EdDSA)
		srv := lagging([]*testKey{first}, second)
		v := newJWT(t, srv.config())
		if err := v.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		accept(t, v, first.token(numbered()), "row 32: not known to be gone")
		accept(t, v, second.token(numbered()), "row 33: the new key")
		time.Sleep(2 * confirmPause)
		synctest.Wait()
		accept(t, v, second.token(numbered()), "row 33: the new key, while the budget is spent")
		refuse(t, v, first.token(numbered()), "row 32: the withdrawn key", tokenInvalid)
		if n := srv.total(); n != 3 {
			t.Errorf("row 33: %d fetches", n)
		}
	})
}
