package interceptor

import (
	"context"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
)

// callContext is a handler's context. It holds in one value what
// [verify.FromContext], [authz.FromContext] and gRPC's functions on a context
// (such as grpc.SetHeader) look up under keys of their own.
type callContext struct {
	context.Context //nolint:containedctx // it is a context

	principal *verify.Principal
	method    *authz.Method
	decision  *authz.Decision
	// session is made when a handler first asks for it; most handlers never do.
	session atomic.Pointer[authz.Session]
}

// Value implements [context.Context].
func (c *callContext) Value(key any) any {
	switch key {
	case principalKey:
		return c.principal
	case sessionKey:
		return c.sessionOf()
	case transportKey:
		return unaryTransport{c.Context}
	case beneathKey{}:
		return c.Context
	case compressorKey{}:
		return nil // an outer call's holder isn't this call's
	default:
		return c.Context.Value(key)
	}
}

// holdingContext is the context of a unary handler whose metadata is held until
// its answer is known: see withholds.
type holdingContext struct {
	callContext

	held heldMetadata
}

// Value implements [context.Context].
func (c *holdingContext) Value(key any) any {
	switch key {
	case transportKey, compressorKey{}:
		return &c.held
	default:
		return c.callContext.Value(key)
	}
}

// sessionOver replaces the session when the call ends, if none was made before.
var sessionOver = new(authz.Session)

// sessionOf returns the one session of the call. After the call it returns a
// session that has ended.
func (c *callContext) sessionOf() *authz.Session {
	s := c.session.Load()
	if s == nil {
		c.session.CompareAndSwap(nil, c.newSession(nil))
		s = c.session.Load()
	}
	if s == sessionOver {
		s = c.newSession(nil)
		s.End()
	}

	return s
}

// newSession returns a session of the call. The message is nil unless the session's
// checks need it.
func (c *callContext) newSession(message proto.Message) *authz.Session {
	call := handlersCall(c.Context, c.principal)
	call.Message = message

	return c.method.NewSession(call, c.decision)
}

// end ends the session with its call: a goroutine that the handler has left running
// can't make further checks in the caller's name.
func (c *callContext) end() {
	if c.session.CompareAndSwap(nil, sessionOver) {
		return
	}
	if s := c.session.Load(); s != sessionOver {
		s.End()
	}
}

// checked reports whether a check that the handler made itself was granted.
func (c *callContext) checked() bool {
	session := c.session.Load()

	return session != nil && session.Checked()
}

// filtered reports whether the handler has filtered objects, even if the filter
// left none.
func (c *callContext) filtered() bool {
	session := c.session.Load()

	return session != nil && session.Filtered()
}

// streamContext is the context of a guarded stream's handler.
type streamContext struct {
	callContext

	stream *guardedStream
}

// Value implements [context.Context].
func (c *streamContext) Value(key any) any {
	switch key {
	case principalKey:
		return c.stream.principal.Load()
	case sessionKey:
		return c.stream.session()
	case transportKey:
		return streamTransport{c.stream}
	case compressorKey{}:
		return c.stream
	default:
		return c.callContext.Value(key)
	}
}

// publicContext is the context of a public method's handler. It has no principal.
type publicContext struct {
	context.Context //nolint:containedctx // it is a context
}

// Value implements [context.Context].
func (c publicContext) Value(key any) any {
	switch key {
	case transportKey:
		return unaryTransport{c.Context}
	case beneathKey{}:
		return c.Context
	case compressorKey{}:
		return nil // an outer call's holder isn't this call's
	default:
	}

	return c.Context.Value(key)
}

// engineContext is the context of a request to the engine. It hides what an engine
// in this process could misuse: the incoming metadata with the caller's token, the
// outgoing metadata, where the handler may have put that token for further services,
// the peer with its certificate, the transport stream, which writes to the caller,
// the principal, and the handler's session, which records grants. Everything else in
// the call's context, such as a trace's span, stays.
type engineContext struct {
	context.Context //nolint:containedctx // it is a context
}

// newEngineContext is the EngineContext of every [authz.Call].
func newEngineContext(ctx context.Context) context.Context { return engineContext{ctx} }

// Value implements [context.Context].
func (c engineContext) Value(key any) any {
	switch key {
	case incomingKey, outgoingKey, transportKey, peerKey, principalKey, sessionKey, beneathKey{}, compressorKey{}:
		return nil
	default:
		return c.Context.Value(key)
	}
}
