package verify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// IssuerVerifier is a verifier of one issuer's tokens: a [*JWT] or a [*Hybrid].
type IssuerVerifier interface {
	Verifier
	Ready(ctx context.Context) error
	Close() error

	// member returns what verifies the issuer's JWTs, and what else it has; nil
	// for a plain JWT verifier.
	member() (*JWT, *Hybrid)
}

func (v *JWT) member() (*JWT, *Hybrid)    { return v, nil }
func (h *Hybrid) member() (*JWT, *Hybrid) { return h.jwt, h }

// MultiIssuer verifies the tokens of several issuers, each with its own keys,
// audiences and algorithms. It is safe for concurrent use.
type MultiIssuer struct {
	members []IssuerVerifier
	first   *JWT // whose observer hears of tokens that are nobody's
	byIss   map[string]IssuerVerifier
	opaque  *Hybrid // for tokens that aren't JWTs
	cache   *tokenCache
	limit   int
	headers headerCache

	expected *expectation
}

// NewMultiIssuer makes one verifier of several. The verifier for a token is chosen by
// the exact iss of its strictly decoded claims; a token of an unknown issuer is
// refused and costs no fetch. A token that isn't a JWT goes to the one member
// that is a [Hybrid]; it is refused if there is none, or several, for nobody can
// say whose it is.
//
// Two verifiers must not share an issuer or an issuer's name. The observer of
// the first one also hears of tokens that belong to none.
func NewMultiIssuer(verifiers ...IssuerVerifier) (*MultiIssuer, error) {
	if len(verifiers) == 0 {
		return nil, errors.New("verify: NewMultiIssuer needs a verifier")
	}
	m := &MultiIssuer{members: append([]IssuerVerifier(nil), verifiers...), byIss: make(map[string]IssuerVerifier, len(verifiers))}
	m.expected = &expectation{}
	names := make(map[string]bool, len(verifiers))
	hybrids, size := 0, 0
	for i, v := range verifiers {
		if isNil(v) {
			return nil, fmt.Errorf("verify: NewMultiIssuer: verifier %d is nil", i)
		}
		jwt, hybrid := v.member()
		if m.byIss[jwt.id.issuer] != nil || names[jwt.id.name] {
			return nil, fmt.Errorf("verify: NewMultiIssuer: %q, named %q, is there already", jwt.id.issuer, jwt.id.name)
		}
		m.byIss[jwt.id.issuer], names[jwt.id.name] = v, true
		m.expected.issuers = append(m.expected.issuers, jwt.id.issuer)
		if alias := jwt.id.profile.TokenIssuer; alias != "" {
			if m.byIss[alias] != nil {
				return nil, fmt.Errorf("verify: NewMultiIssuer: %q is there already", alias)
			}
			m.byIss[alias] = v
		}
		m.limit = max(m.limit, jwt.limit)
		if m.first == nil {
			m.first = jwt
		}
		if hybrid != nil {
			hybrids++
			m.opaque = hybrid
			m.limit = max(m.limit, defaultMaxTokenBytes)
		}
		if jwt.cache != nil {
			size += jwt.cache.size
		}
	}
	if hybrids != 1 {
		m.opaque = nil
	}
	if size > 0 {
		m.cache = newSignedCache(size)
	}
	return m, nil
}

func isNil(v IssuerVerifier) bool {
	switch v := v.(type) {
	case *JWT:
		return v == nil
	case *Hybrid:
		return v == nil
	default:
		return true
	}
}

// Verify verifies a token by the verifier of its issuer.
func (m *MultiIssuer) Verify(ctx context.Context, token string, req Requirements) (*Principal, error) {
	if req.Validation > ValidationIntrospect {
		return nil, errValidation
	}
	if m.opaque != nil && len(token) <= m.limit && !isJWT(token) {
		return m.opaque.Verify(ctx, token, req)
	}
	start := time.Now()
	owner, p, source, err := m.verify(ctx, token, &req)
	if err == nil && req.Validation == ValidationIntrospect {
		p, source, err = m.confirm(ctx, owner, token, p, &req)
	}
	observer, name := &m.first.observer, ""
	if owner != nil {
		observer, name = &owner.observer, owner.id.name
	}
	observer.verified(name, source, err, start)
	return p, err
}

// confirm asks the issuer of a token that was verified locally.
func (m *MultiIssuer) confirm(ctx context.Context, owner *JWT, token string, p *Principal, req *Requirements) (*Principal, Source, error) {
	_, hybrid := m.byIss[owner.id.issuer].member()
	if hybrid == nil {
		return nil, 0, errOtherIssuer
	}
	return hybrid.confirm(ctx, token, p, req)
}

// verify verifies locally. The owner is nil if the token has none.
func (m *MultiIssuer) verify(ctx context.Context, token string, req *Requirements) (owner *JWT, p *Principal, source Source, err error) {
	now := m.first.clock.now()
	if e := m.cache.get(token, now); e != nil {
		if p, err = e.boundTo(req); err != nil {
			err = e.owner.expected.explain(err, nil, e.principal.c, now)
		}
		return e.owner, p, SourceCache, err
	}
	d, refused := decode(token, m.limit, setAll, &m.headers)
	if refused != nil {
		return nil, nil, SourceLocal, refused
	}
	v := m.owner(d.claims)
	if v == nil {
		return nil, nil, SourceLocal, m.expected.refuse(errClaimsIssuer, d.header, d.claims, now)
	}
	owner, _ = v.member()
	if len(token) > owner.limit {
		return owner, nil, SourceLocal, errTokenSize
	}
	p, err = owner.verifyDecoded(ctx, d, req, now, m.cache, &m.headers)
	if err != nil {
		err = owner.expected.explain(err, d.header, d.claims, now)
	}
	return owner, p, SourceLocal, err
}

// owner returns the member whose token it says it is, nil if there is none. Only
// a token without iss is asked for its trust domain.
func (m *MultiIssuer) owner(c *claims) IssuerVerifier {
	if c.hasIssuer {
		return m.byIss[c.issuer]
	}
	domain := trustDomainOf(c.subject)
	if domain == "" {
		return nil
	}
	return m.byIss[domain]
}

// Ready makes every member ready, at the same time.
func (m *MultiIssuer) Ready(ctx context.Context) error {
	return m.each(func(v IssuerVerifier) error {
		if err := v.Ready(ctx); err != nil {
			jwt, _ := v.member()
			return fmt.Errorf("verify: issuer %q: %w", jwt.id.name, err)
		}
		return nil
	})
}

// Close closes every member.
func (m *MultiIssuer) Close() error { return m.each(IssuerVerifier.Close) }

func (m *MultiIssuer) each(f func(IssuerVerifier) error) error {
	errs := make([]error, len(m.members))
	var wg sync.WaitGroup
	for i, v := range m.members {
		wg.Go(func() { errs[i] = f(v) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
