package interceptor

import (
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/usher-auth/usher/authz"
)

// notFound is all that a caller learns where a rule hides existence, from usher and
// from the handler alike.
var notFound = status.New(codes.NotFound, "not found")

// noAnswer is what a stream's handler answers beside its messages.
var noAnswer proto.Message = &emptypb.Empty{}

// withholds reports whether the handler's metadata waits until it is known what
// the handler makes of the call: where the rule hides existence, since it would
// tell what exists, and where the handler decides, since it would be an answer
// before any check.
func withholds(method *authz.Method) bool {
	return method.HidesExistence() || method.HandlerDecides()
}

// ending is what reaches the caller of a handler's outcome, unary or stream.
type ending struct {
	// refusal is the cause of what usher says in the handler's place; nil: the
	// handler's word passes.
	refusal error
	// err is the handler's word as the caller may see it; nil: OK.
	err error
	// metadata reports whether what is withheld goes out with the handler's word.
	metadata bool
}

// endingOf decides what passes of a handler's answer and error:
//
//   - An error that a check of the handler's own gave is told as the rule's check
//     would be.
//   - OK from a handler that was to make a check, and had none granted, is refused,
//     unless it answers with nothing after a filter that left nothing.
//   - A NOT_FOUND where the rule hides existence must not differ from usher's.
//   - Anything else passes. So does withheld metadata, except that of a handler that
//     was to make a check and had none granted, or that returns what refused another
//     call.
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

// saysNothing reports whether an answer is a message without content: the page of
// a list from which a filter left nothing.
func saysNothing(answer any) bool {
	message, ok := answer.(proto.Message)

	return ok && proto.Size(message) == 0
}

// saysCheck reports whether a handler returned what a check of its own said. It is
// told as the rule's check would be: its text is for logs. A status is the handler's
// word, whatever it wraps.
func saysCheck(err error) bool {
	var denied *authz.Error
	if !errors.As(err, &denied) || denied == nil {
		return false
	}
	_, isStatus := status.FromError(err)

	return !isStatus
}

// saysRefusal reports whether a handler returned what an interceptor refused a call
// with: another one, that it made itself.
func saysRefusal(err error) bool {
	if err == nil {
		return false // before the variable below needs the heap
	}
	var refusal *Error

	return errors.As(err, &refusal)
}
