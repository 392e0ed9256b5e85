package verify

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Principal is the service or user that a verified token identifies. It is
// immutable and safe for concurrent use: accessors return copies or immutable
// values.
type Principal struct {
	c          *claims
	issuer     string
	issuerName string
	kind       Kind
	profile    *profile // that decided the kind
	made       bool     // made by NewPrincipal
	validUntil time.Time
}

// Issuer returns the exact issuer identifier (iss).
func (p *Principal) Issuer() string { return p.issuer }

// IssuerName returns the configured short name of the issuer, by default the
// issuer identifier itself.
func (p *Principal) IssuerName() string { return p.issuerName }

// Subject returns sub. It is unique only together with the issuer.
func (p *Principal) Subject() string { return p.c.subject }

// ClientID returns the identifier of the client that requested the token, which
// for a user's token is not the user: client_id, or the claim that the issuer's
// [Profile] uses instead.
func (p *Principal) ClientID() string { return p.c.clientID }

// Audiences returns aud.
func (p *Principal) Audiences() []string { return slices.Clone(p.c.audiences) }

// Scopes returns the scopes, without duplicates.
func (p *Principal) Scopes() []string { return slices.Clone(p.c.scopes) }

// HasScope reports whether scope was granted. Scopes are compared whole.
func (p *Principal) HasScope(scope string) bool { return slices.Contains(p.c.scopes, scope) }

// HasRole reports whether role is one of [Principal.Roles]. Roles are compared whole.
func (p *Principal) HasRole(role string) bool { return slices.Contains(p.c.roles, role) }

// InGroup reports whether group is one of [Principal.Groups]. Groups are compared whole.
func (p *Principal) InGroup(group string) bool { return slices.Contains(p.c.groups, group) }

// HasPermission reports whether permission is one of [Principal.Permissions].
// Permissions are compared whole: one of the token that holds "*" isn't a pattern.
func (p *Principal) HasPermission(permission string) bool {
	return slices.Contains(p.c.permissions, permission)
}

// TokenID returns jti. Revoke tokens only by this identifier, not by the
// token's text: the same ECDSA token exists with two valid signatures.
func (p *Principal) TokenID() string { return p.c.tokenID }

// ExpiresAt returns exp, or the zero time if the token has none.
func (p *Principal) ExpiresAt() time.Time { return p.c.expires.time() }

// IssuedAt returns iat, or the zero time if the token has none.
func (p *Principal) IssuedAt() time.Time { return p.c.issued.time() }

// NotBefore returns nbf, or the zero time if the token has none.
func (p *Principal) NotBefore() time.Time { return p.c.notBefore.time() }

// AuthTime returns auth_time, or the zero time if the token has none.
func (p *Principal) AuthTime() time.Time { return p.c.authTime.time() }

// ValidUntil returns the latest time at which the verification, and any stream
// that relies on it, ends: exp plus the leeway or, for an introspected token
// without exp, the end of its time in the introspection cache.
func (p *Principal) ValidUntil() time.Time { return p.validUntil }

// ACR returns acr, the authentication context class.
func (p *Principal) ACR() string { return p.c.acr }

// AMR returns amr, the authentication methods.
func (p *Principal) AMR() []string { return slices.Clone(p.c.amr) }

// Actor returns the party that acts for the subject (RFC 8693 act), the
// outermost one, and false if there is none.
func (p *Principal) Actor() (*Actor, bool) { return p.c.actor, p.c.actor != nil }

// CertificateThumbprint returns the SHA-256 of the client certificate that the
// token is bound to (RFC 8705), and false if it is bound to none.
func (p *Principal) CertificateThumbprint() ([32]byte, bool) {
	return p.c.confirmation.thumbprint, p.c.confirmation.bound
}

// Roles returns the claim roles, or the claims that the issuer's [Profile] uses
// instead.
func (p *Principal) Roles() []string { return slices.Clone(p.c.roles) }

// Groups returns the claim groups, or the claims that the issuer's [Profile]
// uses instead.
func (p *Principal) Groups() []string { return slices.Clone(p.c.groups) }

// Permissions returns the claim permissions, or the claims that the issuer's
// [Profile] uses instead.
func (p *Principal) Permissions() []string { return slices.Clone(p.c.permissions) }

// Organization returns the claim organization.
func (p *Principal) Organization() string { return p.c.organization }

// Claim returns the value at a path through nested objects. The value is a
// fresh copy: nil, bool, string, json.Number, []any or map[string]any. Claim
// returns false if there is no such claim or path is empty.
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

// Kind returns the kind of the principal, by the evidence that the issuer's
// [Profile] requires. It may be unclear.
func (p *Principal) Kind() Kind { return p.kind }

// IsService reports whether the token is proved to be a service's own: by
// default, whether sub equals client_id (RFC 9068 §2.2). If neither IsService
// nor IsUser returns true, the kind is unclear.
func (p *Principal) IsService() bool { return p.kind == KindService }

// IsUser reports whether the token is proved to be a user's: by default,
// whether sub and client_id are both present and differ.
func (p *Principal) IsUser() bool { return p.kind == KindUser }

