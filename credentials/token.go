package credentials

import (
	"slices"
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
	// maxRefusals bounds the authorities remembered for one token.
	maxRefusals = 64
)

// token is one access token in use. All but used and refused is immutable.
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
	// refused lists authorities that refused the token while no refresh could be
	// forced. Nil for nearly every token.
	refused atomic.Pointer[[]string]
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

// refusedBy reports whether the server of a call refused this token before.
func (t *token) refusedBy(uri []string) bool {
	refused := t.refused.Load()
	return refused != nil && slices.Contains(*refused, authorityOf(uri))
}

// refuse remembers an authority and reports whether there was room. It is
// called under the group's lock.
func (t *token) refuse(authority string) bool {
	var list []string
	if old := t.refused.Load(); old != nil {
		list = *old
	}
	if slices.Contains(list, authority) {
		return true
	}
	if len(list) >= maxRefusals {
		return false
	}
	list = append(slices.Clone(list), authority)
	t.refused.Store(&list)
	return true
}
