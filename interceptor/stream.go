package interceptor

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
)

// errCheckCut is the cause if the check of a message panicked or ended its goroutine.
var errCheckCut = errors.New("interceptor: the check of a message panicked")

// errNoMessage is the cause if a caller closed its side without sending a message.
var errNoMessage = errors.New("interceptor: the stream ended before its first message")

// guardedStream is the stream that a handler gets. Its methods have the concurrency
// that grpc.ServerStream promises: one receiver and one sender at the same time;
// metadata from any goroutine.
type guardedStream struct {
	gate

	owner  *Interceptor
	method *authz.Method
	// memory decides about messages, and remembers what it has decided before.
	memory *authz.Stream
	// call is what memory is asked with about each message; the receiver's alone.
	call      authz.Call
	principal atomic.Pointer[verify.Principal]
	sessionMu sync.Mutex // so that no session is made with an outdated principal
}

// Context returns the handler's context. It is canceled when the call ends, for any
// reason.
func (s *guardedStream) Context() context.Context { return s.ctx }

// RecvMsg receives a message and returns when it is authorized. If the message is
// refused, the handler sees none of it.
func (s *guardedStream) RecvMsg(m any) error {
	if s.isOver() {
		return s.endErr()
	}
	message, readable := m.(proto.Message)
	reads := s.method.ReadsMessage()
	if reads && !readable {
		// A message that can't be decided about isn't even received.
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
	if s.isOver() {
		reset(m)

		return s.endErr()
	}

	return nil
}

// authorizeMessage decides about one message of a stream. A panic is the end of the
// call, and of the message: it goes on in the handler's goroutine, where the handler
// may contain it.
func (s *guardedStream) authorizeMessage(message proto.Message) error {
	isDecided := false
	defer func() {
		if !isDecided {
			reset(message)
			_ = s.refuse(OccasionMessage, errCheckCut)
		}
	}()
	// Not the handler's context, which holds the session of its own checks.
	ctx := s.ctx.Context
	principal, watch := s.principal.Load(), s.owner.startWatch()
	s.call.Principal, s.call.Message = principal, message
	decision, err := s.memory.Authorize(ctx, &s.call)
	s.call.Message, isDecided = nil, true
	if err == nil && decision.Remembered() {
		return nil
	}
	r := report{
		method: s.method, name: s.method.Name(), occasion: OccasionMessage, principal: principal, decision: decision, watch: watch,
	}
	r.peerIP, r.located = s.address()
	if err != nil {
		return s.owner.refused(s.ctx, r, err)
	}
	s.owner.granted(s.ctx, r)

	return nil
}

// received handles an error of a receive. Before the first verdict the error ends
// the call: a caller that closes its side without a message has named no object;
// any other error is the transport's own status.
func (s *guardedStream) received(err error) error {
	if !s.isPending() {
		return err
	}
	if errors.Is(err, io.EOF) {
		return s.refuse(OccasionMessage, &authz.Error{Reason: authz.ReasonObjectMissing, Err: errNoMessage})
	}

	return s.finishWith(err)
}

// SendMsg sends a message. It waits for the first verdict first.
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

// awaitVerdict returns when the first message is authorized. It returns an error if
// the call ends before that, or if firstMessageTimeout passes.
func (s *guardedStream) awaitVerdict() error {
	timeout := time.NewTimer(s.owner.firstMessageTimeout)
	defer timeout.Stop()
	select {
	case <-s.opened:
		if s.isOver() {
			return s.endErr()
		}

		return nil
	case <-s.over:
		return s.endErr()
	case <-s.ServerStream.Context().Done():
		return s.refuse(OccasionMessage, s.ServerStream.Context().Err())
	case <-timeout.C:
		return s.refuse(OccasionMessage, s.owner.refusals.make(authz.ReasonFirstMessageTimeout, nil, extras{}))
	}
}

// session returns the call's one session. It isn't made while renew replaces the
// principal.
func (s *guardedStream) session() *authz.Session {
	if session := s.ctx.session.Load(); session != nil && session != sessionOver {
		return session
	}
	s.sessionMu.Lock()
	defer s.sessionMu.Unlock()
	s.ctx.principal = s.principal.Load()

	return s.ctx.sessionOf()
}

// renew replaces the principal, also that of the session.
func (s *guardedStream) renew(principal *verify.Principal) {
	s.sessionMu.Lock()
	defer s.sessionMu.Unlock()
	s.principal.Store(principal)
	if session := s.ctx.session.Load(); session != nil && session != sessionOver {
		session.Renew(principal)
	}
}

// note gives an authorized message to the session if the message holds the revision
// for the handler's own checks. A fault in the revision is returned by those checks.
func (s *guardedStream) note(message proto.Message) {
	if s.method.RevisionReadsMessage() {
		_ = s.session().Receive(message)
	}
}

// refuse ends the stream with the refusal for cause, unless it has ended already,
// and returns the error that the stream ends with.
func (s *guardedStream) refuse(occasion Occasion, cause error) error {
	if s.isOver() {
		return s.endErr()
	}

	r := report{method: s.method, name: s.method.Name(), occasion: occasion, principal: s.principal.Load()}
	r.peerIP, r.located = s.address()

	return s.finishWith(s.owner.refused(s.ctx, r, cause))
}

// address returns the address that the rule reads, as it was when the stream began,
// and reports whether the rule reads one.
func (s *guardedStream) address() (netip.Addr, bool) {
	return s.call.PeerIP, s.method.ReadsConnection()
}

// reset clears the content of a refused message, of any type that a codec can fill.
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
