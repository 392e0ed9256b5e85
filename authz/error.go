package authz

import (
	"fmt"
	"time"
)

// Error is a refused call. Its text is for logs: it holds the cause, never a
// secret; the interceptor tells the caller constant text and the Reason.
type Error struct {
	Reason Reason
	// Field is the path of the request's field at fault, with OBJECT_MISSING.
	Field string
	// RequiredScopes are the scopes asked for, with INSUFFICIENT_SCOPE: all of
	// them, or any one where the rule says any_scope.
	RequiredScopes []string
	// ACRValues are the contexts of which one is needed, with STEP_UP_REQUIRED.
	ACRValues []string
	// MaxAge is the oldest authentication admitted, with STEP_UP_REQUIRED; zero:
	// its age isn't at fault.
	MaxAge time.Duration
	// RetryAfter is when to try again, with ENGINE_UNAVAILABLE; zero: not known.
	RetryAfter time.Duration
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
