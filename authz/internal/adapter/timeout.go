package adapter

import (
	"context"
	"time"
)

// WithTimeout is [context.WithTimeout] for a context whose own deadline may
// already be the earlier one, as authz's is: then it is returned as it is,
// without another timer. The function releases what was made, if anything.
func WithTimeout(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= timeout {
		return ctx, func() {}
	}

	return context.WithTimeout(ctx, timeout)
}
