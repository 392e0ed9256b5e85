package spicedb

import (
	"context"
	"fmt"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/adapter"
)

// errorDomain is the domain of the ErrorInfo that SpiceDB attaches.
const errorDomain = "authzed.com"

// StatusError is SpiceDB's error without its message, which may quote
// relationships.
type StatusError struct {
	// Method is the RPC, such as "CheckPermission".
	Method string
	// Code is the gRPC code.
	Code codes.Code
	// Reason is SpiceDB's own reason, or unspecified.
	Reason v1.ErrorReason
}

// Error names the method, the code and SpiceDB's reason.
func (e *StatusError) Error() string {
	if e.Reason == v1.ErrorReason_ERROR_REASON_UNSPECIFIED {
		return fmt.Sprintf("spicedb: %s: %s", e.Method, e.Code)
	}

	return fmt.Sprintf("spicedb: %s: %s (%s)", e.Method, e.Code, e.Reason)
}

// classify returns the error for authz of a failed call: the context's own if ctx,
// the caller's, has ended, and an EngineError otherwise. The adapter's own timeout
// is SpiceDB's fault, so it isn't set on ctx.
func classify(ctx context.Context, method string, consistency *v1.Consistency, err error) error {
	if cause := adapter.Ended(ctx, status.Code(err) == codes.DeadlineExceeded); cause != nil {
		return fmt.Errorf("spicedb: %s: %w", method, cause)
	}
	st, _ := status.FromError(err)
	fault := statusFault(method, st.Proto())
	if consistency.GetAtLeastAsFresh() != nil && aboutRevision(fault) {
		fault.Kind = authz.EngineBadRevision
	}

	return fault
}

// aboutRevision reports whether a refusal is about the ZedToken. SpiceDB has no
// reason for that; but of all that a request holds, only the token comes from the
// caller unvalidated.
func aboutRevision(fault *authz.EngineError) bool {
	st, ok := fault.Err.(*StatusError) //nolint:errorlint // statusFault has just made it

	return ok && st.Reason == v1.ErrorReason_ERROR_REASON_UNSPECIFIED && (st.Code == codes.InvalidArgument || st.Code == codes.OutOfRange)
}

func statusFault(method string, st *statuspb.Status) *authz.EngineError {
	code := codes.Code(st.GetCode())
	described := &StatusError{Method: method, Code: code}
	fault := &authz.EngineError{Kind: kindOf(code), Err: described}
	for _, detail := range status.FromProto(st).Details() {
		switch d := detail.(type) {
		case *errdetails.RetryInfo:
			fault.RetryAfter = adapter.RetryAfter(d)
		case *errdetails.ErrorInfo:
			if d.GetDomain() == errorDomain {
				described.Reason = v1.ErrorReason(v1.ErrorReason_value[d.GetReason()])
			}
		}
	}
	if described.Reason != v1.ErrorReason_ERROR_REASON_UNSPECIFIED && fault.Kind == authz.EngineUnavailable && operators(described.Reason) {
		fault.Kind = authz.EngineMisconfigured
	}

	return fault
}

// operators reports whether a reason is the operator's fault whatever its code:
// asking again, or elsewhere, changes nothing.
func operators(reason v1.ErrorReason) bool {
	switch reason {
	case v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION,
		v1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION,
		v1.ErrorReason_ERROR_REASON_UNKNOWN_CAVEAT,
		v1.ErrorReason_ERROR_REASON_SCHEMA_TYPE_ERROR,
		v1.ErrorReason_ERROR_REASON_CAVEAT_PARAMETER_TYPE_ERROR,
		v1.ErrorReason_ERROR_REASON_CAVEAT_EVALUATION_ERROR,
		v1.ErrorReason_ERROR_REASON_MAXIMUM_DEPTH_EXCEEDED,
		v1.ErrorReason_ERROR_REASON_TOO_MANY_CHECKS_IN_REQUEST,
		v1.ErrorReason_ERROR_REASON_DATASTORE_NOT_MIGRATED:
		return true
	default:
		return false
	}
}

func kindOf(code codes.Code) authz.EngineErrorKind {
	switch code {
	case codes.Unauthenticated, codes.PermissionDenied:
		return authz.EngineRefused
	case codes.InvalidArgument, codes.FailedPrecondition, codes.NotFound, codes.Unimplemented:
		return authz.EngineMisconfigured
	default:
		return authz.EngineUnavailable
	}
}

func unusable(err error) *authz.EngineError {
	return &authz.EngineError{Kind: authz.EngineUnavailable, Err: fmt.Errorf("spicedb: unusable reply: %w", err)}
}
