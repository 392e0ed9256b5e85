package interceptor

import (
	"errors"
	"runtime"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"

	"github.com/usher-auth/usher/authz"
)

// abandonGrace is how long a handler may run on after its call before it counts as
// abandoned.
const abandonGrace = time.Second

// errExpired ends a stream that reached the end of its token.
var errExpired = errors.New("interceptor: the stream reached the end of its token")

// Stream guards a stream of any kind. It is a [grpc.StreamServerInterceptor].
func (i *Interceptor) Stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	method := i.authorizer.Method(info.FullMethod)
	if method.Public() && !closed(method) {
		if method.Limited() {
			r := report{method: method, name: info.FullMethod, watch: i.startWatch()}
			if err := i.countPublic(ss.Context(), &r); err != nil {
				return withTrailer(ss, i.refused(ss.Context(), r, err))
			}
		}

		return handler(srv, publicStream{ss})
	}
	r := report{method: method, name: info.FullMethod, watch: i.startWatch()}
	s, token, err := i.admitStream(ss, &r)
	if err != nil {
		return withTrailer(ss, i.refused(ss.Context(), r, err))
	}
	guarded := newRun(s, token)
	if !method.ReadsMessage() {
		i.granted(ss.Context(), r)
	}
	err = guarded.until(srv, handler)
	// Only this call's own refusal sets a trailer: a handler may return the refusal
	// of another call.
	var refusal *Error
	if errors.As(s.endErr(), &refusal) && errors.Is(err, refusal) {
		return withTrailer(ss, refusal)
	}

	return err
}

// withTrailer sets the refusal's trailer, if it has one, and returns the refusal.
func withTrailer(ss grpc.ServerStream, refusal *Error) error {
	if trailer := refusal.trailer(); trailer != nil {
		ss.SetTrailer(trailer)
	}

	return refusal
}

// run runs a stream from its admission to its end: its handler, its rechecks and its
// token's expiry. Only handle and await run in goroutines of their own.
type run struct {
	*guardedStream

	token string
	// checked is when the last recheck began.
	checked time.Time
	// done receives the handler's outcome, even after the call.
	done chan outcome
}

func newRun(s *guardedStream, token string) *run {
	return &run{guardedStream: s, token: token, checked: time.Now(), done: make(chan outcome, 1)}
}

// outcome is how a handler ended.
type outcome struct {
	err      error
	returned bool
	panicked bool
	value    any
	stack    []byte
}

// until runs the handler until it returns, or until the call ends without it.
func (r *run) until(srv any, handler grpc.StreamHandler) error {
	go r.handle(srv, handler)
	timer := time.NewTimer(r.untilNext())
	defer timer.Stop()
	for {
		select {
		case o := <-r.done:
			return r.conclude(o)
		case <-r.over:
			return r.leave()
		case <-timer.C:
			r.tick()
			timer.Reset(r.untilNext())
		}
	}
}

// tick does what is due: first a recheck, which may renew the principal, then the
// end of the stream at its token's expiry. A panic goes on, but ends the call: an
// interceptor around this one may make a status of it.
func (r *run) tick() {
	isDone := false
	defer func() {
		if !isDone {
			r.stop(errCallOver)
			_ = r.leave()
		}
	}()
	if interval := r.method.RecheckInterval(); interval > 0 && time.Since(r.checked) >= interval {
		r.checked = time.Now()
		r.recheck()
	}
	if !r.isOver() && time.Until(r.expiry()) <= 0 {
		r.expire()
	}
	isDone = true
}

// untilNext returns the time until something is due.
func (r *run) untilNext() time.Duration {
	next := r.expiry()
	if interval := r.method.RecheckInterval(); interval > 0 {
		if recheck := r.checked.Add(interval); recheck.Before(next) {
			next = recheck
		}
	}

	return time.Until(next)
}

// expiry returns when the stream ends at the latest.
func (r *run) expiry() time.Time { return r.principal.Load().ValidUntil() }

// expire ends the stream because its token has expired.
func (r *run) expire() {
	r.stop(r.owner.refused(r.ctx, report{
		method: r.method, name: r.method.Name(), occasion: OccasionEnd, principal: r.principal.Load(),
	}, errExpired))
}

// handle runs the handler in a goroutine of its own, so that the call can end
// before it.
func (r *run) handle(srv any, handler grpc.StreamHandler) {
	var o outcome
	defer func() {
		if !o.returned {
			if o.value = recover(); o.value != nil {
				o.panicked, o.stack = true, debug.Stack()
			}
		}
		// A recheck that is under way is no longer needed.
		r.cancel(errCallOver)
		r.done <- o
	}()
	o.err = handler(srv, r.guardedStream)
	o.returned = true
}

// conclude ends the call with what the handler returned.
func (r *run) conclude(o outcome) error {
	// If the call was refused before, it ends with that refusal.
	select {
	case <-r.over:
		r.contained(o)

		return r.endErr()
	default:
	}
	switch {
	case o.panicked:
		r.stop(errCallOver)
		panic(o.value)
	case !o.returned:
		r.stop(errCallOver)
		runtime.Goexit()
	case r.isPending():
		return r.refuse(OccasionEnd, r.owner.refusals.make(authz.ReasonVerdictMissing, o.err, extras{}))
	}
	end := endingOf(&r.ctx.callContext, noAnswer, o.err)
	if end.refusal != nil {
		return r.refuse(OccasionEnd, end.refusal)
	}
	if end.metadata {
		if err := r.release(); err != nil {
			return err
		}
	}
	if err := r.finishWith(errCallOver); !errors.Is(err, errCallOver) {
		return err
	}

	return end.err
}

// leave ends a call that is over without waiting for its handler.
func (r *run) leave() error {
	err := r.endErr()
	select {
	case o := <-r.done:
		r.contained(o)
	default:
		go r.await(err)
	}

	return err
}

// await waits for a handler that runs on after its call, which ended with err, and
// reports one that takes long.
func (r *run) await(err error) {
	over := time.Now()
	grace := time.NewTimer(abandonGrace)
	defer grace.Stop()
	select {
	case o := <-r.done:
		r.contained(o)

		return
	case <-grace.C:
	}
	event := HandlerOverran{Method: r.method.Name(), Principal: r.principal.Load(), Err: err, After: time.Since(over)}
	r.owner.hooks.handlerOverran(r.ctx, event)
	r.contained(<-r.done)
	event.Returned, event.After = true, time.Since(over)
	r.owner.hooks.handlerOverran(r.ctx, event)
}

// contained reports a panic of a handler whose call has ended.
func (r *run) contained(o outcome) {
	if o.panicked {
		r.owner.hooks.handlerPanicked(r.ctx, HandlerPanicked{Method: r.method.Name(), Value: o.value, Stack: o.stack})
	}
}
