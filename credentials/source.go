package credentials

import (
	"context"
	"errors"
	"net/url"
	"sync/atomic"
	"time"
)

const (
	// clockCheck is how often a source that has a token checks whether the wall
	// clock jumped or the machine slept, and whether calls are still made.
	clockCheck = time.Minute
	// clockCheckDivisor makes these checks more frequent for short-lived
	// tokens: that many within a lifetime.
	clockCheckDivisor = 8
)

// source keeps the token of one target. It is a state machine that advances
// when a call needs a token, when a fetch ends and when its timer fires: an
// idle source has no goroutine and no timer.
type source struct {
	g      *group
	target Target
	params url.Values
	// broken is the error of an invalid target, or nil.
	broken *Error

	// current is the token that calls use: newest or older, or nil if there is
	// none.
	current atomic.Pointer[token]

	// The fields below are guarded by g.mu.

	// newest is the token that was fetched last. older is its predecessor, kept
	// until a server has accepted newest, and nil otherwise.
	newest, older *token
	fetching      bool
	waiters       int
	// settled is closed and replaced when waiters should check again.
	settled  chan struct{}
	timer    *time.Timer
	lastUsed time.Time
	// lifetime is the lifetime of the last token.
	lifetime time.Duration
	// failures counts the failures in a row that concern this target alone;
	// failure is the last of them.
	failures int
	failure  *failure
	// ended counts the fetches that have ended; last is the outcome of the
	// latest.
	ended uint64
	last  *failure
	// renewAt is when the refresh that a refusal calls for may begin, or zero
	// if there is none; forced is when the last such refresh began.
	renewAt, forced time.Time
	// vain counts the forced refreshes in a row whose token was refused within
	// forcedInterval.
	vain int
}

// get is the slow path of a call, for when there is no token. It starts or
// joins a fetch and waits as long as the caller's context allows. For a server
// that was never reached it waits no longer than atStart, extended to the end
// of the attempt in progress.
func (s *source) get(ctx context.Context, atStart time.Duration) (*token, error) {
	if s.broken != nil {
		return nil, s.broken
	}
	g := s.g
	g.mu.Lock()
	defer g.mu.Unlock()
	began := time.Now()
	s.lastUsed = began
	for first, ended := true, s.ended; ; first = false {
		now := time.Now()
		if g.closed {
			return nil, errorClosed()
		}
		if err := ctx.Err(); err != nil {
			return nil, s.leave(err, now)
		}
		s.waiters++
		s.advance(now)
		s.waiters--
		if tok := s.current.Load(); tok != nil {
			tok.touch()
			return tok, nil
		}
		startingUp := now.Sub(began) < atStart && s.startingUp(ctx)
		if f := s.holding(now, true); f != nil && !s.pending() && !startingUp {
			return nil, s.errorOf(f, now, true)
		}
		// The fetch that this call waited for failed, and the next one is
		// already in progress: the outcome of the first is this call's answer.
		if !first && s.ended != ended && s.last != nil && !startingUp {
			return nil, s.errorOf(s.last, now, true)
		}
		settled := s.settled
		s.waiters++
		g.mu.Unlock()
		select {
		case <-settled:
		case <-ctx.Done():
		}
		g.mu.Lock()
		s.waiters--
	}
}

// leave returns the error of a call whose context ended. If the call waited for
// a server that was never reached, the error says so.
func (s *source) leave(err error, now time.Time) *Error {
	f := s.g.failure
	if errors.Is(err, context.DeadlineExceeded) && f != nil && f.unreached && !s.g.reached {
		out := s.errorOf(f, now, true)
		out.err = errors.Join(out.err, err)
		return out
	}
	return errorOfContext(err)
}

// startingUp reports whether a call should wait out failures: no connection to
// the server was ever made, as when both sides start together, and the call has
// a deadline.
func (s *source) startingUp(ctx context.Context) bool {
	_, bounded := ctx.Deadline()
	f := s.g.failure
	return bounded && !s.g.reached && f != nil && f.unreached
}

