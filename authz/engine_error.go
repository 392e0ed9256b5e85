package authz

import (
	"errors"
	"strconv"
	"time"
)

// EngineErrorKind says whose fault an engine's error is.
type EngineErrorKind uint8

// The kinds of engine errors.
const (
	// EngineUnavailable is a transport failure, a timeout, a 5xx or a 429: the
	// caller sees UNAVAILABLE, and the circuit breaker counts it.
	EngineUnavailable EngineErrorKind = iota
	// EngineRefused is the engine refusing our own credentials: the caller sees
	// UNAVAILABLE, the breaker doesn't count it.
	EngineRefused
	// EngineMisconfigured is a type, relation or model that the engine doesn't
	// know: the operator's fault, INTERNAL.
	EngineMisconfigured
	// EngineBadRevision is a revision that the engine refuses: the caller's
	// fault, INVALID_ARGUMENT.
	EngineBadRevision
	// EngineBadRequest is an object id outside the engine's grammar: the caller's
	// fault, INVALID_ARGUMENT.
	EngineBadRequest
	// EngineBadSubject is a subject id outside the engine's grammar:
	// PERMISSION_DENIED, SUBJECT_INVALID.
	EngineBadSubject
)

// String returns the kind in words.
func (k EngineErrorKind) String() string {
	switch k {
	case EngineUnavailable:
		return "engine unavailable"
	case EngineRefused:
		return "engine refused our credentials"
	case EngineMisconfigured:
		return "engine and rules don't fit"
	case EngineBadRevision:
		return "engine refused the revision"
	case EngineBadRequest:
		return "object id outside the engine's grammar"
	case EngineBadSubject:
		return "subject id outside the engine's grammar"
	default:
		return "engine error kind " + strconv.Itoa(int(k))
	}
}

// EngineError is how an [Engine] says why it has no answer. Its text goes to
// logs, so Err must hold no secret and no body of an answer.
type EngineError struct {
	Kind EngineErrorKind
	// RetryAfter is how long the engine asked to be left alone; zero: it didn't.
	RetryAfter time.Duration
	// Err is the cause.
	Err error
}

// Error returns the kind in words and the cause.
func (e *EngineError) Error() string {
	if e == nil {
		// A nil pointer in an error is an error: it must not end the program.
		return "authz: " + EngineUnavailable.String()
	}
	if e.Err == nil {
		return "authz: " + e.Kind.String()
	}

	return "authz: " + e.Kind.String() + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *EngineError) Unwrap() error {
	if e == nil {
		return nil
	}

	return e.Err
}

// asEngineError classifies any error of an engine; one that isn't an
// *EngineError is the engine being unavailable, never an answer.
func asEngineError(err error) *EngineError {
	var engineErr *EngineError
	if errors.As(err, &engineErr) && engineErr != nil {
		return engineErr
	}

	return &EngineError{Kind: EngineUnavailable, Err: err}
}
