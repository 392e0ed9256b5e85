package explain

import (
	"google.golang.org/grpc/codes"

	"github.com/usher-auth/usher/authz"
)

// statuses has the gRPC code that package interceptor gives each reason of a decision.
var statuses = map[authz.Reason]codes.Code{
	authz.ReasonTokenMissing:       codes.Unauthenticated,
	authz.ReasonStepUpRequired:     codes.Unauthenticated,
	authz.ReasonInsufficientScope:  codes.PermissionDenied,
	authz.ReasonRelationDenied:     codes.PermissionDenied,
	authz.ReasonKindDenied:         codes.PermissionDenied,
	authz.ReasonIssuerDenied:       codes.PermissionDenied,
	authz.ReasonMethodDenied:       codes.PermissionDenied,
	authz.ReasonRuleMissing:        codes.PermissionDenied,
	authz.ReasonSubjectUnmapped:    codes.PermissionDenied,
	authz.ReasonSubjectInvalid:     codes.PermissionDenied,
	authz.ReasonObjectMissing:      codes.InvalidArgument,
	authz.ReasonRevisionInvalid:    codes.InvalidArgument,
	authz.ReasonEngineUnavailable:  codes.Unavailable,
	authz.ReasonLimiterUnavailable: codes.Unavailable,
	authz.ReasonRateLimited:        codes.ResourceExhausted,
	authz.ReasonMisconfigured:      codes.Internal,
}

// statusOf returns what the caller is told: a code's name, and a reason unless existence is
// hidden.
func statusOf(reason authz.Reason, hides bool) (code, told string) {
	switch {
	case reason == "":
		return "OK", ""
	case reason == authz.ReasonRelationDenied && hides:
		return "NOT_FOUND", ""
	}
	status, known := statuses[reason]
	if !known {
		status = codes.Internal
	}

	return map[codes.Code]string{
		codes.Unauthenticated: "UNAUTHENTICATED", codes.PermissionDenied: "PERMISSION_DENIED", codes.InvalidArgument: "INVALID_ARGUMENT",
		codes.Unavailable: "UNAVAILABLE", codes.ResourceExhausted: "RESOURCE_EXHAUSTED", codes.Internal: "INTERNAL",
	}[status], string(reason)
}
