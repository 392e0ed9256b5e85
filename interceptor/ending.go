package interceptor

import (
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/usher-auth/usher/authz"
)

// notFound is the only status of a denial where a rule hides existence, for usher's
// denials and for the handler's NOT_FOUND.
var notFound = status.New(codes.NotFound, "not found")

// noAnswer is the answer of a stream's handler for endingOf: all that it has to say
// is in the messages that it has sent.
var noAnswer proto.Message = &emptypb.Empty{}

// withholds reports whether the handler's metadata is held until the outcome of the
// call is known. It is if the rule hides existence, since metadata would tell what
// exists, and if the handler decides, since metadata would be an answer before any
// check.
func withholds(method *authz.Method) bool {
	return method.HidesExistence() || method.HandlerDecides()
}

// ending is the part of a handler's outcome, unary or stream, that reaches the
// caller.
type ending struct {
	// refusal is the cause of a refusal that replaces the handler's outcome; nil if
	// the handler's own outcome is sent.
	refusal error
	// err is the handler's error as the caller may see it; nil means OK.
	err error
	// metadata reports whether the withheld metadata is sent.
	metadata bool
}

// endingOf decides which part of a handler's answer and error reaches the caller:
//
//   - An error of one of the handler's own checks becomes the refusal that the
//     rule's check would give.
//   - OK from a handler that has to make a check and had none granted is refused,
//     unless its answer is empty after a filter that left nothing.
//   - A NOT_FOUND where the rule hides existence must not differ from usher's.
//   - Anything else passes. So does withheld metadata, unless the handler has to make
//     a check and had none granted, or returns the refusal of another call.
func endingOf(call *callContext, answer any, err error) ending {
	unchecked := call.method.HandlerDecides() && !call.checked()
	code := status.Code(err)
	switch {
	case err != nil && saysCheck(err):
		return ending{refusal: err}
	case code == codes.OK && unchecked && (!call.filtered() || !saysNothing(answer)):
		return ending{refusal: errUnchecked}
	case code == codes.NotFound && call.method.HidesExistence():
		return ending{err: notFound.Err()}
	default:
		return ending{err: err, metadata: !unchecked && !saysRefusal(err)}
	}
}

// saysNothing reports whether an answer is a message without content, such as the
// page of a list from which a filter left nothing.
func saysNothing(answer any) bool {
	message, ok := answer.(proto.Message)

	return ok && proto.Size(message) == 0
}

// saysCheck reports whether a handler returned the error of one of its own checks.
// The text of such an error is for logs, so it isn't sent. An error that has a gRPC
// status is the handler's own, even if it wraps the error of a check.
func saysCheck(err error) bool {
	var denied *authz.Error
	if !errors.As(err, &denied) || denied == nil {
		return false
	}
	_, isStatus := status.FromError(err)

	return !isStatus
}

// saysRefusal reports whether a handler returned the refusal of another call, one
// that it made itself.
func saysRefusal(err error) bool {
	if err == nil {
		return false // before the variable below needs the heap
	}
	var refusal *Error

	return errors.As(err, &refusal)
}
