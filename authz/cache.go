package authz

import (
	"hash/maphash"
	"time"

	"github.com/usher-auth/usher/internal/cache"
)

// maxCachedKey bounds an entry, since callers choose most of a key: two ids of
// the greatest length and some context fit. A longer one is asked each time.
const maxCachedKey = 4 << 10

// decisionCache keeps answers by exact key, in a fixed number of slots. Reading
// takes no lock and allocates nothing.
type decisionCache struct {
	entries   *cache.Cache[decided]
	seed      maphash.Seed
	ttl       time.Duration
	deniedTTL time.Duration
}

// decided is the value of an entry, which needs none: the lowest bit of when it
// ends, in nanoseconds of the front's clock, is the answer.
type decided struct{}

const flagAllowed = 1

// newDecisionCache returns nil, the cache that never hits, for a size of zero.
func newDecisionCache(config CacheConfig) *decisionCache {
	if config.Size <= 0 {
		return nil
	}
	c := &decisionCache{seed: maphash.MakeSeed(), ttl: config.TTL, deniedTTL: config.DeniedTTL}
	if c.deniedTTL == 0 {
		c.deniedTTL = c.ttl / 4
	}
	c.entries = cache.New(cache.Config[decided]{
		Size: config.Size,
		// An answer that was asked for earlier never replaces a later one's.
		Keeps: func(old, fresh *cache.Entry[decided]) bool { return c.asked(old) > c.asked(fresh)+flagAllowed },
	})

	return c
}

// get returns the answer to a key, if it is there and hasn't expired.
func (c *decisionCache) get(key []byte, now time.Duration) (Effect, bool) {
	e := cache.Get(c.entries, maphash.Bytes(c.seed, key), key, int64(now))
	switch {
	case e == nil:
		return EffectUnknown, false
	case e.Until()&flagAllowed != 0:
		return EffectAllowed, true
	default:
		return EffectDenied, true
	}
}

// put keeps an answer, for so long from when it was asked for. Only a plain grant
// or denial is one. It replaces none that was asked for later.
func (c *decisionCache) put(key string, effect Effect, asked, now time.Duration) {
	if len(key) > maxCachedKey {
		return
	}
	var until int64
	switch effect {
	case EffectAllowed:
		until = int64(asked+c.ttl)&^flagAllowed | flagAllowed
	case EffectDenied:
		until = int64(asked+c.deniedTTL) &^ flagAllowed
	case EffectUnknown, EffectConditional:
		return
	default:
		return
	}
	if int64(now) >= until {
		return
	}
	c.entries.Put(maphash.String(c.seed, key), cache.NewEntry(key, until, decided{}), int64(now))
}

// asked is when an entry was asked for, except for the bit that its answer has.
func (c *decisionCache) asked(e *cache.Entry[decided]) int64 {
	until := e.Until()
	if until&flagAllowed != 0 {
		return until&^flagAllowed - int64(c.ttl)
	}

	return until - int64(c.deniedTTL)
}
