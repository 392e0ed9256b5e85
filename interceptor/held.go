package interceptor

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// held is what a handler wants its caller to get beside the messages, until it may
// go out. Its owner has the lock.
type held struct {
	header  metadata.MD
	trailer metadata.MD
	// compressor is the handler's choice; "": it has made none.
	compressor string
	// sends reports whether the handler has asked for its header to be sent, which
	// takes no more then.
	sends bool
}

// addHeader adds to the header.
func (h *held) addHeader(md metadata.MD, send bool) error {
	if h.sends {
		return errHeaderSent
	}
	h.header, h.sends = metadata.Join(h.header, md), send

	return nil
}

// choose takes the choice of a compressor if gRPC would, beneath the handler's
// context.
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

// SendHeader sends the header, or holds it until the first verdict, and where
// metadata is withheld until the first message or the end.
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

// SetTrailer sets the trailer, or holds it until the first verdict, and where
// metadata is withheld until the end.
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

// setSendCompressor chooses the compressor of messages, or holds the choice as long
// as the header, which tells it.
func (g *gate) setSendCompressor(name string) error {
	beneath := g.ctx.Context
	if isHeld, err := g.hold(func() error { return g.held.choose(beneath, name) }); isHeld {
		return err
	}

	return grpc.SetSendCompressor(beneath, name)
}

// hold runs keep, which stores metadata, if the handler's output is still held.
// It reports whether the metadata needs no further step.
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
