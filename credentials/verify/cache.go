package verify

import (
	"hash/maphash"

	"github.com/usher-auth/usher/internal/cache"
)

// cached is a cached verdict on a token, which is its key.
type cached = cache.Entry[remembered]

// remembered is a verdict and what it depends on.
type remembered struct {
	principal *Principal
	refused   *Error      // the refusal of a token after introspection; principal is then nil
	local     bool        // introspected after a local verification, whose claims it may rely on
	owner     *JWT        // nil if introspected
	key       *signingKey // nil if introspected
}

// remember returns the cache entry of a token that is valid until then.
func remember(token string, until instant, verdict remembered) *cached {
	return cache.NewEntry(token, int64(until), verdict)
}

// lost reports whether the verdict ended early because of its key: the key was
// withdrawn, or the key set is stale.
func (r *remembered) lost(now int64) bool {
	return r.key != nil && (r.key.gone.Load() || now >= r.owner.keys.staleAt.Load())
}

// boundTo returns the principal if its binding matches the connection. The
// binding is checked at each call, since it depends on the connection as well
// as the token.
func (r *remembered) boundTo(req *Requirements) (*Principal, error) {
	if refused := r.principal.c.confirmation.check(req.PeerCertificate); refused != nil {
		return nil, refused
	}
	return r.principal, nil
}

const (
	leastCached = 8  // minimum number of entries in a cache
	cacheTail   = 64 // number of bytes of a signed token that are hashed: the end of its signature
)

// tokenCache caches a bounded number of verdicts. A lookup takes no lock and
// writes only a mark, and there is no background goroutine.
//
// Tokens are compared whole. A string with the same address, which is what gRPC
// returns for a header that repeats on a connection, is recognized without
// comparing its bytes.
type tokenCache struct {
	entries *cache.Cache[remembered]
	size    int
	signed  bool // all tokens in the cache end with a verified signature
}

// newTokenCache returns a cache of at least limit entries, or nil if limit is
// negative.
func newTokenCache(limit int) *tokenCache {
	if limit < 0 {
		return nil
	}
	size := max(limit, leastCached)
	return &tokenCache{size: size, entries: cache.New(cache.Config[remembered]{Size: size, Lost: (*remembered).lost})}
}

// newSignedCache is newTokenCache for tokens whose signature has been verified.
// Only the end of the signature is hashed, so that a hit costs the same for any
// length of token.
func newSignedCache(limit int) *tokenCache {
	t := newTokenCache(limit)
	if t != nil {
		t.signed = true
	}
	return t
}

var tokenSeed = maphash.MakeSeed()

// hashToken hashes a whole token, since many tokens may begin or end alike.
func hashToken(token string) uint64 { return maphash.String(tokenSeed, token) }

// hash hashes a token: whole, or only the end of its signature, which no caller
// can choose.
func (t *tokenCache) hash(token string) uint64 {
	if t.signed {
		token = token[max(0, len(token)-cacheTail):]
	}
	return hashToken(token)
}

// get returns the verdict on a token, or nil if there is none that may still be
// used.
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

// put adds an entry. It replaces the entry of the same token, an empty one, one
// that may no longer be used, or one that wasn't used recently.
func (t *tokenCache) put(e *cached, now instant) {
	if t != nil {
		t.entries.Put(t.hash(e.Key()), e, int64(now))
	}
}
