package openfga

import (
	"context"
	"errors"
	"fmt"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/adapter"
)

// StatusError is OpenFGA's error without its message, which may quote tuples.
type StatusError struct {
	// Method is the RPC, such as "Check".
	Method string
	// Code is a gRPC code or one of OpenFGA's own, which begin at 1000.
	Code codes.Code
}

// Error names the method and the code.
func (e *StatusError) Error() string {
	return fmt.Sprintf("openfga: %s: %s", e.Method, codeName(e.Code))
}

// OpenFGA's own codes are sent as gRPC codes, each kind in a range of its own.
const (
	authBand     codes.Code = 1000
	inputBand    codes.Code = 2000
	throttleBand codes.Code = 3500
	internalBand codes.Code = 4000
	notFoundBand codes.Code = 5000
)

func codeName(code codes.Code) string {
	switch number := int32(code); {
	case code < authBand:
		return code.String()
	case code < inputBand:
		return openfgav1.AuthErrorCode(number).String()
	case code < throttleBand:
		return openfgav1.ErrorCode(number).String()
	case code < internalBand:
		return openfgav1.UnprocessableContentErrorCode(number).String()
	case code < notFoundBand:
		return openfgav1.InternalErrorCode(number).String()
	default:
		return openfgav1.NotFoundErrorCode(number).String()
	}
}

// classify returns the error for authz of a failed call: the context's own if ctx,
// the caller's, has ended, and an EngineError by code otherwise. The adapter's own
// timeout is OpenFGA's fault, so it isn't set on ctx.
func classify(ctx context.Context, method string, err error) error {
	if cause := adapter.Ended(ctx, status.Code(err) == codes.DeadlineExceeded); cause != nil {
		return fmt.Errorf("openfga: %s: %w", method, cause)
	}
	st, _ := status.FromError(err)
	fault := &authz.EngineError{Kind: kindOf(st.Code()), Err: &StatusError{Method: method, Code: st.Code()}}
	for _, detail := range st.Details() {
		if retry, ok := detail.(*errdetails.RetryInfo); ok {
			fault.RetryAfter = adapter.RetryAfter(retry)
		}
	}

	return fault
}

func kindOf(code codes.Code) authz.EngineErrorKind {
	switch {
	case code == codes.Unauthenticated, code == codes.PermissionDenied, code >= authBand && code < inputBand:
		return authz.EngineRefused
	case code == codes.NotFound, code == codes.Unimplemented, code == codes.InvalidArgument, code >= notFoundBand:
		return authz.EngineMisconfigured
	case code < inputBand, code >= throttleBand:
		return authz.EngineUnavailable
	}
	switch openfgav1.ErrorCode(code) {
	case openfgav1.ErrorCode_cancelled:
		return authz.EngineUnavailable
	case openfgav1.ErrorCode_id_too_long, openfgav1.ErrorCode_object_too_long,
		openfgav1.ErrorCode_invalid_object_format, openfgav1.ErrorCode_object_invalid_pattern:
		return authz.EngineBadRequest
	case openfgav1.ErrorCode_invalid_user:
		return authz.EngineBadSubject
	default:
		return authz.EngineMisconfigured
	}
}

// checkError returns the error of one item in a batch.
func checkError(e *openfgav1.CheckError) *authz.EngineError {
	code := codes.Code(openfgav1.InternalErrorCode_internal_error)
	switch c := e.GetCode().(type) {
	case *openfgav1.CheckError_InputError:
		code = codes.Code(c.InputError)
	case *openfgav1.CheckError_InternalError:
		code = codes.Code(c.InternalError)
	}

	return &authz.EngineError{Kind: kindOf(code), Err: &StatusError{Method: "BatchCheck", Code: code}}
}

// aboutQuery reports whether the fault is OpenFGA's validation error, which is
// about this query and may be a condition that lacks context.
func aboutQuery(err error) bool {
	var fault *StatusError

	return errors.As(err, &fault) && fault.Code == codes.Code(openfgav1.ErrorCode_validation_error)
}

// explain tells a condition without its context from an operator's error, by the
// model.
func (e *Engine) explain(ctx context.Context, q authz.Query, fault error) authz.Answer {
	m, err := e.schema(ctx)
	if err != nil {
		return authz.Answer{Err: fault}
	}
	if err := m.defines(q); err != nil {
		return authz.Answer{Err: &authz.EngineError{Kind: authz.EngineMisconfigured, Err: err}}
	}
	if missing := m.missing(q); len(missing) > 0 {
		return authz.Answer{Effect: authz.EffectConditional, Missing: missing}
	}

	return authz.Answer{Err: fault}
}

func unusable(method string, err error) *authz.EngineError {
	return &authz.EngineError{Kind: authz.EngineUnavailable, Err: fmt.Errorf("openfga: %s: unusable reply: %w", method, err)}
}
