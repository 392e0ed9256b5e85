package interceptor

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
)

// admit decides whether the handler may see the call. It records the principal and
// the decision in r, whatever the outcome.
func (i *Interceptor) admit(ctx context.Context, r *report, req any) (*callContext, error) {
	if closed(r.method) {
		return nil, refuseClosed(ctx, r)
	}
	_, principal, err := i.authenticate(ctx, r.method)
	if err != nil {
		return nil, err
	}
	r.principal = principal
	if err := i.locate(ctx, r); err != nil {
		return nil, err
	}
	call := i.newCall(ctx, r.method, principal, r.peerIP)
	if r.method.ReadsMessage() {
		message, ok := req.(proto.Message)
		if !ok {
			return nil, errNotProto
		}
		call.Message = message
	}
	r.decision, err = r.method.Authorize(ctx, &call)
	if err != nil {
		return nil, err
	}

	admitted := &callContext{Context: ctx, principal: principal, method: r.method, decision: r.decision}
	if r.method.RevisionReadsMessage() {
		// The session reads the message now: from now on the handler may change it.
		admitted.session.Store(admitted.newSession(call.Message))
	}

	return admitted, nil
}

// admitStream authenticates a stream's caller and, if the rule reads no message,
// decides. It also returns the caller's token.
func (i *Interceptor) admitStream(ss grpc.ServerStream, r *report) (s *guardedStream, token string, err error) {
	ctx := ss.Context()
	if closed(r.method) {
		return nil, "", refuseClosed(ctx, r)
	}
	token, principal, err := i.authenticate(ctx, r.method)
	if err != nil {
		return nil, "", err
	}
	r.principal = principal
	if err := i.locate(ctx, r); err != nil {
		return nil, "", err
	}
	memory := r.method.NewStream()
	call := i.newCall(ctx, r.method, principal, r.peerIP)
	switch {
	case !r.method.ReadsMessage():
		r.decision, err = memory.Authorize(ctx, &call)
	case r.method.Limited():
		// A stream counts even if no message ever comes. The decision isn't one yet.
		var refused *authz.Decision
		if refused, err = memory.Open(ctx, &call); err != nil {
			r.decision = refused
		}
	}
	if err != nil {
		return nil, "", err
	}

	s = &guardedStream{owner: i, method: r.method, memory: memory, call: call}
	s.principal.Store(principal)
	s.ctx = &streamContext{stream: s}
	handlerCtx, cancel := context.WithCancelCause(ctx)
	s.ctx.Context, s.ctx.principal, s.ctx.method, s.ctx.decision = handlerCtx, principal, r.method, r.decision
	s.init(r.method, ss, s.ctx, cancel)

	return s, token, nil
}

// countPublic counts a call to a public method, of which the method's rate limit
// applies to all callers together.
func (i *Interceptor) countPublic(ctx context.Context, r *report) (err error) {
	r.decision, err = r.method.Authorize(ctx, &authz.Call{EngineContext: newEngineContext})

	return err
}

// refuseClosed returns the refusal of a method that is closed.
func refuseClosed(ctx context.Context, r *report) error {
	decision, err := r.method.Authorize(ctx, &authz.Call{})
	r.decision = decision
	if err == nil {
		return errNobody
	}

	return err
}
