package verify

// The functions below return the profiles of issuers. Each names its source.
// Settings that a vendor lets customers change are assumed to have their
// default; where a default gives no evidence, the kind is unclear, and the
// comment says what to add.

func present(path ...string) Condition { return Condition{Claim: path, Test: Present} }
func absent(path ...string) Condition  { return Condition{Claim: path, Test: Absent} }
func equals(claim, value string) Condition {
	return Condition{Claim: Path{claim}, Test: Equals, Values: []string{value}}
}

func subjectDiffers(value string) Condition {
	return Condition{Claim: Path{"sub"}, Test: Differs, Values: []string{value}}
}

func hasPrefix(claim, value string) Condition {
	return Condition{Claim: Path{claim}, Test: HasPrefix, Values: []string{value}}
}

// forClient holds if the client itself is the audience, as in an ID token.
func forClient() Condition {
	return Condition{Claim: Path{"aud"}, Test: Contains, Values: []string{clientPlaceholder}}
}

// anyTyp returns the types of issuers that write JWT, nothing, or at+jwt if it
// is configured.
func anyTyp() []string { return []string{typeAccessToken, "JWT", ""} }

// LumoAuth is the profile of LumoAuth: RFC 9068, with token_use "access", and
// roles, groups and permissions at the top (LumoAuth: Access tokens).
func LumoAuth() Profile { return Profile{Name: "LumoAuth"} }

// Keycloak is the profile of Keycloak 25 and later (Server Administration Guide,
// Service accounts; Upgrading Guide, 25.0.0: sub comes from a mapper, and nonce
// is in ID tokens alone). For versions before it see [KeycloakBefore25].
//
// The claim typ is "Bearer" in access tokens, "ID", "Refresh", "Offline" and
// "Logout" in the others. A service's token is the one of the client's service
// account, a user whose name is "service-account-" and the client's id in lower
// case: sub is that user's id, not the client's. The name alone proves nothing,
// for a user may have taken it: clientHost, clientAddress or clientId must be
// there too, which Keycloak's mappers for service accounts write. A token with
// such a name but without them, or of another client, is of no clear kind.
// preferred_username must be in the token (client scope profile), and sub in a
// user's (client scope basic): without them, as in lightweight tokens, the kind
// is unclear.
//
// Roles are those of the realm. For a client's own, add their path:
//
//	profile.Roles = append(profile.Roles, verify.Path{"resource_access", "docs", "roles"})
func Keycloak() Profile {
	const account = "service-account-"
	ofClient := Condition{Claim: Path{"preferred_username"}, Test: EqualsFold, Values: []string{account + clientPlaceholder}}
	user := Evidence{present("sub"), present("preferred_username"), absent("clientId"), absent("clientAddress"), absent("clientHost")}
	return Profile{
		Name:        "Keycloak",
		Types:       anyTyp(),
		AccessToken: []Evidence{{equals("typ", "Bearer")}},
		ClientID:    []Path{{"azp"}, {"client_id"}, {"clientId"}},
		Roles:       []Path{{"realm_access", "roles"}},
		Service: []Evidence{
			// These three come from a service account's session.
			{ofClient, present("clientId")},
			{ofClient, present("clientAddress")},
			{ofClient, present("clientHost")},
			// A user with such a name, or a service account without the mappers:
			// both kinds hold, and so neither.
			append(Evidence{hasPrefix("preferred_username", account)}, user...),
		},
		User: []Evidence{user},
	}
}

// KeycloakBefore25 is the profile of Keycloak before version 25, which writes nonce
// into access tokens too (Upgrading Guide, 25.0.0); and of a later one with the
// mapper "Nonce backwards compatible". Otherwise it is [Keycloak].
func KeycloakBefore25() Profile {
	p := Keycloak()
	p.Name, p.Tolerated = "Keycloak before 25", []string{"nonce"}
	return p
}

// Auth0 is the profile of Auth0's own dialect, its default (Auth0: Access Token
// Profiles). The issuer ends in a slash.
//
// The client is azp. A service's token has gty "client-credentials" and the sub
// of the client followed by "@clients". An ID token is one whose audience is
// the client. Auth0 writes no claim typ and doesn't let anyone add one: a token
// that has it is of another issuer, such as Keycloak, whose services would
// otherwise be taken for users.
func Auth0() Profile {
	return Profile{
		Name:        "Auth0",
		Types:       anyTyp(),
		AccessToken: []Evidence{{present("azp"), present("scope")}, {present("azp"), present("gty")}, {present("azp"), present("permissions")}},
		OtherToken:  []Evidence{{forClient()}, {present("typ")}},
		ClientID:    []Path{{"azp"}, {"client_id"}},
		Service:     []Evidence{{equals("sub", clientPlaceholder+"@clients"), equals("gty", "client-credentials")}},
		User:        []Evidence{{subjectDiffers(clientPlaceholder + "@clients"), subjectDiffers(clientPlaceholder)}},
	}
}

