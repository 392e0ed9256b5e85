package cache_test

import (
	"fmt"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/usher-auth/usher/internal/cache"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const never = math.MaxInt64

var seed = maphash.MakeSeed()

func hashOf(key string) uint64 { return maphash.String(seed, key) }

// note is a value that knows its key and its version.
type note struct {
	key     string
	version int64
	lost    *atomic.Bool
}

func put(c *cache.Cache[note], key string, until, now int64) {
	c.Put(hashOf(key), cache.NewEntry(key, until, note{key: key}), now)
}

func has(c *cache.Cache[note], key string, now int64) bool {
	return cache.Get(c, hashOf(key), key, now) != nil
}

func TestSize(t *testing.T) {
	for _, size := range []int{1, 2, 7, 8, 100, 10_000} {
		c := cache.New(cache.Config[note]{Size: size})
		if slots := c.Slots(); slots < size || slots > size+size/4+8 {
			t.Errorf("%d slots for %d entries", slots, size)
		}
		kept := 0
		for i := range size {
			put(c, fmt.Sprint(i), never, 0)
		}
		for i := range size {
			if has(c, fmt.Sprint(i), 0) {
				kept++
			}
		}
		if kept < size*95/100 {
			t.Errorf("%d of %d kept", kept, size)
		}
		for i := range 10 * size {
			put(c, fmt.Sprint("more-", i), never, 0)
		}
		held := 0
		for e := range c.All() {
			if held++; e.Value.key != e.Key() {
				t.Errorf("%q holds the value of %q", e.Key(), e.Value.key)
			}
		}
		if held > c.Slots() || held < c.Slots()/2 {
			t.Errorf("%d entries in %d slots", held, c.Slots())
		}
		for range c.All() {
			break
		}
	}
}

func TestEntriesEndAtTheirTime(t *testing.T) {
	c := cache.New(cache.Config[note]{Size: 64})
	for name, until := range map[string]int64{
		"odd": 101, "even": 100, "negative": -100, "odd and negative": -101, "the epoch": 0,
	} {
		put(c, name, until, math.MinInt64)
		for range 3 { // the mark of a hit is no part of the time
			if !has(c, name, until-1) {
				t.Errorf("%s: ended before its time", name)
			}
		}
		if has(c, name, until) || has(c, name, math.MaxInt64) {
			t.Errorf("%s: goes on past its time", name)
		}
		if e := cache.Get(c, hashOf(name), name, math.MinInt64); e == nil || e.Until() != until {
			t.Errorf("%s: ends at another time than %d", name, until)
		}
	}
	put(c, "never", math.MaxInt64, 0)
	if !has(c, "never", math.MaxInt64>>1-1) {
		t.Error("an end beyond what can be told came early")
	}
	put(c, "always over", math.MinInt64, 0)
	if has(c, "always over", math.MinInt64>>1) {
		t.Error("an end before what can be told came late")
	}
}

// With one hash for all keys, only the comparison tells them apart.
func TestKeysAreComparedWhole(t *testing.T) {
	c := cache.New(cache.Config[note]{Size: 64})
	keys := []string{"a", "b", "aa", "", "a\x00", "A"}
	for _, key := range keys {
		c.Put(7, cache.NewEntry(key, never, note{key: key}), 0)
	}
	for _, key := range keys {
		if e := cache.Get(c, 7, key, 0); e == nil || e.Key() != key || e.Value.key != key {
			t.Errorf("%q gives %v", key, e)
		}
		if e := cache.Get(c, 7, []byte(key), 0); e == nil || e.Value.key != key {
			t.Errorf("%q, as bytes, gives %v", key, e)
		}
	}
	for _, key := range []string{"c", "ab", "aaa", "\x00"} {
		if cache.Get(c, 7, key, 0) != nil {
			t.Errorf("%q hits", key)
		}
	}
}

func TestWhatMakesRoom(t *testing.T) {
	const one = 1 // hash, for all
	var gone atomic.Bool
	full := func(until int64, use bool) *cache.Cache[note] {
		gone.Store(false)
		c := cache.New(cache.Config[note]{
			Size: 1, Lost: func(n *note, _ int64) bool { return n.lost != nil && n.lost.Load() },
		})
		for i := range c.Slots() {
			key := fmt.Sprint(i)
			c.Put(one, cache.NewEntry(key, until, note{key: key, lost: &gone}), 0)
			if use {
				cache.Get(c, one, key, 0)
			}
		}
		return c
	}
	kept := func(c *cache.Cache[note], keys ...string) (n int) {
		for _, key := range keys {
			if cache.Get(c, one, key, 0) != nil {
				n++
			}
		}
		return n
	}
	old := []string{"0", "1", "2", "3", "4", "5", "6", "7"}
	for name, tc := range map[string]struct {
		until, now int64
		use, lost  bool
		news       []string
		want       int // of the old ones
		wantNew    int
	}{
		"one that nothing used":     {100, 0, false, false, []string{"x"}, 7, 1},
		"where all were used":       {100, 0, true, false, []string{"x"}, 7, 1},
		"then one that was, again":  {100, 0, true, false, []string{"x", "y"}, 6, 2},
		"ended ones, though used":   {100, 100, true, false, []string{"s", "t", "u", "v", "w", "x", "y", "z"}, 0, 8},
		"lost ones, though used":    {100, 0, true, true, []string{"s", "t", "u", "v", "w", "x", "y", "z"}, 0, 8},
		"the key's own, though one": {100, 0, true, false, []string{"3"}, 8, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := full(tc.until, tc.use)
			gone.Store(tc.lost)
			for _, key := range tc.news {
				c.Put(one, cache.NewEntry(key, 1000, note{key: key}), tc.now)
			}
			if n := kept(c, old...); n != tc.want {
				t.Errorf("%d of the old ones are kept, want %d", n, tc.want)
			}
			if n := kept(c, tc.news...); n != tc.wantNew {
				t.Errorf("%d of the new ones are kept, want %d", n, tc.wantNew)
			}
		})
	}
}

