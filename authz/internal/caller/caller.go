// Package caller tells an engine for which caller authz asks, so that it can share
// out what callers have in common: a rule may take the subject of a query from the
// request, so the subject doesn't say who asks.
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

// NewContext returns a context that holds the caller, as authz tells callers apart.
func NewContext(ctx context.Context, id uint64) context.Context { return &known{ctx, id} }

// detached is a context with a caller and without its parent's end.
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

// FromContext returns the caller that authz asks for. It is false where the engine
// is asked by something else.
func FromContext(ctx context.Context) (uint64, bool) {
	k, ok := ctx.Value(key{}).(*known)
	if !ok {
		return 0, false
	}

	return k.id, true
}
