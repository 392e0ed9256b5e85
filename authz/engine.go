package authz

import (
	"context"
	"strconv"
)

// Object is a thing that relations are about, as in document:42.
type Object struct {
	// Type is the object's type, as the engine's model names it.
	Type string
	// ID identifies one object of the type.
	ID string
}

// String returns the object as Zanzibar writes it, type:id.
func (o Object) String() string { return o.Type + ":" + o.ID }

// Subject is the party whose relation is asked about: one subject, as in
// user:alice, or, with a relation, a userset, as in team:blue#member.
type Subject struct {
	// Type is the subject's type, as the engine's model names it.
	Type string
	// ID identifies one subject of the type.
	ID string
	// Relation, if set, makes the subject a userset. Optional.
	Relation string
}

// String returns the subject as Zanzibar writes it, type:id or type:id#relation.
func (s Subject) String() string {
	if s.Relation == "" {
		return s.Type + ":" + s.ID
	}

	return s.Type + ":" + s.ID + "#" + s.Relation
}

// QueryKind is what a [Query] asks for. The zero value is a relation.
type QueryKind uint8

// The kinds of queries.
const (
	// QueryRelation asks whether the subject has the relation to the object. Only
	// [Engine.Check] answers it.
	QueryRelation QueryKind = iota
	// QueryPermission asks whether the subject has the permission named Relation, on
	// the object if there is one. Only [PermissionEngine.CheckPermissions] answers it.
	QueryPermission
	// QueryAttributes asks whether the subject may do the action named Relation on the
	// object, by attributes. Only [AttributeEngine.EvaluateAttributes] answers it.
	QueryAttributes
)

// String returns the kind's name in lower case.
func (k QueryKind) String() string {
	switch k {
	case QueryRelation:
		return "relation"
	case QueryPermission:
		return "permission"
	case QueryAttributes:
		return "attributes"
	default:
		return "kind(" + strconv.Itoa(int(k)) + ")"
	}
}

// Query asks whether a subject has a relation to an object, or a permission, or may do
// an action.
type Query struct {
	// Kind is what is asked for.
	Kind QueryKind
	// Object is what the relation is to, or the resource of an action. For a
	// permission it may be the zero value: the permission isn't limited to an object.
	Object Object
	// Relation is the relation, the permission or the action.
	Relation string
	Subject  Subject
	// Context holds values for the engine's caveats or conditions. A value is a
	// string, bool, int64, uint64, float64, json.Number, a []any of these or (from a
	// claim) a JSON array or object. A time is a string, as RFC 3339 writes it. The
	// engine must not change it.
	Context map[string]any
	// Properties describe the subject, the action and the resource of a query of kind
	// QueryAttributes. Nil for other kinds, and if the rule gives none. The engine
	// must not change them.
	Properties *Properties
}

// Properties are the attributes that a rule gives for an evaluation (AuthZEN 1.0,
// properties). Values have the types of [Query.Context].
type Properties struct {
	Subject, Action, Resource map[string]any
}

// String returns the query on one line: a relation as Zanzibar writes it,
// object#relation@subject; a permission as permission name on object for subject; and
// an action as action name on object for subject.
func (q Query) String() string {
	switch q.Kind {
	case QueryRelation:
		return q.Object.String() + "#" + q.Relation + "@" + q.Subject.String()
	case QueryPermission:
		if q.Object == (Object{}) {
			return "permission " + q.Relation + " for " + q.Subject.String()
		}

		return "permission " + q.Relation + " on " + q.Object.String() + " for " + q.Subject.String()
	case QueryAttributes:
		return "action " + q.Relation + " on " + q.Object.String() + " for " + q.Subject.String()
	default:
		return q.Kind.String()
	}
}

// Effect is what an engine answers to one query. The zero value never allows.
type Effect uint8

// The effects.
const (
	// EffectUnknown means that there is no answer. It is denied.
	EffectUnknown Effect = iota
	// EffectDenied means that the subject doesn't have the relation.
	EffectDenied
	// EffectAllowed means that the subject has the relation.
	EffectAllowed
	// EffectConditional means that the answer depends on context values that the
	// query didn't have. It is denied.
	EffectConditional
)

// String returns the effect's name in lower case.
func (e Effect) String() string {
	switch e {
	case EffectUnknown:
		return "unknown"
	case EffectDenied:
		return "denied"
	case EffectAllowed:
		return "allowed"
	case EffectConditional:
		return "conditional"
	default:
		return "effect(" + strconv.Itoa(int(e)) + ")"
	}
}

