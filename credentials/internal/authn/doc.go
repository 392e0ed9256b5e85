// Package authn carries client authentication to the endpoints of an authorization
// server: it checks a method of package clientauth, asks it for its proof of one
// request, and makes the HTTP client that the request goes through.
//
// Errors are [*Error]: their text is constant and holds no secret; the cause is
// reached by errors.Unwrap only.
package authn
