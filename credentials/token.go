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

// verdict is what servers last said of a token.
type verdict = uint32

const (
	// verdictNone means that no server has judged the token, or that an older
	// token is tried once more because the newer one was refused.
	verdictNone verdict = iota
	verdictAccepted
	verdictRefused
	// verdictCondemned means that Invalidate named the token: no server's answer
	// changes that.
	verdictCondemned
)

// token is one access token in use. All but used, verdict and proven is
// immutable.
type token struct {
	value string
	// header is shared by every call: gRPC only reads it.
	header   map[string]string
	lifetime time.Duration
	// refreshAt and expiry run on the monotonic clock, wallExpiry on the wall
	// clock: the first stands still while the machine sleeps, the second jumps
	// when it is set. Whichever passes first counts.
	refreshAt  time.Time
	expiry     time.Time
	wallExpiry time.Time
	expiresAt  time.Time // as the server said, for oauth2.Token

	// used says that a call took the token since someone last looked.
	used atomic.Bool
	// verdict is written under the group's lock and read without it.
	verdict atomic.Uint32
	// proven says that a server accepted the token, and that it wasn't refused
	// when it was tried once more instead of a newer one. Under the group's lock.
	proven bool
	// forced is when the refresh began that brought the token, if a refusal had
	// forced it. It is set before the token is in use.
	forced time.Time
	// vain says that such a token was refused within forcedInterval. Under the
	// group's lock.
	vain bool
}

// newToken counts the lifetime from the start of the request: the server
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

// touch marks the token as used. Calls read the mark far more often than they
// write it, so it doesn't bounce between cores.
func (t *token) touch() {
	if !t.used.Load() {
		t.used.Store(true)
	}
}

// judged reports whether an acceptance would tell nothing new. It costs a call
// one load.
func (t *token) judged() bool {
	v := t.verdict.Load()
	return v == verdictAccepted || v == verdictCondemned
}

// inherit takes over what is known of an equal token: some endpoints give the
// same one again until it expires.
func (t *token) inherit(from *token) {
	t.verdict.Store(from.verdict.Load())
	t.proven, t.forced, t.vain = from.proven, from.forced, from.vain
}
