// Package credentialstest is an OAuth 2.0 authorization server for tests: a
// real one over HTTP on loopback, or one without a socket for tests inside
// testing/synctest, that fails on demand.
//
//	issuer := credentialstest.NewIssuer(t, credentialstest.Config{})
//	issuer.AddClient(credentialstest.Client{ID: "docs-sync", Secret: "not-a-secret"})
//	creds, err := credentials.New(credentials.Config{
//		TokenURL: issuer.TokenURL(), ClientID: "docs-sync",
//		Auth:       clientauth.SecretBasic(clientauth.Constant("not-a-secret")),
//		HTTPClient: issuer.Client(),
//	})
//	issuer.Script(credentialstest.TokenEndpoint, credentialstest.Status(503, "2"))
//
// It issues signed access tokens (RFC 9068) and opaque ones by the
// client_credentials grant, publishes and rotates its keys, answers
// introspection (RFC 7662) and metadata requests (OpenID Connect Discovery,
// RFC 8414), and knows every client authentication of package clientauth. The
// requests to each endpoint are counted and kept.
//
// It protects nothing and must not be used for anything but tests.
package credentialstest
