package authz

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func cacheKey(i int) string {
	return keyPrefix(QueryRelation, "viewer", "document") + fmt.Sprintf("d%06d", i) + keySubject("user", "") + "alice"
}

// BenchmarkCacheHit is a hit among 10,000 entries (goal 7).
func BenchmarkCacheHit(b *testing.B) {
	const entries = 10_000
	a := &fronts{base: time.Now(), cache: newDecisionCache(CacheConfig{Size: entries, TTL: time.Hour})}
	keys := make([][]byte, 0, entries)
	for i := range entries {
		a.cache.put(cacheKey(i), EffectAllowed, a.clock(), a.clock())
	}
	for i := range entries {
		if _, hit := a.cache.get([]byte(cacheKey(i)), a.clock()); hit {
			keys = append(keys, []byte(cacheKey(i)))
		}
	}
	b.ReportMetric(float64(len(keys))/entries, "kept")
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if i++; i >= len(keys) {
			i = 0
		}
		if _, hit := a.cache.get(keys[i], a.clock()); !hit {
			b.Fatal("missed")
		}
	}
}

// BenchmarkCacheEntry measures the memory of an entry (goal 7).
func BenchmarkCacheEntry(b *testing.B) {
	const entries = 10_000
	var perEntry float64
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		cache := newDecisionCache(CacheConfig{Size: entries, TTL: time.Hour})
		for i := range entries {
			cache.put(cacheKey(i), EffectAllowed, 0, 0)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		perEntry = float64(after.HeapAlloc-before.HeapAlloc) / entries
		runtime.KeepAlive(cache)
	}
	b.ReportMetric(perEntry, "B/entry")
}

// TestCacheNeverMistakesAVerdict fills a small cache from many goroutines, far
// beyond its size, and demands that whatever it still knows is right.
func TestCacheNeverMistakesAVerdict(t *testing.T) {
	const size, keys, workers = 64, 2000, 4
	cache := newDecisionCache(CacheConfig{Size: size, TTL: time.Hour})
	effect := func(i int) Effect {
		if i%3 == 0 {
			return EffectAllowed
		}

		return EffectDenied
	}
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for round := range 5 * keys {
				i := (round*7 + worker*13) % keys
				key := cacheKey(i)
				if got, hit := cache.get([]byte(key), 0); hit && got != effect(i) {
					t.Errorf("%q is %v", key, got)

					return
				}
				cache.put(key, effect(i), 0, 0)
			}
		})
	}
	group.Wait()
	kept := 0
	for i := range keys {
		if _, hit := cache.get([]byte(cacheKey(i)), 0); hit {
			kept++
		}
	}
	if slots := cache.entries.Slots(); kept == 0 || kept > slots || slots > 2*size {
		t.Errorf("%d of %d kept in %d slots for a size of %d", kept, keys, slots, size)
	}
}

func TestCacheHoldsItsSize(t *testing.T) {
	for _, size := range []int{1, 7, 100, 10_000} {
		cache := newDecisionCache(CacheConfig{Size: size, TTL: time.Hour})
		for i := range size {
			cache.put(cacheKey(i), EffectAllowed, 0, 0)
		}
		kept := 0
		for i := range size {
			if _, hit := cache.get([]byte(cacheKey(i)), 0); hit {
				kept++
			}
		}
		if kept < size*95/100 {
			t.Errorf("%d of %d kept", kept, size)
		}
	}
}

func TestCacheDisplacesWhatIsNotUsed(t *testing.T) {
	cache := newDecisionCache(CacheConfig{Size: 1000, TTL: time.Hour})
	hits := 0
	for round := range 20_000 {
		if _, hit := cache.get([]byte(cacheKey(round%100)), 0); hit {
			hits++
		} else {
			cache.put(cacheKey(round%100), EffectAllowed, 0, 0)
		}
		for flood := range 5 { // five new queries for each of the hot ones
			cache.put(cacheKey(1000+round*5+flood), EffectDenied, 0, 0)
		}
	}
	if rate := float64(hits) / 20_000; rate < 0.9 {
		t.Errorf("hot queries hit %.3f of the time under a flood", rate)
	} else {
		t.Logf("hot queries hit %.3f of the time under a flood", rate)
	}
}

// Callers choose most of a key, so its length is bounded, or a few thousand of
// them would fill the memory.
func TestCacheKeepsNoEndlessKey(t *testing.T) {
	c := newDecisionCache(CacheConfig{Size: 10, TTL: time.Minute})
	for length, kept := range map[int]bool{maxCachedKey: true, maxCachedKey + 1: false} {
		key := strings.Repeat("x", length)
		c.put(key, EffectAllowed, 0, 0)
		if _, hit := c.get([]byte(key), 0); hit != kept {
			t.Errorf("a key of %d bytes: kept %v", length, hit)
		}
	}
}