// The one entry that wasn't used since it was put makes room, wherever it is.
func TestTheUnusedMakesRoom(t *testing.T) {
	for unused := range 8 {
		for hash := range uint64(8) {
			c := cache.New(cache.Config[note]{Size: 1})
			entries := make([]*cache.Entry[note], c.Slots())
			for i := range entries {
				entries[i] = cache.NewEntry(fmt.Sprint(i), never, note{})
				c.Put(hash, entries[i], 0)
			}
			for _, e := range entries {
				cache.Get(c, hash, e.Key(), 0)
			}
			c.Put(hash, entries[unused], 0)
			c.Put(hash, cache.NewEntry("new", never, note{}), 0)
			held := map[string]bool{}
			for e := range c.All() {
				held[e.Key()] = true
			}
			if held[entries[unused].Key()] || !held["new"] || len(held) != len(entries) {
				t.Errorf("hash %d, entry %d: %v", hash, unused, held)
			}
		}
	}
}

func TestWhatIsAskedForOutlivesAFlood(t *testing.T) {
	c := cache.New(cache.Config[note]{Size: 1000})
	hits, asked, flood := 0, 0, 0
	for round := range 100 {
		for i := range 100 {
			key := fmt.Sprint("hot-", i)
			switch hit := has(c, key, 0); {
			case !hit:
				put(c, key, never, 0)
			case round > 0:
				hits++
			}
			if round > 0 {
				asked++
			}
			for range 5 {
				flood++
				put(c, fmt.Sprint("flood-", flood), never, 0)
			}
		}
	}
	if rate := float64(hits) / float64(asked); rate < 0.99 {
		t.Errorf("hot keys hit at %.3f under a flood of others", rate)
	}
}

func TestWhichOfOneKeyStays(t *testing.T) {
	newest := cache.Config[note]{Size: 8, Keeps: func(old, fresh *cache.Entry[note]) bool { return old.Value.version > fresh.Value.version }}
	for name, tc := range map[string]struct {
		config cache.Config[note]
		puts   []int64
		want   int64
	}{
		"the last":                     {cache.Config[note]{Size: 8}, []int64{1, 3, 2}, 2},
		"the newest":                   {newest, []int64{1, 3, 2}, 3},
		"the newest, though it is low": {newest, []int64{2, 1}, 2},
		"the last of two as new":       {newest, []int64{2, 2}, 2},
	} {
		c := cache.New(tc.config)
		for _, version := range tc.puts {
			c.Put(1, cache.NewEntry("k", never, note{version: version}), 0)
		}
		if e := cache.Get(c, 1, "k", 0); e == nil || e.Value.version != tc.want {
			t.Errorf("%s: %v, want version %d", name, e, tc.want)
		}
		n := 0
		for range c.All() {
			n++
		}
		if n != 1 {
			t.Errorf("%s: one key has %d places", name, n)
		}
	}
}