// Auth0RFC9068 is the profile of Auth0's RFC 9068 dialect (Auth0: Access Token
// Profiles). The sub of a service is its client's id followed by "@clients". A token
// with a claim typ is another issuer's.
func Auth0RFC9068() Profile {
	return Profile{
		Name:       "Auth0 RFC 9068",
		OtherToken: []Evidence{{present("typ")}},
		Service:    []Evidence{{equals("sub", clientPlaceholder+"@clients")}},
		User:       []Evidence{{subjectDiffers(clientPlaceholder + "@clients"), subjectDiffers(clientPlaceholder)}},
	}
}

// Okta is the profile of an Okta custom authorization server (Okta: OpenID
// Connect & OAuth 2.0 API, Access token). The tokens of the org authorization
// server are for Okta alone: they can only be introspected.
//
// The id (jti) of an access token begins with "AT.", the client is cid, scopes
// are scp. A user's token has uid; a service's hasn't, and sub is the client.
func Okta() Profile {
	return Profile{
		Name:        "Okta",
		Types:       anyTyp(),
		AccessToken: []Evidence{{hasPrefix("jti", "AT.")}},
		ClientID:    []Path{{"cid"}, {"client_id"}},
		Scopes:      []Path{{"scp"}, {"scope"}},
		Service:     []Evidence{{equals("sub", clientPlaceholder), absent("uid")}},
		User:        []Evidence{{subjectDiffers(clientPlaceholder), present("uid")}},
	}
}

// Entra is the profile of Microsoft Entra ID, for tokens of version 1.0 and 2.0
// of one tenant (Microsoft: Access token claims reference; Optional claims
// reference). A version 1.0 token's issuer is https://sts.windows.net/TENANT/, a
// 2.0 one's https://login.microsoftonline.com/TENANT/v2.0: the API's manifest
// says which (requestedAccessTokenVersion).
//
// The client is azp (2.0) or appid (1.0). Only access tokens say how the client
// authenticated (azpacr, appidacr). A user's token has scp; an application's has
// idtyp "app", an optional claim that must be configured for the API: without it
// nothing proves a service, and the kind is unclear. An application's rights are
// in roles: unless assignment is required for the API, any application of the
// tenant gets a token for it, without roles (Microsoft: OAuth 2.0 client
// credentials flow), and a rule that asks only for a service lets it in. sub is
// another one for each API: oid is the stable id of a user within the tenant
// ({$claim.oid} in a template). Groups are left out of the token if there are
// more than 200.
func Entra() Profile {
	return Profile{
		Name:        "Microsoft Entra ID",
		Types:       anyTyp(),
		AccessToken: []Evidence{{present("azpacr")}, {present("appidacr")}},
		ClientID:    []Path{{"azp"}, {"appid"}},
		Scopes:      []Path{{"scp"}},
		Service:     []Evidence{{equals("idtyp", "app"), absent("scp")}},
		User:        []Evidence{{present("sub"), present("scp"), absent("idtyp")}, {present("sub"), present("scp"), equals("idtyp", "user")}},
	}
}

// Cognito is the profile of an Amazon Cognito user pool (Amazon Cognito:
// Understanding the access token).
//
// An access token has token_use "access" and by default no aud: JWTConfig's
// Audiences are then the app clients that may call. Where the pool writes aud
// (resource binding), that counts alone. A service's sub is its client's id; a
// user's token has a username. Groups are cognito:groups.
func Cognito() Profile {
	return Profile{
		Name:             "Amazon Cognito",
		Types:            anyTyp(),
		AccessToken:      []Evidence{{equals("token_use", "access")}},
		ClientAsAudience: true,
		Groups:           []Path{{"cognito:groups"}},
		Service:          []Evidence{{equals("sub", clientPlaceholder), absent("username")}},
		User:             []Evidence{{subjectDiffers(clientPlaceholder), present("username")}},
	}
}

