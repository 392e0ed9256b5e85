package credentials

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/internal/authn"
)

// group holds what all targets of one client share: client authentication, the
// backoff and the lifetime. Its lock guards the slow paths of all targets; no
// I/O and no caller's function runs under it.
type group struct {
	// Fixed after New.
	client          *http.Client
	ownClient       bool
	auth            authn.Method
	clientID        string
	clientIDFrom    clientauth.Secret
	params          url.Values
	locator         locator
	fetchTimeout    time.Duration
	defaultLifetime time.Duration
	transport       transportPolicy
	observer        Observer
	wall            func() time.Time // the wall clock alone; tests set it

	// ctx ends at Close. Fetches run on it, not on a caller's context.
	ctx    context.Context //nolint:containedctx // the lifetime of the group's own work, ended by Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	sources map[string]*source
	// reached reports whether a connection to the server was ever made.
	reached bool
	// failures counts outages and rejections in a row that concern every
	// target; failure is the last one. While there are any, one target at a
	// time probes.
	failures int
	failure  *failure
	probing  bool
	// outage is incremented by each counted failure, so that requests which
	// were in flight together count as one.
	outage uint64
}

// failure is the outcome of a fetch that returned no token. It answers every
// call until the next attempt is due.
type failure struct {
	err *Error
	// at is when the fetch ended.
	at time.Time
	// notBefore is the time that the server asked for, or the end of the pause
	// after a rejection: nothing shortens it.
	notBefore time.Time
	// pause is the backoff; probe is its upper bound while calls fail for lack
	// of a token.
	pause, probe time.Duration
	// wide reports whether the failure concerns every target of the client.
	wide bool
	// slow reports whether the failure won't pass by itself.
	slow bool
	// unreached reports whether no connection could be made.
	unreached bool
}

// pauseFor sets the pauses after the nth failure in a row.
func (f *failure) pauseFor(n int) {
	f.pause = pauseAfter(n, f.slow)
	f.probe = starvedPause - jitter(starvedPause)
	if f.slow {
		f.notBefore = later(f.notBefore, f.at.Add(f.pause))
	}
}

// backsOff reports whether the backoff is still running. It returns false for
// nil.
func (f *failure) backsOff(now time.Time) bool {
	return f != nil && now.Before(f.at.Add(f.pause))
}

// source returns the only source of a target, or a new, broken one if the
// target is invalid.
func (g *group) source(t Target) *source {
	s := &source{g: g, target: t, settled: make(chan struct{})}
	s.params = t.params(g.params)
	if faults := t.validate(); len(faults) > 0 {
		// Its key could equal that of a valid target. It needs no lookup, since
		// it has no token to share.
		s.broken = &Error{Kind: KindMisconfigured, text: joined(faults)}
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

// fail counts a failure that concerns every target, and pauses them all. The
// lock is held.
func (g *group) fail(f *failure, a attempt) {
	if g.failure != nil && g.failure.slow != f.slow {
		g.failures = 0 // a rejection behind an outage is the first one
	}
	if g.outage == a.outage {
		g.outage++
		if !a.early {
			g.failures++
		}
	}
	g.failures = max(g.failures, 1)
	f.pauseFor(g.failures)
	if old := g.failure; old != nil {
		// A request that was in flight at the same time may have set a longer
		// pause.
		f.notBefore = later(f.notBefore, old.notBefore)
	}
	g.failure = f
}

// reset clears failures after a success and lets every target proceed, unless
// the server has asked for a pause since that attempt began. The lock is held.
func (g *group) reset(a attempt, now time.Time) {
	if g.failure != nil && g.outage != a.outage && g.failure.notBefore.After(now) {
		return
	}
	g.failures, g.failure = 0, nil
}

// ailing returns how many targets have transient faults of their own at
// present, including s. Together they probe as often as one target alone. The
// lock is held.
func (g *group) ailing(s *source, now time.Time) int {
	n := 1
	for _, other := range g.sources {
		if other != s && other.failure.backsOff(now) && !other.failure.slow {
			n++
		}
	}
	return n
}

// wakeAll makes every target check again. The lock is held.
func (g *group) wakeAll(now time.Time) {
	for _, s := range g.sources {
		s.settle()
		s.advance(now)
	}
}

// close ends all sources and fetches, and waits for them.
func (g *group) close() {
	g.mu.Lock()
	g.closed = true
	g.cancel()
	for _, s := range g.sources {
		s.newest, s.older = nil, nil
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
