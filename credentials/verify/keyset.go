package verify

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// minRefresh is the shortest refresh interval that a server can set by
	// Cache-Control.
	minRefresh = time.Minute

	// firstBackoff doubles with each failed fetch, up to maxBackoff. It applies to
	// the background, while no call needs the keys.
	firstBackoff = time.Second
	maxBackoff   = time.Minute

	// minProbe and maxProbe bound the pause after a failed fetch before a call
	// that fails for lack of keys may make another. However long an issuer was
	// down, calls fail for at most maxProbe after it answers again.
	minProbe = time.Second
	maxProbe = 1750 * time.Millisecond

	// confirmPause is how soon a set that lacks keys of the one before is fetched
	// once more: tokens under a key that two sets lack are void, and their
	// clients must be told, even if other callers use up the budget meanwhile. A set
	// that changes each time is not fetched for ever.
	confirmPause = 500 * time.Millisecond

	// keyLinger bounds how long a key that one set lacks is still used, until the
	// next set shows whether the key is gone or a replica lags. The refresh is
	// earlier by that time.
	keyLinger = 2 * time.Second

	// waveringSets is the number of sets in a row that must lack a key that was
	// missing before and came back, before its tokens are void without another fetch:
	// where replicas differ, two sets in a row prove little.
	waveringSets = 16

	// maxWaiting bounds the calls that wait because of an unknown key, while the
	// others go on. Such calls are cheap to make, and would accumulate while the
	// server hangs.
	maxWaiting = 4096

	// rediscover is how long a discovered jwks_uri is used; rediscoverSoon how
	// long it is still used when the metadata can't be read.
	rediscover     = time.Hour
	rediscoverSoon = 5 * time.Minute
)

// keySet holds one issuer's keys and keeps them fresh.
//
// Lookup is one atomic load. Fetches run one at a time in a goroutine of their
// own, on the key set's context: a call stops waiting for one at its own deadline,
// and the fetch goes on. No lock is held over I/O.
//
// Only a key set whose fetch began after a token came proves that the token's
// key is not the issuer's: the issuer may have published it since any other. So
// fetches are numbered, and a call records how many had begun when it came. An
// answer that may be from a cache on the way proves nothing.
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
	// staleAt is the instant from which the keys may no longer be used.
	staleAt atomic.Int64
	// begun is the number of fetches that have begun.
	begun atomic.Uint64
	// waiting is the number of calls that wait because of an unknown key.
	waiting atomic.Int64

	ctx    context.Context //nolint:containedctx // of the background fetches, ended by close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	inflight  *fetchCall
	timer     *time.Timer
	linger    *time.Timer // ends the use of keys that the last set lacks
	failures  int
	retryAt   time.Time // before it, calls make no attempt
	lastErr   error     // of the last fetch
	unknownAt time.Time // before it, an unknown key makes no fetch

	// Only the fetch in flight uses these.
	jwksURL    string
	discoverAt time.Time // before it, jwksURL is used without a look at the metadata
	confirming bool      // the last set lacked keys, and the next fetch is to confirm that
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
// to ask again. asked is the number of fetches that had begun when the token came.
func (k *keySet) lookup(ctx context.Context, h *header, now instant, asked uint64) (*keySnapshot, error) {
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
	return k.renew(ctx, asked, func(s *keySnapshot) bool { return s.fits(h) })
}

// renew fetches newer keys, within the budget, until ok accepts them. It returns
// errKeyUnknown if ok refuses keys that were fetched after the token came. Joining
// a fetch that began earlier costs no budget and proves nothing.
func (k *keySet) renew(ctx context.Context, asked uint64, ok func(*keySnapshot) bool) (*keySnapshot, error) {
	look := func() (s *keySnapshot, err error) {
		s = k.fresh(instantOf(time.Now()))
		switch {
		case s == nil:
			return nil, k.unavailable()
		case ok(s):
			return s, nil
		case s.fetch > asked:
			return nil, errKeyUnknown
		default:
			return nil, nil //nolint:nilnil // it is still open whether the key is unknown
		}
	}
	for {
		if s, err := look(); s != nil || err != nil {
			return s, err
		}
		call, spent := k.refetch()
		if spent != nil {
			// The fetch that used up the budget may have brought the key meanwhile.
			if s, err := look(); s != nil || err != nil {
				return s, err
			}
			return nil, spent
		}
		if err := k.waitBounded(ctx, call); err != nil {
			return nil, err
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
	if k.linger != nil {
		k.linger.Stop()
	}
	k.mu.Unlock()
	k.cancel()
	k.wg.Wait()
	k.staleAt.Store(0) // the keys are no longer kept fresh
}
