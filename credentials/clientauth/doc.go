// Package clientauth proves a client's identity to an authorization server, at
// the token endpoint and at the introspection endpoint alike (RFC 6749 §2.3,
// RFC 7523 §2.2, RFC 8705 §2).
//
// A [Method] is chosen by configuration and never probed: if a server refuses
// one method, no other is tried, since each attempt discloses the secret again
// and counts as a failed login.
//
// A method reads its secret, key, assertion or certificate at every request, so
// that rotating one on disk needs no restart.
//
//	credentials.Config{…, Auth: clientauth.SecretBasic(clientauth.File("/run/secrets/docs-sync"))}
//	verify.IntrospectionConfig{…, Auth: clientauth.PrivateKeyJWT(clientauth.PrivateKey{Key: clientauth.KeyFile("/run/secrets/key.pem")})}
//
// The text of an error is constant and holds no secret, key or path; the cause
// is available by errors.Unwrap only.
package clientauth
