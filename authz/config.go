package authz

import (
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

const (
	// defaultTimeout bounds one request to the engine. It is longer than a healthy
	// engine's slowest answer, and shorter than most callers' deadlines.
	defaultTimeout = 3 * time.Second
	// defaultMaxObjects is how many objects one call may name. It is more than a
	// page of a list has, and few enough that one request can't occupy an engine.
	defaultMaxObjects = 100
)

// Resolver provides the services to compile. [protoregistry.Files] implements it;
// so does anything that ranges over a descriptor set.
type Resolver interface {
	RangeFiles(visit func(protoreflect.FileDescriptor) bool)
}

// IssuerNamer returns the short names of the issuers whose tokens are accepted. The
// verifiers of package credentials/verify implement it.
type IssuerNamer interface {
	// IssuerNames returns the short names, or none if they aren't known.
	IssuerNames() []string
}

// Issuers is a list of short names, for a verifier that doesn't know them.
type Issuers []string

// IssuerNames returns the list.
func (i Issuers) IssuerNames() []string { return i }

// Config configures an [Authorizer].
type Config struct {
	// Engine answers the checks. Required if any rule has one.
	Engine Engine
	// Permissions answers the permissions of rules. Required if any rule has one.
	// Default: Engine, if it is a [PermissionEngine]. [ClaimPermissions] takes them
	// from the caller's token.
	Permissions PermissionEngine
	// Attributes answers the attributes of rules. Required if any rule has one.
	// Default: Engine, if it is an [AttributeEngine].
	Attributes AttributeEngine
	// Expressions compiles the expressions of rules. Required if any rule has one.
	Expressions ExpressionCompiler
	// Subjects are the templates for the caller's subject. Required if any rule
	// asks the engine about the caller.
	Subjects Subjects
	// IssuerSubjects replaces Subjects for the tokens of some issuers, by the
	// issuer's short name. Optional. If Issuers is set, a name that isn't in it is
	// an error.
	IssuerSubjects map[string]Subjects
	// Issuers provides the short names of all issuers whose tokens the verifier
	// accepts. Set it to the verifier, or to an [Issuers] list if the verifier
	// doesn't know them. New asks it once. A principal of another issuer is refused
	// with SUBJECT_UNMAPPED. With more than one issuer, every template that reads
	// {$sub}, {$client_id} or {$claim.path} must hold {$issuer}, in subjects and in
	// rules, unless the issuer has its own subjects in IssuerSubjects or the rule
	// names it in access_token.issuers: the same "sub" under two issuers is two
	// callers. Optional. Default: the issuers aren't known, so there may be
	// several. An empty name, a duplicate name and a nil pointer are errors.
	Issuers IssuerNamer
	// Rules are rules in code. Optional.
	Rules []MethodRule
	// Resolver provides the services to compile. Optional. Default: every service
	// linked into the program.
	Resolver Resolver
	// Timeout bounds one request to an engine or to Limiter. Optional. Default 3 s;
	// negative is an error.
	Timeout time.Duration
	// Limiter counts the calls of rules with a rate limit, unless the limit has the
	// scope SCOPE_PROCESS. Optional. Default: this process counts for itself, in
	// memory.
	Limiter Limiter
	// LimiterSize is how many callers the limits that this process counts itself tell
	// apart at a time. Each rule with such a limit of clients or subjects has an equal
	// share, and a caller needs a place until it could again make a whole burst of
	// calls. While a rule's share is taken, all further callers of its method share
	// one bucket, so a flood of callers costs others of the same method calls, and
	// never loosens a limit. A place is about 200 bytes. Optional. Default 65,536;
	// more than 16,777,216 or negative is an error.
	LimiterSize int
	// MaxObjects is how many objects one call may name, over all its checks. A call
	// that names more is refused with OBJECT_MISSING, even if a condition that
	// needs no object would grant it. It is also how many elements each list of a
	// context or of properties may have. Optional. Default 100;
	// negative is an error.
	MaxObjects int
	// Cache configures the decision cache, which is one for all engines. Optional.
	// Default: no cache.
	Cache CacheConfig
	// Breaker configures the circuit breakers: relations, permissions and attributes
	// each have their own. Optional. Default: they are on.
	Breaker BreakerConfig
	// DisableCombining turns the combining of different calls' queries off for an engine
	// that is a [Combiner], as when its client reads values of a call's context, which
	// a combined request doesn't have. Optional. Default: they are combined while the
	// engine is busy.
	DisableCombining bool
	// Now is the clock. Optional, for tests. Default [time.Now].
	Now func() time.Time
	// Observer is told of events. Optional.
	Observer Observer

	// issuers are the names that Issuers returned.
	issuers issuerNames
}

// CacheConfig configures the decision cache. A cached answer may be stale for its
// lifetime: a relation that was removed still grants until then. Answers under
// ModeFullyConsistent are never cached.
type CacheConfig struct {
	// Size is the number of answers kept. Zero means no cache; negative is an
	// error.
	Size int
	// TTL is how long a grant is kept. Required with Size; an error without it.
	TTL time.Duration
	// DeniedTTL is how long a denial is kept. It is shorter than TTL, so that a
	// caller that was just given access isn't kept out. Optional. Default: a
	// quarter of TTL; negative, or more than TTL, is an error.
	DeniedTTL time.Duration
}

// BreakerConfig configures the circuit breaker before the engine. While the breaker
// is open, checks fail at once with ENGINE_UNAVAILABLE and the time until the next
// request may try. One request in each OpenFor may try, and closes the breaker if
// the engine answers it.
//
// The breaker opens when, within Window, at least half of the requests failed, more
// callers got no answer to their last request than got one, and at least Failures
// of these callers asked for objects of their own. So a caller counts once,
// whatever it asks for, and an object counts once, however many callers ask for it:
// objects that the engine is slow about don't keep other callers from it. Only an
// unavailable engine is a failure (see [EngineUnavailable]). An outage that shows
// on fewer objects opens nothing, and each call waits for its own answer.
//
// A caller, which is a subject of an issuer, has a circuit of its own. It opens
// when, within Window, at least half of the caller's requests failed, about at
// least Failures different objects, and keeps that caller alone from the engine in
// the same way.
type BreakerConfig struct {
	// Disabled turns the breaker off.
	Disabled bool
	// Failures is the least number of failures that opens the breaker: of different
	// callers about different objects, or of one caller about different objects.
	// Optional. Default 5; more than 16 is an error.
	Failures uint32
	// Window is how far back requests count: between half of it and all of it, and
	// no more than the last 256 to 512 callers. Optional. Default 5 s; negative is
	// an error.
	Window time.Duration
	// OpenFor is how long the breaker stays open before one request may try, and
	// the time from one such request to the next. The caller whose request tried
	// last waits twice as long. Optional. Default 1 s; negative is an error.
	OpenFor time.Duration
}