// KindCause returns, for a principal of unclear kind, what would have proved
// the kind and what the token has instead. The text is for an operator and
// quotes verified claims, each cut to 128 bytes. KindCause returns "" if the
// kind is clear.
func (p *Principal) KindCause() string {
	switch {
	case p.kind == KindService || p.kind == KindUser:
		return ""
	case p.profile == nil:
		return "no profile has judged it"
	case p.made:
		return fmt.Sprintf("verify.NewPrincipal was given sub (%s) and client_id (%s), which prove no kind: set PrincipalConfig.Kind",
			orAbsent(p.c.subject), orAbsent(p.c.clientID))
	case p.profile.Kind != nil:
		return "Profile.Kind of profile " + cut(p.profile.title()) + " doesn't say"
	default:
		return p.profile.kindText(p.c)
	}
}

// String returns a text for logs, with no claims except issuer, subject and
// client.
func (p *Principal) String() string {
	return fmt.Sprintf("%s sub=%q client=%q issuer=%q", p.kind, p.c.subject, p.c.clientID, p.issuerName)
}

// identity is what an issuer's configuration adds to the claims.
type identity struct {
	issuer  string
	name    string
	profile *profile
}

// principal returns the principal of claims that have been verified.
// Profile.Kind is user code: if it panics, there is no principal.
func (id *identity) principal(c *claims, validUntil time.Time) (p *Principal, err error) {
	id.profile.lists(c)
	p = &Principal{c: c, issuer: id.issuer, issuerName: id.name, validUntil: validUntil, kind: id.profile.kind(c), profile: id.profile}
	if id.profile.Kind == nil {
		return p, nil
	}
	defer func() {
		if recover() != nil {
			p, err = nil, errPredicate
		}
	}()
	p.kind = id.profile.Kind(p)
	return p, nil
}

// defaultLife is how long a principal of NewPrincipal is valid by default.
const defaultLife = time.Hour

// PrincipalConfig configures [NewPrincipal].
type PrincipalConfig struct {
	// Claims are encoded as JSON and read by the same strict decoder as a
	// token's, under the names of RFC 9068. iss is the issuer. Text that is not
	// valid UTF-8 is refused, as in a token.
	Claims map[string]any

	// IssuerName is the short name of the issuer.
	// Optional. Default: iss.
	IssuerName string

	// Kind is the kind of the principal. Optional. Default: the one that sub
	// and client_id prove, as in a token.
	Kind Kind

	// ValidUntil is the latest time at which the verification, and any stream
	// that relies on it, ends. Optional. Default: exp, or an hour from now if
	// there is none.
	ValidUntil time.Time
}

// NewPrincipal returns a principal with claims that the caller has verified,
// for other implementations of [Verifier] (client certificates, API keys, other
// tokens) and for tests. It checks only the form of the claims: neither
// signature, issuer, audience and times nor a cnf.
//
// The error names what in the configuration is unusable. It never quotes a
// claim.
func NewPrincipal(cfg PrincipalConfig) (*Principal, error) {
	if cfg.Kind > KindUser {
		return nil, errors.New("verify: Kind of a principal: unknown")
	}
	text, err := json.Marshal(cfg.Claims)
	if err != nil {
		return nil, encodingError(err)
	}
	if hasReplaced(text) {
		return nil, errPrincipalUTF8
	}
	c, refused := decodeClaims(string(text))
	if refused != nil {
		return nil, fmt.Errorf("verify: claims of a principal: %w", refused.Err)
	}
	rfc9068, err := newProfile(Profile{}, c.issuer)
	if err != nil {
		return nil, err
	}
	if refused := rfc9068.read(c); refused != nil {
		return nil, fmt.Errorf("verify: claims of a principal: %w", refused.Err)
	}
	id := identity{issuer: c.issuer, name: cmp.Or(cfg.IssuerName, c.issuer), profile: rfc9068}
	until := cfg.ValidUntil
	switch {
	case !until.IsZero():
	case c.expires.present():
		until = c.expires.time()
	default:
		until = time.Now().Add(defaultLife)
	}
	p, err := id.principal(c, until)
	if err != nil {
		return nil, err
	}
	p.made = true
	if cfg.Kind != KindUnclear {
		p.kind = cfg.Kind
	}
	return p, nil
}

var (
	errPrincipalJSON = errors.New("verify: claims of a principal: one can't be written as JSON")
	errPrincipalUTF8 = errors.New("verify: claims of a principal: one is not UTF-8")
)

// encodingError returns an error that holds only the type of what can't be
// encoded: the text of other errors quotes the claims.
func encodingError(err error) error {
	var unsupported *json.UnsupportedTypeError
	if errors.As(err, &unsupported) {
		return fmt.Errorf("%w: %v", errPrincipalJSON, unsupported.Type)
	}
	return errPrincipalJSON
}

// hasReplaced reports whether the encoder has replaced invalid UTF-8 by U+FFFD,
// which it writes as an escape: then two different names may have become equal.
func hasReplaced(text []byte) bool {
	const replaced = `\ufffd`
	for {
		at := bytes.IndexByte(text, '\\')
		if at < 0 {
			return false
		}
		if text = text[at:]; bytes.HasPrefix(text, []byte(replaced)) {
			return true
		}
		text = text[2:] // an escape has at least one more character
	}
}
