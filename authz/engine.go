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

// Query asks whether a subject has a relation to an object.
type Query struct {
	Object   Object
	Relation string
	Subject  Subject
	// Context holds values for the engine's caveats or conditions. A value is a
	// string, bool, int64, uint64, float64, json.Number or (from a claim) a JSON
	// array or object. The engine must not change it.
	Context map[string]any
}

// String returns the query as Zanzibar writes it, object#relation@subject.
func (q Query) String() string {
	return q.Object.String() + "#" + q.Relation + "@" + q.Subject.String()
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
	// id, EngineBadSubject for the subject's, and EngineMisconfigured for a type or
	// relation. It is called before each query is sent.
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
