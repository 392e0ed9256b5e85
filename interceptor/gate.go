package interceptor

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/usher-auth/usher/authz"
)

// phase is how far a guarded stream has come. It only goes forward.
type phase = uint32

const (
	// phasePending: no message has been authorized; nothing of the handler's
	// reaches the caller.
	phasePending phase = iota
	// phaseOpen: the handler's output passes.
	phaseOpen
	// phaseOver: the call has ended, or will with end; every call on the stream
	// fails with it.
	phaseOver
)

// errCallOver is what a handler gets that uses its stream after the call.
var errCallOver = errors.New("interceptor: the call is over")

// gate is a guarded stream's output. It is shut until the first message is
// authorized, or from the start open where the rule reads none, and shut for good
// when the call ends. Until it opens, and longer where metadata is withheld, it holds
// the handler's header, trailer and compressor. It is safe for concurrent use.
type gate struct {
	grpc.ServerStream

	// ctx is the handler's context; it ends with the call, by cancel.
	ctx    *streamContext
	cancel context.CancelCauseFunc
	// withholds reports whether the handler's metadata waits for its first message,
	// its trailer for the end: see the function.
	withholds bool

	phase atomic.Uint32
	// spoken reports whether the handler's header passes, and its trailer too unless
	// the gate withholds that to the end: nothing else is held any more.
	spoken atomic.Bool
	opened chan struct{} // closed when the phase leaves phasePending for phaseOpen
	over   chan struct{} // closed at phaseOver

	mu   sync.Mutex
	end  error // why the phase is over; set before over is closed
	held held  // until spoken; the trailer of a gate that withholds, to the end
}

// init makes the gate that of a method's stream, whose handler has the context ctx,
// which cancel cancels.
func (g *gate) init(method *authz.Method, ss grpc.ServerStream, ctx *streamContext, cancel context.CancelCauseFunc) {
	g.ServerStream, g.ctx, g.cancel, g.withholds = ss, ctx, cancel, withholds(method)
	g.opened, g.over = make(chan struct{}), make(chan struct{})
	if !method.ReadsMessage() {
		g.phase.Store(phaseOpen)
		g.spoken.Store(!g.withholds)
	}
}

// isOver reports whether the call has ended, or will with endErr.
func (g *gate) isOver() bool { return g.phase.Load() == phaseOver }

// isPending reports whether no message has been authorized yet.
func (g *gate) isPending() bool { return g.phase.Load() == phasePending }

// open ends the wait for the first verdict. What was held goes out, unless
// metadata is withheld: then it waits for what the handler makes of the call.
func (g *gate) open() {
	if !g.isPending() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.isPending() {
		return
	}
	if !g.withholds && g.speakLocked() != nil {
		return
	}
	g.phase.Store(phaseOpen)
	close(g.opened)
}

// speak lets the handler's output pass, first what was held.
func (g *gate) speak() error {
	if g.spoken.Load() {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.isOver() {
		return g.end
	}

	return g.speakLocked()
}

func (g *gate) speakLocked() error {
	if g.spoken.Load() {
		return nil
	}
	var err error
	if g.held.compressor != "" {
		err = grpc.SetSendCompressor(g.ctx.Context, g.held.compressor)
	}
	switch {
	case err != nil:
	case g.held.sends:
		err = g.ServerStream.SendHeader(g.held.header)
	case len(g.held.header) > 0:
		err = g.ServerStream.SetHeader(g.held.header)
	}
	if err != nil {
		// The handler was told that its header is fine: it isn't, so the call
		// fails as it would have then.
		g.endLocked(err)

		return err
	}
	g.held.header = nil
	g.spoken.Store(true)
	if !g.withholds {
		g.releaseTrailerLocked()
	}

	return nil
}

// release lets everything out that is held, at the call's end.
func (g *gate) release() error {
	if err := g.speak(); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.isOver() {
		return g.end
	}
	g.releaseTrailerLocked()

	return nil
}

func (g *gate) releaseTrailerLocked() {
	if len(g.held.trailer) > 0 {
		g.ServerStream.SetTrailer(g.held.trailer)
	}
	g.held.trailer = nil
}

// stop ends the call with err, unless it has ended: a refusal is sticky.
func (g *gate) stop(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.endLocked(err)
}

// finishWith is stop that returns what the call ends with.
func (g *gate) finishWith(err error) error {
	g.stop(err)

	return g.endErr()
}

func (g *gate) endLocked(err error) {
	if g.isOver() {
		return
	}
	g.end = err
	g.held = held{}
	g.phase.Store(phaseOver)
	close(g.over)
	g.ctx.end()
	g.cancel(err)
}

// endErr returns what the call ended with, once it has.
func (g *gate) endErr() error {
	g.mu.Lock()
	defer g.mu.Unlock()

	return g.end
}
