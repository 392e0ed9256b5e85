// Package cache is a bounded cache with exact keys for what is looked up in each
// call: verified tokens, decisions.
//
// It has a fixed number of slots and no goroutine. A key has two buckets of four
// slots (two choices, four ways), by which a table fills to nine tenths before
// much of it is displaced. A lookup takes no lock, allocates nothing and writes at
// most the mark that an entry was used. Keys are compared whole, so that a hash
// that two keys share costs a comparison and never an answer.
//
// The caller hashes the key, with a hash that can't be predicted (hash/maphash):
// otherwise an attacker could fill the two buckets of another key.
//
// A new entry takes the place of, in this order: the same key, no entry or one that
// has ended, an entry that wasn't used, any. A hit marks its entry as used, and
// marks are cleared only where all eight entries have one. What is asked for again
// therefore outlives a flood of keys that are asked for once.
package cache

import (
	"iter"
	"sync"
	"sync/atomic"
)

const (
	ways = 4 // slots of a bucket
	// spare is the share of slots above the configured size, a fourth, that keeps
	// displacing rare.
	spare = 4
)

// Config configures a [Cache]. Its functions must be safe for concurrent use and
// must not call the cache.
type Config[V any] struct {
	// Size is how many entries there is room for, with a fourth of it to spare.
	// Required, at least 1.
	Size int
	// Lost reports whether a value may no longer be used although its entry has
	// not ended, so that its place is free. [Cache.Get] doesn't ask it: there, the
	// caller checks the value that it gets. Optional. Default: none is lost.
	Lost func(value *V, now int64) bool
	// Keeps reports whether old stays although fresh has its key and came later.
	// Optional. Default: the entry that comes later replaces the other.
	Keeps func(old, fresh *Entry[V]) bool
}

// Cache keeps entries by key. It is safe for concurrent use.
//
// An entry is published by one pointer, key and value together, so a reader never
// gets another key's value, whatever is written meanwhile. Writers take turns, so
// that a key is in one place at most: an older entry in a second place could
// be found before the newer one.
type Cache[V any] struct {
	buckets []bucket[V]
	config  Config[V]
	writing sync.Mutex
}

type bucket[V any] struct {
	// tags tell most other keys apart without a look at the entry.
	tags    [ways]atomic.Uint32
	entries [ways]atomic.Pointer[Entry[V]]
}

// New returns an empty cache.
func New[V any](config Config[V]) *Cache[V] {
	return &Cache[V]{config: config, buckets: make([]bucket[V], (config.Size+config.Size/spare)/ways+2)}
}

// Slots returns how many entries the cache holds at most.
func (c *Cache[V]) Slots() int { return len(c.buckets) * ways }

// place returns the first bucket of a hash, by number. Its upper half chooses.
func (c *Cache[V]) place(hash uint64) uint64 { return hash >> 32 * uint64(len(c.buckets)) >> 32 }

// other returns the second bucket of a hash whose first is i. Its lower half chooses.
func (c *Cache[V]) other(hash, i uint64) uint64 {
	n := uint64(len(c.buckets))
	j := uint64(uint32(hash)) * n >> 32
	if i == j {
		if j++; j == n {
			j = 0
		}
	}
	return j
}

// tagOf returns the tag of a hash, which is never that of an empty slot.
func tagOf(hash uint64) uint32 { return uint32(hash>>16) | 1 }

// Get returns the entry of a key and marks it as used; nil if there is none or it
// has ended.
func Get[V any, K string | []byte](c *Cache[V], hash uint64, key K, now int64) *Entry[V] {
	i, tag := c.place(hash), tagOf(hash)
	e := c.buckets[i].tagged(tag)
	if e == nil {
		e = c.buckets[c.other(hash, i)].tagged(tag)
	}
	switch {
	case e == nil:
		return nil
	case e.key != string(key):
		// Two keys have one tag: rare, and it costs a search.
		if e = search(c, hash, key); e == nil {
			return nil
		}
	}
	state := e.state.Load()
	if now >= state>>1 {
		return nil
	}
	if state&marked == 0 {
		e.state.Or(marked)
	}
	return e
}

// tagged returns the first entry with a tag, nil if there is none.
func (b *bucket[V]) tagged(tag uint32) *Entry[V] {
	for w := range b.tags {
		if b.tags[w].Load() == tag {
			return b.entries[w].Load()
		}
	}
	return nil
}

// search returns the entry of a key, whatever others have its tag.
func search[V any, K string | []byte](c *Cache[V], hash uint64, key K) *Entry[V] {
	i, tag := c.place(hash), tagOf(hash)
	for _, b := range [...]*bucket[V]{&c.buckets[i], &c.buckets[c.other(hash, i)]} {
		for w := range b.tags {
			if b.tags[w].Load() != tag {
				continue
			}
			if e := b.entries[w].Load(); e != nil && e.key == string(key) {
				return e
			}
		}
	}
	return nil
}

// Put keeps an entry, as one that wasn't used yet. The hash is that of its key.
func (c *Cache[V]) Put(hash uint64, e *Entry[V], now int64) {
	if e.state.Load()&marked != 0 {
		e.state.And(^marked)
	}
	tag, first := tagOf(hash), c.place(hash)
	second := c.other(hash, first)
	c.writing.Lock()
	defer c.writing.Unlock()
	b, i := c.room(&c.buckets[first], &c.buckets[second], hash, e.key, now)
	if old := b.entries[i].Load(); old != nil && c.config.Keeps != nil && old.key == e.key && c.config.Keeps(old, e) {
		return
	}
	b.entries[i].Store(e)
	b.tags[i].Store(tag)
}

// room returns the slot for a key: its own, else a free one in the emptier bucket,
// else one that wasn't used.
func (c *Cache[V]) room(first, second *bucket[V], hash uint64, key string, now int64) (*bucket[V], int) {
	var free, idle *bucket[V]
	freeAt, idleAt, most := 0, 0, 0
	for _, b := range [...]*bucket[V]{first, second} {
		count, at := 0, 0
		for i := ways - 1; i >= 0; i-- { // a lookup finds what is at the front soonest
			e := b.entries[i].Load()
			switch {
			case e == nil:
				count, at = count+1, i
			case b.tags[i].Load() == tagOf(hash) && e.key == key:
				return b, i
			case c.over(e, now):
				count, at = count+1, i
			case e.state.Load()&marked == 0 && (idle == nil || hash&1 == 1): // the first or the last, by chance
				idle, idleAt = b, i
			}
		}
		if count > most {
			free, freeAt, most = b, at, count
		}
	}
	switch {
	case free != nil:
		return free, freeAt
	case idle != nil:
		return idle, idleAt
	}
	// All were used: take one by chance, and let the others prove it again.
	for _, b := range [...]*bucket[V]{first, second} {
		for i := range b.entries {
			b.entries[i].Load().state.And(^marked)
		}
	}
	return first, int(hash >> 1 % ways)
}

// over reports whether an entry has ended, or its value is lost.
func (c *Cache[V]) over(e *Entry[V], now int64) bool {
	return now >= e.Until() || c.config.Lost != nil && c.config.Lost(&e.Value, now)
}

// All returns the entries that are in the cache, ended ones too, in no order. It
// looks at all slots: it is for tests.
func (c *Cache[V]) All() iter.Seq[*Entry[V]] {
	return func(yield func(*Entry[V]) bool) {
		for i := range c.buckets {
			for j := range c.buckets[i].entries {
				if e := c.buckets[i].entries[j].Load(); e != nil && !yield(e) {
					return
				}
			}
		}
	}
}
