package authztest

import (
	"maps"
	"slices"
	"time"

	"github.com/usher-auth/usher/authz"
)

// Principal is a caller of a test: an [authz.Principal]. It is immutable; each
// With method returns another.
type Principal struct {
	service  bool
	subject  string
	client   string
	issuer   string
	scopes   []string
	acr      string
	authTime time.Time
	claims   map[string]any
}

var _ authz.Principal = (*Principal)(nil)

// User returns a user's token with this sub, minted through the client
// "test-client" by the issuer "test".
func User(subject string) *Principal {
	return &Principal{subject: subject, client: "test-client", issuer: "test"}
}

// Service returns the token of a service with this client id, which is its sub
// too, from the issuer "test".
func Service(clientID string) *Principal {
	return &Principal{service: true, subject: clientID, client: clientID, issuer: "test"}
}

func (p *Principal) with(change func(*Principal)) *Principal {
	changed := *p
	change(&changed)

	return &changed
}

// WithScopes adds scopes.
func (p *Principal) WithScopes(scopes ...string) *Principal {
	return p.with(func(c *Principal) { c.scopes = append(slices.Clone(p.scopes), scopes...) })
}

// WithClientID sets the client that the token was minted through.
func (p *Principal) WithClientID(clientID string) *Principal {
	return p.with(func(c *Principal) { c.client = clientID })
}

// WithIssuer sets the issuer's short name.
func (p *Principal) WithIssuer(name string) *Principal {
	return p.with(func(c *Principal) { c.issuer = name })
}

// WithAuthentication sets the acr claim and when the user authenticated.
func (p *Principal) WithAuthentication(acr string, at time.Time) *Principal {
	return p.with(func(c *Principal) { c.acr, c.authTime = acr, at })
}

// WithClaim sets one top-level claim.
func (p *Principal) WithClaim(name string, value any) *Principal {
	return p.with(func(c *Principal) {
		c.claims = maps.Clone(p.claims)
		if c.claims == nil {
			c.claims = map[string]any{}
		}
		c.claims[name] = value
	})
}

// Issuer returns "https://" and the issuer's short name.
func (p *Principal) Issuer() string { return "https://" + p.issuer }

// IssuerName returns the issuer's short name.
func (p *Principal) IssuerName() string { return p.issuer }

// Subject returns the sub.
func (p *Principal) Subject() string { return p.subject }

// ClientID returns the client id.
func (p *Principal) ClientID() string { return p.client }

// HasScope says whether the scope was given.
func (p *Principal) HasScope(scope string) bool { return slices.Contains(p.scopes, scope) }

// ACR returns the acr claim.
func (p *Principal) ACR() string { return p.acr }

// AuthTime returns when the user authenticated.
func (p *Principal) AuthTime() time.Time { return p.authTime }

// IsService says that Service made it.
func (p *Principal) IsService() bool { return p.service }

// IsUser says that User made it.
func (p *Principal) IsUser() bool { return !p.service }

// Claim returns the claim at a path.
func (p *Principal) Claim(path ...string) (any, bool) {
	var at any = p.claims
	for _, name := range path {
		members, ok := at.(map[string]any)
		if !ok {
			return nil, false
		}
		if at, ok = members[name]; !ok {
			return nil, false
		}
	}

	return at, len(path) > 0
}
