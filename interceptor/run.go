package interceptor

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
)

// abandonGrace is how long a handler may take to notice that its call is over
// before it counts as abandoned.
const abandonGrace = time.Second

// fate says which came first: the handler's return, or the call's end.
const (
	fateRunning uint32 = iota
	fateReturned
	fateAbandoned
)

// errExpired ends a stream that reached the end of its token.
var errExpired = errors.New("interceptor: the stream reached the end of its token")

// Stream guards a stream of any kind. It is a [grpc.StreamServerInterceptor].
func (i *Interceptor) Stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	method := i.authorizer.Method(info.FullMethod)
	if method.Public() && !closed(method) {
		return handler(srv, publicStream{ss})
	}
	r := report{method: method, name: info.FullMethod, watch: i.startWatch()}
	s, err := i.admitStream(ss, &r)
	if err != nil {
		return withTrailer(ss, i.refused(ss.Context(), r, err))
	}
	if !method.ReadsMessage() {
		i.granted(ss.Context(), r)
	}
	err = s.run(srv, handler)
	// Only this call's own refusal has a trailer: a handler may return what ended
	// another call.
	var refusal *Error
	if errors.As(s.endErr(), &refusal) && errors.Is(err, refusal) {
		return withTrailer(ss, refusal)
	}

	return err
}

// withTrailer sends along what a refusal has beside its status.
func withTrailer(ss grpc.ServerStream, refusal *Error) error {
	if trailer := refusal.trailer(); trailer != nil {
		ss.SetTrailer(trailer)
	}

	return refusal
}

// admitStream authenticates a stream's caller and, where the rule doesn't need
// to read a message, decides.
func (i *Interceptor) admitStream(ss grpc.ServerStream, r *report) (*guardedStream, error) {
	ctx := ss.Context()
	if closed(r.method) {
		return nil, refuseClosed(ctx, r)
	}
	token, principal, err := i.authenticate(ctx, r.method)
	if err != nil {
		return nil, err
	}
	r.principal = principal
	memory := r.method.NewStream()
	if !r.method.ReadsMessage() {
		call := i.newCall(ctx, r.method, principal)
		if r.decision, err = memory.Authorize(ctx, &call); err != nil {
			return nil, err
		}
	}

	s := &guardedStream{
		ServerStream: ss, owner: i, method: r.method, token: token, memory: memory,
		opened: make(chan struct{}), over: make(chan struct{}), withholds: withholds(r.method),
	}
	s.principal.Store(principal)
	s.checked = time.Now()
	if !r.method.ReadsMessage() {
		s.phase.Store(phaseOpen)
		s.spoken.Store(!s.withholds)
	}
	handlerCtx, cancel := context.WithCancelCause(ctx)
	s.cancel = cancel
	s.ctx = &streamContext{stream: s}
	s.ctx.Context, s.ctx.principal, s.ctx.method, s.ctx.decision = handlerCtx, principal, r.method, r.decision

	return s, nil
}

// refuseClosed is the refusal of a method that nobody can be admitted to.
func refuseClosed(ctx context.Context, r *report) error {
	decision, err := r.method.Authorize(ctx, &authz.Call{})
	r.decision = decision
	if err == nil {
		return errNobody
	}

	return err
}

// outcome is how a handler ended.
type outcome struct {
	err      error
	returned bool
	panicked bool
	value    any
	stack    []byte
}

// run runs the handler until it returns, or until the call ends without it.
func (s *guardedStream) run(srv any, handler grpc.StreamHandler) error {
	done := make(chan outcome, 1)
	go s.handle(srv, handler, done)
	timer := time.NewTimer(s.untilNext())
	defer timer.Stop()
	for {
		select {
		case o := <-done:
			return s.conclude(o)
		case <-s.over:
			return s.leave(done)
		case <-timer.C:
			s.tick()
			timer.Reset(s.untilNext())
		}
	}
}

// tick does what is due: a recheck, which may renew the principal, and then the
// stream's end.
func (s *guardedStream) tick() {
	if interval := s.method.RecheckInterval(); interval > 0 && time.Since(s.checked) >= interval {
		s.checked = time.Now()
		s.recheck()
	}
	if s.phase.Load() != phaseOver && time.Until(s.expiry()) <= 0 {
		s.expire()
	}
}

