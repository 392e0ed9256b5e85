package authz

import (
	"fmt"
	"time"
)

// Error is a refused call. Its text is for logs: it holds the cause, and never a
// secret. The interceptor sends the caller the Reason and a constant text.
type Error struct {
	Reason Reason
	// Field is the path of the request's field at fault, with OBJECT_MISSING.
	Field string
	// RequiredScopes are the scopes that the rule asks for, with
	// INSUFFICIENT_SCOPE: all of them are needed, or any one if the rule says
	// any_scope.
	RequiredScopes []string
	// ACRValues are the authentication contexts of which one is needed, with
	// STEP_UP_REQUIRED.
	ACRValues []string
	// MaxAge is the greatest age of an authentication that the rule admits, with
	// STEP_UP_REQUIRED. Zero means that the rule admits any age.
	MaxAge time.Duration
	// RetryAfter is how long to wait before trying again, with ENGINE_UNAVAILABLE,
	// RATE_LIMITED and LIMITER_UNAVAILABLE. Zero means that it isn't known.
	RetryAfter time.Duration
	// Quota is the limit that the call exceeded, with RATE_LIMITED. It is shared by
	// all calls of the method and must not be changed.
	Quota *Quota
	// Err is the cause, for the log.
	Err error
}

// Error returns the reason, the field and the cause.
func (e *Error) Error() string {
	text := "authz: " + string(e.Reason)
	if e.Field != "" {
		text += " (" + e.Field + ")"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}

	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func refusal(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Err: fmt.Errorf(format, args...)}
}
