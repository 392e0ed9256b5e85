// Package authn applies client authentication to requests to an authorization
// server: it checks a method of package clientauth, obtains its proof for one
// request, and makes the HTTP client for the request.
//
// Errors are [*Error]: their text is constant and holds no secret; the cause is
// available by errors.Unwrap only.
package authn
