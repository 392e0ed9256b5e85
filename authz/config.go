package authz

import (
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

const (
	// DefaultTimeout bounds one request to the engine: longer than a healthy
	// engine's slowest answer, shorter than most callers' deadlines.
	DefaultTimeout = 3 * time.Second
	// DefaultMaxObjects is how many objects one call may name: more than a page
	// of a list has, few enough that one request can't occupy an engine.
	DefaultMaxObjects = 100
)

// Resolver gives the services to compile. [protoregistry.Files] is one; so is
// anything that walks a descriptor set.
type Resolver interface {
	RangeFiles(visit func(protoreflect.FileDescriptor) bool)
}

// Config is what an [Authorizer] is made of.
type Config struct {
	// Engine decides the checks. Required if any rule has one.
	Engine Engine
	// Subjects says who the callers are to the engine. Required if any rule asks
	// the engine about the caller.
	Subjects Subjects
	// IssuerSubjects replaces Subjects for the tokens of some issuers, by the
	// issuer's short name. Optional. One that isn't in Issuers is an error, where
	// those are set.
	IssuerSubjects map[string]Subjects
	// Issuers are the short names of all issuers whose tokens the verifier
	// accepts; a principal of another is refused with SUBJECT_UNMAPPED. With more
	// than one, every template that reads {$sub}, {$client_id} or {$claim.path}
	// must hold {$issuer}, in subjects and in rules, unless the issuer has its own
	// in IssuerSubjects or the rule names it in access_token.issuers: the same
	// "sub" under two issuers is two callers. Optional. Default: not known, which
	// may be several. An empty name, and one that stands twice, is an error.
	Issuers []string
	// Rules are rules in code. Optional.
	Rules []MethodRule
	// Resolver gives the services to compile. Optional. Default: every service
	// linked into the program.
	Resolver Resolver
	// Timeout bounds one request to the engine. Optional. Default
	// [DefaultTimeout]; negative is an error.
	Timeout time.Duration
	// MaxObjects is how many objects one call may name, over all its checks; a call
	// that names more is refused with OBJECT_MISSING, also where a condition that
	// needs no object would grant it. Optional. Default [DefaultMaxObjects];
	// negative is an error.
	MaxObjects int
	// Cache is the decision cache. Optional. Default: off.
	Cache CacheConfig
	// Breaker is the circuit breaker. Optional. The zero value is on.
	Breaker BreakerConfig
	// Now is the clock. Optional, for tests. Default [time.Now].
	Now func() time.Time
	// Observer is told what happens. Optional.
	Observer Observer
}

// CacheConfig configures the decision cache. A cached verdict may be stale for
// its lifetime: a relation that was taken away still grants until then. Verdicts
// under ModeFullyConsistent are never cached.
type CacheConfig struct {
	// Size is the number of verdicts kept. Zero: no cache.
	Size int
	// TTL is how long a grant is kept. Required with Size.
	TTL time.Duration
	// DeniedTTL is how long a denial is kept: shorter, so that somebody who was
	// just given access isn't kept out. Optional. Default: a quarter of TTL;
	// more than TTL is an error.
	DeniedTTL time.Duration
}

// BreakerConfig configures the circuit breaker before the engine. While it is
// open, checks are ENGINE_UNAVAILABLE at once.
type BreakerConfig struct {
	// Disabled leaves the breaker out.
	Disabled bool
	// Failures is how many requests in a row must fail to open it. Only an
	// unavailable engine is a failure. Optional. Default 5.
	Failures uint32
	// OpenFor is how long it stays open before one request may try again.
	// Optional. Default 5 s.
	OpenFor time.Duration
}
