// Package clientauth proves a client's identity to an authorization server, at
// the token endpoint and at the introspection endpoint alike (RFC 6749 §2.3,
// RFC 7523 §2.2, RFC 8705 §2).
//
// A [Method] is chosen by configuration and never probed: a server that refuses
// one way is not offered the next, since each guess hands it the secret again and
// counts as a failed login.
//
// What a method needs (a secret, a key, an assertion, a certificate) is asked
// for at every request, so that what rotates on disk needs no restart.
//
//	credentials.Config{…, Auth: clientauth.SecretBasic(clientauth.File("/run/secrets/docs-sync"))}
//	verify.IntrospectionConfig{…, Auth: clientauth.PrivateKeyJWT(clientauth.PrivateKey{Key: clientauth.KeyFile("/run/secrets/key.pem")})}
//
// The text of an error is constant and holds no secret, key or path; the cause is
// reached by errors.Unwrap only.
package clientauth
