package interceptor

import (
	"errors"
	"fmt"
	"time"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
)

// DefaultFirstMessageTimeout is how long a handler that wants to send waits for
// the caller's first message to be authorized.
const DefaultFirstMessageTimeout = 10 * time.Second

// Config is what an [Interceptor] is made of.
type Config struct {
	// Verifier turns the caller's token into a principal. Required. Whoever
	// constructed it closes it, after the server has stopped. A panic in it, or
	// an answer that is neither principal nor error, refuses the call with
	// MISCONFIGURED; one of your own runs in a goroutine of its own, is left when
	// the call's context ends, and one that calls runtime.Goexit is UNAVAILABLE. It
	// must heed that context: each call that it outlasts leaves a goroutine behind.
	// A principal of it that is no longer valid is TOKEN_EXPIRED.
	Verifier verify.Verifier
	// Engine decides the checks of the rules. Required if any rule has one.
	Engine authz.Engine
	// Subjects says who the callers are to the engine. Required if any rule asks
	// the engine about the caller.
	Subjects authz.Subjects
	// IssuerSubjects replaces Subjects for the tokens of some issuers, by the
	// issuer's short name. Optional.
	IssuerSubjects map[string]authz.Subjects
	// Issuers are the short names of the issuers whose tokens the verifier
	// accepts, as [verify.Principal.IssuerName] gives them. Optional, and best left
	// out, if the verifier is a [verify.IssuerNamer], as those of package verify
	// are: it knows them, and other names here are an error. A verifier that isn't
	// one, such as a [verify.VerifierFunc], needs them wherever a template reads
	// $sub, $client_id or a claim without {$issuer}.
	Issuers []string
	// Rules are rules in code, for services whose .proto isn't ours to edit.
	// Optional.
	Rules []authz.MethodRule
	// Resolver gives the services whose rules are compiled. Optional. Default:
	// every service linked into the program.
	Resolver authz.Resolver
	// EngineTimeout bounds one request to the engine. Optional. Default
	// [authz.DefaultTimeout].
	EngineTimeout time.Duration
	// MaxObjects is how many objects one call may name. Optional. Default
	// [authz.DefaultMaxObjects].
	MaxObjects int
	// Cache is the decision cache. Optional. Default: off.
	Cache authz.CacheConfig
	// Breaker is the circuit breaker before the engine. Optional. The zero value
	// is on.
	Breaker authz.BreakerConfig
	// Observer is told what happens to calls. Optional.
	Observer Observer
	// AuthzObserver is told what happens in authz. Optional.
	AuthzObserver authz.Observer
}

// Option sets what has a default that fits nearly everybody.
type Option interface {
	apply(*settings) error
}

type optionFunc func(*settings) error

func (f optionFunc) apply(s *settings) error { return f(s) }

type settings struct {
	errorDomain         string
	realm               string
	maxTokenBytes       int
	firstMessageTimeout time.Duration
}

// WithErrorDomain sets the domain of the ErrorInfo in refusals. Default
// [DefaultErrorDomain]; empty is an error.
func WithErrorDomain(domain string) Option {
	return optionFunc(func(s *settings) error {
		if domain == "" {
			return errors.New("interceptor: the error domain is empty")
		}
		s.errorDomain = domain

		return nil
	})
}

// WithRealm sets the realm of challenges (RFC 9110 §11.5). Default: none.
func WithRealm(realm string) Option {
	return optionFunc(func(s *settings) error {
		if realm == "" {
			return errors.New("interceptor: the realm is empty")
		}
		s.realm = realm

		return nil
	})
}

// WithMaxTokenBytes sets the size above which a token is refused unread. Default
// [DefaultMaxTokenBytes]; less than one byte is an error. The verifier has a
// limit of its own.
func WithMaxTokenBytes(n int) Option {
	return optionFunc(func(s *settings) error {
		if n < 1 {
			return fmt.Errorf("interceptor: the token size limit %d is below one byte", n)
		}
		s.maxTokenBytes = n

		return nil
	})
}

// WithFirstMessageTimeout sets how long a handler that wants to send waits for
// the first message to be authorized. Default [DefaultFirstMessageTimeout]; zero
// and negative are errors.
func WithFirstMessageTimeout(d time.Duration) Option {
	return optionFunc(func(s *settings) error {
		if d <= 0 {
			return fmt.Errorf("interceptor: the first message timeout %v is not positive", d)
		}
		s.firstMessageTimeout = d

		return nil
	})
}
