package verify

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Principal is who a verified token stands for. It is immutable and safe for
// concurrent use: what accessors return is a copy or can't be changed.
type Principal struct {
	c          *claims
	issuer     string
	issuerName string
	service    bool
	validUntil time.Time
}

// Issuer returns the exact issuer identifier (iss).
func (p *Principal) Issuer() string { return p.issuer }

// IssuerName returns the short name that the issuer was configured with; by
// default it is the issuer identifier itself.
func (p *Principal) IssuerName() string { return p.issuerName }

// Subject returns sub. It is unique only together with the issuer.
func (p *Principal) Subject() string { return p.c.subject }

// ClientID returns client_id: the client that got the token, which for a
// user's token is not the user.
func (p *Principal) ClientID() string { return p.c.clientID }

// Audiences returns aud.
func (p *Principal) Audiences() []string { return slices.Clone(p.c.audiences) }

// Scopes returns the scopes, without duplicates.
func (p *Principal) Scopes() []string { return slices.Clone(p.c.scopes) }

// HasScope reports whether scope was granted. Scopes are compared whole.
func (p *Principal) HasScope(scope string) bool { return slices.Contains(p.c.scopes, scope) }

// TokenID returns jti, the only name by which a token may be revoked: the same
// ECDSA token exists with two valid signatures.
func (p *Principal) TokenID() string { return p.c.tokenID }

// ExpiresAt returns exp, the zero time if the token has none.
func (p *Principal) ExpiresAt() time.Time { return p.c.expires.time() }

// IssuedAt returns iat, the zero time if the token has none.
func (p *Principal) IssuedAt() time.Time { return p.c.issued.time() }

// NotBefore returns nbf, the zero time if the token has none.
func (p *Principal) NotBefore() time.Time { return p.c.notBefore.time() }

// AuthTime returns auth_time, the zero time if the token has none.
func (p *Principal) AuthTime() time.Time { return p.c.authTime.time() }

// ValidUntil returns when the verification ends at the latest, and with it a
// stream that runs under it: exp and the leeway, or for an introspected token
// without exp, the end of the introspection cache's life.
func (p *Principal) ValidUntil() time.Time { return p.validUntil }

// ACR returns acr, the authentication context class.
func (p *Principal) ACR() string { return p.c.acr }

// AMR returns amr, the authentication methods.
func (p *Principal) AMR() []string { return slices.Clone(p.c.amr) }

// Actor returns who acts for the subject (RFC 8693 act), the outermost first.
func (p *Principal) Actor() (*Actor, bool) { return p.c.actor, p.c.actor != nil }

// CertificateThumbprint returns the SHA-256 of the client certificate that the
// token is bound to (RFC 8705), false if it is bound to none.
func (p *Principal) CertificateThumbprint() ([32]byte, bool) {
	return p.c.confirmation.thumbprint, p.c.confirmation.bound
}

// Roles returns the claim roles.
func (p *Principal) Roles() []string { return slices.Clone(p.c.roles) }

// Groups returns the claim groups.
func (p *Principal) Groups() []string { return slices.Clone(p.c.groups) }

// Permissions returns the claim permissions.
func (p *Principal) Permissions() []string { return slices.Clone(p.c.permissions) }

// Organization returns the claim organization.
func (p *Principal) Organization() string { return p.c.organization }

// Claim returns the value at a path through nested objects. The value is a
// fresh copy: nil, bool, string, json.Number, []any or map[string]any. It
// returns false if there is no such claim, or no path is given.
func (p *Principal) Claim(path ...string) (any, bool) {
	members := p.c.members
	for i, name := range path {
		at := slices.IndexFunc(members, func(m member) bool { return m.name == name })
		if at < 0 {
			return nil, false
		}
		raw := members[at].value
		if i == len(path)-1 {
			return anyValue(raw), true
		}
		nested, err := decodeObject(raw, nil)
		if err != nil {
			return nil, false
		}
		members = nested
	}
	return nil, false
}

// IsService reports whether the token is a service's own: by default, when sub
// is absent or equals client_id (RFC 9068 §2.2; [JWTConfig.IsService] may
// decide otherwise).
func (p *Principal) IsService() bool { return p.service }

// IsUser reports whether the token stands for a user: any that is not a
// service's own.
func (p *Principal) IsUser() bool { return !p.service }

// String names the principal for a log: no claim but issuer, subject, client.
func (p *Principal) String() string {
	kind := "user"
	if p.service {
		kind = "service"
	}
	return fmt.Sprintf("%s sub=%q client=%q issuer=%q", kind, p.c.subject, p.c.clientID, p.issuerName)
}

// identity is what an issuer's configuration adds to the claims.
type identity struct {
	issuer    string
	name      string
	isService func(*Principal) bool
}

// principal makes the principal of claims that have been verified. The
// predicate is a user's code: if it panics nobody can say whose token it is.
func (id *identity) principal(c *claims, validUntil time.Time) (p *Principal, err error) {
	defer func() {
		if recover() != nil {
			p, err = nil, errPredicate
		}
	}()
	p = &Principal{
		c: c, issuer: id.issuer, issuerName: id.name, validUntil: validUntil,
		service: c.clientID != "" && (c.subject == "" || c.subject == c.clientID),
	}
	if id.isService != nil {
		p.service = id.isService(p)
	}
	return p, nil
}

// NewPrincipal makes a principal of claims that nobody has verified: for tests
// only. The claims are encoded as JSON and read by the same strict decoder as a
// token's. Without exp the principal is valid for an hour.
func NewPrincipal(fields map[string]any, opts ...PrincipalOption) (*Principal, error) {
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("verify: claims of a test principal: %w", err)
	}
	c, refused := decodeClaims(string(text))
	if refused != nil {
		return nil, fmt.Errorf("verify: claims of a test principal: %w", refused.Err)
	}
	id := identity{issuer: c.issuer, name: c.issuer}
	for _, opt := range opts {
		opt(&id)
	}
	until := time.Now().Add(time.Hour)
	if c.expires.present() {
		until = c.expires.time()
	}
	return id.principal(c, until)
}

// PrincipalOption sets what [NewPrincipal] can't read from the claims.
type PrincipalOption func(*identity)

// WithIssuerName sets what [Principal.IssuerName] returns.
func WithIssuerName(name string) PrincipalOption {
	return func(id *identity) { id.name = name }
}

// WithKind sets whether the principal is a service or a user.
func WithKind(service bool) PrincipalOption {
	return func(id *identity) { id.isService = func(*Principal) bool { return service } }
}
