package verify

// Profile says how one issuer writes access tokens. It is data that can be
// written down and compared with the issuer's documentation; functions such as
// [Keycloak] return the ones that come with this package, each a fresh value
// that may be changed before it is used.
//
// The zero value is RFC 9068. A profile never weakens the checks of signature,
// issuer, time or audience, and no profile accepts a token that says of itself
// that it is an ID, refresh or logout token.
type Profile struct {
	// Name is a short name for the profile, for the causes of errors.
	// Optional. Default: "RFC 9068" for the zero profile, or else "of your own".
	Name string

	// Types are the accepted values of the header's typ, compared without
	// regard to case and to the prefix "application/". The empty string stands
	// for a header without typ. A token whose typ is at+jwt is an access token
	// by its own word (RFC 9068 §4); any other must satisfy AccessToken.
	// Optional. Default: at+jwt alone.
	Types []string

	// AccessToken is what proves that a JWT whose typ isn't at+jwt is an access
	// token, and that an introspection answer is about one: one of these must
	// hold.
	// Required where Types has anything but at+jwt. Otherwise optional; without
	// it any introspected token is accepted that doesn't say it is another kind.
	AccessToken []Evidence

	// OtherToken is what proves that a JWT or an introspected token is something
	// else than an access token: it is refused if one of these holds. What
	// every profile refuses needs no mention: a token_use, token_type or typ
	// claim other than an access token's, and the claims nonce, at_hash, c_hash
	// and s_hash of ID tokens and events of logout tokens.
	// Optional.
	OtherToken []Evidence

	// Tolerated names those claims among nonce, at_hash, c_hash and s_hash that
	// this issuer writes into access tokens too.
	// Optional.
	Tolerated []string

	// ClientID is where the client's id is. Where more than one of these is
	// present they must be equal, or the token is refused.
	// Optional. Default, if nil: client_id.
	ClientID []Path

	// SubjectPrefix makes the client id of sub where sub begins so: what
	// follows, with "/" for ":", which can't be in an object's id. It is for
	// issuers that put workloads into sub and have no clients.
	// Optional.
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

	// ClientAsAudience is for issuers that leave out aud: then the token's
	// client id must be one of Audiences. A token that has an aud is judged by
	// it alone.
	// Optional.
	ClientAsAudience bool

	// Scopes is where the scopes are: strings of names separated by spaces, or
	// arrays. The first one present counts; all of them must be well-formed.
	// Optional. Default: scope, then scp.
	Scopes []Path

	// AuthTimeText is for issuers that write auth_time as a text (RFC 3339): it
	// is read as one. Otherwise such a token is refused.
	// Optional.
	AuthTimeText bool

	// Roles, Groups and Permissions are where [Principal.Roles],
	// [Principal.Groups] and [Principal.Permissions] are read. What is found in
	// several places is put together.
	// Optional. Default: roles, groups and permissions.
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

	// Kind decides in place of Service and User, whose verdict is the
	// principal's Kind when it is called. It must be quick and safe for
	// concurrent use; a panic is a configuration fault.
	// Optional.
	Kind func(*Principal) Kind
}

// Path names a claim by its way through nested objects: a list, for the names
// of claims may hold dots and be URIs.
type Path []string

// Evidence is a list of conditions that hold together. An empty list never
// holds.
type Evidence []Condition

// Condition is a condition on one claim of a token.
type Condition struct {
	// Claim is the claim that is looked at.
	// Required.
	Claim Path

	// Test says what must be true of it.
	// Required.
	Test Test

	// Values are what the tests below compare with, but for Present and Absent.
	// In them {$client_id} stands for the token's client id: a value with it
	// fits no token without one. There is no other placeholder.
	// Required for those tests.
	Values []string
}

// Test is what a [Condition] tests. The zero value is no test at all.
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
	// Values. It doesn't hold if there is nothing to put in a placeholder's
	// place.
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

// Kind says for whom a token speaks. The zero value says that this isn't clear.
type Kind uint8

const (
	// KindUnclear says that nothing proves either of the other two. Such a
	// token is refused by every rule that isn't public.
	KindUnclear Kind = iota

	// KindService says that the token is a service's own.
	KindService

	// KindUser says that the token stands for a user.
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
