package cache

import (
	"math"
	"sync/atomic"
)

// Entry is a value, its key and the time at which it ends. Nothing of it changes
// once it is in a cache, except the mark that it was used.
type Entry[V any] struct {
	// Value is the first field: a value without a size would cost a word as the last.
	Value V
	key   string
	// state is the end, shifted by one bit, and the mark in the lowest bit.
	state atomic.Int64
}

const marked = 1

// NewEntry returns an entry that ends at until, on the clock of its cache's user
// and in its unit. The end is exact within 63 bits, and the nearest of them beyond.
func NewEntry[V any](key string, until int64, value V) *Entry[V] {
	e := &Entry[V]{Value: value, key: key}
	e.state.Store(min(max(until, math.MinInt64>>1), math.MaxInt64>>1) << 1)
	return e
}

// Key returns the entry's key.
func (e *Entry[V]) Key() string { return e.key }

// Until returns when the entry ends. At that time it has ended.
func (e *Entry[V]) Until() int64 { return e.state.Load() >> 1 }
