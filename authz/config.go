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

// IssuerNamer knows the short names of the issuers whose tokens are accepted. The
// verifiers of package credentials/verify implement it.
type IssuerNamer interface {
	// IssuerNames returns the short names. None: they aren't known.
	IssuerNames() []string
}

// Issuers is a list of short names, for a verifier that doesn't know them.
type Issuers []string

// IssuerNames returns the list.
func (i Issuers) IssuerNames() []string { return i }

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
	// Issuers gives the short names of all issuers whose tokens the verifier
	// accepts: set it to the verifier, or to [Issuers] where that doesn't know them.
	// New asks it once. A principal of another issuer is refused with
	// SUBJECT_UNMAPPED. With more than one, every template that reads {$sub},
	// {$client_id} or {$claim.path} must hold {$issuer}, in subjects and in rules,
	// unless the issuer has its own in IssuerSubjects or the rule names it in
	// access_token.issuers: the same "sub" under two issuers is two callers.
	// Optional. Default: not known, which may be several. An empty name, the same
	// name twice, and a nil pointer are errors.
	Issuers IssuerNamer
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
	// DisableCombining keeps what different calls ask in requests of their own, though
	// the engine is a [Combiner]: for a client of the engine that reads values of the
	// call's context. Optional.
	DisableCombining bool
	// Now is the clock. Optional, for tests. Default [time.Now].
	Now func() time.Time
	// Observer is told what happens. Optional.
	Observer Observer

	// issuers is what Issuers has said.
	issuers issuerNames
}

// CacheConfig configures the decision cache. A cached answer may be stale for
// its lifetime: a relation that was taken away still grants until then. Answers
// under ModeFullyConsistent are never cached.
type CacheConfig struct {
	// Size is the number of answers kept. Zero: no cache.
	Size int
	// TTL is how long a grant is kept. Required with Size.
	TTL time.Duration
	// DeniedTTL is how long a denial is kept: shorter, so that somebody who was
	// just given access isn't kept out. Optional. Default: a quarter of TTL;
	// more than TTL is an error.
	DeniedTTL time.Duration
}

// BreakerConfig configures the circuit breaker before the engine. While it is
// open, checks are ENGINE_UNAVAILABLE at once, with the time until the next request
// may try; one in each OpenFor does, and closes it if the engine answers.
//
// It opens when, within Window, at least half of the requests failed, more callers
// got no answer to their last request than got one, and at least Failures of these
// asked for objects of their own. So a caller counts once, whatever it asks for, and
// an object counts once, however many ask for it: objects that the engine is slow about
// don't keep others from it. Only an unavailable engine is a failure (see
// [EngineUnavailable]); an outage that shows on fewer objects opens nothing, and each
// call waits for its own answer.
//
// A caller, a subject of an issuer, of which at least half of the requests and at
// least Failures different objects failed within Window is kept from the engine in
// the same way, alone.
type BreakerConfig struct {
	// Disabled leaves the breaker out.
	Disabled bool
	// Failures is how many failures it takes at least: of different callers about
	// different objects, or of one caller about different objects. Optional.
	// Default 5; more than 16 is an error.
	Failures uint32
	// Window is how far back requests count: between half of it and all of it, and
	// no more than the last 256 to 512 callers. Optional. Default 5 s; negative is
	// an error.
	Window time.Duration
	// OpenFor is how long it stays open before one request may try again, and the
	// time from one such request to the next. The caller whose request tried last
	// waits twice as long. Optional. Default 1 s; negative is an error.
	OpenFor time.Duration
}
