// Package clientauth proves a client's identity to an authorization server, at
// the token endpoint and at the introspection endpoint alike (RFC 6749 §2.3,
// RFC 7523 §2.2, RFC 8705 §2).
//
// A [Method] is chosen by configuration and never probed: a server that refuses
// one way is not asked the next, since each guess hands it the secret again and
// counts as a failed login.
//
// What a method needs (a secret, a key, an assertion, a certificate) is asked
// for at every request, so that what rotates on disk needs no restart.
//
// Errors are [*Error]: their text is constant and holds no secret; the cause is
// reached by errors.Unwrap only.
package clientauth
