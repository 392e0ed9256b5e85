package credentials

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/url"
	"sync/atomic"
	"time"
)

const (
	// clockCheck is how often a source with a token looks whether the wall clock
	// jumped or the machine slept, and whether calls still come.
	clockCheck = time.Minute
	// clockCheckDivisor makes that more often for short tokens.
	clockCheckDivisor = 8
	// maxDropped bounds the tokens remembered as refused.
	maxDropped = 32
)

// source keeps the token of one target. It is a state machine that moves when a
// call needs a token, when a fetch ends and when its timer fires: a source that
// is idle costs nothing, no goroutine and no timer.
type source struct {
	g      *group
	target target
	params url.Values
	// broken is set when the target can't be asked for at all.
	broken *Error

	// current is the token that calls take, nil when there is none.
	current atomic.Pointer[token]

	// Under g.mu.

	fetching bool
	waiters  int
	// settled is closed and replaced when waiters should look again.
	settled  chan struct{}
	timer    *time.Timer
	lastUsed time.Time
	// lifetime is that of the last token.
	lifetime time.Duration
	// failures in a row that concern this target alone, and the last one.
	failures int
	failure  *failure
	// ended counts fetches that ended, and last is the outcome of the latest.
	ended uint64
	last  *failure
	// forced is when a refusal last forced a refresh.
	forced time.Time
	// dropped holds hashes of refused tokens, which are never used again.
	dropped []([sha256.Size]byte)
}

// get is the slow path of a call: there is no token to take at once. It starts
// or joins a fetch and waits as long as the caller's context allows.
func (s *source) get(ctx context.Context) (*token, error) {
	if s.broken != nil {
		return nil, s.broken
	}
	g := s.g
	g.mu.Lock()
	defer g.mu.Unlock()
	for first, ended := true, s.ended; ; first = false {
		now := time.Now()
		s.lastUsed = now
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
		if f := s.holding(now); f != nil && !s.pending() && !s.startingUp(ctx) {
			return nil, f.remaining(now)
		}
		// A fetch that this call waited for failed, and the next one is already
		// under way: the outcome of the first is this call's answer.
		if !first && s.ended != ended && s.last != nil && !s.startingUp(ctx) {
			return nil, s.last.remaining(now)
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

// leave is the answer to a call whose context ended. One that waited for a
// server that was never reached learns that.
func (s *source) leave(err error, now time.Time) *Error {
	f := s.g.failure
	if errors.Is(err, context.DeadlineExceeded) && f != nil && f.unreached && !s.g.reached {
		out := f.remaining(now)
		out.err = errors.Join(out.err, err)
		return out
	}
	return errorOfContext(err)
}

// startingUp reports whether a call should wait out failures: no connection to
// the server could ever be made, as when both sides start together, and the
// call has a deadline.
func (s *source) startingUp(ctx context.Context) bool {
	_, bounded := ctx.Deadline()
	f := s.g.failure
	return bounded && !s.g.reached && f != nil && f.unreached
}

// advance does what is due now and sets the timer for what comes next. The lock
// is held.
func (s *source) advance(now time.Time) {
	if s.g.closed {
		return
	}
	tok := s.current.Load()
	if tok != nil && tok.expired(now, s.g.wall()) {
		s.current.Store(nil)
		tok = nil
	}
	if tok != nil && tok.used.Swap(false) {
		s.lastUsed = now
	}
	if s.wants(tok, now) && !s.fetching && !s.blocked() && !s.notBefore(now).After(now) {
		s.start(now)
	}
	s.arm(tok, now)
}

// wants reports whether a fetch is wanted as soon as it is allowed.
func (s *source) wants(tok *token, now time.Time) bool {
	if tok == nil {
		return s.waiters > 0 || !s.lastUsed.IsZero() && now.Sub(s.lastUsed) < s.patience()
	}
	due := !now.Before(tok.refreshAt) || !s.g.wall().Before(tok.wallExpiry.Add(tok.refreshAt.Sub(tok.expiry)))
	return due && now.Sub(s.lastUsed) < tok.lifetime
}

// patience is how long a source without a token keeps trying after the last
// call.
func (s *source) patience() time.Duration {
	if s.lifetime > 0 {
		return s.lifetime
	}
	return s.g.defaultLifetime
}

// blocked reports whether another target is finding out whether the endpoint
// works again.
func (s *source) blocked() bool { return s.g.failures > 0 && s.g.probing }

// pending reports whether waiting makes sense: a fetch is under way whose
// outcome this source will learn.
func (s *source) pending() bool { return s.fetching || s.blocked() }

// notBefore is the earliest time of the next fetch.
func (s *source) notBefore(now time.Time) time.Time {
	if f := s.holding(now); f != nil {
		return f.until
	}
	return now
}

// holding is the failure that answers calls now, or nil.
func (s *source) holding(now time.Time) *failure {
	f := s.g.failure
	if f == nil || s.failure != nil && s.failure.until.After(f.until) {
		f = s.failure
	}
	if f == nil || !f.until.After(now) {
		return nil
	}
	return f
}

// arm sets the timer. The lock is held.
func (s *source) arm(tok *token, now time.Time) {
	var next time.Time
	wake := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if tok != nil {
		wake(tok.expiry)
		wake(now.Add(min(clockCheck, tok.lifetime/clockCheckDivisor)))
		if tok.refreshAt.After(now) {
			wake(tok.refreshAt)
		}
	}
	if !s.fetching && !s.blocked() && s.wants(tok, now) {
		wake(s.notBefore(now))
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

// tick is the timer's function.
func (s *source) tick() {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	had := s.current.Load()
	s.advance(time.Now())
	if had != s.current.Load() {
		s.settle()
	}
}

// settle wakes the waiters. The lock is held.
func (s *source) settle() {
	close(s.settled)
	s.settled = make(chan struct{})
}

// remaining is the error for a caller that asks now.
func (f *failure) remaining(now time.Time) *Error {
	out := *f.err
	out.RetryAfter = max(f.until.Sub(now), 0)
	return &out
}
