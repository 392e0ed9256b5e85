package interceptor

import (
	"errors"
	"fmt"
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