// untilNext is how long nothing is due.
func (s *guardedStream) untilNext() time.Duration {
	next := s.expiry()
	if interval := s.method.RecheckInterval(); interval > 0 {
		if recheck := s.checked.Add(interval); recheck.Before(next) {
			next = recheck
		}
	}

	return time.Until(next)
}

// expiry is when the stream ends at the latest.
func (s *guardedStream) expiry() time.Time { return s.principal.Load().ValidUntil() }

// expire ends the stream for its token's age.
func (s *guardedStream) expire() {
	s.stop(s.owner.refused(s.ctx, report{
		method: s.method, name: s.method.Name(), occasion: OccasionEnd, principal: s.principal.Load(),
	}, errExpired))
}

// handle runs the handler in a goroutine of its own, so that the call can end
// before it.
func (s *guardedStream) handle(srv any, handler grpc.StreamHandler, done chan<- outcome) {
	var o outcome
	defer func() {
		if !o.returned {
			if o.value = recover(); o.value != nil {
				o.panicked, o.stack = true, debug.Stack()
			}
		}
		// A recheck that is under way has nothing left to guard.
		s.cancel(errCallOver)
		if s.fate.CompareAndSwap(fateRunning, fateReturned) {
			done <- o

			return
		}
		s.outlived(o)
	}()
	o.err = handler(srv, s)
	o.returned = true
}

// conclude ends the call with what the handler returned.
func (s *guardedStream) conclude(o outcome) error {
	// A refusal that came before is what the call ends with.
	select {
	case <-s.over:
		s.contained(o)

		return s.endErr()
	default:
	}
	switch {
	case o.panicked:
		s.stop(errCallOver)
		panic(o.value)
	case !o.returned:
		s.stop(errCallOver)
		runtime.Goexit()
	case s.phase.Load() == phasePending:
		return s.refuse(OccasionEnd, s.owner.refusals.make(ReasonVerdictMissing, o.err, extras{}))
	case o.err != nil && saysCheck(o.err):
		return s.refuse(OccasionEnd, o.err)
	case status.Code(o.err) == codes.OK && s.method.HandlerDecides() && !s.ctx.checked() && !s.ctx.filtered():
		// After a filter that left nothing it may end, and has sent no message.
		return s.refuse(OccasionEnd, errUnchecked)
	}
	// What the handler leaves unsaid goes out with its status: but for a
	// NOT_FOUND that must look like usher's, and where it was to make a check and
	// had none granted.
	hides := s.method.HidesExistence() && status.Code(o.err) == codes.NotFound
	if !hides && (!s.method.HandlerDecides() || s.ctx.checked()) {
		if err := s.release(); err != nil {
			return err
		}
	}
	if end := s.finishWith(errCallOver); !errors.Is(end, errCallOver) {
		return end
	}
	if o.err != nil {
		return disclosed(s.method, o.err)
	}

	return nil
}

// leave ends a call that is over, whatever its handler does.
func (s *guardedStream) leave(done <-chan outcome) error {
	s.told = make(chan struct{})
	s.overdue = time.AfterFunc(abandonGrace, func() {
		defer close(s.told)
		s.owner.hooks.handlerAbandoned(s.ctx, HandlerAbandoned{
			Method: s.method.Name(), Principal: s.principal.Load(), Err: s.endErr(),
		})
	})
	if !s.fate.CompareAndSwap(fateRunning, fateAbandoned) {
		s.overdue.Stop()
		s.contained(<-done)
	}

	return s.endErr()
}

// outlived takes note of a handler that came back after its call.
func (s *guardedStream) outlived(o outcome) {
	reported := !s.overdue.Stop()
	if reported {
		<-s.told
	}
	s.contained(o)
	if reported {
		s.owner.hooks.handlerReturned(s.ctx, HandlerReturned{Method: s.method.Name()})
	}
}

// contained reports a panic for which there is no caller any more.
func (s *guardedStream) contained(o outcome) {
	if o.panicked {
		s.owner.hooks.handlerPanicked(s.ctx, HandlerPanicked{Method: s.method.Name(), Value: o.value, Stack: o.stack})
	}
}

// refuse ends the stream with the refusal that cause makes, unless it has ended,
// and returns what it ends with.
func (s *guardedStream) refuse(occasion Occasion, cause error) error {
	if s.phase.Load() == phaseOver {
		return s.endErr()
	}

	return s.finishWith(s.owner.refused(s.ctx, report{
		method: s.method, name: s.method.Name(), occasion: occasion, principal: s.principal.Load(),
	}, cause))
}
