package verify

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/usher-auth/usher/credentials/clientauth"
)

// profileCase is one kind of token of an issuer, and what must become of it.
type profileCase struct {
	name   string
	typ    any // of the header; nil: none
	claims object
	kind   Kind
	client string
	scopes []string
	want   *Error // refused, because of this
}

// profileTable is the page issuers.md as a table: for each issuer the tokens
// that it writes, as its documentation or its source has them.
var profileTable = []struct {
	name     string
	profile  Profile
	issuer   string
	audience string
	cases    []profileCase
}{
	{"RFC 9068", Profile{}, testIssuer, testAudience, []profileCase{
		{"access token of a user", "at+jwt", object{"sub": "alice", "client_id": "web", "scope": "a b"}, KindUser, "web", []string{"a", "b"}, nil},
		{"access token of a service", "at+jwt", object{"sub": "web", "client_id": "web"}, KindService, "web", nil, nil},
		{"no sub", "at+jwt", object{"client_id": "web"}, KindUnclear, "web", nil, nil},
		{"username and no sub", "at+jwt", object{"client_id": "web", "username": "alice"}, KindUnclear, "web", nil, nil},
		{"no client", "at+jwt", object{"sub": "alice"}, KindUnclear, "", nil, nil},
		{"a service of Auth0's", "at+jwt", object{"sub": "web@clients", "client_id": "web"}, KindUnclear, "web", nil, nil},
		{"a user with another's name", "at+jwt", object{"sub": "jobs@clients", "client_id": "web"}, KindUser, "web", nil, nil},
		{"a service account of Keycloak's", "at+jwt", object{"sub": "9c7d", "client_id": "jobs", "preferred_username": "Service-account-jobs"}, KindUnclear, "jobs", nil, nil},
		{"a user's name", "at+jwt", object{"sub": "9c7d", "client_id": "jobs", "preferred_username": "alice"}, KindUser, "jobs", nil, nil},
		{"a name that is no text", "at+jwt", object{"sub": "9c7d", "client_id": "jobs", "preferred_username": 1}, KindUser, "jobs", nil, nil},
		{"ID token", "JWT", object{"sub": "alice", "nonce": "n"}, 0, "", nil, errHeaderTyp},
		{"ID token under at+jwt", "at+jwt", object{"sub": "alice", "client_id": "web", "at_hash": "h"}, 0, "", nil, errClaimsUse},
		{"refresh token by token_use", "at+jwt", object{"sub": "alice", "client_id": "web", "token_use": "refresh"}, 0, "", nil, errClaimsUse},
		{"refresh token by token_type", "at+jwt", object{"sub": "alice", "client_id": "web", "token_type": "refresh_token"}, 0, "", nil, errClaimsUse},
		{"refresh token by typ", "at+jwt", object{"sub": "alice", "client_id": "web", "typ": "Refresh"}, 0, "", nil, errClaimsUse},
		{"logout token", "logout+jwt", object{"sub": "alice", "events": object{}}, 0, "", nil, errHeaderTyp},
		{"logout token under at+jwt", "at+jwt", object{"sub": "alice", "events": object{}}, 0, "", nil, errClaimsUse},
	}},
	{"LumoAuth", LumoAuth(), "https://app.lumoauth.dev/orgs/acme", testAudience, []profileCase{
		{"access token of a user", "at+jwt", object{"sub": "u1", "client_id": "web", "scope": "a", "token_use": "access", "roles": []string{"r"}}, KindUser, "web", []string{"a"}, nil},
		{"access token of a service", "at+jwt", object{"sub": "svc", "client_id": "svc", "token_use": "access"}, KindService, "svc", nil, nil},
		{"ID token", "JWT", object{"sub": "u1", "azp": "web", "nonce": "n"}, 0, "", nil, errHeaderTyp},
		{"refresh token", "at+jwt", object{"sub": "u1", "client_id": "web", "token_use": "refresh"}, 0, "", nil, errClaimsUse},
	}},
	{"Keycloak", Keycloak(), "https://sso.example.com/realms/demo", "docs", []profileCase{
		{"access token of a user", "JWT", object{"sub": "f2b1", "typ": "Bearer", "azp": "web", "sid": "s", "scope": "openid email", "preferred_username": "alice"}, KindUser, "web", []string{"openid", "email"}, nil},
		{"access token of a user, as at+jwt", "at+jwt", object{"sub": "f2b1", "typ": "Bearer", "azp": "web", "preferred_username": "alice"}, KindUser, "web", nil, nil},
		{"access token of a service", "JWT", object{"sub": "9c7d", "typ": "Bearer", "azp": "Jobs", "client_id": "Jobs", "clientHost": "10.0.0.1", "clientAddress": "10.0.0.1", "scope": "email", "preferred_username": "service-account-jobs"}, KindService, "Jobs", []string{"email"}, nil},
		{"access token of a service, before 20", "JWT", object{"sub": "9c7d", "typ": "Bearer", "azp": "jobs", "clientId": "jobs", "clientHost": "10.0.0.1", "clientAddress": "10.0.0.1", "preferred_username": "service-account-jobs"}, KindService, "jobs", nil, nil},
		{"a user named like a service account", "JWT", object{"sub": "f2b1", "typ": "Bearer", "azp": "web", "sid": "s", "preferred_username": "service-account-web"}, KindUnclear, "web", nil, nil},
		{"lightweight access token", "JWT", object{"sub": "f2b1", "typ": "Bearer", "azp": "web"}, KindUnclear, "web", nil, nil},
		{"no client", "JWT", object{"sub": "9c7d", "typ": "Bearer", "preferred_username": "service-account-jobs", "clientHost": "10.0.0.1"}, KindUnclear, "", nil, nil},
		{"two clients", "JWT", object{"sub": "f2b1", "typ": "Bearer", "azp": "web", "client_id": "other"}, 0, "", nil, errClaimsClient},
		// sub comes from a mapper, which a client may be without, and a user chooses his name.
		{"a user named like a service account, without sub", "JWT", object{"typ": "Bearer", "azp": "web", "preferred_username": "service-account-web"}, KindUnclear, "web", nil, nil},
		{"a user named like a service account, sub empty", "JWT", object{"sub": "", "typ": "Bearer", "azp": "web", "preferred_username": "service-account-web"}, KindUnclear, "web", nil, nil},
		{"a user named like a service account, clientHost empty", "JWT", object{"sub": "f2b1", "typ": "Bearer", "azp": "web", "clientHost": "", "preferred_username": "service-account-web"}, KindUnclear, "web", nil, nil},
		{"a user named like a service account, clientAddress null", "JWT", object{"sub": "f2b1", "typ": "Bearer", "azp": "web", "clientAddress": json.RawMessage("null"), "preferred_username": "service-account-web"}, KindUnclear, "web", nil, nil},
		{"a user named like another's service account", "JWT", object{"sub": "f2b1", "typ": "Bearer", "azp": "web", "preferred_username": "service-account-jobs"}, KindUnclear, "web", nil, nil},
		{"a service's token, exchanged by another client", "JWT", object{"sub": "9c7d", "typ": "Bearer", "azp": "web", "clientHost": "10.0.0.1", "clientAddress": "10.0.0.1", "preferred_username": "service-account-jobs"}, KindUnclear, "web", nil, nil},
		{"a service without its mappers", "JWT", object{"sub": "9c7d", "typ": "Bearer", "azp": "jobs", "preferred_username": "service-account-jobs"}, KindUnclear, "jobs", nil, nil},
		{"nonce", "JWT", object{"sub": "f2b1", "typ": "Bearer", "azp": "web", "nonce": "n"}, 0, "", nil, errClaimsUse},
		{"ID token", "JWT", object{"sub": "f2b1", "typ": "ID", "azp": "web", "nonce": "n", "at_hash": "h"}, 0, "", nil, errClaimsUse},
		{"refresh token", "JWT", object{"sub": "f2b1", "typ": "Refresh", "azp": "web", "scope": "openid"}, 0, "", nil, errClaimsUse},
		{"offline token", "JWT", object{"sub": "f2b1", "typ": "Offline", "azp": "web"}, 0, "", nil, errClaimsUse},
		{"logout token", "JWT", object{"sub": "f2b1", "typ": "Logout", "sid": "s", "events": object{}}, 0, "", nil, errClaimsUse},
		{"no typ claim", "JWT", object{"sub": "f2b1", "azp": "web", "scope": "openid"}, 0, "", nil, errClaimsUse},
	}},
	{"Keycloak before 25", KeycloakBefore25(), "https://sso.example.com/auth/realms/demo", "docs", []profileCase{
		{"access token of a user", "JWT", object{"sub": "f2b1", "typ": "Bearer", "azp": "web", "nonce": "n", "session_state": "s", "scope": "openid", "preferred_username": "alice"}, KindUser, "web", []string{"openid"}, nil},
		{"access token of a service", "JWT", object{"sub": "9c7d", "typ": "Bearer", "azp": "jobs", "clientId": "jobs", "clientAddress": "10.0.0.1", "preferred_username": "service-account-jobs"}, KindService, "jobs", nil, nil},
		{"ID token", "JWT", object{"sub": "f2b1", "typ": "ID", "azp": "web", "nonce": "n"}, 0, "", nil, errClaimsUse},
		{"at_hash", "JWT", object{"sub": "f2b1", "typ": "Bearer", "azp": "web", "nonce": "n", "at_hash": "h"}, 0, "", nil, errClaimsUse},
		{"refresh token", "JWT", object{"sub": "f2b1", "typ": "Refresh", "azp": "web", "nonce": "n"}, 0, "", nil, errClaimsUse},
	}},
	{"Auth0", Auth0(), "https://acme.eu.auth0.com/", "https://docs.example.com", []profileCase{
		{"access token of a user", "JWT", object{"sub": "auth0|123456", "azp": "web1", "scope": "openid read:docs", "permissions": []string{"read:docs"}}, KindUser, "web1", []string{"openid", "read:docs"}, nil},
		{"access token of a service", "JWT", object{"sub": "m2m1@clients", "azp": "m2m1", "gty": "client-credentials"}, KindService, "m2m1", nil, nil},
		{"another client's sub", "JWT", object{"sub": "m2m2@clients", "azp": "m2m1", "gty": "client-credentials"}, KindUser, "m2m1", nil, nil},
		{"a service of Keycloak's", "JWT", object{"sub": "9c7d", "typ": "Bearer", "azp": "jobs", "scope": "email", "preferred_username": "service-account-jobs"}, 0, "", nil, errClaimsUse},
		{"service without gty", "JWT", object{"sub": "m2m1@clients", "azp": "m2m1", "scope": "a"}, KindUnclear, "m2m1", []string{"a"}, nil},
		{"ID token", "JWT", object{"sub": "auth0|123456", "nonce": "n"}, 0, "", nil, errClaimsUse},
		{"ID token for a client that is an audience", "JWT", object{"sub": "auth0|123456", "azp": "https://docs.example.com", "scope": "openid"}, 0, "", nil, errClaimsUse},
	}},
	{"Auth0 RFC 9068", Auth0RFC9068(), "https://acme.eu.auth0.com/", "https://docs.example.com", []profileCase{
		{"access token of a user", "at+jwt", object{"sub": "auth0|123456", "client_id": "web1", "jti": "j", "scope": "openid"}, KindUser, "web1", []string{"openid"}, nil},
		{"access token of a service", "at+jwt", object{"sub": "m2m1@clients", "client_id": "m2m1", "jti": "j"}, KindService, "m2m1", nil, nil},
		{"a service of Keycloak's", "at+jwt", object{"sub": "9c7d", "typ": "Bearer", "client_id": "jobs", "preferred_username": "service-account-jobs"}, 0, "", nil, errClaimsUse},
		{"ID token", "JWT", object{"sub": "auth0|123456", "nonce": "n"}, 0, "", nil, errHeaderTyp},
	}},
	{"Okta", Okta(), "https://acme.okta.com/oauth2/default", "api://default", []profileCase{
		{"access token of a user", nil, object{"ver": 1, "jti": "AT.0mP4", "sub": "alice@example.com", "cid": "nmdP", "uid": "00ujmk", "scp": []string{"openid", "docs"}}, KindUser, "nmdP", []string{"openid", "docs"}, nil},
		{"access token of a service", nil, object{"ver": 1, "jti": "AT.0mP4", "sub": "0oasvc", "cid": "0oasvc", "scp": []string{"docs"}}, KindService, "0oasvc", []string{"docs"}, nil},
		{"a user with the client's name", nil, object{"jti": "AT.0mP4", "sub": "0oasvc", "cid": "0oasvc", "uid": "00ujmk"}, KindUnclear, "0oasvc", nil, nil},
		{"ID token", nil, object{"ver": 1, "jti": "ID.4eAW", "sub": "00ujmk", "amr": []string{"pwd"}, "at_hash": "h"}, 0, "", nil, errClaimsUse},
		{"ID token without a hash", nil, object{"ver": 1, "jti": "ID.4eAW", "sub": "00ujmk", "scp": []string{"openid"}}, 0, "", nil, errClaimsUse},
	}},
	{"Microsoft Entra ID", Entra(), "https://login.microsoftonline.com/tenant/v2.0", "6e74172b", []profileCase{
		{"access token of a user, 2.0", "JWT", object{"sub": "pairwise", "oid": "o", "tid": "tenant", "azp": "web", "azpacr": "1", "scp": "docs.read docs.write", "ver": "2.0"}, KindUser, "web", []string{"docs.read", "docs.write"}, nil},
		{"access token of a user, 1.0", "JWT", object{"sub": "pairwise", "oid": "o", "tid": "tenant", "appid": "web", "appidacr": "0", "scp": "docs.read", "ver": "1.0"}, KindUser, "web", []string{"docs.read"}, nil},
		{"access token of a service, 2.0", "JWT", object{"sub": "o", "oid": "o", "azp": "svc", "azpacr": "1", "idtyp": "app", "roles": []string{"Docs.Read"}}, KindService, "svc", nil, nil},
		{"access token of a service, 1.0", "JWT", object{"sub": "o", "oid": "o", "appid": "svc", "appidacr": "2", "idtyp": "app"}, KindService, "svc", nil, nil},
		{"access token of a service without idtyp", "JWT", object{"sub": "o", "oid": "o", "azp": "svc", "azpacr": "1", "roles": []string{"Docs.Read"}}, KindUnclear, "svc", nil, nil},
		{"an application that says scp", "JWT", object{"sub": "o", "azp": "svc", "azpacr": "1", "idtyp": "app", "scp": "a"}, KindUnclear, "svc", []string{"a"}, nil},
		{"two clients", "JWT", object{"sub": "o", "azp": "svc", "appid": "other", "azpacr": "1"}, 0, "", nil, errClaimsClient},
		{"ID token", "JWT", object{"sub": "pairwise", "oid": "o", "tid": "tenant", "nonce": "n", "preferred_username": "alice"}, 0, "", nil, errClaimsUse},
		{"ID token without nonce", "JWT", object{"sub": "pairwise", "oid": "o", "tid": "tenant", "roles": []string{"admin"}}, 0, "", nil, errClaimsUse},
	}},
	{"Amazon Cognito", Cognito(), "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_x", "client1", []profileCase{
		{"access token of a user", nil, object{"aud": nil, "sub": "aaaa-bbbb", "client_id": "client1", "token_use": "access", "scope": "docs/read", "username": "alice", "cognito:groups": []string{"g"}}, KindUser, "client1", []string{"docs/read"}, nil},
		{"access token of a service", nil, object{"aud": nil, "sub": "client1", "client_id": "client1", "token_use": "access", "scope": "docs/read", "version": 2}, KindService, "client1", []string{"docs/read"}, nil},
		{"another client", nil, object{"aud": nil, "sub": "client2", "client_id": "client2", "token_use": "access"}, 0, "", nil, errClaimsAudience},
		{"no client", nil, object{"aud": nil, "sub": "x", "token_use": "access"}, 0, "", nil, errClaimsAudience},
		{"aud counts alone", nil, object{"aud": "https://other", "sub": "client1", "client_id": "client1", "token_use": "access"}, 0, "", nil, errClaimsAudience},
		{"aud empty", nil, object{"aud": []string{}, "sub": "client1", "client_id": "client1", "token_use": "access"}, 0, "", nil, errClaimsAudience},
		{"ID token", nil, object{"aud": "client1", "sub": "aaaa-bbbb", "token_use": "id", "cognito:username": "alice"}, 0, "", nil, errClaimsUse},
		{"no token_use", nil, object{"aud": nil, "sub": "client1", "client_id": "client1"}, 0, "", nil, errClaimsUse},
	}},
	{"Google service account", GoogleServiceAccount(), "https://accounts.google.com", "https://docs.example.com", []profileCase{
		{"ID token of a service", "JWT", object{"sub": "113774264463038321964", "azp": "113774264463038321964", "email": "jobs@p.iam.gserviceaccount.com", "email_verified": true}, KindService, "113774264463038321964", nil, nil},
		{"ID token of a user", "JWT", object{"sub": "1076", "azp": "web.apps.googleusercontent.com", "email": "alice@example.com", "at_hash": "h"}, 0, "", nil, errClaimsUse},
		{"ID token of a user without a hash", "JWT", object{"sub": "1076", "azp": "web.apps.googleusercontent.com", "email": "alice@example.com"}, 0, "", nil, errClaimsUse},
		{"no azp", "JWT", object{"sub": "1076"}, 0, "", nil, errClaimsUse},
	}},
	{"Kubernetes service account", KubernetesServiceAccount(), "https://kubernetes.default.svc", "docs", []profileCase{
		{"projected token of a service", nil, object{"sub": "system:serviceaccount:prod:web", "kubernetes.io": object{"namespace": "prod", "serviceaccount": object{"name": "web", "uid": "u"}}}, KindService, "prod/web", nil, nil},
		{"another subject", nil, object{"sub": "system:node:x", "kubernetes.io": object{"namespace": "prod", "serviceaccount": object{"name": "web"}}}, 0, "", nil, errClaimsUse},
		{"no service account", nil, object{"sub": "system:serviceaccount:prod:web"}, 0, "", nil, errClaimsUse},
		{"a slash in the name", nil, object{"sub": "system:serviceaccount:prod/a:web", "kubernetes.io": object{"namespace": "prod", "serviceaccount": object{"name": "web"}}}, 0, "", nil, errClaimsIdentity},
		{"a client_id means nothing", nil, object{"sub": "system:serviceaccount:prod:web", "client_id": "admin", "kubernetes.io": object{"namespace": "prod", "serviceaccount": object{"name": "web"}}}, KindService, "prod/web", nil, nil},
		{"spelled like kubernetes.io", nil, object{"sub": "system:serviceaccount:prod:web", "Kubernetes.io": object{}, "kubernetes.io": object{"namespace": "prod", "serviceaccount": object{"name": "web"}}}, 0, "", nil, errClaimsMember},
		{"spelled like namespace", nil, object{"sub": "system:serviceaccount:prod:web", "kubernetes.io": object{"Namespace": "x", "namespace": "prod", "serviceaccount": object{"name": "web"}}}, 0, "", nil, errClaimsUse},
	}},
	{"SPIFFE JWT-SVID", SPIFFE(), "spiffe://example.org", "docs", []profileCase{
		{"JWT-SVID of a service", "JWT", object{"iss": nil, "sub": "spiffe://example.org/ns/prod/sa/web"}, KindService, "ns/prod/sa/web", nil, nil},
		{"iss is the trust domain", "JOSE", object{"sub": "spiffe://example.org/web"}, KindService, "web", nil, nil},
		{"another trust domain", "JWT", object{"iss": nil, "sub": "spiffe://evil.org/web"}, 0, "", nil, errClaimsIssuer},
		{"a longer trust domain", "JWT", object{"iss": nil, "sub": "spiffe://example.org.evil/web"}, 0, "", nil, errClaimsIssuer},
		{"another iss", "JWT", object{"iss": "https://spire.example.org", "sub": "spiffe://example.org/web"}, 0, "", nil, errClaimsIssuer},
		{"iss empty", "JWT", object{"iss": "", "sub": "spiffe://example.org/web"}, 0, "", nil, errClaimsIssuer},
		{"no path", "JWT", object{"iss": nil, "sub": "spiffe://example.org"}, 0, "", nil, errClaimsIssuer},
		{"dots in the path", "JWT", object{"iss": nil, "sub": "spiffe://example.org/a/../web"}, 0, "", nil, errClaimsIdentity},
		{"a slash at the end", "JWT", object{"iss": nil, "sub": "spiffe://example.org/web/"}, 0, "", nil, errClaimsIdentity},
		{"percent-encoded", "JWT", object{"iss": nil, "sub": "spiffe://example.org/w%65b"}, 0, "", nil, errClaimsIdentity},
		{"ID token", "JWT", object{"iss": nil, "sub": "spiffe://example.org/web", "nonce": "n"}, 0, "", nil, errClaimsUse},
	}},
	{"ZITADEL", ZITADEL(), "https://acme.zitadel.cloud", "docs", []profileCase{
		{"access token of a user", nil, object{"sub": "163840776835432705", "client_id": "1234@proj", "jti": "V1"}, KindUnclear, "1234@proj", nil, nil},
		{"access token of a service", nil, object{"sub": "163840776835432799", "client_id": "bot", "jti": "V2"}, KindUnclear, "bot", nil, nil},
		{"ID token", nil, object{"sub": "163840776835432705", "azp": "1234@proj", "client_id": "1234@proj", "amr": []string{"pwd"}, "auth_time": 1}, 0, "", nil, errClaimsUse},
		{"ID token of a service", nil, object{"sub": "163840776835432799", "azp": "bot", "client_id": "bot", "auth_time": 1}, 0, "", nil, errClaimsUse},
	}},
	{"Ory Hydra", Hydra(), "https://hydra.example.com", "docs", []profileCase{
		{"access token of a user", "JWT", object{"sub": "alice", "client_id": "web", "ext": object{}, "jti": "j", "scp": []string{"openid", "docs"}}, KindUser, "web", []string{"openid", "docs"}, nil},
		{"access token of a service", "JWT", object{"sub": "svc", "client_id": "svc", "scp": []string{"docs"}}, KindService, "svc", []string{"docs"}, nil},
		{"both names of scopes", "JWT", object{"sub": "svc", "client_id": "svc", "scope": "docs", "scp": []string{"docs"}}, KindService, "svc", []string{"docs"}, nil},
		{"ID token", "JWT", object{"sub": "alice", "at_hash": "h", "rat": 1, "auth_time": 1}, 0, "", nil, errClaimsUse},
		{"ID token without a hash", "JWT", object{"sub": "alice", "rat": 1, "auth_time": 1}, 0, "", nil, errClaimsUse},
		{"logout token", "JWT", object{"sub": "alice", "sid": "s", "events": object{}}, 0, "", nil, errClaimsUse},
	}},
	{"Spring Authorization Server", SpringAuthorizationServer(), "https://auth.example.com", "web", []profileCase{
		{"access token of a user", nil, object{"sub": "alice", "nbf": 1, "jti": "j", "scope": []string{"docs"}}, KindUnclear, "", []string{"docs"}, nil},
		{"access token of a service", nil, object{"sub": "web", "nbf": 1, "jti": "j"}, KindUnclear, "", nil, nil},
		{"access token of a user, with client_id", nil, object{"sub": "alice", "nbf": 1, "client_id": "web"}, KindUser, "web", nil, nil},
		{"access token of a user, with both claims", nil, object{"sub": "alice", "nbf": 1, "client_id": "web", "grant_type": "authorization_code"}, KindUser, "web", nil, nil},
		{"access token of a service, with both claims", nil, object{"sub": "web", "nbf": 1, "client_id": "web", "grant_type": "client_credentials"}, KindService, "web", nil, nil},
		{"access token of a service, with client_id alone", nil, object{"sub": "web", "nbf": 1, "client_id": "web"}, KindUnclear, "web", nil, nil},
		{"a user with the client's name", nil, object{"sub": "web", "nbf": 1, "client_id": "web", "grant_type": "authorization_code"}, KindUnclear, "web", nil, nil},
		{"ID token", nil, object{"sub": "alice", "azp": "web", "auth_time": 1, "sid": "s"}, 0, "", nil, errClaimsUse},
	}},
	{"Duende IdentityServer", Duende(), "https://demo.duendesoftware.com", "docs", []profileCase{
		{"access token of a user", "at+jwt", object{"sub": "1", "client_id": "web", "scope": []string{"openid", "docs"}, "auth_time": 1, "idp": "local", "amr": []string{"pwd"}, "role": "admin"}, KindUser, "web", []string{"openid", "docs"}, nil},
		{"access token of a service", "at+jwt", object{"client_id": "m2m", "jti": "j", "scope": []string{"docs"}}, KindService, "m2m", []string{"docs"}, nil},
		{"username and no sub", "at+jwt", object{"client_id": "m2m", "username": "alice"}, KindUnclear, "m2m", nil, nil},
		{"a login and no sub", "at+jwt", object{"client_id": "web", "auth_time": 1, "idp": "local", "amr": []string{"pwd"}}, KindUnclear, "web", nil, nil},
		{"a session and no sub", "at+jwt", object{"client_id": "web", "sid": "s"}, KindUnclear, "web", nil, nil},
		{"sub null", "at+jwt", object{"client_id": "m2m", "sub": json.RawMessage("null")}, 0, "", nil, errClaimsType},
		{"ID token", "JWT", object{"sub": "1", "at_hash": "h", "nonce": "n", "sid": "s"}, 0, "", nil, errHeaderTyp},
		{"logout token", "logout+jwt", object{"sub": "1", "events": object{}}, 0, "", nil, errHeaderTyp},
	}},
	{"PingFederate", PingFederate(), "https://ping.example.com", "docs", []profileCase{
		{"access token of a user", nil, object{"sub": "alice", "client_id": "web", "scope": "openid docs"}, KindUser, "web", []string{"openid", "docs"}, nil},
		{"access token of a service", nil, object{"sub": "svc", "client_id": "svc", "scope": "docs"}, KindService, "svc", []string{"docs"}, nil},
		{"no sub", nil, object{"client_id": "svc", "Username": "alice"}, KindUnclear, "svc", nil, nil},
		{"ID token", nil, object{"sub": "joe", "jti": "j", "nonce": "n", "at_hash": "h"}, 0, "", nil, errClaimsUse},
		{"ID token for a client that is an audience", nil, object{"sub": "joe", "client_id": "docs"}, 0, "", nil, errClaimsUse},
	}},
	{"AD FS", ADFS(), "http://adfs.example.com/adfs/services/trust", "https://docs.example.com", []profileCase{
		{"access token of a user", "JWT", object{"sub": "Jq3b", "upn": "alice@example.com", "apptype": "Confidential", "appid": "50ce", "authmethod": "pwd", "auth_time": "2020-03-24T07:30:55.566Z", "ver": "1.0", "scp": "openid"}, KindUser, "50ce", []string{"openid"}, nil},
		{"access token of a service", "JWT", object{"apptype": "Confidential", "appid": "50ce", "auth_time": "2020-03-24T07:30:55.566Z", "ver": "1.0"}, KindUnclear, "50ce", nil, nil},
		{"auth_time that is none", "JWT", object{"sub": "Jq3b", "apptype": "Confidential", "appid": "50ce", "auth_time": "yesterday"}, 0, "", nil, errClaimsType},
		{"ID token", "JWT", object{"iss": "https://adfs.example.com/adfs", "sub": "Jq3b", "nonce": "n", "apptype": "Confidential", "appid": "50ce"}, 0, "", nil, errClaimsIssuer},
		{"ID token for a client that is an audience", "JWT", object{"sub": "Jq3b", "apptype": "Confidential", "appid": "https://docs.example.com"}, 0, "", nil, errClaimsUse},
	}},
	{"authentik", Authentik(), "https://auth.example.com/application/o/docs/", "web", []profileCase{
		{"access token of a user", "JWT", object{"sub": "3f2a", "azp": "web", "uid": "x", "auth_time": 1, "acr": "goauthentik.io/providers/oauth2/default"}, KindUnclear, "web", nil, nil},
		{"access token of a service", "JWT", object{"sub": "77ab", "azp": "web", "uid": "y", "preferred_username": "ak-docs-client_credentials"}, KindUnclear, "web", nil, nil},
		{"ID token", "JWT", object{"sub": "3f2a", "nonce": "n", "at_hash": "h"}, 0, "", nil, errClaimsUse},
		{"ID token without a hash", "JWT", object{"sub": "3f2a", "auth_time": 1}, 0, "", nil, errClaimsUse},
	}},
	{"node-oidc-provider", NodeOIDCProvider(), "https://op.example.com", "https://docs.internal", []profileCase{
		{"access token of a user", "at+jwt", object{"sub": "alice", "client_id": "web", "scope": "docs", "jti": "j"}, KindUser, "web", []string{"docs"}, nil},
		{"access token of a service", "at+jwt", object{"sub": "svc", "client_id": "svc", "jti": "j"}, KindService, "svc", nil, nil},
		{"no sub", "at+jwt", object{"client_id": "svc", "jti": "j"}, KindUnclear, "svc", nil, nil},
		{"ID token", "JWT", object{"sub": "alice", "nonce": "n"}, 0, "", nil, errHeaderTyp},
	}},
}

