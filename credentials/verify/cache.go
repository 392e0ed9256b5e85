package verify

import (
	"hash/maphash"

	"github.com/usher-auth/usher/internal/cache"
)

// cached is a remembered verdict on a token, which is its key.
type cached = cache.Entry[remembered]

// remembered is a verdict, and what it depends on.
type remembered struct {
	principal *Principal
	refused   *Error      // instead of a principal: the issuer's own negative verdict
	local     bool        // introspected beside a local verification, whose claims it may rest on
	owner     *JWT        // nil: introspected
	key       *signingKey // nil: introspected
}

// remember returns what a cache remembers of a token until then.
func remember(token string, until instant, verdict remembered) *cached {
	return cache.NewEntry(token, int64(until), verdict)
}

// lost reports whether the verdict ended before its time, with its key.
func (r *remembered) lost(now int64) bool {
	return r.key != nil && (r.key.gone.Load() || now >= r.owner.keys.staleAt.Load())
}

// boundTo returns the principal if its binding fits the connection: that is no
// property of the token, so it is checked each time.
func (r *remembered) boundTo(req *Requirements) (*Principal, error) {
	if refused := r.principal.c.confirmation.check(req.PeerCertificate); refused != nil {
		return nil, refused
	}
	return r.principal, nil
}

const (
	leastCached = 8  // entries that a cache has room for
	cacheTail   = 64 // bytes of a signed token that are hashed: its signature's end
)

// tokenCache remembers a bounded number of verdicts. Lookup takes no lock and
// writes nothing but a mark, and no goroutine sweeps.
//
// Tokens are compared whole. The same string as before, which is what gRPC hands
// out for a header that repeats on a connection, is recognised by its address.
type tokenCache struct {
	entries *cache.Cache[remembered]
	size    int
	signed  bool // all tokens in it end with a signature
}

// newTokenCache makes a cache of at least limit entries; none if negative.
func newTokenCache(limit int) *tokenCache {
	if limit < 0 {
		return nil
	}
	size := max(limit, leastCached)
	return &tokenCache{size: size, entries: cache.New(cache.Config[remembered]{Size: size, Lost: (*remembered).lost})}
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

// get returns what is remembered of a token, nil if that is nothing or may no
// longer be used.
func (t *tokenCache) get(token string, now instant) *remembered {
	if t == nil {
		return nil
	}
	e := cache.Get(t.entries, t.hash(token), token, int64(now))
	if e == nil || e.Value.lost(int64(now)) {
		return nil
	}
	return &e.Value
}

// put remembers an entry, in the place of: the same token's, none, one that
// may no longer be used, or one that wasn't asked for lately.
func (t *tokenCache) put(e *cached, now instant) {
	if t != nil {
		t.entries.Put(t.hash(e.Key()), e, int64(now))
	}
}