// Answer is an engine's answer to one query. If Err is set, Effect is ignored.
type Answer struct {
	Effect Effect
	// Missing names the context values that a conditional answer lacked.
	Missing []string
	// Context is what the engine adds to its answer, such as the reason of an AuthZEN
	// decision; nil if it adds nothing. It is for [Observer.Decided] alone: no text of
	// a decision has it, and no caller reads it. An adapter keeps at most 4 KiB of it.
	// An answer of the cache has none.
	Context map[string]any
	// Err is why the query has no answer. It should be an [*EngineError]; any other
	// error counts as EngineUnavailable.
	Err error
}

// Revision is a point in the engine's history (a ZedToken, a zookie). It is opaque.
type Revision string

// Mode is how fresh an answer must be.
type Mode uint8

// The modes.
const (
	// ModeMinimizeLatency takes the answer that is available fastest. It may be
	// stale, by the engine's own bound.
	ModeMinimizeLatency Mode = iota
	// ModeAtLeastAsFresh takes an answer that includes a revision.
	ModeAtLeastAsFresh
	// ModeFullyConsistent takes an answer that includes everything written before
	// the query.
	ModeFullyConsistent
)

// String returns the mode's name in lower case.
func (m Mode) String() string {
	switch m {
	case ModeMinimizeLatency:
		return "minimize latency"
	case ModeAtLeastAsFresh:
		return "at least as fresh"
	case ModeFullyConsistent:
		return "fully consistent"
	default:
		return "mode(" + strconv.Itoa(int(m)) + ")"
	}
}

// Consistency is how fresh a batch's answers must be. The zero value minimizes
// latency.
type Consistency struct {
	Mode Mode
	// Revision is set with ModeAtLeastAsFresh only.
	Revision Revision
}

// Batch is the queries of one request to an engine.
type Batch struct {
	Queries     []Query
	Consistency Consistency
}

// Result is an engine's answer to a batch: one answer for each query, in the
// queries' order. A result of another length is refused, as ENGINE_UNAVAILABLE.
type Result struct {
	Answers []Answer
	// CheckedAt is the revision of the answers, if the engine reports it.
	CheckedAt Revision
}

// Engine answers queries. It must be safe for concurrent use, honour its context,
// keep the order and number of the queries, and answer an empty batch with an empty
// result, without I/O. A batch may have any size: an engine with a limit splits it,
// and asks at one snapshot if it can. An error of the whole batch should be an
// [*EngineError]; any other error counts as EngineUnavailable.
type Engine interface {
	Check(ctx context.Context, batch Batch) (Result, error)
}

// EngineFunc is a function that implements [Engine].
type EngineFunc func(ctx context.Context, batch Batch) (Result, error)

// Check calls f.
func (f EngineFunc) Check(ctx context.Context, batch Batch) (Result, error) { return f(ctx, batch) }

// QueryValidator is an optional interface of an [Engine].
type QueryValidator interface {
	// ValidateQuery refuses, without I/O, a query that the engine can't take as it
	// is. The error is an [*EngineError]: of kind EngineBadRequest for the object's
	// id, EngineBadSubject for the subject's, and EngineMisconfigured for a type, a
	// relation or anything else that the rule says. It is called before each query is
	// sent, and by [New] for each check of a rule, with the text "1" for ids and
	// values: only EngineMisconfigured is a fault of the rule then.
	ValidateQuery(q Query) error
}

// ContextHonorer is an optional interface of an [Engine] that waits for nothing longer
// than its context lives, and whose client doesn't either, nor what that waits for, such
// as a source of credentials. While such an engine answers within a millisecond, authz
// calls it in the goroutine of the call that asks, which saves some microseconds. A call
// that ends then ends its request; if other calls wait for its answer, it is asked for
// again.
//
// A panic is contained as in any engine. But an engine that doesn't return when its
// context ends holds up the call, and up to 64 calls at once, and an engine that calls
// [runtime.Goexit] ends the goroutine of the call; from then on it is called in
// goroutines of its own.
type ContextHonorer interface {
	// HonorsContext reports whether the engine is one. It is called once.
	HonorsContext() bool
}

// ConsistencySupporter is an optional interface of an [Engine]. An engine without
// it supports ModeMinimizeLatency only. A rule that asks for a mode that isn't
// supported is an error at start.
type ConsistencySupporter interface {
	SupportsConsistency(mode Mode) bool
}

// PermissionEngine answers queries of kind [QueryPermission]. What [Engine] says of
// Check is true of CheckPermissions, too. An [Engine] that implements it answers the
// permissions of rules unless [Config.Permissions] is set.
type PermissionEngine interface {
	CheckPermissions(ctx context.Context, batch Batch) (Result, error)
}

// AttributeEngine answers queries of kind [QueryAttributes]. What [Engine] says of
// Check is true of EvaluateAttributes, too. An [Engine] that implements it answers the
// attributes of rules unless [Config.Attributes] is set.
type AttributeEngine interface {
	EvaluateAttributes(ctx context.Context, batch Batch) (Result, error)
}
