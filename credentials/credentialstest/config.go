package credentialstest

import "time"

// Config configures an issuer. The zero value is an issuer on a loopback socket
// without TLS, for all tests that don't depend on time.
type Config struct {
	// InMemory makes an issuer without a socket, at https://issuer.test: only
	// its Client reaches it. Use it with testing/synctest, where a socket would
	// keep the clock from advancing.
	InMemory bool
	// URL names an issuer that is in memory, so that a test can have several. It is
	// ignored for one with a socket. Optional, https://issuer.test by default.
	URL string
	// TLS makes an issuer with a socket serve https with a certificate of its own
	// authority, which Client trusts, and ask clients for a certificate (RFC 8705).
	TLS bool
	// Algorithm is what tokens are signed with, unless minted otherwise: RS256 to
	// RS512, PS256 to PS512, ES256 to ES512 or EdDSA. Optional, ES256 by default,
	// since its keys are made at once.
	Algorithm string
	// Lifetime is that of issued tokens. Optional, one hour by default.
	Lifetime time.Duration
}
