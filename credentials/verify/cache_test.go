package verify

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/credentials/credentialstest"
)

func cacheEntry(token string, until instant) *cached {
	return remember(token, until, remembered{principal: &Principal{c: &claims{subject: token}}})
}

func TestCacheIsBounded(t *testing.T) {
	cache := newTokenCache(64)
	capacity := cache.entries.Slots()
	if capacity < 64 || capacity > 256 {
		t.Fatalf("%d slots for 64 entries", capacity)
	}
	for i := range 100_000 {
		cache.put(cacheEntry(fmt.Sprint("token-", i), 1000), 0)
	}
	held := 0
	for range cache.entries.All() {
		held++
	}
	if held > capacity || held < capacity/2 {
		t.Errorf("%d entries held in %d slots", held, capacity)
	}
	if newTokenCache(-1) != nil {
		t.Error("a cache although there is to be none")
	}
	var none *tokenCache
	none.put(cacheEntry("x", 1000), 0)
	if none.get("x", 0) != nil {
		t.Error("no cache remembers nothing")
	}
}

func TestCacheComparesWholeTokens(t *testing.T) {
	cache := newSignedCache(1024)
	tail := strings.Repeat("s", cacheTail)
	for _, head := range []string{"a.", "b.", ""} {
		cache.put(cacheEntry(head+tail, 1000), 0)
	}
	for _, head := range []string{"a.", "b.", ""} {
		if e := cache.get(head+tail, 0); e == nil || e.principal.Subject() != head+tail {
			t.Errorf("%q: %v", head, e)
		}
	}
	for _, other := range []string{"c." + tail, tail[1:], "a." + tail + "s", "", "a"} {
		if cache.get(other, 0) != nil {
			t.Errorf("%q hits", other)
		}
	}
}

// Some issuers' opaque tokens end alike: in a checksum of few values, the name
// of a tenant, padding.
func TestCacheOfTokensWithOneTail(t *testing.T) {
	const tokens = 1000
	tail := strings.Repeat("s", 2*cacheTail)
	cache := newTokenCache(8 * tokens)
	for i := range tokens {
		cache.put(cacheEntry(fmt.Sprint(i, tail), 1000), 0)
	}
	for i := range tokens {
		if cache.get(fmt.Sprint(i, tail), 0) == nil {
			t.Fatalf("token %d of %d is forgotten, in a cache of %d", i, tokens, 8*tokens)
		}
	}
}

func TestOpaqueTokensWithOneTailAreRemembered(t *testing.T) {
	issuer, in := memoryIntrospection(t)
	issuer.Script(introspectAt, credentialstest.Always(credentialstest.Body(200, "application/json", jsonOf(
		object{"active": true, "sub": "alice", "client_id": "web", "aud": credentialstest.DefaultAudience}))))
	for range 3 {
		for i := range 100 {
			accept(t, in, fmt.Sprint("token-", i, strings.Repeat("=", cacheTail)), "one of many")
		}
	}
	if n := issuer.Requests(introspectAt); n != 100 {
		t.Errorf("%d requests about 100 tokens", n)
	}
}

func TestCacheEntriesEnd(t *testing.T) {
	cache := newTokenCache(8)
	cache.put(cacheEntry("a", 100), 0)
	if cache.get("a", 99) == nil || cache.get("a", 100) != nil {
		t.Error("an entry ends exactly at its time")
	}
	// What has ended is written over first, however often it was asked for.
	for i := range cache.entries.Slots() * 4 {
		cache.put(cacheEntry(fmt.Sprint("old-", i), 100), 0)
	}
	cache.put(cacheEntry("new", 1000), 200)
	for i := range 3 {
		cache.put(cacheEntry(fmt.Sprint("x-", i), 1000), 200)
	}
	if cache.get("new", 200) == nil {
		t.Error("a good entry gave way though there were ended ones")
	}
	key := &signingKey{}
	e := cacheEntry("k", 1000)
	e.Value.key, e.Value.owner = key, &JWT{keys: &keySet{}}
	e.Value.owner.keys.staleAt.Store(500)
	cache.put(e, 200)
	if cache.get("k", 200) == nil || cache.get("k", 500) != nil {
		t.Error("an entry ends with the freshness of its keys")
	}
	key.gone.Store(true)
	if cache.get("k", 200) != nil {
		t.Error("row 32: an entry ends with its key")
	}
}

