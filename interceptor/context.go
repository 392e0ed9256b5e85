package interceptor

import (
	"context"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
)

// callContext is a handler's context. It holds in one value what
// [verify.FromContext], [authz.FromContext] and gRPC's own functions on a
// context (grpc.SetHeader and its like) look up under keys of their own.
type callContext struct {
	context.Context //nolint:containedctx // it is a context

	principal *verify.Principal
	method    *authz.Method
	decision  *authz.Decision
	// session is made when a handler asks for it: most never do.
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
		return nil // not that of a call around this one
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

// sessionOver is in the place of the session once the call is over, if no session
// was made until then.
var sessionOver = new(authz.Session)

// sessionOf returns the one session of the call. After the call it is one that
// has ended.
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

// newSession returns a session of the call, with the message if checks need it.
func (c *callContext) newSession(message proto.Message) *authz.Session {
	call := handlersCall(c.Context, c.principal)
	call.Message = message

	return c.method.NewSession(call, c.decision)
}

// end ends the session with its call: what a handler leaves running can't ask in
// the caller's name any more.
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

// filtered reports whether the handler has filtered objects, of which none need
// be left.
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

// publicContext is the context of a public method's handler: nobody's.
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
		return nil // not that of a call around this one
	default:
	}

	return c.Context.Value(key)
}

// engineContext is the context of a request to the engine. An engine in this
// process could take the caller's token from the call's metadata, or send it on
// where the handler has put it for further services, take its certificate from the
// peer, write to the caller through the transport stream, and grant in the handler's
// session: it gets none of them. What else the call's context has, such as a trace's span, stays.
type engineContext struct {
	context.Context //nolint:containedctx // it is a context
}

// newEngineContext returns the engine's context: see [authz.Call].
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
