package verify

// Profile describes how one issuer writes access tokens. It is plain data that
// can be compared with the issuer's documentation. Functions such as [Keycloak]
// return the profiles that come with this package, each as a fresh value that
// may be modified before use.
//
// The zero value is RFC 9068. A profile never weakens the checks of signature,
// issuer, time or audience, and no profile accepts a token that identifies
// itself as an ID, refresh or logout token.
type Profile struct {
	// Name is a short name for the profile, for the causes of errors.
	// Optional. Default: "RFC 9068" for the zero profile, or else "of your own".
	Name string

	// Types are the accepted values of the header's typ, compared without
	// regard to case and to the prefix "application/". The empty string stands
	// for a header without typ. A token whose typ is at+jwt is an access token
	// (RFC 9068 §4); any other must satisfy AccessToken.
	Types []string

	// AccessToken is what proves that a JWT whose typ isn't at+jwt is an access
	// token, and that an introspection answer is about one: at least one of
	// these must hold. Required if Types has any value other than at+jwt.
	// Otherwise optional; without it, an introspected token is accepted unless
	// it says that it is of another kind.
	AccessToken []Evidence

	// OtherToken is what proves that a JWT or an introspected token is not an
	// access token: it is refused if one of these holds. What every profile
	// refuses needn't be listed: a token_use, token_type or typ claim other
	// than an access token's, and the claims nonce, at_hash, c_hash and s_hash
	// of ID tokens and events of logout tokens.
	OtherToken []Evidence

	// Tolerated names those claims among nonce, at_hash, c_hash and s_hash that
	// this issuer writes into access tokens too.
	// Optional.
	Tolerated []string

	// ClientID lists the claims that may hold the client's identifier. If more
	// than one of them is present they must be equal, or the token is refused.
	ClientID []Path

	// SubjectPrefix makes the client id of sub if sub begins with it: the
	// client id is the rest of sub, with ":" replaced by "/", since an object's
	// id can't hold ":". It is for issuers that put workloads into sub and have
	// no clients.
	SubjectPrefix string

	// TrustDomain is for SPIFFE JWT-SVIDs, which need no iss: the trust domain
	// of sub, a SPIFFE ID, must be the configured Issuer, such as
	// "spiffe://example.org". The client id is the path of the SPIFFE ID,
	// without the slash at its beginning. Keys whose use is jwt-svid are
	// accepted beside those for signatures. It is for JWTs alone.
	// Optional.
	TrustDomain bool

	// TokenIssuer is, with TrustDomain, the iss that tokens hold: the jwt_issuer
	// of SPIRE. A token without iss is accepted as well.
	// Optional. Default: a token that has an iss other than Issuer is refused.
	TokenIssuer string

	// ClientAsAudience is for issuers that omit aud: then the token's client id
	// must be one of Audiences. For a token that has an aud, only aud counts.
	ClientAsAudience bool

	// Scopes lists the claims that may hold the scopes: strings of names
	// separated by spaces, or arrays. The first one present counts; all of them
	// must be well-formed.
	Scopes []Path

	// AuthTimeText accepts an auth_time that is a text (RFC 3339). Without it
	// such a token is refused.
	AuthTimeText bool

	// Roles, Groups and Permissions list the claims for [Principal.Roles],
	// [Principal.Groups] and [Principal.Permissions]. The values of several
	// claims are combined.
	Roles, Groups, Permissions []Path

	// Service and User are what proves that a token is a service's own, or that
	// it stands for a user: one of each list suffices. A token for which neither
	// or both hold is of no clear kind, and is refused by every rule that isn't
	// public. A service must have a client id. If both lists are nil, a token with
	// the name of another issuer's service is of no clear kind either: a sub that is
	// the client id and "@clients" (Auth0), or a preferred_username that begins with
	// "service-account-" (Keycloak).
	// Optional, but Service is required with SubjectPrefix and TrustDomain.
	// Default, if both are nil: a service's if sub and the client id are equal,
	// a user's if both are present and differ (RFC 9068 §2.2). It is for issuers
	// that let no user's sub be a client's id (§5). A list that is empty and not
	// nil proves nothing.
	Service, User []Evidence

	// Kind, if set, decides instead of Service and User, whose result is the
	// principal's Kind when it is called. It must be quick and safe for
	// concurrent use; a panic is a configuration fault.
	Kind func(*Principal) Kind
}

// Path names a claim by its path through nested objects. It is a list, since
// the names of claims may hold dots and be URIs.
type Path []string

// Evidence is a list of conditions that must all hold. An empty list never
// holds.
type Evidence []Condition

// Condition is a condition on one claim of a token.
type Condition struct {
	// Claim is the claim to test.
	Claim Path

	// Test is the test of the claim.
	Test Test

	// Values are what the claim is compared with by every Test except Present
	// and Absent. The placeholder {$client_id}, the only one, stands for the
	// token's client id: a value with it matches no token without a client id.
	Values []string
}

// Test is the test of a [Condition]. The zero value is invalid.
type Test uint8

const (
	// Present holds if the claim is there and is neither null nor an empty
	// string.
	Present Test = iota + 1

	// Absent holds if the claim isn't there. A claim that is null or an empty
	// string is neither present nor absent.
	Absent

	// Equals holds if the claim is a string that equals one of Values.
	Equals

	// Differs holds if the claim is a string, not empty, that equals none of
	// Values. It doesn't hold if a placeholder has no value.
	Differs

	// HasPrefix holds if the claim is a string that begins with one of Values
	// and is longer.
	HasPrefix

	// Contains holds if the claim is an array of strings that has one of Values,
	// or a string that is one of them or has one among names separated by spaces.
	Contains

	// EqualsFold is Equals without regard to case.
	EqualsFold
)

// Kind is the kind of a principal. The zero value is unclear.
type Kind uint8

const (
	// KindUnclear means that neither of the other two is proved. Such a token
	// is refused by every rule that isn't public.
	KindUnclear Kind = iota

	// KindService means that the token is a service's own.
	KindService

	// KindUser means that the token is a user's.
	KindUser
)

// String returns the name of the kind.
func (k Kind) String() string {
	switch k {
	case KindService:
		return "service"
	case KindUser:
		return "user"
	default:
		return "unclear"
	}
}
