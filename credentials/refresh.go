package credentials

import (
	"context"
	"time"

	"github.com/usher-auth/usher/internal/notify"
	"github.com/usher-auth/usher/internal/retryafter"
)

// attempt is one fetch in flight.
type attempt struct {
	started     time.Time
	wallStarted time.Time
	outage      uint64
	probe       bool
	// early reports whether the attempt began before the backoff alone allowed
	// it, for lack of a token. Such an attempt doesn't count for the backoff.
	early bool
	// forced reports whether a refusal called for the attempt.
	forced bool
}

// start begins a fetch on the group's own context. The lock is held.
func (s *source) start(now time.Time) {
	g := s.g
	a := attempt{
		started: now, wallStarted: g.wall(), outage: g.outage, probe: g.failures > 0,
		early:  g.failure.backsOff(now) || s.failure.backsOff(now),
		forced: s.renewalDue(now),
	}
	if a.forced {
		s.forced = now
	}
	g.probing = g.probing || a.probe
	s.fetching = true
	g.work.Go(func() { s.run(a) })
}

// run makes one attempt and processes its outcome, even if it panics.
func (s *source) run(a attempt) {
	var granted *grant
	// This is the outcome of a fetch that doesn't return, because a caller's
	// function panicked or ended the goroutine. The panic's value is dropped,
	// since it may hold a secret.
	failed := &failure{wide: true, err: &Error{Kind: KindMisconfigured, text: "a function that the fetch calls panicked"}}
	defer func() {
		_ = recover()
		s.finish(a, granted, failed)
	}()
	notify.Call(s.g.observer.FetchStarted, FetchStarted{Target: s.target}, panicked)
	ctx, cancel := context.WithTimeout(s.g.ctx, s.g.fetchTimeout)
	defer cancel()
	granted, failed = s.g.fetch(ctx, s)
}

// finish processes the outcome and notifies the observer.
func (s *source) finish(a attempt, granted *grant, failed *failure) {
	g := s.g
	now := time.Now()
	g.mu.Lock()
	s.fetching = false
	if a.probe {
		g.probing = false
	}
	var tok *token
	if failed == nil {
		tok = newToken(granted.accessToken, granted.lifetime, a.started, a.wallStarted)
		if a.forced {
			tok.forced = a.started
		}
		g.reset(a, now)
		s.install(tok)
	} else {
		s.fail(a, failed, now)
	}
	valid := s.current.Load() != nil
	s.ended++
	s.last = failed
	if a.probe || failed == nil {
		g.wakeAll(now)
	} else {
		s.settle()
		s.advance(now)
	}
	closed := g.closed
	ended := FetchEnded{Target: s.target, Duration: now.Sub(a.started), TokenValid: valid}
	if failed != nil {
		ended.Err = s.errorOf(failed, now, s.starving(failed, now))
	} else {
		ended.Lifetime = tok.lifetime
	}
	g.mu.Unlock()

	if !closed {
		notify.Call(g.observer.FetchEnded, ended, panicked)
	}
}

// fail records a failure in the group or in the source. The lock is held.
func (s *source) fail(a attempt, f *failure, now time.Time) {
	g := s.g
	g.reached = g.reached || f.err.HTTPStatus != 0 || f.err.Kind == KindUnavailable && !f.unreached
	f.at = now
	f.notBefore = now.Add(min(f.err.RetryAfter, retryafter.MaxIssuer))
	if f.wide {
		g.fail(f, a)
		return
	}
	// The endpoint works; only this target has a fault.
	g.reset(a, now)
	if !a.early || s.failures == 0 {
		s.failures++
	}
	f.pauseFor(s.failures)
	f.probe *= time.Duration(g.ailing(s, now))
	s.failure = f
}
