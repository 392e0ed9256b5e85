package credentialstest

import "time"

// Option changes how an issuer is set up.
type Option func(*options)

type options struct {
	memory    bool
	tls       bool
	url       string
	algorithm string
	lifetime  time.Duration
}

// InMemory makes an issuer without a socket, at https://issuer.test: only its
// Client reaches it. It is the one for testing/synctest, where a socket would
// keep the clock from moving.
func InMemory() Option { return func(o *options) { o.memory = true } }

// URL names an issuer that is in memory, so that a test can have several.
func URL(url string) Option { return func(o *options) { o.url = url } }

// TLS makes the issuer serve https with a certificate of its own authority,
// which Client trusts, and ask clients for a certificate (RFC 8705).
func TLS() Option { return func(o *options) { o.tls = true } }

// Algorithm is what tokens are signed with, unless minted otherwise: RS256 to
// RS512, PS256 to PS512, ES256 to ES512 or EdDSA. ES256 by default, since its
// keys are made at once.
func Algorithm(name string) Option { return func(o *options) { o.algorithm = name } }

// Lifetime is that of issued tokens. One hour by default.
func Lifetime(d time.Duration) Option { return func(o *options) { o.lifetime = d } }
