package authz

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"
)

// newTestBreaker is a breaker with a clock that a test sets.
func newTestBreaker(config BreakerConfig) (*breaker, *time.Duration) {
	now := new(time.Duration)
	*now = time.Hour

	return newBreaker(config, QueryRelation, func() time.Duration { return *now }, &Observer{}), now
}

func about(ids ...string) *Batch {
	batch := &Batch{}
	for _, id := range ids {
		batch.Queries = append(batch.Queries, Query{Object: Object{Type: "document", ID: id}})
	}

	return batch
}

// one makes a request of a caller and reports whether the breaker let it through.
func (b *breaker) one(caller uint64, batch *Batch, result outcome) bool {
	tried, err := b.admit(caller, batch, b.clock())
	if err != nil {
		return false
	}
	b.done(tried, batch, result)

	return true
}

// What a flood of callers, of objects and of large lists leaves in the breaker is
// bounded.
func TestBreakerRemembersABoundedAmount(t *testing.T) {
	b, now := newTestBreaker(BreakerConfig{Failures: maxFailures})
	b.window.length, b.all.open = time.Hour, true // nothing gets too old, and nothing is judged
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	batch := &Batch{Queries: make([]Query, maxObjectsKept+1)}
	for caller := range uint64(3 * maxCallers) {
		for i := range maxFailures + 2 {
			for n := range batch.Queries {
				batch.Queries[n].Object.ID = strconv.Itoa(1000*i + n)
			}
			small := &Batch{Queries: batch.Queries[:maxObjectsKept]}
			b.record(attempt{caller: caller, begun: *now}, small, outcomeFailed, *now)
			b.record(attempt{caller: caller, begun: *now}, batch, outcomeFailed, *now)
		}
	}
	if n := len(b.window.now.callers) + len(b.window.before.callers); n > 2*maxCallers {
		t.Errorf("%d callers are remembered", n)
	}
	if len(b.own) > maxShut {
		t.Errorf("%d callers are kept away", len(b.own))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 24<<20 {
		t.Errorf("it takes %d KiB", grown>>10)
	}
	runtime.KeepAlive(b)
}

// The breaker may keep more callers away than it remembers only as long as they
// try: who is kept away and comes no more is forgotten.
func TestBreakerForgetsWhoIsGone(t *testing.T) {
	b, now := newTestBreaker(BreakerConfig{Failures: 1})
	b.all.since = *now
	for caller := range uint64(maxShut) {
		b.shut(caller, *now)
	}
	if b.shut(maxShut, *now); len(b.own) != maxShut || b.own[maxShut] != nil {
		t.Errorf("%d callers are kept away, want %d", len(b.own), maxShut)
	}
	*now += time.Minute
	if b.shut(maxShut, *now); len(b.own) != 1 || b.own[maxShut] == nil {
		t.Errorf("%d callers are kept away after they have gone, want 1", len(b.own))
	}
}

// Failures of requests that began before the breaker closed say nothing about the
// engine that answers now.
func TestBreakerIgnoresWhatIsOver(t *testing.T) {
	b, now := newTestBreaker(BreakerConfig{})
	late := make([]attempt, 20)
	for i := range late {
		late[i], _ = b.admit(uint64(100+i), about(fmt.Sprint("late", i)), *now)
	}
	*now += time.Millisecond
	for i := range uint64(5) {
		b.one(i, about(fmt.Sprint(i)), outcomeFailed)
	}
	if !b.all.open {
		t.Fatal("five callers' failures out of five don't open it")
	}
	*now += time.Second
	if !b.one(50, about("x"), outcomeAnswered) || b.all.open {
		t.Fatal("an answer doesn't close it")
	}
	for i, tried := range late {
		b.done(tried, about(fmt.Sprint("late", i)), outcomeFailed)
	}
	if b.all.open {
		t.Error("failures of requests that began in the outage open it again")
	}
}

// While it is open one request in each OpenFor tries, the same caller's only after
// twice that, and one that brings no evidence leaves its turn to the next.
func TestBreakerLetsOneTry(t *testing.T) {
	b, now := newTestBreaker(BreakerConfig{OpenFor: time.Second})
	for i := range uint64(5) {
		b.one(i, about(fmt.Sprint(i)), outcomeFailed)
	}
	try := func(what string, caller uint64, result outcome, want bool) {
		t.Helper()
		if got := b.one(caller, about(fmt.Sprint("try", caller)), result); got != want {
			t.Errorf("%s: let through %v, want %v", what, got, want)
		}
	}
	*now += time.Second - 1
	try("too early", 10, outcomeAnswered, false)
	*now++
	try("one that leaves", 10, outcomeNone, true)
	try("the next", 11, outcomeFailed, true)
	try("another at the same time", 12, outcomeAnswered, false)
	*now += time.Second
	try("the same again", 11, outcomeAnswered, false)
	held, err := b.admit(13, about("held"), *now)
	if err != nil {
		t.Error("another is not let through:", err)
	}
	try("beside one that waits", 14, outcomeAnswered, false)
	*now += time.Second
	try("when one that waits has had its time", 11, outcomeFailed, true)
	*now += time.Second
	try("the one that answers", 15, outcomeAnswered, true)
	if b.all.open {
		t.Error("it is open after an answer")
	}
	b.done(held, about("held"), outcomeFailed)
	try("then everybody", 16, outcomeAnswered, true)
	if b.all.open {
		t.Error("it is open after all")
	}
}

// One caller never opens it for others, and neither does one object, whatever they
// do, in whatever order, for however long, beside healthy callers or alone.
func TestBreakerPropertyOneIsNeverEnough(t *testing.T) {
	for seed := range uint64(10) {
		random := rand.New(rand.NewPCG(seed, 13))
		b, now := newTestBreaker(BreakerConfig{})
		good := random.IntN(3)
		for step := range 1000 {
			*now += time.Duration(random.IntN(20)) * time.Millisecond
			if seed%2 == 0 { // one caller, any objects
				ids := make([]string, 1+random.IntN(5)*random.IntN(40))
				for i := range ids {
					ids[i] = fmt.Sprint("slow", random.IntN(100_000))
				}
				b.one(1, about(ids...), outcome(random.IntN(3)))
			} else { // any callers, one object among any others
				ids := []string{"slow"}
				for range random.IntN(5) * random.IntN(40) {
					ids = append(ids, fmt.Sprint(random.IntN(100_000)))
				}
				random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
				b.one(1+random.Uint64N(500), about(ids...), outcomeFailed)
			}
			if good > 0 && !b.one(uint64(1000+step%good), about(fmt.Sprint("d", step)), outcomeAnswered) || b.all.open {
				t.Fatalf("seed %d, step %d: open %v", seed, step, b.all.open)
			}
		}
	}
}

// An outage opens it within the window, whatever the mix of callers was before,
// as long as there are five of them.
func TestBreakerPropertyAnOutageIsNoticed(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 14))
		b, now := newTestBreaker(BreakerConfig{})
		callers := 5 + random.Uint64N(500)
		every := time.Duration(1+random.IntN(50)) * time.Millisecond
		for step := range 2000 {
			*now += every
			b.one(random.Uint64N(callers), about(fmt.Sprint("d", step)), outcomeAnswered)
		}
		begun := *now
		for step := 0; !b.all.open; step++ {
			*now += every
			// Those who are kept away themselves try again by and by.
			b.one(random.Uint64N(callers), about(fmt.Sprint("o", step)), outcomeFailed)
			if *now-begun > defaultWindow+defaultOpenFor {
				t.Fatalf("seed %d: %d callers, one each %v: closed %v after the engine went down", seed, callers, every, *now-begun)
			}
		}
	}
}

func TestDistinctSets(t *testing.T) {
	var d distinct
	for i, tc := range []struct {
		set  []uint64
		want bool
	}{{[]uint64{1, 2}, true}, {[]uint64{2, 3}, false}, {[]uint64{3}, true}, {[]uint64{4, 1}, false}, {[]uint64{4}, true}} {
		if got := d.add(slices.Clone(tc.set)); got != tc.want {
			t.Errorf("set %d: counted %v", i, got)
		}
	}
	if !d.reach(3, false) || d.reach(4, true) || (&distinct{}).reach(1, false) || !(&distinct{}).reach(1, true) {
		t.Error("miscounted")
	}
}
