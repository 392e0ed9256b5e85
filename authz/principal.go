package authz

import "time"

// Principal is a caller as its verified access token describes it. It is immutable
// and safe for concurrent use.
type Principal interface { //nolint:interfacebloat // each method is one thing that a token says
	// Issuer returns the token's issuer, exactly as the token has it.
	Issuer() string
	// IssuerName returns the issuer's configured short name, the value of
	// {$issuer}. No two issuers have the same one.
	IssuerName() string
	// Subject returns the token's subject, empty if it has none.
	Subject() string
	// ClientID returns the client that the token was issued to.
	ClientID() string
	// HasScope reports whether the token has exactly this scope.
	HasScope(scope string) bool
	// HasRole reports whether the token has exactly this role.
	HasRole(role string) bool
	// InGroup reports whether the token names exactly this group.
	InGroup(group string) bool
	// HasPermission reports whether the token has exactly this permission.
	HasPermission(permission string) bool
	// ACR returns the authentication context class reference (RFC 9470), empty if
	// the token has none.
	ACR() string
	// AuthTime returns when the user authenticated, zero if the token doesn't say.
	AuthTime() time.Time
	// IsService reports whether the token is evidently that of a service that acts
	// for itself.
	IsService() bool
	// IsUser reports whether the token is evidently that of a user. If neither
	// IsService nor IsUser is true, or both are, the kind is unclear, and every
	// rule except a public one refuses the caller with SUBJECT_UNMAPPED. A
	// principal may have a method KindCause() string, which returns why; the
	// refusal's cause then holds it.
	IsUser() bool
	// Claim returns a copy of the claim at a path of member names, and whether
	// there is one. It is what encoding/json decodes, with numbers as json.Number. In
	// the context of a check, a principal of your own may also return an int, int32,
	// int64, uint, uint32, uint64, float32, float64, []string, []int64, time.Time,
	// time.Duration, netip.Addr or netip.Prefix; the check is refused with
	// SUBJECT_INVALID if any other Go type is in the claim, or if the claim nests
	// deeper than 32 levels.
	Claim(path ...string) (any, bool)
}
