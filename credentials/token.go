package credentials

import (
	"sync/atomic"
	"time"
)

const (
	// leadDivisor and maxLead set how long before expiry a token is renewed: a
	// quarter of its lifetime, which leaves time for many attempts, and 20
	// minutes at most, which is enough for any outage worth waiting out.
	leadDivisor = 4
	maxLead     = 20 * time.Minute
	// marginDivisor and maxMargin set how long before expiry a token stops being
	// sent, so that it doesn't expire on its way.
	marginDivisor = 20
	maxMargin     = 10 * time.Second
)

// verdict is the latest judgment of a token by servers.
type verdict = uint32

const (
	// verdictNone means that no server has judged the token, or that an older
	// token is being tried once more because the newer one was refused.
	verdictNone verdict = iota
	verdictAccepted
	verdictRefused
	// verdictCondemned means that the token was passed to Invalidate. It is
	// final: no server's answer changes it.
	verdictCondemned
)

// token is an access token in use. Its fields are immutable except used,
// verdict, proven and vain.
type token struct {
	value string
	// header is shared by all calls: gRPC only reads it.
	header   map[string]string
	lifetime time.Duration
	// refreshAt and expiry are on the monotonic clock, wallExpiry on the wall
	// clock. The monotonic clock stops while the machine sleeps, the wall clock
	// jumps when it is set, so the token expires when either time has passed.
	refreshAt  time.Time
	expiry     time.Time
	wallExpiry time.Time
	expiresAt  time.Time // as granted by the server, for oauth2.Token

	// used reports whether a call took the token since advance last cleared it.
	used atomic.Bool
	// verdict is written under the group's lock and read without it.
	verdict atomic.Uint32
	// proven reports whether a server accepted the token and it wasn't refused
	// when it was tried once more instead of a newer one. It is guarded by the
	// group's lock.
	proven bool
	// forced is when the refresh that fetched the token began, if a refusal
	// forced that refresh, and zero otherwise. It is set before the token is in
	// use.
	forced time.Time
	// vain reports whether such a token was refused within forcedInterval. It
	// is guarded by the group's lock.
	vain bool
}

// newToken returns a token whose lifetime begins with the request: the server
// can't have granted it earlier.
func newToken(value string, lifetime time.Duration, started, wallStarted time.Time) *token {
	lead := min(lifetime/leadDivisor, maxLead)
	margin := min(lifetime/marginDivisor, maxMargin)
	return &token{
		value:      value,
		header:     map[string]string{"authorization": "Bearer " + value},
		lifetime:   lifetime,
		refreshAt:  started.Add(lifetime - lead + jitter(lead)),
		expiry:     started.Add(lifetime - margin),
		wallExpiry: wallStarted.Add(lifetime - margin),
		expiresAt:  started.Add(lifetime),
	}
}

func (t *token) expired(now, wall time.Time) bool {
	return !now.Before(t.expiry) || !wall.Before(t.wallExpiry)
}

// touch marks the token as used. It writes the mark only when it is unset, so
// that its cache line isn't contended between cores.
func (t *token) touch() {
	if !t.used.Load() {
		t.used.Store(true)
	}
}

// judged reports whether an acceptance would change nothing. It costs a call
// one atomic load.
func (t *token) judged() bool {
	v := t.verdict.Load()
	return v == verdictAccepted || v == verdictCondemned
}

// inherit copies what is known of an equal token: some endpoints return the
// same token until it expires.
func (t *token) inherit(from *token) {
	t.verdict.Store(from.verdict.Load())
	t.proven, t.forced, t.vain = from.proven, from.forced, from.vain
}
