// Package caller tells an engine for which caller authz asks, so that it can share
// out what callers have in common: a rule may take the subject of a query from the
// request, so the subject doesn't say who asks.
package caller

import "context"

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

// FromContext returns the caller that authz asks for. It is false where the engine
// is asked by something else.
func FromContext(ctx context.Context) (uint64, bool) {
	k, ok := ctx.Value(key{}).(*known)
	if !ok {
		return 0, false
	}

	return k.id, true
}
