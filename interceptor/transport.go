package interceptor

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// errNoTransport corresponds to gRPC's own error for a context that belongs to no
// call.
var errNoTransport = status.Error(codes.Internal, "interceptor: the context has no server transport stream")

// errHeaderSent corresponds to gRPC's own error for a header that is set after the
// header was sent.
var errHeaderSent = status.Error(codes.Internal, "interceptor: the header was sent already")

// unaryTransport is the transport that grpc.SetHeader, SendHeader, SetTrailer and
// Method find in the context of a unary handler: the call's own, without the
// challenges that a handler must not send.
type unaryTransport struct {
	ctx context.Context //nolint:containedctx // it lives as long as the context that answers with it
}

func (t unaryTransport) beneath() grpc.ServerTransportStream {
	return grpc.ServerTransportStreamFromContext(t.ctx)
}

func (t unaryTransport) Method() string {
	if stream := t.beneath(); stream != nil {
		return stream.Method()
	}

	return ""
}

func (t unaryTransport) SetHeader(md metadata.MD) error {
	if stream := t.beneath(); stream != nil {
		return stream.SetHeader(withoutChallenge(md))
	}

	return errNoTransport
}

func (t unaryTransport) SendHeader(md metadata.MD) error {
	if stream := t.beneath(); stream != nil {
		return stream.SendHeader(withoutChallenge(md))
	}

	return errNoTransport
}

func (t unaryTransport) SetTrailer(md metadata.MD) error {
	if stream := t.beneath(); stream != nil {
		return stream.SetTrailer(withoutChallenge(md))
	}

	return errNoTransport
}

// heldMetadata holds a unary handler's metadata until the outcome of the call is
// known: see withholds.
type heldMetadata struct {
	unaryTransport

	mu   sync.Mutex
	held held
	over bool
}

func (h *heldMetadata) SetHeader(md metadata.MD) error { return h.holdHeader(md, false) }

func (h *heldMetadata) SendHeader(md metadata.MD) error { return h.holdHeader(md, true) }

func (h *heldMetadata) holdHeader(md metadata.MD, send bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return errHeaderSent
	}

	return h.held.addHeader(md, send)
}

func (h *heldMetadata) SetTrailer(md metadata.MD) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return errCallOver
	}
	h.held.trailer = metadata.Join(h.held.trailer, md)

	return nil
}

// setSendCompressor holds the choice of a compressor, which the header names.
func (h *heldMetadata) setSendCompressor(name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return errHeaderSent
	}

	return h.held.choose(h.ctx, name)
}

// finish ends the holding: it drops what was held, or sends it.
func (h *heldMetadata) finish(drop bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	if drop {
		return nil
	}
	if h.held.compressor != "" {
		if err := grpc.SetSendCompressor(h.ctx, h.held.compressor); err != nil {
			return err
		}
	}
	if len(h.held.header) > 0 {
		if err := h.unaryTransport.SetHeader(h.held.header); err != nil {
			return err
		}
	}
	if len(h.held.trailer) > 0 {
		return h.unaryTransport.SetTrailer(h.held.trailer)
	}

	return nil
}

// streamTransport is the transport in the context of a guarded stream's handler. It
// calls the stream, which holds everything until the first verdict.
type streamTransport struct{ stream *guardedStream }

func (t streamTransport) Method() string { return t.stream.method.Name() }

func (t streamTransport) SetHeader(md metadata.MD) error { return t.stream.SetHeader(md) }

func (t streamTransport) SendHeader(md metadata.MD) error { return t.stream.SendHeader(md) }

func (t streamTransport) SetTrailer(md metadata.MD) error { return t.stream.setTrailer(md) }

// publicStream is a public method's stream, without the challenges that a handler
// must not send.
type publicStream struct{ grpc.ServerStream }

func (s publicStream) Context() context.Context { return publicContext{s.ServerStream.Context()} }

func (s publicStream) SetHeader(md metadata.MD) error {
	return s.ServerStream.SetHeader(withoutChallenge(md))
}

func (s publicStream) SendHeader(md metadata.MD) error {
	return s.ServerStream.SendHeader(withoutChallenge(md))
}

func (s publicStream) SetTrailer(md metadata.MD) { s.ServerStream.SetTrailer(withoutChallenge(md)) }
