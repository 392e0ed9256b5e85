package credentials

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/usher-auth/usher/credentials/internal/clientauth"
)

// group is what all targets of one client share: how it authenticates, the
// backoff, and the end. Its lock guards the slow paths of all of them; no I/O
// and no caller's function ever runs under it.
type group struct {
	// Fixed after New.
	client          *http.Client
	ownClient       bool
	auth            clientauth.Method
	clientID        string
	clientIDFrom    Secret
	params          url.Values
	locator         locator
	fetchTimeout    time.Duration
	defaultLifetime time.Duration
	transport       transportPolicy
	observer        Observer
	wall            func() time.Time // the wall clock alone; tests make it jump

	// ctx ends at Close. Fetches run on it, not on a caller's context.
	ctx    context.Context //nolint:containedctx // the lifetime of the group's own work, ended by Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	sources map[string]*source
	// reached says that a connection to the server was made once.
	reached bool
	// failures counts outages and rejections in a row that concern every
	// target; failure is the last one. While there are any, one target at a
	// time probes.
	failures int
	failure  *failure
	probing  bool
	// outage grows with each counted failure, so that requests which were in
	// flight together count as one.
	outage uint64
}

// failure is the outcome of a fetch that brought no token. It answers every
// call until its time is up.
type failure struct {
	err   *Error
	until time.Time
	// wide says that it concerns every target of the client.
	wide bool
	// slow says that it won't pass by itself.
	slow bool
	// unreached says that no connection could be made.
	unreached bool
}

// source returns the one source of a target, or one of its own that is broken.
func (g *group) source(t target) *source {
	s := &source{g: g, target: t, settled: make(chan struct{})}
	s.params = t.params(g.params)
	if err := t.validate(); err != nil {
		// Its key could be that of a good one. It does nothing: nobody has to
		// find it again.
		s.broken = &Error{Kind: KindMisconfigured, text: err.Error()}
		return s
	}
	key := t.key()
	g.mu.Lock()
	defer g.mu.Unlock()
	if known, ok := g.sources[key]; ok {
		return known
	}
	g.sources[key] = s
	return s
}

// fail counts a failure that concerns every target, and pauses them all, for at
// most limit where the server doesn't ask for more. The lock is held.
func (g *group) fail(f *failure, outage uint64, now time.Time, limit time.Duration) {
	if g.outage == outage {
		g.outage++
		g.failures++
	}
	f.until = later(f.until, now.Add(min(backoff(g.failures, f.slow), limit)))
	if g.failure == nil || f.until.After(g.failure.until) {
		g.failure = f
	}
}

// reset forgets failures after a success and lets every target go on. The
// lock is held.
func (g *group) reset() {
	g.failures, g.failure = 0, nil
}

// wakeAll lets every target look again. The lock is held.
func (g *group) wakeAll(now time.Time) {
	for _, s := range g.sources {
		s.settle()
		s.advance(now)
	}
}

// close ends everything and waits for it.
func (g *group) close() {
	g.mu.Lock()
	g.closed = true
	g.cancel()
	for _, s := range g.sources {
		s.current.Store(nil)
		if s.timer != nil {
			s.timer.Stop()
		}
		s.settle()
	}
	g.mu.Unlock()
	g.work.Wait()
	if g.ownClient {
		g.client.CloseIdleConnections()
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
