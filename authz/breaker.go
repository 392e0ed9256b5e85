package authz

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

const (
	// defaultFailures in a row open the breaker: more than a hiccup, fewer than
	// what a caller waits for.
	defaultFailures = 5
	// defaultOpenFor is how long an engine that is down is left alone.
	defaultOpenFor = 5 * time.Second
	// retryNow is the shortest wait that a caller is told.
	retryNow = 100 * time.Millisecond
)

// breaker stops asking an engine that is unavailable.
type breaker struct {
	circuit  *gobreaker.CircuitBreaker[Result]
	openFor  time.Duration
	openedAt atomic.Int64
	clock    func() time.Duration
}

var errOpen = errors.New("the circuit breaker is open")

// newBreaker returns nil, the breaker that never opens, where it is disabled.
func newBreaker(config BreakerConfig, clock func() time.Duration, observer *Observer) *breaker {
	if config.Disabled {
		return nil
	}
	failures := config.Failures
	if failures == 0 {
		failures = defaultFailures
	}
	b := &breaker{openFor: config.OpenFor, clock: clock}
	if b.openFor == 0 {
		b.openFor = defaultOpenFor
	}
	changed := observer.BreakerChanged
	b.circuit = gobreaker.NewCircuitBreaker[Result](gobreaker.Settings{
		Timeout:     b.openFor,
		ReadyToTrip: func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= failures },
		OnStateChange: func(_ string, _, to gobreaker.State) {
			if to == gobreaker.StateOpen {
				b.openedAt.Store(int64(b.clock()))
			}
			if changed != nil && to != gobreaker.StateHalfOpen {
				changed(to == gobreaker.StateOpen)
			}
		},
		// Only an engine that is unavailable is a failure: nothing that a caller
		// writes into a request can open the breaker.
		IsSuccessful: func(err error) bool { return err == nil || asEngineError(err).Kind != EngineUnavailable },
		// A caller that left says nothing about the engine.
		IsExcluded: func(err error) bool { return errors.Is(err, context.Canceled) },
	})

	return b
}

// do runs a request unless the breaker is open.
func (b *breaker) do(request func() (Result, error)) (Result, error) {
	if b == nil {
		return request()
	}
	result, err := b.circuit.Execute(request)
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		left := time.Duration(b.openedAt.Load()) + b.openFor - b.clock()

		return Result{}, &EngineError{Kind: EngineUnavailable, RetryAfter: max(left, retryNow), Err: errOpen}
	}

	return result, err
}