// token is what an issuer would send. A nil iss or aud means none.
func (c profileCase) token(key *testKey, issuer, audience string) string {
	now := time.Now().Unix()
	claims := object{"iss": issuer, "aud": audience, "iat": now, "exp": now + 300}.with(c.claims)
	for _, name := range []string{"iss", "aud"} {
		if claims[name] == nil {
			delete(claims, name)
		}
	}
	header := key.header().without("typ")
	if c.typ != nil {
		header["typ"] = c.typ
	}
	return key.tokenOf(jsonOf(header), jsonOf(claims))
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	for _, issuer := range profileTable {
		t.Run(issuer.name, func(t *testing.T) {
			t.Parallel()
			cfg := newKeyServer(key).config()
			cfg.Issuer, cfg.Audiences, cfg.Profile = issuer.issuer, []string{issuer.audience}, issuer.profile
			v := newJWT(t, cfg)
			for _, c := range issuer.cases {
				t.Run(c.name, func(t *testing.T) {
					p, err := v.Verify(testContext(t), c.token(key, issuer.issuer, issuer.audience), Requirements{})
					if c.want != nil {
						if e := wantError(t, err, tokenInvalid); asCause(e) != c.want {
							t.Fatalf("refused because of %q, want %q", e.Err, c.want.Err)
						}
						return
					}
					if err != nil {
						t.Fatalf("refused: %v", asCauseText(err))
					}
					if p.Kind() != c.kind || p.ClientID() != c.client || !slices.Equal(p.Scopes(), c.scopes) {
						t.Errorf("got %v, scopes %q; want %v, client %q, scopes %q", p, p.Scopes(), c.kind, c.client, c.scopes)
					}
					if p.IsService() != (c.kind == KindService) || p.IsUser() != (c.kind == KindUser) {
						t.Errorf("%v: service %t, user %t", p.Kind(), p.IsService(), p.IsUser())
					}
				})
			}
			// No profile makes any of these good.
			good := issuer.cases[0]
			for name, claims := range map[string]object{
				"another issuer": {"iss": issuer.issuer + "/"}, "another audience": {"aud": issuer.audience + "/"},
				"expired": {"exp": 1}, "no exp": {"exp": json.RawMessage("null")}, "not yet": {"nbf": time.Now().Unix() + 3600},
				"bound to a DPoP key": {"cnf": object{"jkt": "x"}}, "token_type refresh_token": {"token_type": "refresh_token"},
				"token_use id": {"token_use": "id"}, "typ Refresh": {"typ": "Refresh"}, "events": {"events": object{}}, "c_hash": {"c_hash": "h"},
				"s_hash": {"s_hash": "h"}, "looks like sub": {"Sub": "admin"}, "looks like client_id": {"CLIENT_ID": "admin"},
			} {
				t.Run("never: "+name, func(t *testing.T) {
					bad := good
					bad.claims = good.claims.with(claims)
					p, err := v.Verify(testContext(t), bad.token(key, issuer.issuer, issuer.audience), Requirements{})
					if e, ok := asError(err); !ok || e.Kind != CredentialFault || p != nil {
						t.Errorf("got %v, %v", p, err)
					}
				})
			}
			forged := good.token(newKey("k1", ES256), issuer.issuer, issuer.audience)
			if p, err := v.Verify(testContext(t), forged, Requirements{}); err == nil {
				t.Errorf("forged: got %v", p)
			}
		})
	}
}

