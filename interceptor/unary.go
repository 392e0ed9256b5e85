package interceptor

import (
	"context"

	"google.golang.org/grpc"
)

// Unary guards a unary call. It is a [grpc.UnaryServerInterceptor].
func (i *Interceptor) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	method := i.authorizer.Method(info.FullMethod)
	if method.Public() && !closed(method) {
		if method.Limited() {
			r := report{method: method, name: info.FullMethod, watch: i.startWatch()}
			if err := i.countPublic(ctx, &r); err != nil {
				return nil, i.refuseUnary(ctx, r, err)
			}
		}

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

	return i.answer(ctx, r, endingOf(call, resp, err), resp)
}

// answer returns the result of a unary call.
func (i *Interceptor) answer(ctx context.Context, r report, end ending, resp any) (any, error) {
	if end.refusal != nil {
		// The time since the start is mostly the handler's, so no duration is
		// reported.
		r.occasion, r.watch = OccasionEnd, stopwatch{}

		return nil, i.refuseUnary(ctx, r, end.refusal)
	}

	return resp, end.err
}

// refuseUnary refuses a unary call.
func (i *Interceptor) refuseUnary(ctx context.Context, r report, cause error) error {
	refusal := i.refused(ctx, r, cause)
	if trailer := refusal.trailer(); trailer != nil {
		_ = grpc.SetTrailer(ctx, trailer) // fails without a transport, or after the stream's end; the status is returned anyway
	}

	return refusal
}

// handleHeld runs a handler whose metadata is held, and sends the metadata with the
// answer if its ending permits that.
func (i *Interceptor) handleHeld(ctx context.Context, r report, call *callContext, req any, handler grpc.UnaryHandler) (any, error) {
	holding := &holdingContext{held: heldMetadata{unaryTransport: unaryTransport{ctx}}}
	holding.Context, holding.principal, holding.method, holding.decision = call.Context, call.principal, call.method, call.decision
	holding.session.Store(call.session.Load())
	defer holding.end()
	resp, err := handler(holding, req) //nolint:contextcheck // it is ctx, wrapped
	end := endingOf(&holding.callContext, resp, err)
	resp, err = i.answer(ctx, r, end, resp)
	if unsent := holding.held.finish(!end.metadata); unsent != nil && err == nil {
		return nil, unsent
	}

	return resp, err
}
