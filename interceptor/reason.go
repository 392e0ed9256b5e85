package interceptor

import (
	"google.golang.org/grpc/codes"

	"github.com/usher-auth/usher/authz"
)

// Reason says why a call was refused. It is stable: the caller finds it in the
// status as ErrorInfo.reason, metrics and audit records carry it.
type Reason string

// The reasons, with the code that each gives.
const (
	// ReasonTokenMissing is a call without a credential: UNAUTHENTICATED.
	ReasonTokenMissing Reason = "TOKEN_MISSING"
	// ReasonTokenInvalid is a credential that isn't one valid bearer token:
	// UNAUTHENTICATED.
	ReasonTokenInvalid Reason = "TOKEN_INVALID"
	// ReasonTokenExpired is a token at which nothing is wrong but its age, and a
	// stream that reached the end of its token: UNAUTHENTICATED.
	ReasonTokenExpired Reason = "TOKEN_EXPIRED"
	// ReasonVerifierUnavailable is keys or an introspection endpoint that can't
	// be reached: UNAVAILABLE.
	ReasonVerifierUnavailable Reason = "VERIFIER_UNAVAILABLE"
	// ReasonVerdictMissing is a handler that returned before the first message
	// could be checked: PERMISSION_DENIED.
	ReasonVerdictMissing Reason = "VERDICT_MISSING"
	// ReasonFirstMessageTimeout is a handler that wanted to send, and no message
	// that could be checked came in time: DEADLINE_EXCEEDED.
	ReasonFirstMessageTimeout Reason = "FIRST_MESSAGE_TIMEOUT"
	// ReasonCanceled is the caller gone: CANCELED.
	ReasonCanceled Reason = "CANCELED"
	// ReasonDeadlineExceeded is the caller's own deadline: DEADLINE_EXCEEDED.
	ReasonDeadlineExceeded Reason = "DEADLINE_EXCEEDED"

	// Those that package authz documents.

	ReasonInsufficientScope Reason = Reason(authz.ReasonInsufficientScope)
	ReasonStepUpRequired    Reason = Reason(authz.ReasonStepUpRequired)
	ReasonRelationDenied    Reason = Reason(authz.ReasonRelationDenied)
	ReasonObjectMissing     Reason = Reason(authz.ReasonObjectMissing)
	ReasonSubjectUnmapped   Reason = Reason(authz.ReasonSubjectUnmapped)
	ReasonSubjectInvalid    Reason = Reason(authz.ReasonSubjectInvalid)
	ReasonRuleMissing       Reason = Reason(authz.ReasonRuleMissing)
	ReasonEngineUnavailable Reason = Reason(authz.ReasonEngineUnavailable)
	ReasonMisconfigured     Reason = Reason(authz.ReasonMisconfigured)
	ReasonKindDenied        Reason = Reason(authz.ReasonKindDenied)
	ReasonIssuerDenied      Reason = Reason(authz.ReasonIssuerDenied)
	ReasonMethodDenied      Reason = Reason(authz.ReasonMethodDenied)
	ReasonRevisionInvalid   Reason = Reason(authz.ReasonRevisionInvalid)
	ReasonTooManyObjects    Reason = Reason(authz.ReasonTooManyObjects)
)

// public is what the caller is told about a reason: a code and constant text.
type public struct {
	code codes.Code
	text string
}

// publics has every reason. One that isn't here is our fault, so INTERNAL.
var publics = map[Reason]public{
	ReasonTokenMissing:        {codes.Unauthenticated, "an access token is required"},
	ReasonTokenInvalid:        {codes.Unauthenticated, "the access token is not valid"},
	ReasonTokenExpired:        {codes.Unauthenticated, "the access token has expired"},
	ReasonStepUpRequired:      {codes.Unauthenticated, "a stronger or more recent authentication is required"},
	ReasonInsufficientScope:   {codes.PermissionDenied, "the access token lacks a scope"},
	ReasonRelationDenied:      {codes.PermissionDenied, "the caller may not do this"},
	ReasonKindDenied:          {codes.PermissionDenied, "this kind of caller may not do this"},
	ReasonIssuerDenied:        {codes.PermissionDenied, "callers of this issuer may not do this"},
	ReasonMethodDenied:        {codes.PermissionDenied, "nobody may call this method"},
	ReasonRuleMissing:         {codes.PermissionDenied, "the method has no rule"},
	ReasonSubjectUnmapped:     {codes.PermissionDenied, "the access token stands for no subject here"},
	ReasonSubjectInvalid:      {codes.PermissionDenied, "the access token's subject can't be used here"},
	ReasonVerdictMissing:      {codes.PermissionDenied, "the call ended before a message could be authorized"},
	ReasonObjectMissing:       {codes.InvalidArgument, "the request doesn't name its object"},
	ReasonRevisionInvalid:     {codes.InvalidArgument, "the revision is not valid"},
	ReasonVerifierUnavailable: {codes.Unavailable, "the access token can't be verified at present"},
	ReasonEngineUnavailable:   {codes.Unavailable, "the call can't be authorized at present"},
	ReasonFirstMessageTimeout: {codes.DeadlineExceeded, "no message that could be authorized arrived in time"},
	ReasonTooManyObjects:      {codes.ResourceExhausted, "the stream names more objects than one may"},
	ReasonDeadlineExceeded:    {codes.DeadlineExceeded, "the deadline passed before the call was authorized"},
	ReasonCanceled:            {codes.Canceled, "the call was canceled before it was authorized"},
	ReasonMisconfigured:       {codes.Internal, "the server can't authorize this call"},
}

// Code returns the gRPC code that a refusal for the reason has, where the rule
// doesn't hide existence.
func (r Reason) Code() codes.Code {
	if p, ok := publics[r]; ok {
		return p.code
	}

	return codes.Internal
}