// advance does what is due now and sets the timer for the next step. The lock
// is held.
func (s *source) advance(now time.Time) {
	if s.g.closed {
		return
	}
	if tok := s.current.Load(); tok != nil && tok.used.Swap(false) {
		s.lastUsed = now
	}
	s.expire(now)
	if s.wants(now) && !s.fetching && !s.blocked() && s.holding(now, false) == nil {
		s.start(now)
	}
	s.arm(now)
}

// wants reports whether a fetch should begin as soon as it is allowed.
func (s *source) wants(now time.Time) bool {
	tok := s.newest
	if tok == nil {
		return s.waiters > 0 || !s.lastUsed.IsZero() && now.Sub(s.lastUsed) < s.patience()
	}
	due := !now.Before(tok.refreshAt) || !s.g.wall().Before(tok.wallExpiry.Add(tok.refreshAt.Sub(tok.expiry)))
	return (due || s.renewalDue(now)) && now.Sub(s.lastUsed) < tok.lifetime
}

// patience returns how long a source without a token keeps trying after the
// last call.
func (s *source) patience() time.Duration {
	if s.lifetime > 0 {
		return s.lifetime
	}
	return s.g.defaultLifetime
}

// blocked reports whether another target is probing whether the endpoint works
// again.
func (s *source) blocked() bool { return s.g.failures > 0 && s.g.probing }

// pending reports whether waiting is useful: a fetch is in progress whose
// outcome this source will learn.
func (s *source) pending() bool { return s.fetching || s.blocked() }

// starving reports whether calls have failed or waited for lack of a token
// since the failure.
func (s *source) starving(f *failure, now time.Time) bool {
	lacking := s.current.Load() == nil || s.renewalDue(now)
	return lacking && (s.waiters > 0 || s.lastUsed.After(f.at))
}

// until returns the earliest time of an attempt after the failure.
func (s *source) until(f *failure, starving bool) time.Time {
	pause := f.pause
	if starving {
		pause = min(pause, f.probe)
	}
	if s.newest != nil {
		// An endpoint that recovers shortly before the expiry must be found in
		// time.
		pause = min(pause, max(s.newest.expiry.Sub(f.at)/urgencyDivisor, backoffBase/2))
	}
	return later(f.at.Add(pause), f.notBefore)
}

// holding returns the failure that delays the next attempt longest and answers
// calls meanwhile, or nil. If call is set, it counts a call that is being made
// now.
func (s *source) holding(now time.Time, call bool) *failure {
	var longest *failure
	var until time.Time
	for _, f := range []*failure{s.g.failure, s.failure} {
		if f == nil {
			continue
		}
		if at := s.until(f, call || s.starving(f, now)); at.After(now) && at.After(until) {
			longest, until = f, at
		}
	}
	return longest
}

// arm sets the timer. The lock is held.
func (s *source) arm(now time.Time) {
	var next time.Time
	wake := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if tok := s.newest; tok != nil {
		wake(tok.expiry)
		if s.older != nil {
			wake(s.older.expiry) // an acceptance may put it into use before the next check
		}
		wake(now.Add(min(clockCheck, tok.lifetime/clockCheckDivisor)))
		if tok.refreshAt.After(now) {
			wake(tok.refreshAt)
		}
	}
	if s.renewAt.After(now) {
		wake(s.renewAt)
	}
	if !s.fetching && !s.blocked() && s.wants(now) {
		if f := s.holding(now, false); f != nil {
			wake(s.until(f, s.starving(f, now)))
		}
	}
	if next.IsZero() {
		if s.timer != nil {
			s.timer.Stop()
		}
		return
	}
	pause := next.Sub(now)
	if s.timer == nil {
		s.timer = time.AfterFunc(pause, s.tick)
		return
	}
	s.timer.Reset(pause)
}

// tick is called when the timer fires.
func (s *source) tick() {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	s.advance(time.Now())
}

// settle wakes the waiters. The lock is held.
func (s *source) settle() {
	close(s.settled)
	s.settled = make(chan struct{})
}

// errorOf returns the error of the failure for a caller that asks now.
func (s *source) errorOf(f *failure, now time.Time, starving bool) *Error {
	out := *f.err
	out.RetryAfter = max(s.until(f, starving).Sub(now), 0)
	return &out
}
