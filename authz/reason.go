package authz

// Reason is why a call was refused. It is stable: the caller finds it in the status
// as ErrorInfo.reason, and metrics and audit records carry it.
type Reason string

// The reasons, with the gRPC code that the interceptor gives each. The interceptor
// makes those of the first group, except ReasonTooManyObjects, which a [Stream]
// returns.
const (
	// ReasonTokenInvalid is a credential that isn't one valid bearer token:
	// UNAUTHENTICATED.
	ReasonTokenInvalid Reason = "TOKEN_INVALID"
	// ReasonTokenExpired is a token that is valid except for its age, or a stream
	// that reached the end of its token's lifetime: UNAUTHENTICATED.
	ReasonTokenExpired Reason = "TOKEN_EXPIRED"
	// ReasonVerifierUnavailable is a key set or an introspection endpoint that
	// can't be reached: UNAVAILABLE.
	ReasonVerifierUnavailable Reason = "VERIFIER_UNAVAILABLE"
	// ReasonVerdictMissing is a handler that returned before the first message
	// could be checked: PERMISSION_DENIED.
	ReasonVerdictMissing Reason = "VERDICT_MISSING"
	// ReasonFirstMessageTimeout is a handler that waited to send, while no message
	// that could be checked came in time: DEADLINE_EXCEEDED.
	ReasonFirstMessageTimeout Reason = "FIRST_MESSAGE_TIMEOUT"
	// ReasonTooManyObjects is a stream that names more objects than its rechecks
	// can ask about again: RESOURCE_EXHAUSTED.
	ReasonTooManyObjects Reason = "TOO_MANY_OBJECTS"
	// ReasonCanceled is a call that the caller canceled: CANCELED.
	ReasonCanceled Reason = "CANCELED"
	// ReasonDeadlineExceeded is a call whose own deadline passed:
	// DEADLINE_EXCEEDED.
	ReasonDeadlineExceeded Reason = "DEADLINE_EXCEEDED"

	// ReasonTokenMissing is a call without a credential, or without a principal,
	// where the rule isn't public: UNAUTHENTICATED.
	ReasonTokenMissing Reason = "TOKEN_MISSING"
	// ReasonInsufficientScope is a token that lacks a scope: PERMISSION_DENIED.
	ReasonInsufficientScope Reason = "INSUFFICIENT_SCOPE"
	// ReasonStepUpRequired is an authentication that is too weak or too old (RFC
	// 9470): UNAUTHENTICATED.
	ReasonStepUpRequired Reason = "STEP_UP_REQUIRED"
	// ReasonRelationDenied is a denial by the policy: PERMISSION_DENIED, or
	// NOT_FOUND where the rule hides existence.
	ReasonRelationDenied Reason = "RELATION_DENIED"
	// ReasonObjectMissing is a request that can't name its object:
	// INVALID_ARGUMENT.
	ReasonObjectMissing Reason = "OBJECT_MISSING"
	// ReasonSubjectUnmapped is a token of a kind without a subject template, of an
	// unclear kind, or of an issuer that isn't configured: PERMISSION_DENIED.
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
	// ReasonKindDenied is a token of a kind that the rule doesn't admit:
	// PERMISSION_DENIED.
	ReasonKindDenied Reason = "KIND_DENIED"
	// ReasonIssuerDenied is a token of an issuer that the rule doesn't admit:
	// PERMISSION_DENIED.
	ReasonIssuerDenied Reason = "ISSUER_DENIED"
	// ReasonMethodDenied is a method under the policy "deny": PERMISSION_DENIED.
	ReasonMethodDenied Reason = "METHOD_DENIED"
	// ReasonRevisionInvalid is a revision that the engine refuses, or that can't be
	// one: INVALID_ARGUMENT.
	ReasonRevisionInvalid Reason = "REVISION_INVALID"
	// ReasonRateLimited is a call beyond the rule's rate limit: RESOURCE_EXHAUSTED.
	ReasonRateLimited Reason = "RATE_LIMITED"
	// ReasonLimiterUnavailable is a limiter without an answer: UNAVAILABLE.
	ReasonLimiterUnavailable Reason = "LIMITER_UNAVAILABLE"
)
