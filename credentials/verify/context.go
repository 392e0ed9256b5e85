package verify

import "context"

type principalKey struct{}

// NewContext returns a context that carries the principal. Interceptors call
// it, and so may tests of handlers.
func NewContext(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// FromContext returns the principal of the call, and false if there is none, as
// in a public method or in a context that doesn't belong to a call.
func FromContext(ctx context.Context) (*Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(*Principal)
	return p, ok && p != nil
}