// GoogleServiceAccount is the profile of the ID tokens that Google signs for
// service accounts (Google Cloud: Get an ID token; Pub/Sub: Authentication for
// push subscriptions). The issuer is https://accounts.google.com.
//
// These are ID tokens by form, and the only ones that are accepted as such: they
// are made for the audience that the caller asks for, and sub and azp are both
// the account's numeric id, which no token of a person has. Such a token proves
// which service account calls, and nothing more: anybody with a Google Cloud
// project can get one for any audience. A rule that asks for no more than an
// authenticated caller lets all of them in: use one that asks about the caller,
// {$client_id} being the account's numeric id.
func GoogleServiceAccount() Profile {
	return Profile{
		Name:        "Google service account",
		Types:       []string{"JWT"},
		AccessToken: []Evidence{{equals("sub", clientPlaceholder)}},
		ClientID:    []Path{{"azp"}},
		Service:     []Evidence{{equals("sub", clientPlaceholder)}},
	}
}

// KubernetesServiceAccount is the profile of projected service-account tokens of
// Kubernetes (Kubernetes: Configure Service Accounts for Pods; Managing Service
// Accounts). The issuer is the cluster's --service-account-issuer.
//
// sub is system:serviceaccount:NAMESPACE:NAME, which holds colons and so can't be
// an object's id: the client id is "NAMESPACE/NAME". An account that was deleted
// and made again has the same; its uid is the claim
// {"kubernetes.io", "serviceaccount", "uid"}. Tokens of secrets, without aud and
// exp, are refused.
func KubernetesServiceAccount() Profile {
	proof := Evidence{
		hasPrefix("sub", "system:serviceaccount:"),
		present("kubernetes.io", "namespace"), present("kubernetes.io", "serviceaccount", "name"),
	}
	return Profile{
		Name:          "Kubernetes service account",
		Types:         []string{"", "JWT"},
		AccessToken:   []Evidence{proof},
		ClientID:      []Path{},
		SubjectPrefix: "system:serviceaccount:",
		Service:       []Evidence{proof},
	}
}

// SPIFFE is the profile of JWT-SVIDs (SPIFFE: JWT-SVID §2.3 and §3; SPIFFE-ID §2;
// Trust Domain and Bundle §4.2.2). The issuer is the trust domain, such as
// "spiffe://example.org": it must be the one of sub. JWTConfig.JWKSURL is where
// the trust domain's bundle or the keys of its OIDC discovery provider are.
//
// Every JWT-SVID is a workload's, and so a service's. The client id is the path
// of the SPIFFE ID: "ns/prod/sa/web" of spiffe://example.org/ns/prod/sa/web. A
// token with an iss other than the trust domain needs Profile.TokenIssuer.
func SPIFFE() Profile {
	proof := hasPrefix("sub", spiffeScheme)
	return Profile{
		Name:        "SPIFFE JWT-SVID",
		Types:       []string{"", "JWT", "JOSE"},
		AccessToken: []Evidence{{proof}},
		ClientID:    []Path{},
		TrustDomain: true,
		Service:     []Evidence{{proof}},
	}
}

// ZITADEL is the profile of ZITADEL (ZITADEL: Claims).
//
// Access tokens have jti, ID tokens amr and auth_time. Nothing in them tells a
// service user from a person: sub is the user's id in both, so the kind is
// unclear. Give the token a claim by an action, and set Service and User to what
// it says. Roles are an object (urn:zitadel:iam:org:project:roles), which only
// [Principal.Claim] reads.
func ZITADEL() Profile {
	return Profile{
		Name:        "ZITADEL",
		Types:       anyTyp(),
		AccessToken: []Evidence{{present("jti"), absent("amr"), absent("auth_time")}},
		ClientID:    []Path{{"client_id"}, {"azp"}},
		Service:     []Evidence{}, User: []Evidence{},
	}
}

// Hydra is the profile of Ory Hydra with JWT access tokens or introspection (Ory:
// JWT access tokens; OAuth2 token introspection; for ID tokens, whose claims no
// page of Ory's lists, the source: fosite's token/jwt/claims_id_token.go).
//
// Access tokens have client_id; ID tokens haven't, unless the consent application
// puts it there, and have rat. Scopes are scp, or scope where
// strategies.jwt.scope_claim says so. A service's sub is its client's id. The
// login application chooses the sub of users: it must not choose a client's id.
func Hydra() Profile {
	return Profile{
		Name:        "Ory Hydra",
		Types:       anyTyp(),
		AccessToken: []Evidence{{present("client_id")}},
		OtherToken:  []Evidence{{present("rat")}},
		Scopes:      []Path{{"scp"}, {"scope"}},
	}
}

