package verify

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sony/gobreaker/v2"
)

// introspectionCalls are the requests under way. They stand behind a pointer so
// that a verifier that is printed doesn't print them.
type introspectionCalls struct{ byToken map[string]*introspectionCall }

// introspectionCall is one request, and all who wait for it.
type introspectionCall struct {
	done    chan struct{}
	verdict *cached
	err     error
}

// fingerprint stands for a token that is not kept.
func fingerprint(token string) string {
	sum := sha256.Sum256([]byte(token))
	return string(sum[:])
}

// ask joins the request about the token that is under way, or starts one. The
// request is nobody's: whoever waits leaves at its own deadline.
func (in *Introspection) ask(ctx context.Context, token string) (*cached, error) {
	call, err := in.join(token)
	if err != nil {
		return nil, err
	}
	select {
	case <-call.done:
		return call.verdict, call.err
	case <-ctx.Done():
		return nil, fmt.Errorf("verify: waiting for the introspection endpoint: %w", ctx.Err())
	}
}

func (in *Introspection) join(token string) (*introspectionCall, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed.Load() {
		return nil, unavailable(errClosed, 0)
	}
	if call := in.calls.byToken[token]; call != nil {
		return call, nil
	}
	if len(in.calls.byToken) >= queueFactor*cap(in.slots) {
		return nil, unavailable(fault("introspection: too many tokens wait"), time.Second)
	}
	call := &introspectionCall{done: make(chan struct{})}
	in.calls.byToken[token] = call
	in.wg.Go(func() {
		// The outcome if the HTTP client's code ends the goroutine.
		call.err = unavailable(fault("introspection: the HTTP client gave up"), 0)
		defer in.leave(token, call)
		call.verdict, call.err = in.settle(token)
	})
	return call, nil
}

// leave ends a call and lets those who wait for it go.
func (in *Introspection) leave(token string, call *introspectionCall) {
	in.mu.Lock()
	delete(in.calls.byToken, token)
	in.mu.Unlock()
	close(call.done)
}

// settle gets the verdict on a token and remembers it.
func (in *Introspection) settle(token string) (verdict *cached, err error) {
	defer func() {
		if recover() != nil {
			verdict, err = nil, unavailable(fault("introspection: the HTTP client panicked"), 0)
		}
	}()
	if verdict = in.remembered(token); verdict != nil {
		return verdict, nil // settled by the request before
	}
	if wait := in.paused(); wait > 0 {
		return nil, unavailable(fault("introspection: the endpoint asked for a pause"), wait)
	}
	if !in.enter() {
		return nil, unavailable(fault("introspection: too many requests wait"), time.Second)
	}
	defer func() { <-in.slots }()
	// The time begins here: one spent in the queue says nothing of the endpoint,
	// and must not count against it.
	ctx, cancel := context.WithTimeout(in.ctx, in.timeout)
	defer cancel()

	start := time.Now()
	text, err := in.breaker.Execute(func() (string, error) { return in.post(ctx, token) })
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return nil, unavailable(fault("introspection: the circuit breaker is open"), breakerOpen)
	}
	if err == nil {
		verdict, err = in.verdict(token, text)
	}
	notify(in.observer.Introspected, Introspected{
		Issuer: in.id.name, Active: err == nil && verdict.refused == nil, Err: err, Duration: time.Since(start),
	})
	if err != nil {
		return nil, in.unavailable(err)
	}
	now := instantOf(time.Now())
	if verdict.refused != nil {
		in.inactive.put(verdict, now)
	} else {
		in.active.put(verdict, now)
	}
	return verdict, nil
}

// enter waits for a slot, as long as a request may take. Whoever gets one gives
// it back.
func (in *Introspection) enter() bool {
	ctx, cancel := context.WithTimeout(in.ctx, in.timeout)
	defer cancel()
	select {
	case in.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// paused returns how long the endpoint doesn't want to be asked.
func (in *Introspection) paused() time.Duration {
	return time.Until(time.UnixMicro(in.pausedUntil.Load()))
}

// unavailable turns a failed request into what callers get, and pauses where
// the endpoint asked for it or doesn't know us.
func (in *Introspection) unavailable(err error) error {
	if e, ok := asError(err); ok {
		return e
	}
	var f *fetchError
	wait := time.Second
	if errors.As(err, &f) {
		pause := f.retryAfter
		if f.status == http.StatusUnauthorized {
			pause = max(pause, refusedPause)
		}
		if pause > 0 {
			in.pausedUntil.Store(int64(instantOf(time.Now().Add(pause))))
			wait = pause
		}
	}
	return outward(err, wait)
}
