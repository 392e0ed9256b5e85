package credentials

import (
	"time"

	"google.golang.org/grpc/grpclog"
)

// Observer is notified of what happens to tokens. Any function may be nil. The
// functions are called concurrently and must not block: a fetch waits for them,
// and so does Close, which they must not call. A panic in a function is
// recovered and logged. No event holds a secret, a token or a response body.
type Observer struct {
	// FetchStarted is called before a request for a token is made.
	FetchStarted func(FetchStarted)
	// FetchEnded is called when a fetch has returned a token, which is then in
	// use, or has failed. It isn't called after Close.
	FetchEnded func(FetchEnded)
	// TokenInvalidated is called when a token in use was found bad before its
	// expiry.
	TokenInvalidated func(TokenInvalidated)
}

// FetchStarted describes a fetch that is about to begin.
type FetchStarted struct {
	Target Target
}

// FetchEnded describes a fetch that has ended.
type FetchEnded struct {
	Target Target
	// Duration is how long the fetch took.
	Duration time.Duration
	// Lifetime is how long the new token is valid, or zero if Err is set.
	Lifetime time.Duration
	// Err is nil if the fetch returned a token. Otherwise it is an [*Error];
	// its RetryAfter is the time until the next attempt.
	Err error
	// TokenValid reports whether calls have a token to send: the new one or, if
	// Err is set, one that is still valid.
	TokenValid bool
}

// InvalidationReason is the source of a report that a token is bad.
type InvalidationReason uint8

const (
	_ InvalidationReason = iota
	// ReasonChallenge means that a server answered error="invalid_token".
	ReasonChallenge
	// ReasonCaller means that the token was passed to [Credentials.Invalidate].
	ReasonCaller
)

// TokenInvalidated describes a token that was found bad.
type TokenInvalidated struct {
	Target Target
	// Reason is where the report came from.
	Reason InvalidationReason
	// Kept reports whether the token is still sent and nothing replaces it yet:
	// a refresh was forced less than 30 s ago, or can't be made now. The 30 s
	// double, up to 2 min, while servers refuse the new tokens as well, and a
	// jitter of up to a fifth is added. A steady rate of these events points to
	// one faulty replica.
	Kept bool
}

var logger = grpclog.Component("usher/credentials")

// panicked logs the panic of an observer's function. It logs only the type of
// the value, which may hold anything.
func panicked(value any) { logger.Errorf("an observer's function panicked with a %T", value) }
