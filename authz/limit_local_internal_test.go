package authz

import (
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

func limitKey(subject string) LimitKey {
	return LimitKey{Method: "/t.S/A", Issuer: "main", Subject: subject}
}

// clockAt is a clock that a test sets.
type clockAt struct{ now time.Time }

func newClockAt() *clockAt { return &clockAt{now: time.Unix(1_800_000_000, 0)} }

func (c *clockAt) read() time.Time         { return c.now }
func (c *clockAt) advance(d time.Duration) { c.now = c.now.Add(d) }

// keys returns how many callers a limiter has places for.
func (l *localLimiter) keys() (n int) {
	for i := range l.shards {
		n += len(l.shards[i].places)
	}

	return n
}

// In no period does a caller get more than its burst and what the period adds,
// whatever others do, and however few places there are. A caller that has a place
// gets no less.
func TestNoCallerExceedsItsLimit(t *testing.T) {
	random := rand.New(rand.NewPCG(71, 15))
	for range 200 {
		limit := Limit{Requests: 1 + random.IntN(20), Per: time.Duration(1+random.IntN(5000)) * time.Millisecond, Burst: 1 + random.IntN(10)}
		callers, room := 1+random.IntN(12), 1+random.IntN(8)
		clock := newClockAt()
		l := newLocalLimiter(limit, room, clock.read)
		start := clock.now
		passed := make([][]time.Duration, callers)
		for range 600 {
			clock.advance(time.Duration(random.Int64N(int64(limit.Per) / 4)))
			who := random.IntN(callers)
			for range 1 + random.IntN(4) {
				if l.take(limitKey(strconv.Itoa(who))) == 0 {
					passed[who] = append(passed[who], clock.now.Sub(start))
				}
			}
			if l.keys() > room {
				t.Fatalf("%d places, at most %d", l.keys(), room)
			}
		}
		for who, at := range passed {
			for i := range at {
				for j := i; j < len(at); j++ {
					// A microsecond for the rounding of fractions.
					most := float64(limit.Burst) + float64(limit.Requests)*float64(at[j]-at[i]+time.Microsecond)/float64(limit.Per)
					if float64(j-i+1) > most {
						t.Fatalf("%+v, room %d of %d: caller %d made %d calls in %v, at most %.2f", limit, room, callers, who, j-i+1, at[j]-at[i], most)
					}
				}
			}
		}
	}
}

// Row 71: while a flood fills the table, callers that have a place keep their limit, no
// bucket that isn't full is dropped, and the flood as a whole gets one caller's limit.
func TestAFloodOfPrincipals(t *testing.T) {
	clock := newClockAt()
	l := newLocalLimiter(Limit{Requests: 10, Per: time.Minute, Burst: 10}, 50, clock.read)
	for range 10 {
		if l.take(limitKey("alice")) != 0 {
			t.Fatal("alice is refused within her limit")
		}
	}
	passed := 0
	for i := range 100_000 {
		if l.take(limitKey("flood-"+strconv.Itoa(i))) == 0 {
			passed++
		}
	}
	if want := 49 + 10; passed != want {
		t.Errorf("row 71: %d calls of the flood passed, want %d: one for each place that was free, and one common burst", passed, want)
	}
	if l.keys() != 50 {
		t.Errorf("row 71: %d places are kept, want 50", l.keys())
	}
	if l.take(limitKey("alice")) == 0 {
		t.Error("row 71: alice's bucket was forgotten")
	}
	clock.advance(6 * time.Second)
	if l.take(limitKey("alice")) != 0 {
		t.Error("row 71: alice lost what her own limit gives her")
	}
	// Later all buckets are full, and their places are free for others.
	clock.advance(time.Minute)
	for i := range 50 {
		for range 10 {
			if l.take(limitKey("late-"+strconv.Itoa(i))) != 0 {
				t.Fatalf("row 71: caller %d after the flood is refused", i)
			}
		}
	}
	if l.keys() != 50 {
		t.Errorf("row 71: %d places are kept, want 50", l.keys())
	}
}

// A caller that used the common bucket doesn't begin with a full one of its own.
func TestTheCommonBucketIsNotForgotten(t *testing.T) {
	clock := newClockAt()
	l := newLocalLimiter(Limit{Requests: 10, Per: 10 * time.Second, Burst: 10}, 1, clock.read)
	l.take(limitKey("alice")) // the only place, until a second has passed
	for range 8 {
		if l.take(limitKey("bob")) != 0 {
			t.Fatal("bob is refused within the common limit")
		}
	}
	clock.advance(time.Second)
	passed := 0
	for range 20 {
		if l.take(limitKey("bob")) == 0 {
			passed++
		}
	}
	if l.keys() != 1 || passed != 3 {
		t.Errorf("bob made 8 calls and %d a second later, want 3", passed)
	}
}

// Row 71: a flood of one method's callers takes no place of another method's, and two
// methods' limits aren't one.
func TestAFloodOfOneMethodTakesNoOthersPlaces(t *testing.T) {
	limit := func(key authzv1.RateLimit_Key) *authzv1.Rule {
		return &authzv1.Rule{
			Policy:    &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}},
			RateLimit: &authzv1.RateLimit{Requests: 2, Per: durationpb.New(time.Hour), Key: key},
		}
	}
	a := &Authorizer{methods: map[string]*Method{}, now: newClockAt().read}
	for name, key := range map[string]authzv1.RateLimit_Key{"/t.S/A": authzv1.RateLimit_KEY_SUBJECT, "/t.S/B": authzv1.RateLimit_KEY_CLIENT, "/t.S/C": authzv1.RateLimit_KEY_METHOD} {
		m := &Method{owner: a, name: name, policy: policyAuthenticated}
		m.compileLimit(inherit(limit(key), nil), limit(key), &site{})
		a.methods[name] = m
	}
	a.placeLimits(&Config{LimiterSize: 200})
	one, other, common := a.methods["/t.S/A"].limit.local, a.methods["/t.S/B"].limit.local, a.methods["/t.S/C"].limit.local
	if room := one.shards[0].room + other.shards[0].room; room != 200 || one.shards[0].room != 100 || len(common.shards) != 0 {
		t.Errorf("the methods have %d places, want half of 200 each and none for the one that needs none", room)
	}
	for i := range 10_000 {
		one.take(limitKey(strconv.Itoa(i)))
	}
	for i := range 100 {
		for range 2 {
			if other.take(LimitKey{Issuer: "main", Client: strconv.Itoa(i)}) != 0 {
				t.Fatal("row 71: the flood took another method's places")
			}
		}
	}
}

