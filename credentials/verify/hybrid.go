package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// HybridConfig configures a [Hybrid].
type HybridConfig struct {
	// JWT verifies the issuer's JWTs.
	// Required.
	JWT *JWT

	// Introspection introspects tokens of the same issuer. Its Issuer,
	// IssuerName and Profile must be those of JWT.
	Introspection *Introspection
}

// Hybrid verifies the tokens of an issuer that issues both kinds. A JWT is
// verified locally and, if the requirements demand it, introspected as well;
// any other token is introspected. The way is chosen by the token's form and
// the requirements, never because the other one has failed. It is safe for
// concurrent use.
//
// An answer about a JWT needs no member except active (RFC 7662 §2.2): the rest
// is known from the verified token. If it names the issuer, the subject, the
// client, the actor, the token's id or its binding, these must equal the
// token's; its scopes and times can only narrow the token's. Roles, groups,
// permissions and all other claims are always the token's own: a role that was
// withdrawn since then remains until the token is inactive.
//
// Each call is reported once, when its outcome is known: for a JWT to the
// Observer of JWT, for any other token to the Observer of Introspection.
type Hybrid struct {
	jwt *JWT
	in  *Introspection
}

// NewHybrid returns a verifier that combines the two of cfg.
func NewHybrid(cfg HybridConfig) (*Hybrid, error) {
	if cfg.JWT == nil || cfg.Introspection == nil {
		return nil, errors.New("verify: HybridConfig.JWT and HybridConfig.Introspection are both required")
	}
	jwt, in := &cfg.JWT.id, &cfg.Introspection.id
	var faults []error
	if jwt.issuer != in.issuer {
		faults = append(faults, fmt.Errorf("verify: JWT and Introspection must be of one issuer: their Issuers are %q and %q", jwt.issuer, in.issuer))
	}
	if jwt.name != in.name {
		faults = append(faults, fmt.Errorf("verify: JWT and Introspection must name their issuer alike: their IssuerNames are %q and %q", jwt.name, in.name))
	}
	if !jwt.profile.same(in.profile) {
		faults = append(faults, errors.New("verify: JWT and Introspection must have the same Profile: or one token would be of two kinds"))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return &Hybrid{jwt: cfg.JWT, in: cfg.Introspection}, nil
}

// Verify verifies a token locally or by introspection, or both.
func (h *Hybrid) Verify(ctx context.Context, token string, req Requirements) (*Principal, error) {
	switch {
	case !isJWT(token) && req.Validation == ValidationLocal:
		h.jwt.observer.verified(h.jwt.id.name, SourceLocal, errTokenForm, h.jwt.observer.start())
		return nil, errTokenForm
	case !isJWT(token):
		return h.in.Verify(ctx, token, req)
	case req.Validation == ValidationIntrospect:
		start := h.jwt.observer.start()
		p, source, err := h.jwt.verify(ctx, token, &req)
		if err == nil {
			p, source, err = h.confirm(ctx, token, p, &req)
		}
		h.jwt.observer.verified(h.jwt.id.name, source, err, start)
		return p, err
	default:
		return h.jwt.Verify(ctx, token, req)
	}
}

// confirm introspects a token that was verified locally. It removes the scopes
// that the answer doesn't name. The source is that of the answer.
func (h *Hybrid) confirm(ctx context.Context, token string, p *Principal, req *Requirements) (*Principal, Source, error) {
	q, source, err := h.in.verify(ctx, token, req, p.c)
	if err != nil {
		return nil, source, err
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
		return p, source, nil
	}
	narrowed := *p
	c := *p.c
	c.scopes = scopes
	narrowed.c, narrowed.validUntil = &c, until
	return &narrowed, source, nil
}

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

// isJWT reports whether a token has the form of a JWS: three parts, the first
// of which begins as a JSON object does. An opaque token of that form is
// refused. White space before the brace would be legal, but no issuer writes
// it: such a token is left to the introspection endpoint.
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

// Ready fetches the keys if there are none.
func (h *Hybrid) Ready(ctx context.Context) error {
	return errors.Join(h.jwt.Ready(ctx), h.in.Ready(ctx))
}

// Close closes both verifiers.
func (h *Hybrid) Close() error { return errors.Join(h.jwt.Close(), h.in.Close()) }
