package authz

import (
	"context"
	"errors"
	"hash/maphash"
	"sync/atomic"
	"time"
)

var (
	errLimiterPanicked = errors.New("the limiter panicked")
	errLimiterEnded    = errors.New("the limiter ended its goroutine")
	errLimiterNegative = errors.New("the limiter's time to wait is negative")
	errLimiterOverdue  = errors.New("the limiter doesn't end its requests at their timeout")
	errLimiterLate     = errors.New("the limiter gave no answer in time")
)

// sharedLimiter asks the configured limiter. It bounds the time of each request, and
// the number of those that run on after it.
type sharedLimiter struct {
	limiter Limiter
	timeout time.Duration
	seed    maphash.Seed
	overdue overdue
}

func newSharedLimiter(config *Config) *sharedLimiter {
	l := &sharedLimiter{limiter: config.Limiter, timeout: config.Timeout, seed: maphash.MakeSeed()}
	if l.timeout == 0 {
		l.timeout = defaultTimeout
	}

	return l
}

// taken is a limiter's answer.
type taken struct {
	wait time.Duration
	err  error
	// broken is set if the limiter itself is faulty.
	broken bool
}

// take asks the limiter to count a call. It returns an *Error if there is no answer,
// or the context's own error.
func (l *sharedLimiter) take(ctx context.Context, call *Call, key LimitKey, limit Limit) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	owner := maphash.Comparable(l.seed, key)
	if !l.overdue.admits(owner) {
		return 0, &Error{Reason: ReasonLimiterUnavailable, Err: errLimiterOverdue}
	}
	bounded, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	var narrow func(context.Context) context.Context
	if call != nil {
		narrow = call.EngineContext
	}
	var left atomic.Bool // set by the first of the two: the request's end, and the call's
	answered := make(chan taken, 1)
	go func() {
		answer := taken{err: errLimiterEnded, broken: true}
		defer func() {
			if recover() != nil {
				answer.err = errLimiterPanicked
			}
			answered <- answer
			if left.Swap(true) {
				l.overdue.add(owner, -1)
			}
		}()
		answer = l.ask(bounded, narrow, key, limit)
	}()
	var answer taken
	select {
	case answer = <-answered:
	case <-bounded.Done():
		if !left.Swap(true) {
			l.overdue.add(owner, 1)
		}
		answer.err = errLimiterLate
	}
	switch {
	case answer.broken:
		return 0, &Error{Reason: ReasonMisconfigured, Err: answer.err}
	case answer.err == nil:
		return min(answer.wait, limit.Per), nil
	case ctx.Err() != nil:
		return 0, ctx.Err()
	default:
		return 0, &Error{Reason: ReasonLimiterUnavailable, RetryAfter: max(answer.wait, 0), Err: answer.err}
	}
}

// ask returns the limiter's answer. A panic is the caller's to contain.
func (l *sharedLimiter) ask(ctx context.Context, narrow func(context.Context) context.Context, key LimitKey, limit Limit) taken {
	if narrow != nil {
		ctx = narrow(ctx)
	}
	wait, err := l.limiter.Take(ctx, key, limit)
	if err != nil {
		read(err)
	}
	switch {
	case err == nil && wait < 0:
		return taken{err: errLimiterNegative, broken: true}
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		// Its request ended, which isn't the end of the caller's call.
		return taken{wait: wait, err: errLimiterLate}
	default:
		return taken{wait: wait, err: err}
	}
}
