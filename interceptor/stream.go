package interceptor

import (
	"context"
	"errors"
	"io"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
)

// phase is where a guarded stream stands. It only goes forward.
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

// errNoMessage is the cause where a caller closed its side without a message.
var errNoMessage = errors.New("interceptor: the stream ended before its first message")

// guardedStream is what a handler gets for its stream. Its methods have the
// concurrency that grpc.ServerStream promises: one receiver and one sender at
// the same time; metadata from anywhere.
type guardedStream struct {
	grpc.ServerStream

	owner  *Interceptor
	method *authz.Method
	ctx    *streamContext
	cancel context.CancelCauseFunc
	token  string
	// checked is when the last recheck began; the call's own goroutine's alone.
	checked time.Time

	principal atomic.Pointer[verify.Principal]
	phase     atomic.Uint32
	// spoken says that the handler's header passes, and its trailer too unless the
	// stream withholds that to the end: nothing else is held any more.
	spoken atomic.Bool
	// withholds says that the handler's metadata waits for its first message, its
	// trailer for the end: see the function.
	withholds bool
	// fate says whether the handler returned before the call ended, or after.
	fate atomic.Uint32

	opened chan struct{} // closed when the phase leaves phasePending for phaseOpen
	over   chan struct{} // closed at phaseOver

	// overdue reports a handler that outlives its call, then closes told.
	overdue *time.Timer
	told    chan struct{}

	// memory decides about messages, by what it has decided before.
	memory *authz.Stream

	sessionMu sync.Mutex // so that a session never has a principal of the past

	mu         sync.Mutex
	end        error       // why the phase is over; set before over is closed
	header     metadata.MD // held until spoken
	trailer    metadata.MD // held until spoken, or to the end
	sendHeader bool        // the handler has asked for its header to be sent
	compressor string      // held until spoken; "": the handler has chosen none
}

// Context returns the handler's context: canceled when the call ends, for
// whatever reason.
func (s *guardedStream) Context() context.Context { return s.ctx }

// RecvMsg receives a message and returns it once it is authorized. Of a refused
// one the handler sees nothing.
func (s *guardedStream) RecvMsg(m any) error {
	if s.phase.Load() == phaseOver {
		return s.endErr()
	}
	message, readable := m.(proto.Message)
	reads := s.method.ReadsMessage()
	if reads && !readable {
		// Nothing is read that could not be decided about.
		return s.refuse(OccasionMessage, errNotProto)
	}
	if err := s.ServerStream.RecvMsg(m); err != nil {
		if reads && !errors.Is(err, io.EOF) {
			// Part of a message may have been decoded.
			reset(m)
		}

		return s.received(err)
	}
	if reads {
		if err := s.authorizeMessage(message); err != nil {
			reset(m)

			return s.finishWith(err)
		}
		s.note(message)
		s.open()
	}
	if s.phase.Load() == phaseOver {
		reset(m)

		return s.endErr()
	}

	return nil
}

// authorizeMessage decides about one message of a stream.
func (s *guardedStream) authorizeMessage(message proto.Message) error {
	r := report{
		method: s.method, name: s.method.Name(), occasion: OccasionMessage,
		principal: s.principal.Load(), watch: s.owner.startWatch(),
	}
	// Below the context in which a handler makes its own checks.
	ctx := s.ctx.Context
	call := s.owner.newCall(ctx, s.method, r.principal)
	call.Message = message
	var err error
	if r.decision, err = s.memory.Authorize(ctx, &call); err != nil {
		return s.owner.refused(s.ctx, r, err)
	}
	if !r.decision.Remembered() {
		s.owner.granted(s.ctx, r)
	}

	return nil
}

// received takes the error of a receive. Before the first verdict it is the
// call's end: a caller that closes its side without a message has named no
// object; anything else is the transport's own status.
func (s *guardedStream) received(err error) error {
	if s.phase.Load() != phasePending {
		return err
	}
	if errors.Is(err, io.EOF) {
		return s.refuse(OccasionMessage, &authz.Error{Reason: authz.ReasonObjectMissing, Err: errNoMessage})
	}

	return s.finishWith(err)
}

