// Package caller passes to an engine the caller for which authz sends a query, so that
// the engine can share out resources among callers. The subject doesn't identify the
// caller, since a rule may take the subject of a query from the request.
package caller

import (
	"context"
	"time"
)

type key struct{}

// known is a context with a caller. It is a type of its own to cost one allocation.
type known struct {
	context.Context //nolint:containedctx // it is a context

	id uint64
}

// Value returns the context itself for the caller's key.
func (k *known) Value(wanted any) any {
	if wanted == (key{}) {
		return k
	}

	return k.Context.Value(wanted)
}

// NewContext returns a context that holds authz's number of the caller.
func NewContext(ctx context.Context, id uint64) context.Context { return &known{ctx, id} }

// detached is a context with a caller that doesn't end with its parent.
type detached struct{ known }

// Deadline returns none.
func (*detached) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// Done returns nil: the context never ends.
func (*detached) Done() <-chan struct{} { return nil }

// Err returns nil.
func (*detached) Err() error { return nil }

// Detach returns a context that holds the caller and the values of ctx, and doesn't
// end with it: [context.WithoutCancel] and [NewContext] in one.
func Detach(ctx context.Context, id uint64) context.Context { return &detached{known{ctx, id}} }

// undated is a context with a caller and without its parent's deadline.
type undated struct{ known }

// Deadline returns none.
func (*undated) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// Undated returns a context that holds the caller and ends with ctx, but doesn't tell
// when.
func Undated(ctx context.Context, id uint64) context.Context { return &undated{known{ctx, id}} }

// FromContext returns the caller for which authz sends a query. The second result is
// false if the query isn't from authz.
func FromContext(ctx context.Context) (uint64, bool) {
	k, ok := ctx.Value(key{}).(*known)
	if !ok {
		return 0, false
	}

	return k.id, true
}
