package interceptor

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// held is the metadata of a handler that may not be sent yet. Its owner locks it.
type held struct {
	header  metadata.MD
	trailer metadata.MD
	// compressor is the handler's choice, "" if it has made none.
	compressor string
	// sends reports whether the handler has asked for its header to be sent. After
	// that nothing can be added to the header.
	sends bool
}

// addHeader adds md to the header. send is for SendHeader: it is an error to add
// more afterwards.
func (h *held) addHeader(md metadata.MD, send bool) error {
	if h.sends {
		return errHeaderSent
	}
	h.header, h.sends = metadata.Join(h.header, md), send

	return nil
}

// choose holds the choice of a compressor, or returns an error if gRPC would refuse
// it. The context is the one beneath the handler's.
func (h *held) choose(beneath context.Context, name string) error {
	if h.sends {
		return errHeaderSent
	}
	if err := usable(beneath, name); err != nil {
		return err
	}
	h.compressor = name

	return nil
}

// SetHeader sets the header, or holds it until the first verdict.
func (g *gate) SetHeader(md metadata.MD) error {
	md = withoutChallenge(md)
	if isHeld, err := g.hold(func() error { return g.held.addHeader(md, false) }); isHeld {
		return err
	}

	return g.ServerStream.SetHeader(md)
}

// SendHeader sends the header, or holds it until the first verdict; if metadata is
// withheld, until the first message or the end.
func (g *gate) SendHeader(md metadata.MD) error {
	md = withoutChallenge(md)
	isHeld, err := g.hold(func() error { return g.held.addHeader(md, true) })
	if !isHeld {
		return g.ServerStream.SendHeader(md)
	}
	if err == nil && !g.withholds && g.phase.Load() == phaseOpen {
		return g.speak()
	}

	return err
}

// SetTrailer sets the trailer, or holds it until the first verdict; if metadata is
// withheld, until the end.
func (g *gate) SetTrailer(md metadata.MD) {
	_ = g.setTrailer(md) // grpc.ServerStream's SetTrailer has no error to return
}

func (g *gate) setTrailer(md metadata.MD) error {
	md = withoutChallenge(md)
	if g.spoken.Load() && !g.withholds {
		g.ServerStream.SetTrailer(md)

		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.isOver():
		return g.end
	case g.spoken.Load() && !g.withholds:
		g.ServerStream.SetTrailer(md)
	default:
		g.held.trailer = metadata.Join(g.held.trailer, md)
	}

	return nil
}

// setSendCompressor chooses the compressor of messages, or holds the choice for as
// long as the header, which names the compressor.
func (g *gate) setSendCompressor(name string) error {
	beneath := g.ctx.Context
	if isHeld, err := g.hold(func() error { return g.held.choose(beneath, name) }); isHeld {
		return err
	}

	return grpc.SetSendCompressor(beneath, name)
}

// hold calls keep, which stores metadata, if the handler's output is still held. It
// reports whether it is, or the call is over: then the metadata must not be sent now.
func (g *gate) hold(keep func() error) (bool, error) {
	if g.spoken.Load() {
		return false, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.isOver():
		return true, g.end
	case g.spoken.Load():
		return false, nil
	default:
		return true, keep()
	}
}
