package interceptor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
)

// DefaultFirstMessageTimeout is the default of Config.FirstMessageTimeout.
const DefaultFirstMessageTimeout = 10 * time.Second

// Config configures an [Interceptor].
type Config struct {
	// Verifier turns the caller's token into a principal. Required. The interceptor
	// doesn't close it: close it after the server has stopped. If it panics, or
	// returns neither a principal nor an error, the call is refused with
	// MISCONFIGURED.
	//
	// A verifier of your own runs in a goroutine of its own, which is left behind
	// if the call's context ends first: the verifier must return when that context
	// ends, or each such call leaks a goroutine. If it calls runtime.Goexit, the
	// call is UNAVAILABLE. If the principal that it returns is no longer valid, the
	// call is refused with TOKEN_EXPIRED.
	Verifier verify.Verifier
	// Authorizer decides calls by the rules of their methods. Required. Set its
	// [authz.Config] Issuers to the verifier: if both the verifier and the
	// authorizer name issuers, and not the same ones, New returns an error.
	Authorizer *authz.Authorizer
	// Observer is told what happens to calls. Optional.
	Observer Observer
	// ErrorDomain is the domain of the ErrorInfo in refusals. Optional. Default
	// [DefaultErrorDomain].
	ErrorDomain string
	// Realm is the realm of challenges (RFC 9110 §11.5). Optional. Default: none.
	Realm string
	// MaxTokenBytes is the size in bytes above which a token is refused without
	// being decoded. The verifier has a limit of its own. Optional. Default
	// [DefaultMaxTokenBytes]; negative is an error.
	MaxTokenBytes int
	// FirstMessageTimeout is how long a handler that wants to send waits for the
	// caller's first message to be authorized; after that the stream ends with
	// FIRST_MESSAGE_TIMEOUT. Optional. Default [DefaultFirstMessageTimeout];
	// negative is an error.
	FirstMessageTimeout time.Duration
	// TrustedProxies are the addresses of the proxies in front of the server. If a
	// connection comes from one of them, the address that rules read as peer.ip is
	// the last one in ForwardedHeader that isn't itself in TrustedProxies, or the
	// first one if all are. The header of any other connection isn't read. The address
	// is unknown if the header is absent, or if an element that has to be read isn't an
	// IP address (which may have a port) or isn't among the last 32.
	//
	// Each proxy must append the address that it is called from, or replace the
	// header by it. A caller that can connect from an address in TrustedProxies
	// chooses its own address: list the proxies, not a network that callers are in.
	//
	// Optional. Default: none, and the address is the connection's. A prefix of zero
	// bits is an error.
	TrustedProxies []netip.Prefix
	// TrustUnixSocket trusts every connection over a unix socket as one from
	// TrustedProxies: a proxy beside the server. Optional. Default: the address of
	// such a connection is unknown.
	TrustUnixSocket bool
	// ForwardedHeader is the header that the trusted proxies write: addresses
	// separated by commas, in one or several lines, or a single address as in
	// x-real-ip. The header forwarded (RFC 7239) isn't supported. Optional. Default
	// [DefaultForwardedHeader]. Setting it without TrustedProxies or TrustUnixSocket
	// is an error.
	ForwardedHeader string
	// PeerIP returns the address that rules read as peer.ip, and reports whether it
	// is known. It is for an interceptor before this one that has found the address:
	// realip.FromContext of go-grpc-middleware fits. It is called with the
	// call's context: at the start of a call whose rule reads the connection, and for
	// another call if Observer.Decided is told that it is refused. It must be safe for
	// concurrent use and must not block. If it panics, a call whose rule reads the connection is refused
	// with MISCONFIGURED. Optional. Default: TrustedProxies decide. Setting it beside
	// TrustedProxies, TrustUnixSocket or ForwardedHeader is an error.
	PeerIP func(ctx context.Context) (netip.Addr, bool)
}

// withDefaults returns the configuration with its defaults, and an error that
// joins all its faults.
func (c Config) withDefaults() (Config, error) {
	faults := contextFaults()
	verifies := !isNil(c.Verifier)
	if !verifies {
		faults = append(faults, errors.New("interceptor: Config.Verifier is required"))
	}
	switch {
	case c.Authorizer == nil:
		faults = append(faults, errors.New("interceptor: Config.Authorizer is required; authz.New makes it"))
	case verifies:
		faults = append(faults, sameIssuers(c.Verifier, c.Authorizer))
	}
	if c.MaxTokenBytes < 0 {
		faults = append(faults, errors.New("interceptor: Config.MaxTokenBytes is negative"))
	}
	if c.FirstMessageTimeout < 0 {
		faults = append(faults, errors.New("interceptor: Config.FirstMessageTimeout is negative"))
	}
	faults = append(faults, addressFaults(&c)...)
	if c.ForwardedHeader == "" {
		c.ForwardedHeader = DefaultForwardedHeader
	}
	if c.ErrorDomain == "" {
		c.ErrorDomain = DefaultErrorDomain
	}
	if c.MaxTokenBytes == 0 {
		c.MaxTokenBytes = DefaultMaxTokenBytes
	}
	if c.FirstMessageTimeout == 0 {
		c.FirstMessageTimeout = DefaultFirstMessageTimeout
	}

	return c, errors.Join(faults...)
}

// sameIssuers returns an error if the verifier accepts the tokens of other issuers
// than those that the authorizer's rules were compiled for. A verifier or an
// authorizer that names no issuers is accepted: the templates of such an
// authorizer tell issuers apart themselves.
func sameIssuers(verifier verify.Verifier, authorizer *authz.Authorizer) error {
	namer, ok := verifier.(authz.IssuerNamer)
	if !ok {
		return nil
	}
	verified, named := namer.IssuerNames(), authorizer.IssuerNames()
	// An authorizer has no name twice: of as many, all are the same ones. A verifier's
	// two issuers with one name aren't one issuer.
	if len(verified) == 0 || len(named) == 0 || len(verified) == len(named) && hasAll(verified, named) {
		return nil
	}

	return fmt.Errorf("interceptor: the verifier accepts the tokens of %q, but the authorizer's Config.Issuers has %q; set authz.Config.Issuers to the verifier", verified, named)
}

func hasAll(all, some []string) bool {
	return !slices.ContainsFunc(some, func(name string) bool { return !slices.Contains(all, name) })
}
