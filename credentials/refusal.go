package credentials

import (
	"context"
	"time"

	"github.com/usher-auth/usher/internal/backoff"
	"github.com/usher-auth/usher/internal/notify"
)

// A token that a server refuses is replaced, and goes on being sent until there
// is a newer one: what one server says must not take the token from the calls to
// all others. The token before stays at hand until a server has accepted the
// newer one, for servers that don't know the newer one's key yet.

// choose puts the right token into use: the newest, unless that one was refused
// and the older one, which servers had accepted, wasn't since. The lock is held.
func (s *source) choose() {
	tok := s.newest
	if s.older != nil && s.newest.verdict.Load() >= verdictRefused && s.older.verdict.Load() < verdictRefused {
		tok = s.older
	}
	if s.current.Swap(tok) != tok {
		s.settle()
	}
}

// expire gives up what is past its time. The lock is held.
func (s *source) expire(now time.Time) {
	wall := s.g.wall()
	if s.older != nil && s.older.expired(now, wall) {
		s.older = nil
	}
	if s.newest != nil && s.newest.expired(now, wall) {
		s.newest, s.older = s.older, nil
	}
	s.choose()
}

// install takes in a token that was fetched. The lock is held.
func (s *source) install(tok *token) {
	g := s.g
	g.reached = true
	s.failures, s.failure = 0, nil
	s.lifetime = tok.lifetime
	s.renewAt = time.Time{}
	if g.closed {
		return
	}
	had := s.find(tok.value)
	switch {
	case had != nil || tok.forced.IsZero():
	case s.newest != nil && s.newest.vain:
		s.vain++
	default:
		s.vain = 0
	}
	switch {
	case had != nil:
		tok.inherit(had)
		if had == s.older {
			s.older = nil
		}
	case s.newest != nil && s.newest.proven:
		s.older = s.newest
	}
	s.newest = tok
	s.choose()
}

// find returns the token of that value if it is at hand. The lock is held.
func (s *source) find(value string) *token {
	for _, tok := range []*token{s.newest, s.older} {
		if tok != nil && tok.value == value {
			return tok
		}
	}
	return nil
}

// accepted takes in that a server accepted a token: it is good, whatever another
// server said before. Once that is known of a token it costs a call one load.
func (s *source) accepted(tok *token) {
	if tok.judged() {
		return
	}
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	had := s.find(tok.value)
	if had == nil || had.verdict.Load() == verdictCondemned {
		return
	}
	tok.verdict.Store(verdictAccepted) // the call's own may be an equal, earlier one
	had.verdict.Store(verdictAccepted)
	had.proven = true
	if had == s.newest {
		s.older = nil
	}
	s.choose()
	if s.current.Load() == had && s.newest.verdict.Load() != verdictCondemned {
		s.renewAt = time.Time{}
	}
}

// refused takes in that a token is said to be bad: by a server, or by the caller
// of Invalidate. If no better one is at hand, a refresh is wanted: at once, or
// 30 s after the last that was forced, and later while these are in vain.
func (s *source) refused(value string, reason InvalidationReason) {
	g := s.g
	now := time.Now()
	g.mu.Lock()
	tok := s.find(value)
	if tok == nil {
		g.mu.Unlock()
		return // there is a newer one already
	}
	s.lastUsed = now
	tok.vain = tok.vain || now.Sub(tok.forced) < forcedInterval
	switch {
	case reason == ReasonCaller && tok == s.older:
		s.older = nil
	case reason == ReasonCaller:
		tok.verdict.Store(verdictCondemned)
	case tok == s.newest && tok.verdict.Load() != verdictCondemned:
		tok.verdict.Store(verdictRefused)
	case tok == s.older:
		if tok.verdict.Load() == verdictNone {
			tok.proven = false // it was tried once more, in vain
		}
		tok.verdict.Store(verdictRefused)
	}
	if tok == s.newest && s.older != nil && s.older.proven && s.older.verdict.Load() == verdictRefused {
		s.older.verdict.Store(verdictNone)
	}
	s.choose()
	asks := s.current.Load().verdict.Load() >= verdictRefused || reason == ReasonCaller && tok == s.newest
	if asks && s.renewAt.IsZero() {
		s.renewAt = now
		if !s.forced.IsZero() {
			// A crowd of clients that met one fault doesn't come back as one.
			pause := forcedInterval
			if s.newest.vain {
				pause = backoff.Doubled(pause, s.vain, maxForcedInterval)
			}
			s.renewAt = later(now, s.forced.Add(pause+jitter(pause)))
		}
	}
	s.advance(now)
	cur := s.current.Load()
	kept := cur != nil && cur.value == value && !s.fetching
	g.mu.Unlock()
	notify.Call(g.observer.TokenInvalidated, TokenInvalidated{Target: s.target, Reason: reason, Kept: kept}, panicked)
}

// renewalDue reports whether a refresh that a refusal asked for may begin. The
// lock is held.
func (s *source) renewalDue(now time.Time) bool {
	return !s.renewAt.IsZero() && !s.renewAt.After(now)
}

// next is another token than the one that was refused, which wasn't refused
// itself, or nil. It waits for a fetch that is under way, as long as the caller's
// context allows.
func (s *source) next(ctx context.Context, refused *token) *token {
	g := s.g
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		if tok := s.current.Load(); tok != nil && tok.value != refused.value && tok.verdict.Load() < verdictRefused {
			return tok
		}
		if !s.fetching || g.closed || ctx.Err() != nil {
			return nil
		}
		settled := s.settled
		g.mu.Unlock()
		select {
		case <-settled:
		case <-ctx.Done():
		}
		g.mu.Lock()
	}
}
