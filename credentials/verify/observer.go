package verify

import (
	"time"

	"github.com/usher-auth/usher/internal/notify"
)

// Observer is told what a verifier does. Every field may be nil. The functions
// are called on the calls' own goroutines (KeysFetched on a background one):
// they must be quick and safe for concurrent use, and must not close the
// verifier. A panic in one is contained.
//
// No event holds a token, a claim or the body of an answer.
type Observer struct {
	// Verified is called once for each verification, when its outcome is known:
	// a JWT that is introspected as well is one verification.
	Verified func(Verified)

	// KeysFetched is called for each fetch of an issuer's keys.
	KeysFetched func(KeysFetched)

	// Introspected is called for each request to an introspection endpoint, a
	// verifier's own probes included.
	Introspected func(Introspected)
}

// Source says where a verdict came from.
type Source uint8

const (
	// SourceLocal says that the token's form, claims and signature were checked.
	SourceLocal Source = iota + 1

	// SourceCache says that the token had been verified before.
	SourceCache

	// SourceIntrospection says that the introspection endpoint was asked.
	SourceIntrospection
)

// String returns the name of the source.
func (s Source) String() string {
	switch s {
	case SourceLocal:
		return "local"
	case SourceCache:
		return "cache"
	case SourceIntrospection:
		return "introspection"
	default:
		return "none"
	}
}

// Verified is one finished verification.
type Verified struct {
	// Issuer is the configured short name of the issuer, empty when the token
	// was refused before one was chosen. It never comes from the token.
	Issuer string

	// Source says where the verdict came from, zero if there is none.
	Source Source

	// Err is nil for an accepted token.
	Err error

	// Duration is how long the call took, waiting included.
	Duration time.Duration
}

// KeysFetched is one finished fetch of an issuer's keys.
type KeysFetched struct {
	// Issuer is the configured short name of the issuer.
	Issuer string

	// Keys is how many keys can be used; Dropped how many were left out because
	// of their form, type, length or purpose; Withdrawn how many the set before had
	// and this one lacks. They are used on until the next fetch, for two seconds
	// at most: where an issuer's replicas differ, they come back.
	Keys, Dropped, Withdrawn int

	// Err is nil if the keys were loaded. Otherwise the ones before stay.
	Err error

	// MetadataErr is why the issuer's metadata could not be read, when the keys
	// were asked for at the jwks_uri that they named last.
	MetadataErr error

	// Duration is how long the fetch took.
	Duration time.Duration
}

// Introspected is one finished request to an introspection endpoint.
type Introspected struct {
	// Issuer is the configured short name of the issuer.
	Issuer string

	// Active is the verdict, false with an Err.
	Active bool

	// Probe says that no call wanted this request: the verifier asked about a
	// token of its own making, to learn whether the endpoint answers at all.
	Probe bool

	// Err is nil if the endpoint gave a verdict, or answered the probe.
	Err error

	// Duration is how long the request took.
	Duration time.Duration
}

// start is the time if somebody wants to know how long a verification takes.
func (o *Observer) start() (t time.Time) {
	if o.Verified != nil {
		t = time.Now()
	}
	return t
}

// verified reports the outcome of a verification that began at start.
func (o *Observer) verified(issuer string, source Source, err error, start time.Time) {
	if o.Verified != nil {
		notify.Call(o.Verified, Verified{Issuer: issuer, Source: source, Err: err, Duration: time.Since(start)}, nil)
	}
}
