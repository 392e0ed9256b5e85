package credentials

import (
	"context"
)

// GetRequestMetadata implements PerRPCCredentials. It returns the authorization
// header for one call. The map is shared and must not be changed; gRPC doesn't
// change it.
//
// It doesn't check whether the outgoing metadata already has authorization,
// since each call would have to copy the metadata for that: both values would
// be sent, and servers refuse two. Use [WithToken] to replace the token of one
// call.
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

// RequireTransportSecurity implements PerRPCCredentials. It returns false if
// Config allows plaintext for some connections; GetRequestMetadata then checks
// each connection instead.
func (c *Credentials) RequireTransportSecurity() bool { return c.g.transport.strict() }

// contextKey is the key of this package's value in a call's context: an
// *override or a *call.
type contextKey struct{}

// WithToken returns a context whose calls carry this token instead of the
// credentials' own. The requirements on the connection still apply; nothing is
// refreshed, dropped or replayed. A token that is not valid as a header's value
// fails the call with INTERNAL.
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

// callOf returns the record of the call, or nil if the interceptors aren't in
// use, and the token of WithToken, or nil if there is none.
func callOf(ctx context.Context) (*call, *override) {
	switch v := ctx.Value(contextKey{}).(type) {
	case *call:
		return v, v.override
	case *override:
		return nil, v
	}
	return nil, nil
}
