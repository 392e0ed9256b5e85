package credentials

import (
	"context"
	"crypto/sha256"
	"slices"
	"time"
)

// attempt is one fetch in flight.
type attempt struct {
	started     time.Time
	wallStarted time.Time
	outage      uint64
	probe       bool
}

// start begins a fetch on the group's own context. The lock is held.
func (s *source) start(now time.Time) {
	g := s.g
	a := attempt{started: now, wallStarted: g.wall(), outage: g.outage, probe: g.failures > 0}
	g.probing = g.probing || a.probe
	s.fetching = true
	g.work.Go(func() { s.run(a) })
}

// run makes one attempt and takes in its outcome, whatever happens.
func (s *source) run(a attempt) {
	var granted *grant
	// The outcome of a fetch that never returns: a caller's function panicked
	// or ended the goroutine. The panic's value may hold a secret: it is dropped.
	failed := &failure{wide: true, err: &Error{Kind: KindMisconfigured, text: "a function that the fetch calls panicked"}}
	defer func() {
		_ = recover()
		s.finish(a, granted, failed)
	}()
	notify(s.g.observer.FetchStarted, FetchStarted{Target: s.target.public()})
	ctx, cancel := context.WithTimeout(s.g.ctx, s.g.fetchTimeout)
	defer cancel()
	granted, failed = s.g.fetch(ctx, s)
}

// finish takes in the outcome and tells the observer.
func (s *source) finish(a attempt, granted *grant, failed *failure) {
	g := s.g
	now := time.Now()
	g.mu.Lock()
	s.fetching = false
	if a.probe {
		g.probing = false
	}
	var replaced *token
	var tok *token
	if failed == nil && s.isDropped(granted.accessToken) {
		failed = &failure{slow: true, err: &Error{Kind: KindTokenRefused, text: "the endpoint gave a token again that a server has refused"}}
	}
	if failed == nil {
		tok = newToken(granted.accessToken, granted.lifetime, a.started, a.wallStarted)
		replaced = s.install(tok)
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
	g.mu.Unlock()

	public := s.target.public()
	switch {
	case closed:
	case failed != nil:
		notify(g.observer.FetchFailed, FetchFailed{Target: public, Duration: now.Sub(a.started), Err: failed.remaining(now), TokenValid: valid})
	default:
		notify(g.observer.FetchEnded, FetchEnded{Target: public, Duration: now.Sub(a.started), Lifetime: tok.lifetime})
		if replaced != nil {
			notify(g.observer.TokenReplaced, TokenReplaced{Target: public, Remaining: max(replaced.expiry.Sub(now), 0)})
		}
	}
}

// install puts a token into use and returns the one that it replaced. The lock
// is held.
func (s *source) install(tok *token) *token {
	g := s.g
	g.reached = true
	g.reset()
	s.failures, s.failure = 0, nil
	s.lifetime = tok.lifetime
	if g.closed {
		return nil
	}
	return s.current.Swap(tok)
}

// fail files a failure where it belongs. The lock is held.
func (s *source) fail(a attempt, f *failure, now time.Time) {
	g := s.g
	g.reached = g.reached || f.err.HTTPStatus != 0 || f.err.Kind == KindUnavailable && !f.unreached
	f.until = now.Add(min(f.err.RetryAfter, maxRetryAfter))
	limit := s.urgency(f, now)
	if f.wide {
		g.fail(f, a.outage, now, limit)
		return
	}
	// The endpoint works; only this target has a fault.
	g.reset()
	s.failures++
	f.until = later(f.until, now.Add(min(backoff(s.failures, f.slow), limit)))
	s.failure = f
}

// urgency bounds the pause while a token runs out: an endpoint that comes back
// shortly before the expiry must be found in time. The lock is held.
func (s *source) urgency(f *failure, now time.Time) time.Duration {
	tok := s.current.Load()
	if tok == nil || f.slow {
		return probeMax
	}
	return max(tok.expiry.Sub(now)/urgencyDivisor, backoffBase/2)
}

// drop takes a token out of use, exactly that one, and lets the next fetch
// happen at once unless one was forced shortly before. It reports whether the
// token was in use. The lock is held.
func (s *source) drop(value string, now time.Time) bool {
	s.remember(value)
	tok := s.current.Load()
	if tok == nil || tok.value != value {
		return false
	}
	if tok.used.Load() {
		s.lastUsed = now
	}
	s.current.Store(nil)
	if s.mayForce(now) {
		s.forced = now
	} else {
		f := &failure{
			err:   &Error{Kind: KindTokenRefused, text: "servers keep refusing the tokens"},
			until: s.forced.Add(forcedInterval),
		}
		if s.failure == nil || f.until.After(s.failure.until) {
			s.failure = f
		}
	}
	s.settle()
	s.advance(now)
	return true
}

// mayForce reports whether a refusal may cause a fetch now.
func (s *source) mayForce(now time.Time) bool {
	return s.forced.IsZero() || now.Sub(s.forced) >= forcedInterval
}

// challenged takes in that a server refused a token as invalid. The first time
// the token is dropped for everyone. Within 30 s of that no refresh may be
// forced: then the token is dropped for the server that refused it, so that one
// faulty server doesn't take the token from all the others.
func (s *source) challenged(tok *token, authority string) {
	g := s.g
	now := time.Now()
	g.mu.Lock()
	inUse := s.current.Load() == tok
	kept := inUse && !s.mayForce(now) && tok.refuse(authority)
	if !kept {
		s.drop(tok.value, now)
	}
	g.mu.Unlock()
	if inUse {
		notify(g.observer.TokenInvalidated, TokenInvalidated{Target: s.target.public(), Reason: ReasonChallenge, Kept: kept})
	}
}

// replace is for a call to a server that refused the current token: it drops
// the token if a refresh may be forced again, and otherwise says no.
func (s *source) replace(ctx context.Context, tok *token) (*token, error) {
	g := s.g
	now := time.Now()
	g.mu.Lock()
	if s.current.Load() == tok && !s.mayForce(now) {
		defer g.mu.Unlock()
		f := failure{
			err:   &Error{Kind: KindTokenRefused, text: "the server keeps refusing the tokens"},
			until: s.forced.Add(forcedInterval),
		}
		return nil, f.remaining(now)
	}
	dropped := s.drop(tok.value, now)
	g.mu.Unlock()
	if dropped {
		notify(g.observer.TokenInvalidated, TokenInvalidated{Target: s.target.public(), Reason: ReasonChallenge})
	}
	return s.get(ctx)
}

// remember keeps a refused token from ever being used again. Hashes are enough
// for that and hold no secret. The lock is held.
func (s *source) remember(value string) {
	hash := sha256.Sum256([]byte(value))
	if slices.Contains(s.dropped, hash) {
		return
	}
	if len(s.dropped) >= maxDropped {
		s.dropped = slices.Delete(s.dropped, 0, 1)
	}
	s.dropped = append(s.dropped, hash)
}

func (s *source) isDropped(value string) bool {
	return len(s.dropped) > 0 && slices.Contains(s.dropped, sha256.Sum256([]byte(value)))
}

// public is the target as observers see it.
func (t target) public() Target {
	return Target{Audience: t.audience, Resource: t.resources, Scopes: t.scopes}
}
