package interceptor

import (
	"google.golang.org/grpc/codes"

	"github.com/usher-auth/usher/authz"
)

// public is the code and the constant text that a caller is told for a reason.
type public struct {
	code codes.Code
	text string
}

// publics has every reason. A reason that isn't here is INTERNAL.
var publics = map[authz.Reason]public{
	authz.ReasonTokenMissing:        {codes.Unauthenticated, "an access token is required"},
	authz.ReasonTokenInvalid:        {codes.Unauthenticated, "the access token is not valid"},
	authz.ReasonTokenExpired:        {codes.Unauthenticated, "the access token has expired"},
	authz.ReasonStepUpRequired:      {codes.Unauthenticated, "a stronger or more recent authentication is required"},
	authz.ReasonInsufficientScope:   {codes.PermissionDenied, "the access token lacks a scope"},
	authz.ReasonRelationDenied:      {codes.PermissionDenied, "the caller may not do this"},
	authz.ReasonKindDenied:          {codes.PermissionDenied, "this kind of caller may not do this"},
	authz.ReasonIssuerDenied:        {codes.PermissionDenied, "callers of this issuer may not do this"},
	authz.ReasonMethodDenied:        {codes.PermissionDenied, "nobody may call this method"},
	authz.ReasonRuleMissing:         {codes.PermissionDenied, "the method has no rule"},
	authz.ReasonSubjectUnmapped:     {codes.PermissionDenied, "the access token stands for no subject here"},
	authz.ReasonSubjectInvalid:      {codes.PermissionDenied, "the access token's subject can't be used here"},
	authz.ReasonVerdictMissing:      {codes.PermissionDenied, "the call ended before a message could be authorized"},
	authz.ReasonObjectMissing:       {codes.InvalidArgument, "the request doesn't name its object"},
	authz.ReasonRevisionInvalid:     {codes.InvalidArgument, "the revision is not valid"},
	authz.ReasonVerifierUnavailable: {codes.Unavailable, "the access token can't be verified at present"},
	authz.ReasonEngineUnavailable:   {codes.Unavailable, "the call can't be authorized at present"},
	authz.ReasonFirstMessageTimeout: {codes.DeadlineExceeded, "no message that could be authorized arrived in time"},
	authz.ReasonTooManyObjects:      {codes.ResourceExhausted, "the stream names more objects than one may"},
	authz.ReasonRateLimited:         {codes.ResourceExhausted, "the method was called too often; wait before the next call"},
	authz.ReasonLimiterUnavailable:  {codes.Unavailable, "the call can't be counted at present"},
	authz.ReasonDeadlineExceeded:    {codes.DeadlineExceeded, "the deadline passed before the call was authorized"},
	authz.ReasonCanceled:            {codes.Canceled, "the call was canceled before it was authorized"},
	authz.ReasonMisconfigured:       {codes.Internal, "the server can't authorize this call"},
}

// Code returns the gRPC code of a refusal for the reason, if the rule doesn't hide
// existence. An unknown reason is INTERNAL.
func Code(reason authz.Reason) codes.Code {
	if p, ok := publics[reason]; ok {
		return p.code
	}

	return codes.Internal
}
