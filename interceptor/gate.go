package interceptor

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/usher-auth/usher/authz"
)

// phase is the state of a guarded stream's output. It only increases.
type phase = uint32

const (
	// phasePending means that no message has been authorized: none of the handler's
	// output reaches the caller.
	phasePending phase = iota
	// phaseOpen means that the handler's output passes.
	phaseOpen
	// phaseOver means that the call has ended, or is about to end, with the error
	// gate.end; every call on the stream fails with it.
	phaseOver
)

// errCallOver is returned to a handler that uses its stream after the call.
var errCallOver = errors.New("interceptor: the call is over")

// gate is a guarded stream's output. It opens when the first message is authorized,
// or is open from the start if the rule reads none, and it closes for good when the
// call ends. Until it opens, and longer if metadata is withheld, it holds the
// handler's header, trailer and compressor. It is safe for concurrent use.
type gate struct {
	grpc.ServerStream

	// ctx is the handler's context; cancel cancels it when the call ends.
	ctx    *streamContext
	cancel context.CancelCauseFunc
	// withholds reports whether the header is held until the handler's first message
	// and the trailer until the end: see the function withholds.
	withholds bool

	phase atomic.Uint32
	// spoken reports whether the header is no longer held. The trailer isn't held
	// either, unless the gate withholds it until the end.
	spoken atomic.Bool
	opened chan struct{} // closed when the phase changes from phasePending to phaseOpen
	over   chan struct{} // closed at phaseOver

	mu   sync.Mutex
	end  error // why the phase is over; set before over is closed
	held held  // until spoken; the trailer of a gate that withholds, until the end
}

// init prepares the gate for a stream of the method. The handler's context is ctx,
// which cancel cancels.
func (g *gate) init(method *authz.Method, ss grpc.ServerStream, ctx *streamContext, cancel context.CancelCauseFunc) {
	g.ServerStream, g.ctx, g.cancel, g.withholds = ss, ctx, cancel, withholds(method)
	g.opened, g.over = make(chan struct{}), make(chan struct{})
	if !method.ReadsMessage() {
		g.phase.Store(phaseOpen)
		g.spoken.Store(!g.withholds)
	}
}

// isOver reports whether the call has ended, or is about to end, with endErr.
func (g *gate) isOver() bool { return g.phase.Load() == phaseOver }

// isPending reports whether no message has been authorized yet.
func (g *gate) isPending() bool { return g.phase.Load() == phasePending }

// open opens the gate after the first verdict. It sends what was held, unless
// metadata is withheld until the outcome of the call is known.
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

// speak lets the handler's output pass, and sends what was held first.
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
		// The handler was told that its header was accepted. It can't be sent, so
		// the call fails now as it would have failed then.
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

// release sends everything that is held, at the call's end.
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

// stop ends the call with err, unless it has ended already: the first error counts.
func (g *gate) stop(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.endLocked(err)
}

// finishWith ends the call with err, as stop does, and returns the error that the
// call ends with.
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

// endErr returns the error that the call ended with, nil if it hasn't ended.
func (g *gate) endErr() error {
	g.mu.Lock()
	defer g.mu.Unlock()

	return g.end
}