func TestCacheKeepsWhatIsAskedFor(t *testing.T) {
	cache := newTokenCache(1024)
	for i := range 100 {
		cache.put(cacheEntry(fmt.Sprint("hot-", i), 1000), 0)
	}
	hits, asked, flood := 0, 0, 0
	for range 50 {
		for i := range 100 {
			token := fmt.Sprint("hot-", i)
			if asked++; cache.get(token, 0) != nil {
				hits++
			} else {
				cache.put(cacheEntry(token, 1000), 0)
			}
			for range 5 {
				flood++
				cache.put(cacheEntry(fmt.Sprint("flood-", flood), 1000), 0)
			}
		}
	}
	if rate := float64(hits) / float64(asked); rate < 0.99 {
		t.Errorf("hot tokens hit at %.3f under a flood of others", rate)
	}
}

func TestCacheUnderConcurrency(t *testing.T) {
	cache := newTokenCache(32)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 5000 {
				token := fmt.Sprint("token-", (i*7+g)%100)
				if e := cache.get(token, 0); e != nil && e.principal.Subject() != token {
					t.Errorf("asked for %q, got %q", token, e.principal.Subject())
				}
				cache.put(cacheEntry(token, 1000), 0)
			}
		})
	}
	wg.Wait()
}

func TestCacheHitsDontAllocate(t *testing.T) {
	key := newKey("k1", EdDSA)
	v := newJWT(t, newKeyServer(key).config())
	token := key.token(goodClaims())
	other := strings.Clone(token)
	accept(t, v, token, "first")
	for name, token := range map[string]string{"the same string": token, "an equal string": other} {
		if n := testing.AllocsPerRun(100, func() { v.Verify(t.Context(), token, Requirements{}) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	for name, token := range map[string]string{"two parts": "a.b", "no parts": "x", "a line break": other + "\n"} {
		if n := testing.AllocsPerRun(100, func() { v.Verify(t.Context(), token, Requirements{}) }); n != 0 {
			t.Errorf("refusing %s: %v allocations", name, n)
		}
	}
}

func TestHeaderCache(t *testing.T) {
	key := newKey("k1", EdDSA)
	v := newJWT(t, newKeyServer(key).config())
	header := func(i int) string { return jsonOf(key.header().with(object{"x": i})) }
	for i := range 3 * maxHeaders {
		accept(t, v, key.tokenOf(header(i), jsonOf(goodClaims())), "verified")
		if n := len(*v.headers.headers.Load()); n > maxHeaders {
			t.Fatalf("%d headers are held", n)
		}
	}
	before := len(*v.headers.headers.Load())
	forger := &testKey{kid: "k1", alg: EdDSA, priv: newKey("k1", EdDSA).priv}
	for i := range 50 {
		allowFetch(v)
		refuse(t, v, forger.tokenOf(header(1000+i), jsonOf(goodClaims())), "forged", tokenInvalid)
	}
	if n := len(*v.headers.headers.Load()); n != before {
		t.Errorf("headers of %d forged tokens got in", n-before)
	}
}

func TestClockNoticesThatTimeWasSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock()
		if got := c.now(); got != instantOf(time.Now()) {
			t.Fatalf("off by %d µs", got-instantOf(time.Now()))
		}
		c.offset.Add(-int64(time.Hour)) // the system slept for an hour, and the monotonic clock with it
		time.Sleep(clockSync)
		if got := c.now(); got != instantOf(time.Now()) {
			t.Errorf("after a second still off by %d µs", got-instantOf(time.Now()))
		}
		time.Sleep(clockSync/2 + 12345)
		if got := c.now(); got != instantOf(time.Now()) {
			t.Errorf("between looks off by %d µs", got-instantOf(time.Now()))
		}
	})
}
