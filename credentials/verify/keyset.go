package verify

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// minRefresh bounds how often a server can make us fetch by Cache-Control.
	minRefresh = time.Minute

	// firstBackoff doubles with each failed fetch, up to maxBackoff.
	firstBackoff = time.Second
	maxBackoff   = time.Minute

	// maxWaiting bounds how many calls wait because of an unknown key, while
	// the others go on. Those are cheap to make, and a hanging server would
	// gather them.
	maxWaiting = 4096

	// rediscover is how long a discovered jwks_uri is used.
	rediscover = time.Hour
)

// keySet holds one issuer's keys and keeps them fresh.
//
// Lookup is one atomic load. Fetches run one at a time in a goroutine of their
// own, on the key set's context: whoever waits for one leaves at its own
// deadline, and the fetch goes on. No lock is held over I/O.
type keySet struct {
	issuer      string
	name        string // the issuer's short name, for events
	allowed     algSet
	addresses   []string // of metadata; empty if the key set's URL is explicit
	client      *http.Client
	timeout     time.Duration
	refresh     time.Duration
	maxStale    time.Duration
	unknownWait time.Duration
	observe     func(KeysFetched)

	snapshot atomic.Pointer[keySnapshot]
	// staleAt is when the keys may no longer be used, as an instant.
	staleAt atomic.Int64
	// waiting is how many calls wait because of an unknown key.
	waiting atomic.Int64

	ctx    context.Context //nolint:containedctx // of the background fetches, ended by close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	inflight  *fetchCall
	timer     *time.Timer
	failures  int
	retryAt   time.Time // before it, calls make no attempt
	lastErr   error     // of the last fetch
	unknownAt time.Time // before it, an unknown kid makes no fetch

	// Only the fetch in flight uses these.
	jwksURL      string
	discoveredAt time.Time
}

func (k *keySet) init() {
	k.ctx, k.cancel = context.WithCancel(context.Background())
}

// fresh returns the keys if they may be used.
func (k *keySet) fresh(now instant) *keySnapshot {
	if s := k.snapshot.Load(); s != nil && int64(now) < k.staleAt.Load() {
		return s
	}
	return nil
}

// lookup returns a snapshot that has a key for the header. It waits for a fetch
// only if there are no usable keys, or none of them fits and the budget allows
// to ask again.
func (k *keySet) lookup(ctx context.Context, h *header, now instant) (*keySnapshot, error) {
	s := k.fresh(now)
	if s == nil {
		call, err := k.demand()
		if err != nil {
			return nil, err
		}
		if err := k.wait(ctx, call); err != nil {
			return nil, err
		}
		if s = k.fresh(instantOf(time.Now())); s == nil {
			return nil, k.unavailable()
		}
	}
	if s.fits(h) {
		return s, nil
	}
	return k.renew(ctx, func(s *keySnapshot) bool { return s.fits(h) })
}

// renew asks for newer keys, within the budget, until ok is content. A
// fetch that was under way already may have begun before the key was
// published: then one more is made.
func (k *keySet) renew(ctx context.Context, ok func(*keySnapshot) bool) (*keySnapshot, error) {
	for {
		call, own, err := k.refetch()
		if call == nil {
			// What spent the budget may have brought the key since this caller
			// looked.
			if s := k.fresh(instantOf(time.Now())); s != nil && ok(s) {
				return s, nil
			}
			if err == nil {
				err = errKeyUnknown
			}
			return nil, err
		}
		if err := k.waitBounded(ctx, call); err != nil {
			return nil, err
		}
		s := k.fresh(instantOf(time.Now()))
		if s == nil {
			return nil, k.unavailable()
		}
		if ok(s) {
			return s, nil
		}
		if own {
			return nil, errKeyUnknown
		}
	}
}

// close ends the background work and waits for it.
func (k *keySet) close() {
	k.mu.Lock()
	k.closed = true
	if k.timer != nil {
		k.timer.Stop()
	}
	k.mu.Unlock()
	k.cancel()
	k.wg.Wait()
	k.staleAt.Store(0) // nobody keeps the keys fresh any more
}
