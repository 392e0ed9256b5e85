package authz

import (
	"fmt"
	"time"
)

// Reason says why a call was refused, in words that are stable and may be shown
// to the caller.
type Reason string

// The reasons, with the gRPC code that the interceptor gives each.
const (
	// ReasonTokenMissing is a call without a principal, where the rule isn't
	// public: UNAUTHENTICATED.
	ReasonTokenMissing Reason = "TOKEN_MISSING"
	// ReasonInsufficientScope is a scope that the token lacks: PERMISSION_DENIED.
	ReasonInsufficientScope Reason = "INSUFFICIENT_SCOPE"
	// ReasonStepUpRequired is an authentication too weak or too old (RFC 9470):
	// UNAUTHENTICATED.
	ReasonStepUpRequired Reason = "STEP_UP_REQUIRED"
	// ReasonRelationDenied is the policy saying no: PERMISSION_DENIED, or
	// NOT_FOUND where the rule hides existence.
	ReasonRelationDenied Reason = "RELATION_DENIED"
	// ReasonObjectMissing is a request that can't name its object:
	// INVALID_ARGUMENT.
	ReasonObjectMissing Reason = "OBJECT_MISSING"
	// ReasonSubjectUnmapped is a kind of token without a subject template, a token
	// whose kind is unclear, or one of an issuer that isn't configured:
	// PERMISSION_DENIED.
	ReasonSubjectUnmapped Reason = "SUBJECT_UNMAPPED"
	// ReasonSubjectInvalid is a token whose subject can't be used:
	// PERMISSION_DENIED.
	ReasonSubjectInvalid Reason = "SUBJECT_INVALID"
	// ReasonRuleMissing is a method without a rule: PERMISSION_DENIED.
	ReasonRuleMissing Reason = "RULE_MISSING"
	// ReasonEngineUnavailable is an engine without an answer: UNAVAILABLE.
	ReasonEngineUnavailable Reason = "ENGINE_UNAVAILABLE"
	// ReasonMisconfigured is a fault of the operator: INTERNAL.
	ReasonMisconfigured Reason = "MISCONFIGURED"
	// ReasonKindDenied is a kind of token that the rule doesn't admit:
	// PERMISSION_DENIED.
	ReasonKindDenied Reason = "KIND_DENIED"
	// ReasonIssuerDenied is an issuer that the rule doesn't admit:
	// PERMISSION_DENIED.
	ReasonIssuerDenied Reason = "ISSUER_DENIED"
	// ReasonMethodDenied is the policy "deny": PERMISSION_DENIED.
	ReasonMethodDenied Reason = "METHOD_DENIED"
	// ReasonRevisionInvalid is a revision that the engine refuses:
	// INVALID_ARGUMENT.
	ReasonRevisionInvalid Reason = "REVISION_INVALID"
	// ReasonTooManyObjects is a stream that names more objects than can be asked
	// about again at its recheck interval: RESOURCE_EXHAUSTED.
	ReasonTooManyObjects Reason = "TOO_MANY_OBJECTS"
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