// SendMsg sends a message; before the first verdict it waits for that.
func (s *guardedStream) SendMsg(m any) error {
	if s.phase.Load() != phaseOpen {
		if err := s.awaitVerdict(); err != nil {
			return err
		}
	}
	if s.method.HandlerDecides() && !s.ctx.checked() {
		return s.refuse(OccasionEnd, errUnchecked)
	}

	if err := s.speak(); err != nil {
		return err
	}

	return s.ServerStream.SendMsg(m)
}

// awaitVerdict returns when the first message is authorized, and with an error
// if that can't happen any more, or doesn't in time.
func (s *guardedStream) awaitVerdict() error {
	timeout := time.NewTimer(s.owner.firstMessageTimeout)
	defer timeout.Stop()
	select {
	case <-s.opened:
		if s.phase.Load() == phaseOver {
			return s.endErr()
		}

		return nil
	case <-s.over:
		return s.endErr()
	case <-s.ServerStream.Context().Done():
		return s.refuse(OccasionMessage, s.ServerStream.Context().Err())
	case <-timeout.C:
		return s.refuse(OccasionMessage, s.owner.refusals.make(ReasonFirstMessageTimeout, nil, extras{}))
	}
}

// SetHeader sets the header, or holds it until the first verdict.
func (s *guardedStream) SetHeader(md metadata.MD) error {
	md = withoutChallenge(md)
	if held, err := s.hold(func() error { return s.holdHeader(md, false) }); held {
		return err
	}

	return s.ServerStream.SetHeader(md)
}

// SendHeader sends the header, or holds it until the first verdict, and where
// metadata is withheld until the first message or the end.
func (s *guardedStream) SendHeader(md metadata.MD) error {
	md = withoutChallenge(md)
	held, err := s.hold(func() error { return s.holdHeader(md, true) })
	if !held {
		return s.ServerStream.SendHeader(md)
	}
	if err == nil && !s.withholds && s.phase.Load() == phaseOpen {
		return s.speak()
	}

	return err
}

// SetTrailer sets the trailer, or holds it until the first verdict, and where
// metadata is withheld until the end.
func (s *guardedStream) SetTrailer(md metadata.MD) {
	_ = s.setTrailer(md) // grpc.ServerStream's SetTrailer has no error to return
}

func (s *guardedStream) setTrailer(md metadata.MD) error {
	md = withoutChallenge(md)
	if s.spoken.Load() && !s.withholds {
		s.ServerStream.SetTrailer(md)

		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.phase.Load() == phaseOver:
		return s.end
	case s.spoken.Load() && !s.withholds:
		s.ServerStream.SetTrailer(md)
	default:
		s.trailer = metadata.Join(s.trailer, md)
	}

	return nil
}

// setSendCompressor chooses the compressor of messages, or holds the choice as long
// as the header, which tells it.
func (s *guardedStream) setSendCompressor(name string) error {
	beneath := s.ctx.Context
	if held, err := s.hold(func() error { return s.holdCompressor(beneath, name) }); held {
		return err
	}

	return grpc.SetSendCompressor(beneath, name)
}

func (s *guardedStream) holdCompressor(beneath context.Context, name string) error {
	if s.sendHeader {
		return errHeaderSent
	}
	if err := usable(beneath, name); err != nil {
		return err
	}
	s.compressor = name

	return nil
}

// hold runs keep, which stores metadata, if the handler's output is still held.
// It reports whether the metadata needs no further step.
func (s *guardedStream) hold(keep func() error) (bool, error) {
	if s.spoken.Load() {
		return false, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.phase.Load() == phaseOver:
		return true, s.end
	case s.spoken.Load():
		return false, nil
	default:
		return true, keep()
	}
}

