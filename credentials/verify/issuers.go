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

	// member returns the verifier of the issuer's JWTs, and the Hybrid that it
	// belongs to, or nil for a plain JWT verifier.
	member() (*JWT, *Hybrid)
}

func (v *JWT) member() (*JWT, *Hybrid)    { return v, nil }
func (h *Hybrid) member() (*JWT, *Hybrid) { return h.jwt, h }

// MultiIssuer verifies the tokens of several issuers, each with its own keys,
// audiences and algorithms. It is safe for concurrent use.
type MultiIssuer struct {
	members []IssuerVerifier
	first   *JWT // its observer is notified of tokens of unknown issuers
	byIss   map[string]IssuerVerifier
	opaque  *Hybrid // for tokens that aren't JWTs
	cache   *tokenCache
	limit   int
	headers headerCache

	expected *expectation
}

// NewMultiIssuer returns a verifier of several issuers. It selects the verifier
// of a token by the exact iss of its strictly decoded claims or, if a token has
// no iss, by the trust domain of its sub (see Profile.TrustDomain). A token of
// an unknown issuer is refused and causes no fetch. A token that isn't a JWT is
// passed to the only member that is a [Hybrid]; it is refused if there is none,
// or more than one, since its issuer is then unknown.
//
// Two verifiers must not share an issuer or an issuer's name. The observer of
// the first verifier is also notified of tokens that belong to none.
func NewMultiIssuer(verifiers ...IssuerVerifier) (*MultiIssuer, error) {
	if len(verifiers) == 0 {
		return nil, errors.New("verify: NewMultiIssuer needs a verifier")
	}
	m := &MultiIssuer{members: append([]IssuerVerifier(nil), verifiers...), byIss: make(map[string]IssuerVerifier, len(verifiers))}
	m.expected = &expectation{}
	names := make(map[string]bool, len(verifiers))
	hybrids, size := 0, 0
	var faults []error
	for i, v := range verifiers {
		if isNil(v) {
			faults = append(faults, fmt.Errorf("verify: NewMultiIssuer: verifier %d is nil", i))
			continue
		}
		jwt, hybrid := v.member()
		if m.byIss[jwt.id.issuer] != nil {
			faults = append(faults, fmt.Errorf("verify: NewMultiIssuer: verifier %d: an earlier one has its Issuer %q", i, jwt.id.issuer))
		}
		if names[jwt.id.name] {
			faults = append(faults, fmt.Errorf("verify: NewMultiIssuer: verifier %d: an earlier one has its IssuerName %q", i, jwt.id.name))
		}
		m.byIss[jwt.id.issuer], names[jwt.id.name] = v, true
		m.expected.issuers = append(m.expected.issuers, jwt.id.issuer)
		if alias := jwt.id.profile.TokenIssuer; alias != "" {
			if m.byIss[alias] != nil {
				faults = append(faults, fmt.Errorf("verify: NewMultiIssuer: verifier %d: another one has its Profile.TokenIssuer %q", i, alias))
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
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
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

// Verify verifies a token with the verifier of its issuer.
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

// confirm introspects a token that was verified locally.
func (m *MultiIssuer) confirm(ctx context.Context, owner *JWT, token string, p *Principal, req *Requirements) (*Principal, Source, error) {
	_, hybrid := m.byIss[owner.id.issuer].member()
	if hybrid == nil {
		return nil, 0, errOtherIssuer
	}
	return hybrid.confirm(ctx, token, p, req)
}

// verify verifies a token locally. The owner is nil if the token has none.
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

// owner returns the member that the claims name as the issuer, or nil if there
// is none. The trust domain is used only for a token without iss.
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

// Ready calls Ready of all members concurrently.
func (m *MultiIssuer) Ready(ctx context.Context) error {
	return m.each(func(v IssuerVerifier) error {
		if err := v.Ready(ctx); err != nil {
			jwt, _ := v.member()
			return fmt.Errorf("verify: issuer %q: %w", jwt.id.name, err)
		}
		return nil
	})
}

// Close closes all members concurrently.
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
