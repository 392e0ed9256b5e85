package authz

import (
	"errors"
	"strconv"
	"time"
)

// EngineErrorKind tells whose fault an engine's error is.
type EngineErrorKind uint8

// The kinds of engine errors.
const (
	// EngineUnavailable is a transport failure, a timeout, a 5xx or a 429. The
	// caller gets UNAVAILABLE, and the circuit breaker counts it as a failure.
	EngineUnavailable EngineErrorKind = iota
	// EngineRefused means that the engine refused our own credentials. The caller
	// gets UNAVAILABLE, and the breaker doesn't count it as a failure.
	EngineRefused
	// EngineMisconfigured means that the engine doesn't know a type, relation or
	// model. It is the operator's fault; the caller gets INTERNAL.
	EngineMisconfigured
	// EngineBadRevision means that the engine refused the revision. It is the
	// caller's fault; the caller gets INVALID_ARGUMENT.
	EngineBadRevision
	// EngineBadRequest is an object id outside the engine's grammar. It is the
	// caller's fault; the caller gets INVALID_ARGUMENT.
	EngineBadRequest
	// EngineBadSubject is a subject id outside the engine's grammar. The caller
	// gets PERMISSION_DENIED, with SUBJECT_INVALID.
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

// EngineError is why an [Engine] has no answer. Its text goes to logs, so Err must
// hold no secret and no body of a response.
type EngineError struct {
	Kind EngineErrorKind
	// RetryAfter is how long the engine asked not to be asked again. Zero means
	// that it didn't say.
	RetryAfter time.Duration
	// Err is the cause.
	Err error
}

// Error returns the kind in words and the cause.
func (e *EngineError) Error() string {
	if e == nil {
		// An error may hold a nil pointer, which must not end the program.
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

// asEngineError returns an engine's error as an *EngineError. An error that isn't
// one means that the engine is unavailable.
func asEngineError(err error) *EngineError {
	var engineErr *EngineError
	if errors.As(err, &engineErr) && engineErr != nil {
		return engineErr
	}

	return &EngineError{Kind: EngineUnavailable, Err: err}
}
