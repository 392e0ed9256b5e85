package verify

import (
	"hash/maphash"
	"math/bits"
	"sync/atomic"
)

// cached is one remembered verdict, and what it depends on. It is immutable but
// for the mark.
type cached struct {
	token     string
	principal *Principal
	refused   *Error // instead of a principal: the issuer's own negative verdict
	local     bool   // introspected beside a local verification, whose claims it may rest on
	until     instant
	owner     *JWT        // nil: introspected
	key       *signingKey // nil: introspected

	// used is set by a hit and cleared when room is looked for: an entry that
	// is asked for again outlives one that isn't.
	used atomic.Bool
}

// good reports whether the entry may still be used.
func (e *cached) good(now instant) bool {
	return now < e.until && (e.key == nil || !e.key.gone.Load() && int64(now) < e.owner.keys.staleAt.Load())
}

// boundTo returns the principal if its binding fits the connection: that is no
// property of the token, so it is checked each time.
func (e *cached) boundTo(req *Requirements) (*Principal, error) {
	if refused := e.principal.c.confirmation.check(req.PeerCertificate); refused != nil {
		return nil, refused
	}
	return e.principal, nil
}

const (
	cacheWays = 4  // slots of a bucket: one cache line
	cacheTail = 64 // bytes of a signed token that are hashed: its signature's end
)

// tokenCache remembers a bounded number of verdicts. A token may stand in either
// of two buckets; lookup takes no lock and writes nothing but a mark, and no
// goroutine sweeps: what has expired is the first to be written over.
//
// Tokens are compared whole. The same string as before, which is what gRPC hands
// out for a header that repeats on a connection, is recognised by its address.
type tokenCache struct {
	mask   uint64
	signed bool // all tokens in it end with a signature
	slots  []cacheSlot
}

type cacheSlot struct {
	hash  atomic.Uint64 // of the entry, to pass over others without a look at them
	entry atomic.Pointer[cached]
}

// newTokenCache makes a cache of at least limit entries; none if negative.
func newTokenCache(limit int) *tokenCache {
	if limit < 0 {
		return nil
	}
	buckets := uint64(1) << bits.Len64(uint64(max(limit, 2*cacheWays)-1)/cacheWays)
	return &tokenCache{mask: buckets - 1, slots: make([]cacheSlot, buckets*cacheWays)}
}

// newSignedCache is newTokenCache for tokens that have been verified by their
// signature, with which they end. It alone is hashed, so that a hit costs the
// same whatever the token's length.
func newSignedCache(limit int) *tokenCache {
	t := newTokenCache(limit)
	if t != nil {
		t.signed = true
	}
	return t
}

var tokenSeed = maphash.MakeSeed()

// hashToken hashes a whole token: many may begin or end alike.
func hashToken(token string) uint64 { return maphash.String(tokenSeed, token) }

// hash hashes a token: whole, or the end of its signature, which nobody can
// choose.
func (t *tokenCache) hash(token string) uint64 {
	if t.signed {
		token = token[max(0, len(token)-cacheTail):]
	}
	return hashToken(token)
}

// buckets returns the two buckets of a hash.
func (t *tokenCache) buckets(hash uint64) (a, b []cacheSlot) {
	i, j := hash&t.mask*cacheWays, hash>>32&t.mask*cacheWays
	return t.slots[i : i+cacheWays : i+cacheWays], t.slots[j : j+cacheWays : j+cacheWays]
}

// get returns what is remembered of a token, nil if that is nothing or may no
// longer be used.
func (t *tokenCache) get(token string, now instant) *cached {
	if t == nil {
		return nil
	}
	hash := t.hash(token)
	a, b := t.buckets(hash)
	e := find(a, hash, token)
	if e == nil {
		if e = find(b, hash, token); e == nil {
			return nil
		}
	}
	if !e.good(now) {
		return nil
	}
	if !e.used.Load() {
		e.used.Store(true)
	}
	return e
}

func find(bucket []cacheSlot, hash uint64, token string) *cached {
	for i := range bucket {
		if bucket[i].hash.Load() != hash {
			continue
		}
		if e := bucket[i].entry.Load(); e != nil && e.token == token {
			return e
		}
	}
	return nil
}

// put remembers an entry, in the place of: the same token's, none, one that
// may no longer be used, or one that nobody has asked for lately.
func (t *tokenCache) put(e *cached, now instant) {
	if t == nil {
		return
	}
	hash := t.hash(e.token)
	a, b := t.buckets(hash)
	slot := t.room(a, b, hash, e.token, now)
	slot.entry.Store(e)
	slot.hash.Store(hash)
}

func (t *tokenCache) room(a, b []cacheSlot, hash uint64, token string, now instant) *cacheSlot {
	var free, idle *cacheSlot
	for _, bucket := range [2][]cacheSlot{a, b} {
		for i := range bucket {
			slot := &bucket[i]
			e := slot.entry.Load()
			switch {
			case e != nil && slot.hash.Load() == hash && e.token == token:
				return slot
			case e == nil || !e.good(now):
				if free == nil {
					free = slot
				}
			case !e.used.Load():
				if idle == nil || hash>>60&1 == 1 {
					idle = slot
				}
			}
		}
	}
	switch {
	case free != nil:
		return free
	case idle != nil:
		return idle
	}
	// All are in use: take one by chance, and let the others prove it again.
	for _, bucket := range [2][]cacheSlot{a, b} {
		for i := range bucket {
			if e := bucket[i].entry.Load(); e != nil {
				e.used.Store(false)
			}
		}
	}
	return &a[hash>>62]
}
