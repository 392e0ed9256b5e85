package adapter

import (
	"context"
	"time"
)

// WithTimeout is [context.WithTimeout] for a context whose own deadline may
// already be the earlier one, as authz's is: then WithTimeout returns ctx itself,
// without another timer. The returned function releases the timer, if there is one.
func WithTimeout(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= timeout {
		return ctx, func() {}
	}

	return context.WithTimeout(ctx, timeout)
}
