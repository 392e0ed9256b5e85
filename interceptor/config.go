package interceptor

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
)

// DefaultFirstMessageTimeout is how long a handler that wants to send waits for
// the caller's first message to be authorized.
const DefaultFirstMessageTimeout = 10 * time.Second

// Config is what an [Interceptor] is made of.
type Config struct {
	// Verifier turns the caller's token into a principal. Required. It isn't closed
	// by the interceptor: close it after the server has stopped. A panic in it, or
	// an answer that is neither principal nor error, refuses the call with
	// MISCONFIGURED; one of your own runs in a goroutine of its own, is left when
	// the call's context ends, and one that calls runtime.Goexit is UNAVAILABLE. It
	// must heed that context: each call that it outlasts leaves a goroutine behind.
	// A principal of it that is no longer valid is TOKEN_EXPIRED.
	Verifier verify.Verifier
	// Authorizer decides calls by the rules of their methods. Required. Set its
	// [authz.Config] Issuers to the verifier; if both the verifier and the
	// authorizer name issuers, other ones than each other's are an error.
	Authorizer *authz.Authorizer
	// Observer is told what happens to calls. Optional.
	Observer Observer
	// ErrorDomain is the domain of the ErrorInfo in refusals. Optional. Default
	// [DefaultErrorDomain].
	ErrorDomain string
	// Realm is the realm of challenges (RFC 9110 §11.5). Optional. Default: none.
	Realm string
	// MaxTokenBytes is the size in bytes above which a token is refused unread. The
	// verifier has a limit of its own. Optional. Default [DefaultMaxTokenBytes];
	// negative is an error.
	MaxTokenBytes int
	// FirstMessageTimeout is how long a handler that wants to send waits for the
	// first message to be authorized. Optional. Default
	// [DefaultFirstMessageTimeout]; negative is an error.
	FirstMessageTimeout time.Duration
}

// withDefaults returns the configuration with its defaults, and everything that is
// wrong with it.
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
// than the authorizer's rules were compiled for. One that doesn't know them may be
// right: where an authorizer knows none, its templates tell issuers apart.
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