func asCauseText(err error) error {
	if e, ok := asError(err); ok {
		return e.Err
	}
	return err
}

// TestProfilesOfIntrospection is the table for answers of RFC 7662.
func TestProfilesOfIntrospection(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		profile Profile
		answer  object
		kind    Kind
		client  string
		want    *Error
	}{
		{"RFC 9068: a user", Profile{}, object{"sub": "alice", "client_id": "web", "username": "alice"}, KindUser, "web", nil},
		{"RFC 9068: a service", Profile{}, object{"sub": "web", "client_id": "web"}, KindService, "web", nil},
		{"row 21a: username without sub", Profile{}, object{"client_id": "web", "username": "alice"}, KindUnclear, "web", nil},
		{"row 21a: user_name without sub", Profile{}, object{"client_id": "web", "user_name": "alice"}, KindUnclear, "web", nil},
		{"row 21a: no sub", Profile{}, object{"client_id": "web"}, KindUnclear, "web", nil},
		{"RFC 9068: refresh token", Profile{}, object{"sub": "alice", "client_id": "web", "token_type": "refresh_token"}, 0, "", errClaimsUse},
		{"RFC 9068: s_hash", Profile{}, object{"sub": "alice", "client_id": "web", "s_hash": "h"}, 0, "", errClaimsUse},
		{"node-oidc-provider: a user", NodeOIDCProvider(), object{"sub": "alice", "client_id": "web", "token_type": "Bearer"}, KindUser, "web", nil},
		{"node-oidc-provider: a service", NodeOIDCProvider(), object{"client_id": "web", "token_type": "Bearer"}, KindService, "web", nil},
		{"node-oidc-provider: username without sub", NodeOIDCProvider(), object{"client_id": "web", "token_type": "Bearer", "username": "alice"}, KindUnclear, "web", nil},
		{"node-oidc-provider: refresh token", NodeOIDCProvider(), object{"sub": "alice", "client_id": "web"}, 0, "", errClaimsUse},
		{"Keycloak: a user", Keycloak(), object{"sub": "f2b1", "typ": "Bearer", "azp": "web", "client_id": "web", "username": "alice", "preferred_username": "alice", "token_type": "Bearer"}, KindUser, "web", nil},
		{"Keycloak: a service", Keycloak(), object{"sub": "9c7d", "typ": "Bearer", "azp": "jobs", "client_id": "jobs", "clientAddress": "10.0.0.1", "preferred_username": "service-account-jobs"}, KindService, "jobs", nil},
		{"Keycloak: a user named like a service account, without sub", Keycloak(), object{"typ": "Bearer", "azp": "web", "client_id": "web", "username": "service-account-web", "preferred_username": "service-account-web"}, KindUnclear, "web", nil},
		{"Keycloak: a user named like a service account, clientHost null", Keycloak(), object{"sub": "f2b1", "typ": "Bearer", "azp": "web", "clientHost": nil, "preferred_username": "service-account-web"}, KindUnclear, "web", nil},
		// client_id of an answer is azp again.
		{"Keycloak: a service's token, exchanged", Keycloak(), object{"sub": "9c7d", "typ": "Bearer", "azp": "web", "client_id": "web", "clientHost": "10.0.0.1", "preferred_username": "service-account-jobs"}, KindUnclear, "web", nil},
		{"Keycloak: refresh token", Keycloak(), object{"sub": "f2b1", "typ": "Refresh", "azp": "web", "client_id": "web"}, 0, "", errClaimsUse},
		{"Ory Hydra: a service", Hydra(), object{"sub": "svc", "client_id": "svc", "token_use": "access_token", "token_type": "Bearer"}, KindService, "svc", nil},
		{"Ory Hydra: refresh token", Hydra(), object{"sub": "svc", "client_id": "svc", "token_use": "refresh_token"}, 0, "", errClaimsUse},
		{"Okta: a user", Okta(), object{"sub": "alice@example.com", "client_id": "web", "uid": "00u", "jti": "AT.x", "token_type": "Bearer"}, KindUser, "web", nil},
		{"Okta: refresh token", Okta(), object{"sub": "alice@example.com", "client_id": "web", "uid": "00u", "jti": "oar.x"}, 0, "", errClaimsUse},
		{"Duende: a login and no sub", Duende(), object{"client_id": "web", "auth_time": 1, "scope": "docs"}, KindUnclear, "web", nil},
		{"Duende: a client's refresh token", Duende(), object{"sub": "1", "client_id": "web", "token_type": "refresh_token", "scope": "docs"}, 0, "", errClaimsUse},
		{"Duende: a service, for the client", Duende(), object{"client_id": "m2m", "token_type": "access_token", "scope": "docs"}, KindService, "m2m", nil},
		{"Duende: a service", Duende(), object{"client_id": "m2m", "scope": "docs"}, KindService, "m2m", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := introspectionWith(t, c.profile)
			answer := c.answer.with(object{"active": true, "aud": testAudience, "exp": time.Now().Unix() + 60})
			verdict, err := in.verdict("opaque", jsonOf(answer), nil, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if c.want != nil {
				if asCause(verdict.Value.refused) != c.want {
					t.Fatalf("got %v, refused %v; want %q", verdict.Value.principal, verdict.Value.refused, c.want.Err)
				}
				return
			}
			if verdict.Value.refused != nil {
				t.Fatal(verdict.Value.refused.Err)
			}
			if p := verdict.Value.principal; p.Kind() != c.kind || p.ClientID() != c.client {
				t.Errorf("got %v, want %v", p, c.kind)
			}
		})
	}
}

func introspectionWith(tb testing.TB, profile Profile) *Introspection {
	tb.Helper()
	in, err := NewIntrospection(IntrospectionConfig{
		URL: "https://issuer.test/introspect", Issuer: testIssuer, ClientID: "docs",
		Auth: clientauth.SecretBasic(clientauth.Constant("not-a-secret")), Audiences: []string{testAudience}, Profile: profile,
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { in.Close() })
	return in
}
