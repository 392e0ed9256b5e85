package authz

import "time"

// Principal is a caller as its verified access token describes it. It is
// immutable and safe for concurrent use.
type Principal interface {
	// Issuer is the token's issuer, exactly as the token has it.
	Issuer() string
	// IssuerName is the issuer's configured short name, the value of {$issuer}. No
	// two issuers have the same.
	IssuerName() string
	// Subject is the token's subject, empty if it has none.
	Subject() string
	// ClientID is the client that the token was issued to.
	ClientID() string
	// HasScope says whether the token has exactly this scope.
	HasScope(scope string) bool
	// ACR is the authentication context class reference (RFC 9470), or empty.
	ACR() string
	// AuthTime is when the user authenticated; zero if the token doesn't say.
	AuthTime() time.Time
	// IsService reports whether it is evident that the token stands for a service
	// that acts for itself.
	IsService() bool
	// IsUser reports whether it is evident that the token stands for a user. Where
	// neither is, or both are, the kind is unclear, and every rule but a public one
	// refuses the caller with SUBJECT_UNMAPPED. A principal may have a method
	// KindCause() string, which says why: it becomes a part of the cause.
	IsUser() bool
	// Claim returns a copy of the claim at a path of member names. Numbers are
	// json.Number.
	Claim(path ...string) (any, bool)
}
