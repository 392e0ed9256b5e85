package credentials

import (
	"crypto"

	"github.com/usher-auth/usher/credentials/internal/clientauth"
)

// Auth is how the client authenticates to the authorization server. It is
// chosen and never probed. The constructors of this package are all there is;
// what they are given is used again at each fetch, so that a secret, key or
// certificate that changes needs no restart. An Auth is safe for concurrent use.
type Auth = clientauth.Method

// Secret supplies a value at each fetch. It must honour the context and be safe
// for concurrent use. An empty value is an error, and so is a panic; neither
// the value nor the error's text appears in an [Error].
type Secret = clientauth.Secret

// Constant is a secret that never changes.
func Constant(value string) Secret { return clientauth.Constant(value) }

// Env is a secret in an environment variable, read at each fetch.
func Env(name string) Secret { return clientauth.Env(name) }

// File is a secret in a regular file of at most 64 KiB, read at each fetch. One
// final newline is trimmed.
func File(path string) Secret { return clientauth.File(path) }

// SecretBasic sends id and secret in the Authorization header, the way that
// every server must support (client_secret_basic, RFC 6749 §2.3.1).
func SecretBasic(secret Secret) Auth { return clientauth.SecretBasic(secret) }

// SecretPost sends id and secret in the form, for servers that want them there
// (client_secret_post).
func SecretPost(secret Secret) Auth { return clientauth.SecretPost(secret) }

// PrivateKey configures [PrivateKeyJWT].
type PrivateKey = clientauth.PrivateKey

// KeySource supplies a private key at each fetch: RSA, ECDSA on P-256, Ed25519,
// or a signer that stands for one, as hardware and key services have.
type KeySource = clientauth.KeySource

// AssertionAudience says whom a private_key_jwt assertion is for.
type AssertionAudience = clientauth.Audience

const (
	// AudienceIssuer addresses the assertion to Config.Issuer: the safe choice,
	// since no other server can pose as it. It is the default.
	AudienceIssuer = clientauth.AudienceIssuer
	// AudienceTokenURL addresses it to the token endpoint, for servers that
	// accept only that.
	AudienceTokenURL = clientauth.AudienceTokenURL
)

// PrivateKeyJWT authenticates with a JWT that the client signs (private_key_jwt,
// RFC 7523 §2.2): RS256, PS256, ES256 or EdDSA, a fresh jti and one minute to
// live for each fetch.
func PrivateKeyJWT(cfg PrivateKey) Auth { return clientauth.PrivateKeyJWT(cfg) }

// KeyFile is a PEM file with one private key (PKCS #8, PKCS #1 or SEC 1, not
// encrypted), read at each fetch.
func KeyFile(path string) KeySource { return clientauth.KeyFile(path) }

// Signer is a key that never changes.
func Signer(key crypto.Signer) KeySource { return clientauth.Signer(key) }

// AssertionFile authenticates with a JWT that the platform keeps fresh in a
// file, such as a projected workload identity token (client_assertion, RFC 7523
// §2.2). Config.ClientID is optional with it.
func AssertionFile(path string) Auth { return clientauth.AssertionFile(path) }

// CertificateSource supplies a client certificate at each TLS handshake.
type CertificateSource = clientauth.CertificateSource

// CertificateFiles is a certificate chain and its key in PEM files, read at
// each handshake.
func CertificateFiles(certPath, keyPath string) CertificateSource {
	return clientauth.CertificateFiles(certPath, keyPath)
}

// TLSClientAuth authenticates with a certificate at the TLS layer
// (tls_client_auth and self_signed_tls_client_auth, RFC 8705 §2). A
// Config.HTTPClient must have an *http.Transport or none; it is copied.
func TLSClientAuth(source CertificateSource) Auth { return clientauth.TLSClientAuth(source) }