// However long names are, a caller costs the same.
func TestMemoryOfALocalLimiter(t *testing.T) {
	limit := Limit{Requests: 2, Per: time.Hour, Burst: 2}
	long := string(make([]byte, 8<<10))
	for name, callers := range map[string]int{"half of the places": 30_000, "a flood": 200_000} {
		t.Run("row 71: "+name, func(t *testing.T) {
			clock := newClockAt()
			l := newLocalLimiter(limit, defaultLimiterSize, clock.read)
			before := heap()
			for i := range callers {
				key := limitKey(long)
				key.Issuer = strconv.Itoa(i)
				l.take(key)
			}
			used := heap() - before
			if most := int64(min(callers, defaultLimiterSize)) * 260; used > most {
				t.Errorf("row 71: %d callers take %d bytes, at most %d", callers, used, most)
			}
			t.Logf("%d callers, %d places: %d bytes each", callers, l.keys(), used/int64(l.keys()))
			if l.keys() > defaultLimiterSize || callers > defaultLimiterSize && l.keys() < defaultLimiterSize*9/10 {
				t.Errorf("row 71: %d places are taken", l.keys())
			}
			runtime.KeepAlive(l)
		})
	}
}

func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)

	return int64(stats.HeapAlloc)
}

// Calls at the same moment count exactly, by callers known and new.
func TestCallsAtTheSameMomentCountExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLocalLimiter(Limit{Requests: 100, Per: time.Hour, Burst: 100}, 4096, time.Now)
		var mu sync.Mutex
		passed := map[string]int{}
		var calls sync.WaitGroup
		for range 16 {
			calls.Go(func() {
				for range 20 {
					for _, who := range []string{"alice", "bob"} {
						if l.take(limitKey(who)) == 0 {
							mu.Lock()
							passed[who]++
							mu.Unlock()
						}
					}
				}
			})
		}
		calls.Wait()
		if passed["alice"] != 100 || passed["bob"] != 100 {
			t.Errorf("%v passed of 320 each, want 100", passed)
		}
	})
}

// A clock that is set back gives nobody a call more.
func TestAClockThatIsSetBack(t *testing.T) {
	clock := newClockAt()
	l := newLocalLimiter(Limit{Requests: 5, Per: time.Hour, Burst: 5}, 10, clock.read)
	for range 5 {
		l.take(limitKey("alice"))
	}
	for range 10 {
		clock.advance(-time.Minute)
		if l.take(limitKey("alice")) == 0 {
			t.Fatal("a call passed")
		}
	}
}

func TestAWarmLocalLimitAllocatesNothing(t *testing.T) {
	l := newLocalLimiter(Limit{Requests: 1_000_000, Per: time.Millisecond, Burst: 1_000_000}, 4096, time.Now)
	key := limitKey("alice")
	if got := testing.AllocsPerRun(1000, func() { l.take(key) }); got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}
