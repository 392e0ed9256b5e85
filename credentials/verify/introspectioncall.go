package verify

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/usher-auth/usher/internal/notify"
)

// introspectionCalls are the requests under way. They are behind a pointer so that
// printing a verifier doesn't print them.
type introspectionCalls struct {
	byToken   map[introspectionKey]*introspectionCall
	strangers int // the number of those about tokens that aren't known to be good
}

// introspectionKey is equal for two calls that need the same verdict.
type introspectionKey struct {
	token string
	local bool
}

// introspectionCall is one request, for which several calls may wait.
type introspectionCall struct {
	stranger bool
	done     chan struct{}
	verdict  *remembered
	err      error
}

// fingerprint returns a hash that identifies a token without keeping it.
func fingerprint(token string) string {
	sum := sha256.Sum256([]byte(token))
	return string(sum[:])
}

// ask joins the request about the token that is under way, or starts one. The
// request belongs to no single call: each call stops waiting at its own deadline.
func (in *Introspection) ask(ctx context.Context, token string, local *claims) (*remembered, error) {
	call, err := in.join(token, local)
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

func (in *Introspection) join(token string, local *claims) (*introspectionCall, error) {
	key := introspectionKey{token: token, local: local != nil}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed.Load() {
		return nil, unavailable(errClosed, 0)
	}
	if call := in.calls.byToken[key]; call != nil {
		return call, nil
	}
	// A made-up token was never active, and doesn't have the issuer's signature.
	stranger := local == nil && in.active.get(token, noInstant) == nil
	if len(in.calls.byToken) >= queueFactor*cap(in.slots) || stranger && in.calls.strangers >= queueFactor*cap(in.strangers) {
		return nil, unavailable(fault("introspection: too many tokens wait"), time.Second)
	}
	call := &introspectionCall{stranger: stranger, done: make(chan struct{})}
	in.calls.byToken[key] = call
	if stranger {
		in.calls.strangers++
	}
	in.wg.Go(func() {
		// The outcome if the HTTP client's code ends the goroutine.
		call.err = unavailable(errGaveUp, time.Second)
		defer in.leave(key, call)
		call.verdict, call.err = in.settle(token, local, call.stranger)
	})
	return call, nil
}

// leave ends a call and wakes the calls that wait for it.
func (in *Introspection) leave(key introspectionKey, call *introspectionCall) {
	in.mu.Lock()
	delete(in.calls.byToken, key)
	if call.stranger {
		in.calls.strangers--
	}
	in.mu.Unlock()
	close(call.done)
}

const (
	errGaveUp   = fault("introspection: the HTTP client gave up")
	errPanicked = fault("introspection: the HTTP client panicked")
)

// settle gets the verdict on a token and remembers it.
func (in *Introspection) settle(token string, local *claims, stranger bool) (verdict *remembered, err error) {
	defer func() {
		if recover() != nil {
			verdict, err = nil, unavailable(errPanicked, time.Second)
		}
	}()
	if verdict = in.remembered(token, local != nil); verdict != nil {
		return verdict, nil // settled by the request before
	}
	leave, err := in.enter(stranger)
	if err != nil {
		return nil, err
	}
	defer leave()
	// The timeout begins here: time in the queue isn't the endpoint's, and must not
	// count against it.
	ctx, cancel := context.WithTimeout(in.ctx, in.timeout)
	defer cancel()

	start := time.Now()
	text, err := in.post(ctx, token)
	in.health.record(time.Now(), err)
	var entry *cached
	if err == nil {
		entry, err = in.verdict(token, text, local, start)
	} else if s := (*statusError)(nil); errors.As(err, &s) && s.ofToken() {
		entry, err = in.refuse(token, local, &Error{Kind: CredentialFault, Err: s}), nil
	}
	notify.Call(in.observer.Introspected, Introspected{
		Issuer: in.id.name, Active: err == nil && entry.Value.refused == nil, Err: err, Duration: time.Since(start),
	}, nil)
	if err != nil {
		return nil, failure(err)
	}
	now := instantOf(time.Now())
	if entry.Value.refused != nil {
		in.inactive.put(entry, now)
	} else {
		in.active.put(entry, now)
	}
	return &entry.Value, nil
}

// enter waits until the endpoint may be asked and for a turn, at most for the
// timeout of a request. The turn ends with leave.
func (in *Introspection) enter(stranger bool) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(in.ctx, in.timeout)
	defer cancel()
	turns := []chan struct{}{in.strangers, in.slots}
	if !stranger {
		turns = turns[1:]
	}
	for {
		if err := in.admit(ctx); err != nil {
			return nil, err
		}
		leave, ok := take(ctx, turns)
		if !ok {
			return nil, unavailable(fault("introspection: too many requests wait"), time.Second)
		}
		if in.health.open(time.Now()) {
			return leave, nil
		}
		leave() // a suspicion that arose meanwhile applies to this request, too
	}
}

// take waits for a place in each of the channels.
func take(ctx context.Context, turns []chan struct{}) (leave func(), ok bool) {
	taken := 0
	leave = func() {
		for _, turn := range turns[:taken] {
			<-turn
		}
	}
	for _, turn := range turns {
		select {
		case turn <- struct{}{}:
			taken++
		case <-ctx.Done():
			leave()
			return nil, false
		}
	}
	return leave, true
}

// admit waits while the endpoint is suspected. It starts the probes that are due.
// Probes take no slot, since requests that hang may hold all slots.
func (in *Introspection) admit(ctx context.Context) error {
	for {
		a := in.health.admit(time.Now())
		if a.refused == nil {
			return nil
		}
		if a.probe {
			in.wg.Go(in.probe)
		}
		if a.changed == nil {
			return unavailable(a.refused, a.wait)
		}
		timer := time.NewTimer(a.wait)
		select {
		case <-a.changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return unavailable(a.refused, a.wait)
		}
		timer.Stop()
	}
}

// probe asks about a token that no caller has chosen, to learn whether the
// endpoint gives any answer.
func (in *Introspection) probe() {
	start := time.Now()
	var err error = &fetchError{what: errGaveUp.Error()} // if the HTTP client's code ends the goroutine
	defer func() {
		if recover() != nil {
			err = &fetchError{what: errPanicked.Error()}
		}
		in.health.probed(time.Now(), err)
		notify.Call(in.observer.Introspected, Introspected{Issuer: in.id.name, Probe: true, Err: err, Duration: time.Since(start)}, nil)
	}()
	ctx, cancel := context.WithTimeout(in.ctx, in.timeout)
	defer cancel()
	_, err = in.post(ctx, probeToken)
}

// failure returns the error that callers get for a failed request.
func failure(err error) *Error {
	if e, ok := asError(err); ok {
		return e
	}
	wait := time.Second
	if s := (*statusError)(nil); errors.As(err, &s) {
		switch {
		case s.retryAfter > 0:
			wait = s.retryAfter
		case s.status == http.StatusUnauthorized:
			wait = refusedPause
		}
	}
	return outward(err, wait)
}