// SpringAuthorizationServer is the profile of Spring Authorization Server (its
// JwtGenerator).
//
// Access tokens have nbf, ID tokens azp. aud is the client's id unless a
// customizer sets another; JWTConfig.Audiences are then the clients that may
// call. No claim says which client got the token, and a user may have a client's
// name, which is his sub: the kind is unclear unless an OAuth2TokenCustomizer adds
// client_id, and grant_type with the authorization grant's. Then it is a service's
// if the grant is client_credentials and sub equals client_id, and a user's if sub
// is another. With client_id alone, users are known and services are not.
func SpringAuthorizationServer() Profile {
	return Profile{
		Name:        "Spring Authorization Server",
		Types:       anyTyp(),
		AccessToken: []Evidence{{present("nbf"), absent("azp")}},
		Service:     []Evidence{{equals("sub", clientPlaceholder), equals("grant_type", "client_credentials")}},
		User:        []Evidence{{subjectDiffers(clientPlaceholder)}},
	}
}

// Duende is the profile of Duende IdentityServer (Duende: IdentityServer options;
// Introspection endpoint; for sub, its maintainers' answers in the issues "'sub'
// claim missing in access token for m2m clients" and "Consider emitting a sub
// claim for client credentials flow tokens").
//
// typ is at+jwt, scope an array. A token of client_credentials has no sub, and
// nothing of a login; every user's has sub. A client that is configured with a
// claim sub of its own is of no clear kind if that is its id, and must not have
// any other: it would be a user.
func Duende() Profile {
	return Profile{
		Name:  "Duende IdentityServer",
		Roles: []Path{{"role"}, {"roles"}},
		Service: []Evidence{{
			present("client_id"), absent("sub"), absent("username"), absent("user_name"),
			absent("auth_time"), absent("idp"), absent("amr"), absent("sid"), // of a user's login
		}},
		User: []Evidence{{subjectDiffers(clientPlaceholder)}},
	}
}

// PingFederate is the profile of PingFederate's JSON web tokens (PingFederate:
// Configuring JSON token management; Defining the access token attribute
// contract; UserInfo endpoint, for the default name of the claim client_id; the
// examples of tokens here are ours, for the documentation has none, and the
// default name of scope could not be confirmed). The contract of the token
// manager must have sub: the client's id for client_credentials, the user's
// otherwise. Without it the kind is unclear. iss and aud must be configured there
// as well.
func PingFederate() Profile {
	return Profile{
		Name:        "PingFederate",
		Types:       anyTyp(),
		AccessToken: []Evidence{{present("client_id")}},
		OtherToken:  []Evidence{{forClient()}},
	}
}

// ADFS is the profile of Active Directory Federation Services 2016 and later
// (Microsoft: AD FS OpenID Connect/OAuth concepts; the shape of client-credentials
// tokens could not be confirmed there).
//
// The issuer of access tokens is access_token_issuer of the metadata, as in
// http://HOST/adfs/services/trust, and not that of ID tokens: set it as Issuer,
// and https://HOST/adfs/discovery/keys as JWKSURL. auth_time is a text. A user's
// token has upn, if the API's issuance rules send it; nothing proves a service:
// without upn the kind is unclear.
func ADFS() Profile {
	return Profile{
		Name:         "AD FS",
		Types:        anyTyp(),
		AccessToken:  []Evidence{{present("appid"), present("apptype")}},
		OtherToken:   []Evidence{{forClient()}},
		ClientID:     []Path{{"appid"}},
		Scopes:       []Path{{"scp"}},
		AuthTimeText: true,
		Service:      []Evidence{},
		User:         []Evidence{{subjectDiffers(clientPlaceholder), present("upn")}},
	}
}

// Authentik is the profile of authentik (its providers/oauth2/id_token.py). An
// access token has uid, an ID token hasn't; both have the client as audience:
// JWTConfig.Audiences are the clients that may call. A service account's sub is
// like a user's: the kind is unclear unless a property mapping adds a claim, and
// Service and User are set to what it says.
func Authentik() Profile {
	return Profile{
		Name:        "authentik",
		Types:       anyTyp(),
		AccessToken: []Evidence{{present("uid"), present("azp")}},
		ClientID:    []Path{{"azp"}, {"client_id"}},
		Service:     []Evidence{}, User: []Evidence{},
	}
}

// NodeOIDCProvider is the profile of node-oidc-provider (its introspection.js and
// formats/jwt.js), for JWTs and introspection.
//
// JWTs follow RFC 9068: without sub they are of no clear kind. An answer about a
// token of client_credentials has a client_id and no sub; every user's has one.
// One about a refresh token has no token_type.
func NodeOIDCProvider() Profile {
	return Profile{
		Name:        "node-oidc-provider",
		AccessToken: []Evidence{{present("token_type")}},
		Service: []Evidence{
			{equals("sub", clientPlaceholder)},
			{present("active"), absent("sub"), absent("username"), absent("user_name"), present("client_id")}, // of an answer
		},
		User: []Evidence{{subjectDiffers(clientPlaceholder)}},
	}
}
