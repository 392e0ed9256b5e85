package credentials

import (
	"context"
	"time"

	"github.com/usher-auth/usher/internal/backoff"
	"github.com/usher-auth/usher/internal/notify"
)

// A token that a server refuses is replaced, but is still sent until there is a
// newer one: the refusal of one server must not deprive the calls to all other
// servers of a token. The previous token is kept until a server has accepted
// the newer one, for servers that don't have the newer one's key yet.

// choose sets current: to the newest token, unless that one was refused and the
// older one, which servers had accepted, hasn't been refused since. The lock is
// held.
func (s *source) choose() {
	tok := s.newest
	if s.older != nil && s.newest.verdict.Load() >= verdictRefused && s.older.verdict.Load() < verdictRefused {
		tok = s.older
	}
	if s.current.Swap(tok) != tok {
		s.settle()
	}
}

// expire drops the tokens that have expired. The lock is held.
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

// install adds a token that was fetched. The lock is held.
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

// find returns the token with that value, or nil if there is none. The lock is
// held.
func (s *source) find(value string) *token {
	for _, tok := range []*token{s.newest, s.older} {
		if tok != nil && tok.value == value {
			return tok
		}
	}
	return nil
}

// accepted records that a server accepted a token: it is valid, whatever
// another server said before. Once that is known, it costs a call one atomic
// load.
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
	tok.verdict.Store(verdictAccepted) // may be an equal, earlier token
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

// refused records that a token was reported bad, by a server or by the caller
// of Invalidate. Without a better token a refresh is scheduled: at once, or 30
// s after the last forced one, and later while the forced refreshes bring bad
// tokens.
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
			tok.proven = false // it was tried once more and refused
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
			// The jitter spreads clients that met the same fault.
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

// renewalDue reports whether a refresh that a refusal called for may begin. The
// lock is held.
func (s *source) renewalDue(now time.Time) bool {
	return !s.renewAt.IsZero() && !s.renewAt.After(now)
}

// next returns a token other than the refused one that wasn't refused itself,
// or nil. It waits for a fetch in progress, as long as the caller's context
// allows.
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
