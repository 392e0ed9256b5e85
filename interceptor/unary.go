package interceptor

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
)

// Unary guards a unary call. It is a [grpc.UnaryServerInterceptor].
func (i *Interceptor) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	method := i.authorizer.Method(info.FullMethod)
	if method.Public() && !closed(method) {
		return handler(publicContext{ctx}, req) //nolint:contextcheck // it is ctx, wrapped
	}
	r := report{method: method, name: info.FullMethod, watch: i.startWatch()}
	call, err := i.admit(ctx, &r, req)
	if err != nil {
		return nil, i.refuseUnary(ctx, r, err)
	}
	i.granted(ctx, r)
	if withholds(method) {
		return i.handleHeld(ctx, r, call, req, handler)
	}
	defer call.end()
	resp, err := handler(call, req) //nolint:contextcheck // it is ctx, wrapped

	return i.answered(ctx, r, call, resp, err)
}

// withholds reports whether the handler's metadata waits until it is known what
// the handler makes of the call: where the rule hides existence, since it would
// tell what exists, and where the handler decides, since it would be an answer
// before any check.
func withholds(method *authz.Method) bool {
	return method.HidesExistence() || method.HandlerDecides()
}

// answered lets a handler's answer pass: unless it was to make a check and didn't,
// or says what a check of its own said, which is for us to tell.
func (i *Interceptor) answered(ctx context.Context, r report, call *callContext, resp any, err error) (any, error) {
	// What stops the call now took the handler's time, not ours.
	r.occasion, r.watch = OccasionEnd, stopwatch{}
	switch {
	case err != nil && saysCheck(err):
		return nil, i.refuseUnary(ctx, r, err)
	case status.Code(err) == codes.OK && r.method.HandlerDecides() && !call.checked() && (!call.filtered() || !saysNothing(resp)):
		return nil, i.refuseUnary(ctx, r, errUnchecked)
	case err != nil:
		return resp, disclosed(r.method, err)
	default:
		return resp, nil
	}
}

// saysNothing reports whether an answer is a message without content: the page of
// a list from which a filter left nothing.
func saysNothing(resp any) bool {
	message, ok := resp.(proto.Message)

	return ok && proto.Size(message) == 0
}

// refuseUnary refuses a unary call.
func (i *Interceptor) refuseUnary(ctx context.Context, r report, cause error) error {
	refusal := i.refused(ctx, r, cause)
	if trailer := refusal.trailer(); trailer != nil {
		_ = grpc.SetTrailer(ctx, trailer) // without a transport there is no trailer to set, and the status stands
	}

	return refusal
}

// handleHeld runs a handler whose metadata is held: it goes out with an answer, and
// is dropped with a refusal, with a NOT_FOUND that must not differ from usher's,
// and with whatever a handler says that was to make a check and had none granted.
func (i *Interceptor) handleHeld(ctx context.Context, r report, call *callContext, req any, handler grpc.UnaryHandler) (any, error) {
	holding := &holdingContext{held: heldMetadata{unaryTransport: unaryTransport{ctx}}}
	holding.Context, holding.principal, holding.method, holding.decision = call.Context, call.principal, call.method, call.decision
	holding.session.Store(call.session.Load())
	defer holding.end()
	resp, err := handler(holding, req) //nolint:contextcheck // it is ctx, wrapped
	resp, err = i.answered(ctx, r, &holding.callContext, resp, err)
	var refusal *Error
	drop := errors.As(err, &refusal) ||
		r.method.HidesExistence() && status.Code(err) == codes.NotFound ||
		r.method.HandlerDecides() && !holding.checked()
	if unsent := holding.held.finish(drop); unsent != nil && err == nil {
		return nil, unsent
	}

	return resp, err
}

// saysCheck says that a handler returned what a check of its own said. It is told
// as the rule's check would be: its text is for logs. A status is the handler's
// word, whatever it wraps.
func saysCheck(err error) bool {
	var denied *authz.Error
	if !errors.As(err, &denied) || denied == nil {
		return false
	}
	_, isStatus := status.FromError(err)

	return !isStatus
}

// disclosed is a handler's error as the caller may see it. Where the rule hides
// existence, the handler's own NOT_FOUND must not differ from usher's.
func disclosed(method *authz.Method, err error) error {
	if method.HidesExistence() && status.Code(err) == codes.NotFound {
		return status.Error(codes.NotFound, notFoundText)
	}

	return err
}
