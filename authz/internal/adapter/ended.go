package adapter

import (
	"context"
	"errors"
	"time"

	"github.com/usher-auth/usher/authz"
)

// deadlineSkew is how much earlier than here an engine may see a call's deadline
// pass: gRPC sends it as the time that is left, and two timers never fire at once.
const deadlineSkew = 50 * time.Millisecond

// ErrPanicked is the error that [Contained] returns for a panic.
var ErrPanicked = errors.New("adapter: a client or a source of credentials panicked")

// errGone is the error that [Contained] returns for a read that ends its goroutine.
var errGone = errors.New("adapter: a client or a source of credentials ended its goroutine")

// Contained calls read in a goroutine of its own, and returns an error if read panics
// or ends its goroutine. A shared read needs it: golang.org/x/sync/singleflight
// raises a panic again where no code can recover it, and never returns to the callers
// that wait for a goroutine that has ended.
func Contained[T any](read func() (T, error)) (value T, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = &authz.EngineError{Kind: authz.EngineUnavailable, Err: errGone}
		defer func() {
			if recovered := recover(); recovered != nil {
				err = &authz.EngineError{Kind: authz.EngineMisconfigured, Err: ErrPanicked}
			}
		}()
		value, err = read()
	}()
	<-done

	return value, err
}

// Ended returns why ctx has ended, or nil if it hasn't. With timedOut, the engine has
// reported that the call's deadline passed: then Ended returns
// [context.DeadlineExceeded] if the deadline of ctx is due.
func Ended(ctx context.Context, timedOut bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); timedOut && ok && time.Until(deadline) <= deadlineSkew {
		return context.DeadlineExceeded
	}

	return nil
}
