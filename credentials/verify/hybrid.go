package verify

import (
	"context"
	"errors"
	"strings"
)

// HybridConfig configures a [Hybrid].
type HybridConfig struct {
	// JWT verifies the issuer's JWTs.
	// Required.
	JWT *JWT

	// Introspection asks the same issuer. Its Issuer, IssuerName and Profile
	// must be those of JWT.
	// Required.
	Introspection *Introspection
}

// Hybrid verifies the tokens of an issuer that has both kinds. A JWT is verified
// locally, and where the requirements say so, introspected as well; any other
// token is introspected. It is chosen by the token's form and the requirements,
// never because the other way has failed. It is safe for concurrent use.
type Hybrid struct {
	jwt *JWT
	in  *Introspection
}

// NewHybrid makes a verifier of two.
func NewHybrid(cfg HybridConfig) (*Hybrid, error) {
	if cfg.JWT == nil || cfg.Introspection == nil {
		return nil, errors.New("verify: JWT and Introspection are both required")
	}
	if cfg.JWT.id.issuer != cfg.Introspection.id.issuer || cfg.JWT.id.name != cfg.Introspection.id.name {
		return nil, errors.New("verify: JWT and Introspection must be of one issuer and name it alike")
	}
	if !cfg.JWT.id.profile.same(cfg.Introspection.id.profile) {
		return nil, errors.New("verify: JWT and Introspection must have the same Profile: or one token would be of two kinds")
	}
	return &Hybrid{jwt: cfg.JWT, in: cfg.Introspection}, nil
}

// Verify verifies a token locally or by introspection, or both.
func (h *Hybrid) Verify(ctx context.Context, token string, req Requirements) (*Principal, error) {
	switch {
	case !isJWT(token):
		if req.Validation == ValidationLocal {
			return nil, errTokenForm
		}
		return h.in.Verify(ctx, token, req)
	case req.Validation == ValidationIntrospect:
		local := req
		local.Validation = ValidationLocal
		p, err := h.jwt.Verify(ctx, token, local)
		if err != nil {
			return nil, err
		}
		return h.confirm(ctx, token, p, req)
	default:
		return h.jwt.Verify(ctx, token, req)
	}
}

// confirm asks the issuer about a token that was verified locally. The answer
// must be about the same token; scopes that it no longer names are gone.
func (h *Hybrid) confirm(ctx context.Context, token string, p *Principal, req Requirements) (*Principal, error) {
	q, err := h.in.Verify(ctx, token, req)
	if err != nil {
		return nil, err
	}
	if differ(p.c.subject, q.c.subject) || differ(p.c.clientID, q.c.clientID) || differ(p.c.tokenID, q.c.tokenID) {
		return nil, errMismatch
	}
	until := p.validUntil
	if q.c.expires.present() && q.validUntil.Before(until) {
		until = q.validUntil
	}
	scopes := p.c.scopes
	if q.c.hasScope || q.c.hasScp {
		scopes = common(p.c.scopes, q.c.scopes)
	}
	if len(scopes) == len(p.c.scopes) && until.Equal(p.validUntil) {
		return p, nil
	}
	narrowed := *p
	c := *p.c
	c.scopes = scopes
	narrowed.c, narrowed.validUntil = &c, until
	return &narrowed, nil
}

// differ reports whether an answer says something else than the token; what it
// leaves out (RFC 7662 §2.2: all of these are optional) doesn't differ.
func differ(token, answer string) bool { return answer != "" && answer != token }

func common(a, b []string) []string {
	in := make(map[string]struct{}, len(b))
	for _, s := range b {
		in[s] = struct{}{}
	}
	out := make([]string, 0, len(a))
	for _, s := range a {
		if _, ok := in[s]; ok {
			out = append(out, s)
		}
	}
	return out
}

// isJWT reports whether a token has the form of a JWS: three parts, the first of
// which begins as a JSON object does. An opaque token that happens to look so is
// refused. White space before the brace would be legal, but no issuer writes it:
// such a token is the introspection endpoint's to judge.
func isJWT(token string) bool {
	if strings.Count(token, ".") != 2 || token[0] != 'e' {
		return false
	}
	// '{' is six bits of the first character and two of the second.
	switch c := token[1]; {
	case 'w' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		return true
	default:
		return false
	}
}

// Ready fetches the keys, unless there are some.
func (h *Hybrid) Ready(ctx context.Context) error {
	return errors.Join(h.jwt.Ready(ctx), h.in.Ready(ctx))
}

// Close closes both verifiers.
func (h *Hybrid) Close() error { return errors.Join(h.jwt.Close(), h.in.Close()) }
