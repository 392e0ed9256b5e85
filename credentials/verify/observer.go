package verify

import (
	"time"

	"github.com/usher-auth/usher/internal/notify"
)

// Observer is notified of what a verifier does. Every field may be nil. The
// functions are called on the goroutines of the calls (KeysFetched on a
// background one). They must be quick and safe for concurrent use, and must not
// close the verifier. A panic in one is recovered.
//
// No event holds a token or the body of an answer. Claims are only in Err,
// where [Error] describes them.
type Observer struct {
	// Verified is called once for each verification, when its outcome is known.
	// A JWT that is introspected as well counts as one verification.
	Verified func(Verified)

	// KeysFetched is called for each fetch of an issuer's keys.
	KeysFetched func(KeysFetched)

	// Introspected is called for each request to an introspection endpoint,
	// including the verifier's own probes.
	Introspected func(Introspected)
}

// Source is where the outcome of a verification came from.
type Source uint8

const (
	// SourceLocal means that the token's form, claims and signature were
	// checked.
	SourceLocal Source = iota + 1

	// SourceCache means that the outcome was cached.
	SourceCache

	// SourceIntrospection means that the introspection endpoint was asked.
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

// Verified describes a finished verification.
type Verified struct {
	// Issuer is the configured short name of the issuer, or empty if the token
	// was refused before an issuer was chosen. It never comes from the token.
	Issuer string

	// Source is where the outcome came from, or zero if there is none.
	Source Source

	// Err is nil for an accepted token.
	Err error

	// Duration is how long the call took, including waiting.
	Duration time.Duration
}

// KeysFetched describes a finished fetch of an issuer's keys.
type KeysFetched struct {
	// Issuer is the configured short name of the issuer.
	Issuer string

	// Keys is the number of usable keys. Dropped is the number of keys that
	// were ignored because of their form, type, length or purpose. Withdrawn is
	// the number of keys that the previous set had and this one lacks.
	// Withdrawn keys are used until the next fetch, for at most two seconds: if
	// an issuer's replicas differ, they come back.
	Keys, Dropped, Withdrawn int

	// Err is nil if the keys were loaded. Otherwise the previous keys stay in
	// use.
	Err error

	// MetadataErr is why the issuer's metadata could not be read, if the keys
	// were fetched from the jwks_uri of the last metadata that could.
	MetadataErr error

	// Duration is how long the fetch took.
	Duration time.Duration
}

// Introspected describes a finished request to an introspection endpoint.
type Introspected struct {
	// Issuer is the configured short name of the issuer.
	Issuer string

	// Active reports whether the token is active. It is false if Err is set.
	Active bool

	// Probe reports whether the request was a probe, which no call asked for:
	// the verifier asked about a token that it made up, to learn whether the
	// endpoint answers.
	Probe bool

	// Err is nil if the endpoint gave a verdict or answered the probe.
	Err error

	// Duration is how long the request took.
	Duration time.Duration
}

// start returns the current time if Verified is set.
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