func TestLookupsAndPutsDontAllocate(t *testing.T) {
	c := cache.New(cache.Config[note]{Size: 64})
	key := "a key that is longer than what the compiler would copy to the stack"
	bytes, entry := []byte(key), cache.NewEntry(key, never, note{})
	if n := testing.AllocsPerRun(100, func() {
		c.Put(hashOf(key), entry, 0)
		if cache.Get(c, hashOf(key), key, 0) == nil || cache.Get(c, hashOf(key), bytes, 0) == nil {
			t.Error("missed")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzCache compares a cache with a map that forgets nothing: what the cache still
// has is what was put last, in one place, and hasn't ended. Few hashes for many
// keys make all of them meet.
func FuzzCache(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 8 {
		ops := make([]byte, 600)
		for i := range ops {
			ops[i] = byte(random.Uint32())
		}
		f.Add(ops)
	}
	f.Fuzz(func(t *testing.T, ops []byte) {
		c := cache.New(cache.Config[note]{Size: 16})
		last := map[string]*cache.Entry[note]{}
		now := int64(0)
		for i := 0; i+2 < len(ops); i += 3 {
			key := fmt.Sprint(ops[i] % 48)
			hash := uint64(ops[i]%48%5) * 0x1234_5678_9abc_def1
			switch ops[i+1] % 4 {
			case 0, 1:
				last[key] = cache.NewEntry(key, now+int64(ops[i+2]%16), note{key: key})
				c.Put(hash, last[key], now)
			case 2:
				now += int64(ops[i+2] % 4)
			}
			if e := cache.Get(c, hash, key, now); e != nil && (e != last[key] || now >= e.Until()) {
				t.Fatalf("operation %d: %q gives %v, want %v", i/3, key, e, last[key])
			}
		}
		places := map[string]int{}
		for e := range c.All() {
			if places[e.Key()]++; places[e.Key()] > 1 || e != last[e.Key()] {
				t.Fatalf("%q is in %d places, as %v, want %v", e.Key(), places[e.Key()], e, last[e.Key()])
			}
		}
	})
}

// Many write and read few slots at once, keys of one hash among them. A reader
// never gets another key's value.
func TestValuesKeepTheirKeys(t *testing.T) {
	for name, hash := range map[string]func(string) uint64{
		"a hash for each key": hashOf,
		"one hash for all":    func(string) uint64 { return 42 },
		"hashes of one place": func(key string) uint64 { return hashOf(key) >> 48 << 16 },
	} {
		t.Run(name, func(t *testing.T) {
			c := cache.New(cache.Config[note]{Size: 16})
			var group sync.WaitGroup
			for worker := range 8 {
				group.Go(func() {
					for round := range 4000 {
						key := fmt.Sprint((round*7 + worker*13) % 60)
						if e := cache.Get(c, hash(key), key, int64(round)); e != nil && (e.Key() != key || e.Value.key != key) {
							t.Errorf("asked for %q, got %q with the value of %q", key, e.Key(), e.Value.key)

							return
						}
						if worker%2 == 0 {
							c.Put(hash(key), cache.NewEntry(key, int64(round+worker*100), note{key: key}), int64(round))
						}
					}
				})
			}
			group.Wait()
		})
	}
}

// Where Keeps prefers the newest and nothing is displaced, no reader sees a key
// go back to an older version, however many write it at once.
func TestVersionsOfAKeyDontGoBack(t *testing.T) {
	const keys = 4
	c := cache.New(cache.Config[note]{
		Size: 64, Keeps: func(old, fresh *cache.Entry[note]) bool {
			runtime.Gosched() // gives the other writers their chance

			return old.Value.version > fresh.Value.version
		},
	})
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			var seen [keys]int64
			for round := range int64(4000) {
				i := (round + int64(worker)) % keys
				key := fmt.Sprint(i)
				if worker%2 == 0 {
					version := round ^ int64(worker)
					c.Put(hashOf(key), cache.NewEntry(key, never, note{version: version}), 0)
					seen[i] = max(seen[i], version) // it, or one that is newer, is there
				}
				e := cache.Get(c, hashOf(key), key, 0)
				if e == nil {
					continue
				}
				if e.Value.version < seen[i] {
					t.Errorf("%q went from version %d to %d", key, seen[i], e.Value.version)

					return
				}
				seen[i] = e.Value.version
			}
		})
	}
	group.Wait()
}
