package verify

import "context"

type principalKey struct{}

// NewContext returns a context that carries the principal. Interceptors call
// it; so do the tests of handlers.
func NewContext(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// FromContext returns the principal of the call, false if there is none (a
// public method, or a context that is not a call's).
func FromContext(ctx context.Context) (*Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(*Principal)
	return p, ok && p != nil
}