func (s *guardedStream) holdHeader(md metadata.MD, send bool) error {
	if s.sendHeader {
		return errHeaderSent
	}
	s.header = metadata.Join(s.header, md)
	s.sendHeader = send

	return nil
}

// open ends the wait for the first verdict. What was held goes out, unless
// metadata is withheld: then it waits for what the handler makes of the call.
func (s *guardedStream) open() {
	if s.phase.Load() != phasePending {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase.Load() != phasePending {
		return
	}
	if !s.withholds && s.speakLocked() != nil {
		return
	}
	s.phase.Store(phaseOpen)
	close(s.opened)
}

// speak lets the handler's output pass, first what was held.
func (s *guardedStream) speak() error {
	if s.spoken.Load() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase.Load() == phaseOver {
		return s.end
	}

	return s.speakLocked()
}

func (s *guardedStream) speakLocked() error {
	if s.spoken.Load() {
		return nil
	}
	var err error
	if s.compressor != "" {
		err = grpc.SetSendCompressor(s.ctx.Context, s.compressor)
	}
	switch {
	case err != nil:
	case s.sendHeader:
		err = s.ServerStream.SendHeader(s.header)
	case len(s.header) > 0:
		err = s.ServerStream.SetHeader(s.header)
	}
	if err != nil {
		// The handler was told that its header is fine: it isn't, so the call
		// fails as it would have then.
		s.endLocked(err)

		return err
	}
	s.header = nil
	s.spoken.Store(true)
	if !s.withholds {
		s.releaseTrailerLocked()
	}

	return nil
}

// release lets everything out that is held, at the call's end.
func (s *guardedStream) release() error {
	if err := s.speak(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase.Load() == phaseOver {
		return s.end
	}
	s.releaseTrailerLocked()

	return nil
}

func (s *guardedStream) releaseTrailerLocked() {
	if len(s.trailer) > 0 {
		s.ServerStream.SetTrailer(s.trailer)
	}
	s.trailer = nil
}

// stop ends the call with err, unless it has ended: a refusal is sticky.
func (s *guardedStream) stop(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(err)
}

// finishWith is stop that returns what the call ends with.
func (s *guardedStream) finishWith(err error) error {
	s.stop(err)

	return s.endErr()
}

func (s *guardedStream) endLocked(err error) {
	if s.phase.Load() == phaseOver {
		return
	}
	s.end = err
	s.header, s.trailer = nil, nil
	s.phase.Store(phaseOver)
	close(s.over)
	s.ctx.end()
	s.cancel(err)
}

// session returns the call's one session. What makes it can't run beside what
// renews its principal.
func (s *guardedStream) session() *authz.Session {
	if session := s.ctx.session.Load(); session != nil && session != sessionOver {
		return session
	}
	s.sessionMu.Lock()
	defer s.sessionMu.Unlock()
	s.ctx.principal = s.principal.Load()

	return s.ctx.sessionOf()
}

// renew makes the principal that of everything from now on.
func (s *guardedStream) renew(principal *verify.Principal) {
	s.sessionMu.Lock()
	defer s.sessionMu.Unlock()
	s.principal.Store(principal)
	if session := s.ctx.session.Load(); session != nil && session != sessionOver {
		session.Renew(principal)
	}
}

// note lets the handler's own checks know of a message that was let through, where
// they are to be as fresh as it says. What is wrong with its revision is what
// those checks answer.
func (s *guardedStream) note(message proto.Message) {
	if s.method.RevisionReadsMessage() {
		_ = s.session().Receive(message)
	}
}

// endErr returns what the call ended with, once it has.
func (s *guardedStream) endErr() error {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.end
}

// reset takes the content of a refused message away, of whatever type a codec
// fills.
func reset(m any) {
	if message, ok := m.(proto.Message); ok {
		proto.Reset(message)

		return
	}
	switch v := reflect.ValueOf(m); v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			v.Elem().SetZero()
		}
	case reflect.Map, reflect.Slice:
		v.Clear()
	default:
		// A codec can't fill a value of another kind.
	}
}
