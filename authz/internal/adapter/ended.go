package adapter

import (
	"context"
	"time"
)

// deadlineSkew is how much earlier than here an engine may see a call's deadline
// pass: gRPC sends it as the time that is left, and two timers never fire at once.
const deadlineSkew = 50 * time.Millisecond

// Ended is why ctx has ended, nil if it hasn't. With timedOut the engine says
// that the call's deadline has passed: where ctx has one that is due, that is it.
func Ended(ctx context.Context, timedOut bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); timedOut && ok && time.Until(deadline) <= deadlineSkew {
		return context.DeadlineExceeded
	}

	return nil
}
