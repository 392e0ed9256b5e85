package credentials

import (
	"context"
)

// GetRequestMetadata implements PerRPCCredentials: it returns the authorization
// header for one call. The map is shared and must not be changed; gRPC doesn't.
//
// Outgoing metadata that already has authorization is not looked at, since that
// would cost every call a copy of it: both values would be sent, and servers
// refuse two. Use [WithToken] to replace the token of one call.
func (c *Credentials) GetRequestMetadata(ctx context.Context, uri ...string) (map[string]string, error) {
	if err := c.g.transport.check(ctx, uri); err != nil {
		return nil, err
	}
	record, override := callOf(ctx)
	if override != nil {
		return override.metadata()
	}
	tok := c.s.current.Load()
	if tok == nil {
		var err error
		if tok, err = c.s.get(ctx, startWait); err != nil {
			return nil, err
		}
	}
	if record != nil && record.creds.s == c.s {
		tok = record.sent(ctx, tok)
	}
	tok.touch()
	return tok.header, nil
}

// RequireTransportSecurity implements PerRPCCredentials. If Config allows
// plaintext somewhere it reports false, and GetRequestMetadata judges each
// connection instead.
func (c *Credentials) RequireTransportSecurity() bool { return c.g.transport.strict() }

// contextKey finds what this package puts into a call's context: an *override
// or a *call.
type contextKey struct{}

// WithToken makes calls under the context carry this token instead of the
// credentials' own. The demands on the connection stay; nothing is refreshed,
// dropped or replayed. A token that a header can't carry fails the call with
// INTERNAL.
func WithToken(ctx context.Context, token string) context.Context {
	o := &override{}
	if checkToken(token) != nil {
		o.err = &Error{Kind: KindMisconfigured, text: "WithToken was given something that is no token"}
	} else {
		o.header = map[string]string{"authorization": "Bearer " + token}
	}
	return context.WithValue(ctx, contextKey{}, o)
}

// override is the token of WithToken.
type override struct {
	header map[string]string
	err    *Error
}

func (o *override) metadata() (map[string]string, error) {
	if o.err != nil {
		return nil, o.err
	}
	return o.header, nil
}

// callOf finds the record of the call, if the interceptors are in use, and the
// token of WithToken, if there is one.
func callOf(ctx context.Context) (*call, *override) {
	switch v := ctx.Value(contextKey{}).(type) {
	case *call:
		return v, v.override
	case *override:
		return nil, v
	}
	return nil, nil
}
