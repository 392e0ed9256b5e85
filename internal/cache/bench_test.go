package cache_test

import (
	"fmt"
	"testing"

	"github.com/usher-auth/usher/internal/cache"
)

// BenchmarkGet is a hit among 10,000 entries, with the hash of the key.
func BenchmarkGet(b *testing.B) {
	const entries = 10_000
	c := cache.New(cache.Config[note]{Size: entries})
	for i := range entries {
		put(c, fmt.Sprint("key-", i), never, 0)
	}
	var keys []string
	for e := range c.All() {
		keys = append(keys, e.Key())
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if i++; i == len(keys) {
			i = 0
		}
		if !has(c, keys[i], 0) {
			b.Fatal("missed")
		}
	}
}

// BenchmarkFlood asks for each of 1,000 hot keys, among 10,000 entries, while five
// new ones come for each: the hit rate of the hot ones (goal 6).
func BenchmarkFlood(b *testing.B) {
	const hot, others = 1000, 50_000
	c := cache.New(cache.Config[note]{Size: 10_000})
	entries := make([]*cache.Entry[note], hot+others)
	hashes := make([]uint64, len(entries))
	for i := range entries {
		entries[i] = cache.NewEntry(fmt.Sprint("key-", i), never, note{})
		hashes[i] = hashOf(entries[i].Key())
	}
	for i := range hot {
		c.Put(hashes[i], entries[i], 0)
	}
	hits, n, flood := 0, 0, hot
	b.ReportAllocs()
	for b.Loop() {
		i := n % hot
		if n++; cache.Get(c, hashes[i], entries[i].Key(), 0) != nil {
			hits++
		} else {
			c.Put(hashes[i], entries[i], 0)
		}
		for range 5 {
			c.Put(hashes[flood], entries[flood], 0)
			if flood++; flood == len(entries) {
				flood = hot
			}
		}
	}
	b.ReportMetric(float64(hits)/float64(n), "hit-rate")
}
