package authz

import (
	"hash/maphash"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// defaultLimiterSize is how many callers the limits of a process tell apart. It is
	// about 15 MiB of memory, and used only by as many callers as there are.
	defaultLimiterSize = 65_536
	// maxLimiterSize bounds Config.LimiterSize: some 4 GiB.
	maxLimiterSize = 1 << 24
	// maxLimitShards is how many locks one rule's callers share, if each lock then has
	// minShardRoom callers or more: fewer would fill unevenly.
	maxLimitShards = 16
	minShardRoom   = 128
	// maxLimitScan bounds the work for a caller that isn't known yet, while the table
	// is full.
	maxLimitScan = 16
)

// localLimiter counts the calls of one rule in this process. Each caller has a token
// bucket. A bucket that is full again is no different from a new one, so its place
// may go to another caller. While all places are taken by buckets that aren't full,
// further callers share one: none is forgotten, and none has more than its limit.
type localLimiter struct {
	rate   rate.Limit
	burst  int
	now    func() time.Time
	seed   maphash.Seed
	shards []limitShard // a power of two; none if all calls count together
	// rest is the bucket of the callers without a place.
	rest struct {
		sync.Mutex

		bucket *rate.Limiter
	}
}

// limitShard is a part of the callers of one rule.
type limitShard struct {
	mu      sync.Mutex
	places  map[bucketID]int
	buckets []limitBucket
	room    int
	hand    int // where the search for a full bucket goes on
}

// bucketID identifies a caller by a keyed hash, so that long names take no memory. Two
// callers with one hash would share a bucket, which loosens no limit. They can't be
// found without the seed, and are one chance in eight billion in a full table.
type bucketID uint64

type limitBucket struct {
	id     bucketID
	tokens *rate.Limiter
}

// newLocalLimiter returns a limiter with places for so many callers. Without places,
// all calls count together.
func newLocalLimiter(limit Limit, room int, now func() time.Time) *localLimiter {
	l := &localLimiter{rate: rate.Limit(float64(limit.Requests) / limit.Per.Seconds()), burst: limit.Burst, now: now}
	l.rest.bucket = rate.NewLimiter(l.rate, l.burst)
	if room == 0 {
		return l
	}
	l.seed = maphash.MakeSeed()
	shards := 1
	for shards < maxLimitShards && room/(2*shards) >= minShardRoom {
		shards *= 2
	}
	l.shards = make([]limitShard, shards)
	for i := range l.shards {
		l.shards[i].places, l.shards[i].room = map[bucketID]int{}, room/shards
	}

	return l
}

// take counts one call. It returns zero if the call may go on, or else the time until
// one may.
func (l *localLimiter) take(key LimitKey) time.Duration {
	if l.common() {
		return l.takeCommon()
	}
	key.Method = "" // each rule has a limiter of its own
	id := bucketID(maphash.Comparable(l.seed, key))
	s := &l.shards[id&bucketID(len(l.shards)-1)]
	s.mu.Lock()
	defer s.mu.Unlock()
	// Under the lock, so that a bucket's time never goes back: it would count twice.
	now := l.now()
	bucket := s.find(l, id, now)
	if bucket == nil {
		return l.takeCommon()
	}

	return l.takeFrom(bucket, now)
}

// common reports whether all calls count together.
func (l *localLimiter) common() bool { return len(l.shards) == 0 }

func (l *localLimiter) takeCommon() time.Duration {
	l.rest.Lock()
	defer l.rest.Unlock()

	return l.takeFrom(l.rest.bucket, l.now())
}

// takeFrom takes a token at a time, or returns the time until there is one, in whole
// milliseconds.
func (l *localLimiter) takeFrom(bucket *rate.Limiter, now time.Time) time.Duration {
	if bucket.AllowN(now, 1) {
		return 0
	}
	seconds := (1 - bucket.TokensAt(now)) / float64(l.rate)

	return time.Duration(max(math.Ceil(seconds*1e3), 1)) * time.Millisecond
}

// find returns a caller's bucket, or nil if it has none and there is no place.
func (s *limitShard) find(l *localLimiter, id bucketID, now time.Time) *rate.Limiter {
	if at, known := s.places[id]; known {
		return s.buckets[at].tokens
	}
	if len(s.buckets) < s.room {
		s.places[id] = len(s.buckets)
		s.buckets = append(s.buckets, limitBucket{id: id, tokens: rate.NewLimiter(l.rate, l.burst)})

		return l.begin(s.buckets[len(s.buckets)-1].tokens, now)
	}
	for range min(maxLimitScan, len(s.buckets)) {
		at := s.hand
		s.hand = (s.hand + 1) % len(s.buckets)
		if b := &s.buckets[at]; b.tokens.TokensAt(now) >= float64(l.burst) {
			delete(s.places, b.id)
			b.id, s.places[id] = id, at

			return l.begin(b.tokens, now)
		}
	}

	return nil
}

// begin takes from a full bucket what the rest's lacks: its new owner may have used
// that one before, and must not have both.
func (l *localLimiter) begin(bucket *rate.Limiter, now time.Time) *rate.Limiter {
	l.rest.Lock()
	defer l.rest.Unlock()
	if lacks := float64(l.burst) - l.rest.bucket.TokensAt(now); lacks > 0 {
		bucket.AllowN(now, min(int(math.Ceil(lacks)), l.burst))
	}

	return bucket
}
