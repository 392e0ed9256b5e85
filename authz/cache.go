package authz

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// bucketSlots is how many entries share a bucket: two choices of four fill to
	// nine tenths before much is displaced.
	bucketSlots = 4
	// spare is the share of slots above the configured size, a fourth, that keeps
	// displacing rare.
	spare = 4
	// maxCachedKey bounds an entry, since callers choose most of a key: two ids of
	// the greatest length and some context fit. A longer one is asked each time.
	maxCachedKey = 4 << 10
)

// decisionCache keeps answers by exact key, in a fixed number of slots. Reading
// takes no lock and allocates nothing; an entry has one of two places, and when
// both buckets are full the least wanted of them makes room.
type decisionCache struct {
	buckets   []bucket
	seed      maphash.Seed
	ttl       time.Duration
	deniedTTL time.Duration
	writing   sync.Mutex
}

type bucket struct {
	// tags tell most other keys apart without following the pointer.
	tags    [bucketSlots]atomic.Uint32
	entries [bucketSlots]atomic.Pointer[entry]
}

// entry is one answer. Only its state changes.
type entry struct {
	key string
	// state is when it expires, in nanoseconds of the front's clock, with two flags
	// in its lowest bits.
	state atomic.Int64
}

const (
	flagAllowed = 1
	flagUsed    = 2
	flags       = flagAllowed | flagUsed
)

// newDecisionCache returns nil, the cache that never hits, for a size of zero.
func newDecisionCache(config CacheConfig) *decisionCache {
	if config.Size <= 0 {
		return nil
	}
	c := &decisionCache{
		buckets: make([]bucket, (config.Size+config.Size/spare)/bucketSlots+2),
		seed:    maphash.MakeSeed(), ttl: config.TTL, deniedTTL: config.DeniedTTL,
	}
	if c.deniedTTL == 0 {
		c.deniedTTL = c.ttl / 4
	}

	return c
}

// places are the two buckets of a hash, and its tag, which is never zero.
func (c *decisionCache) places(hash uint64) (first, second *bucket, tag uint32) {
	n := uint64(len(c.buckets))
	i, _ := bits.Mul64(hash, n)
	j, _ := bits.Mul64(bits.RotateLeft64(hash, 32), n)
	if i == j {
		if j++; j == n {
			j = 0
		}
	}
	return &c.buckets[i], &c.buckets[j], uint32(hash>>16) | 1
}

// get returns the answer to a key, if it is there and hasn't expired.
func (c *decisionCache) get(key []byte, now time.Duration) (Effect, bool) {
	first, second, tag := c.places(maphash.Bytes(c.seed, key))
	found := first.find(tag, key)
	if found == nil {
		if found = second.find(tag, key); found == nil {
			return EffectUnknown, false
		}
	}
	state := found.state.Load()
	if int64(now) >= state {
		return EffectUnknown, false
	}
	if state&flagUsed == 0 {
		found.state.CompareAndSwap(state, state|flagUsed)
	}
	if state&flagAllowed != 0 {
		return EffectAllowed, true
	}

	return EffectDenied, true
}

func (b *bucket) find(tag uint32, key []byte) *entry {
	for i := range b.tags {
		if b.tags[i].Load() != tag {
			continue
		}
		if e := b.entries[i].Load(); e != nil && e.key == string(key) {
			return e
		}
	}

	return nil
}

// put keeps an answer, for so long from when it was asked for. Only a plain grant
// or denial is one. It replaces none that was asked for later.
func (c *decisionCache) put(key string, effect Effect, asked, now time.Duration) {
	if len(key) > maxCachedKey {
		return
	}
	var state int64
	switch effect {
	case EffectAllowed:
		state = int64(asked+c.ttl)&^flags | flagAllowed
	case EffectDenied:
		state = int64(asked+c.deniedTTL) &^ flags
	case EffectUnknown, EffectConditional:
		return
	default:
		return
	}
	if int64(now) >= state {
		return
	}
	fresh := &entry{key: key}
	fresh.state.Store(state)
	first, second, tag := c.places(maphash.String(c.seed, key))
	c.writing.Lock()
	defer c.writing.Unlock()
	b, i := victim(first, second, key, int64(now))
	if old := b.entries[i].Load(); old != nil && old.key == key && c.asked(old)-c.asked(fresh) > flags {
		return
	}
	b.entries[i].Store(fresh)
	b.tags[i].Store(tag)
}

// asked is when an entry was asked for, but for the bits that its flags have.
func (c *decisionCache) asked(e *entry) int64 {
	state := e.state.Load()
	if state&flagAllowed != 0 {
		return state&^flags - int64(c.ttl)
	}

	return state&^flags - int64(c.deniedTTL)
}

// victim picks the slot of the same key, else a free or expired one in the emptier
// bucket, else one that wasn't used since it was last looked at.
func victim(first, second *bucket, key string, now int64) (*bucket, int) {
	var free *bucket
	freeAt, most := 0, 0
	for _, b := range [...]*bucket{first, second} {
		count, at := 0, 0
		for i := range b.entries {
			e := b.entries[i].Load()
			switch {
			case e != nil && e.key == key:
				return b, i
			case e == nil || now >= e.state.Load():
				count, at = count+1, i
			}
		}
		if count > most {
			free, freeAt, most = b, at, count
		}
	}
	if free != nil {
		return free, freeAt
	}
	oldest, oldestAt, least := first, 0, int64(1<<63-1)
	for _, b := range [...]*bucket{first, second} {
		for i := range b.entries {
			e := b.entries[i].Load()
			state := e.state.Load()
			if state&flagUsed != 0 {
				e.state.CompareAndSwap(state, state&^flagUsed)

				continue
			}
			if state < least {
				oldest, oldestAt, least = b, i, state
			}
		}
	}

	return oldest, oldestAt
}
