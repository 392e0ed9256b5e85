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
	v := verdict{method: method, name: info.FullMethod, watch: i.startWatch()}
	call, err := i.admit(ctx, &v, req)
	if err != nil {
		return nil, i.refuseUnary(ctx, v, err)
	}
	i.granted(ctx, v)
	if method.HidesExistence() {
		return i.handleHidden(ctx, v, call, req, handler)
	}
	resp, err := handler(call, req) //nolint:contextcheck // it is ctx, wrapped

	return i.answered(ctx, v, call, resp, err)
}

// answered lets a handler's answer pass: unless it was to make a check and didn't,
// or says what a check of its own said, which is for us to tell.
func (i *Interceptor) answered(ctx context.Context, v verdict, call *callContext, resp any, err error) (any, error) {
	// What stops the call now took the handler's time, not ours.
	v.occasion, v.watch = OccasionEnd, stopwatch{}
	switch {
	case err != nil && saysCheck(err):
		return nil, i.refuseUnary(ctx, v, err)
	case err != nil:
		return resp, disclosed(v.method, err)
	case v.method.HandlerDecides() && !call.checked():
		return nil, i.refuseUnary(ctx, v, errUnchecked)
	default:
		return resp, nil
	}
}

// refuseUnary refuses a unary call.
func (i *Interceptor) refuseUnary(ctx context.Context, v verdict, cause error) error {
	refusal := i.refused(ctx, v, cause)
	if trailer := refusal.trailer(); trailer != nil {
		_ = grpc.SetTrailer(ctx, trailer) // without a transport there is no trailer to set, and the status stands
	}

	return refusal
}

// handleHidden runs a handler whose NOT_FOUND must not differ from usher's.
func (i *Interceptor) handleHidden(ctx context.Context, v verdict, call *callContext, req any, handler grpc.UnaryHandler) (any, error) {
	hiding := &hidingContext{held: heldMetadata{unaryTransport: unaryTransport{ctx}}}
	hiding.Context, hiding.principal, hiding.method, hiding.decision = call.Context, call.principal, call.method, call.decision
	resp, err := handler(hiding, req) //nolint:contextcheck // it is ctx, wrapped
	resp, err = i.answered(ctx, v, &hiding.callContext, resp, err)
	if unsent := hiding.held.finish(status.Code(err) == codes.NotFound); unsent != nil && err == nil {
		return nil, unsent
	}

	return resp, err
}

// admit decides whether the handler may see the call. What it learns on the way
// goes into v, whatever it decides.
func (i *Interceptor) admit(ctx context.Context, v *verdict, req any) (*callContext, error) {
	if closed(v.method) {
		return nil, refuseClosed(ctx, v)
	}
	_, principal, err := i.authenticate(ctx, v.method)
	if err != nil {
		return nil, err
	}
	v.principal = principal
	call := i.newCall(ctx, v.method, principal)
	if v.method.ReadsMessage() {
		message, ok := req.(proto.Message)
		if !ok {
			return nil, errNotProto
		}
		call.Message = message
	}
	v.decision, err = v.method.Authorize(ctx, &call)
	if err != nil {
		return nil, err
	}

	return &callContext{Context: ctx, principal: principal, method: v.method, decision: v.decision}, nil
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
