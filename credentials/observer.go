package credentials

import (
	"time"

	"google.golang.org/grpc/grpclog"
)

// Observer is told what happens to tokens. Any function may be nil. They are
// called from whatever goroutine it happens in, several at once, and must not
// block: a fetch waits for them, and so does Close, which they can't call. A
// panic in one is contained. No event holds a secret, a token or a response
// body.
type Observer struct {
	// FetchStarted: a request for a token is about to be made.
	FetchStarted func(FetchStarted)
	// FetchEnded: it brought a token that is now in use, or failed.
	FetchEnded func(FetchEnded)
	// TokenInvalidated: a token in use was found bad before its expiry.
	TokenInvalidated func(TokenInvalidated)
}

// FetchStarted is an event of [Observer].
type FetchStarted struct {
	Target Target
}

// FetchEnded is an event of [Observer].
type FetchEnded struct {
	Target Target
	// Duration is how long the fetch took.
	Duration time.Duration
	// Lifetime is how long the token is believed, zero with an Err.
	Lifetime time.Duration
	// Err is nil if the fetch brought a token. Otherwise it is an [*Error] that
	// says why not; its RetryAfter is the time to the next attempt.
	Err error
	// TokenValid reports whether calls have a token to send: the new one, or with
	// an Err one that is still valid.
	TokenValid bool
}

// InvalidationReason says who found a token bad.
type InvalidationReason uint8

const (
	_ InvalidationReason = iota
	// ReasonChallenge means that a server answered error="invalid_token".
	ReasonChallenge
	// ReasonCaller means that [Credentials.Invalidate] named it.
	ReasonCaller
)

// TokenInvalidated is an event of [Observer].
type TokenInvalidated struct {
	Target Target
	// Reason says who found it invalid.
	Reason InvalidationReason
	// Kept says that the token goes on being sent and nothing replaces it yet: a
	// refresh was forced less than 30 s ago, or can't be made now. One faulty
	// replica shows as a steady rate of these.
	Kept bool
}

var logger = grpclog.Component("usher/credentials")

// panicked logs the panic of an observer's function. The value may hold anything:
// only its type is logged.
func panicked(value any) { logger.Errorf("an observer's function panicked with a %T", value) }
