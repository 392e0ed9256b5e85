package authz

import (
	"hash/maphash"
	"time"

	"github.com/usher-auth/usher/internal/cache"
)

// maxCachedKey bounds the size of an entry, in bytes, since callers choose most of
// a key. Two ids of the greatest length and some context fit. A query with a longer
// key is asked each time.
const maxCachedKey = 4 << 10

// decisionCache keeps answers by exact key, in a fixed number of slots. Reading
// takes no lock and allocates nothing.
type decisionCache struct {
	entries   *cache.Cache[decided]
	seed      maphash.Seed
	ttl       time.Duration
	deniedTTL time.Duration
}

// decided is the value of an entry. It is empty: the answer is the lowest bit of
// the time at which the entry ends, in nanoseconds of the front's clock.
type decided struct{}

const flagAllowed = 1

// newDecisionCache returns nil, which is a cache that never hits, for a size of
// zero.
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
		// An answer never replaces one that was asked for later.
		Keeps: func(old, fresh *cache.Entry[decided]) bool { return c.asked(old) > c.asked(fresh)+flagAllowed },
	})

	return c
}

// get returns the answer to a key, if there is one that hasn't expired.
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

// put keeps an answer for its lifetime, counted from when it was asked for. It
// keeps only a plain grant or denial, and replaces no answer that was asked for
// later.
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

// asked returns when the entry's answer was asked for, without the lowest bit,
// which holds the answer.
func (c *decisionCache) asked(e *cache.Entry[decided]) int64 {
	until := e.Until()
	if until&flagAllowed != 0 {
		return until&^flagAllowed - int64(c.ttl)
	}

	return until - int64(c.deniedTTL)
}
