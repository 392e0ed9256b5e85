package authz

import (
	"context"
	"strconv"
)

// Object is a thing that relations are about, as in document:42.
type Object struct {
	// Type is the object's type as the engine's model names it.
	Type string
	// ID names one object of the type.
	ID string
}

// String returns the object as Zanzibar writes it, type:id.
func (o Object) String() string { return o.Type + ":" + o.ID }

// Subject is who a relation is asked for: one subject, as in user:alice, or with
// a relation a userset, as in team:blue#member.
type Subject struct {
	// Type is the subject's type as the engine's model names it.
	Type string
	// ID names one subject of the type.
	ID string
	// Relation, when set, makes the subject a userset.
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
	// Context holds values for the engine's caveats or conditions. Values are
	// string, bool, int64, uint64, float64, json.Number, or (from a claim) a
	// JSON array or object. Read-only for the engine.
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
	// EffectUnknown is no answer: denied.
	EffectUnknown Effect = iota
	// EffectDenied says that the subject doesn't have the relation.
	EffectDenied
	// EffectAllowed says that the subject has the relation.
	EffectAllowed
	// EffectConditional says that the answer depends on context values that the
	// query didn't have: denied.
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

// Answer is an engine's answer to one query. An answer with an Err has no
// effect, whatever stands in Effect.
type Answer struct {
	Effect Effect
	// Missing names the context values that a conditional answer lacked.
	Missing []string
	// Err says why this query has no answer, best as an [*EngineError].
	Err error
}

// Revision is a point in the engine's history (a ZedToken, a zookie): opaque.
type Revision string

// Mode says how fresh an answer must be.
type Mode uint8

// The modes.
const (
	// ModeMinimizeLatency takes whatever answers fastest; it may be stale by the
	// engine's own bound.
	ModeMinimizeLatency Mode = iota
	// ModeAtLeastAsFresh takes an answer that includes a revision.
	ModeAtLeastAsFresh
	// ModeFullyConsistent sees everything written before the query.
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

// Consistency says how fresh a batch's answers must be. The zero value minimizes
// latency.
type Consistency struct {
	Mode Mode
	// Revision is set with ModeAtLeastAsFresh only.
	Revision Revision
}

// Batch is what an engine is asked at once.
type Batch struct {
	Queries     []Query
	Consistency Consistency
}

// Result is an engine's answer to a batch: one answer for each query, in the
// queries' order. A result of another length is never believed.
type Result struct {
	Answers []Answer
	// CheckedAt is the revision that the answers are at, where the engine says.
	CheckedAt Revision
}

// Engine decides queries. It must be safe for concurrent use, honour its
// context, keep the order and number of the queries, and answer an empty batch
// with an empty result without asking anyone. A batch may have any size: an
// engine with a limit cuts it itself, at one snapshot where it can. An error of
// the whole batch should be an [*EngineError]; any other error counts as
// EngineUnavailable.
type Engine interface {
	Check(ctx context.Context, batch Batch) (Result, error)
}

// EngineFunc is a function that is an [Engine].
type EngineFunc func(ctx context.Context, batch Batch) (Result, error)

// Check calls f.
func (f EngineFunc) Check(ctx context.Context, batch Batch) (Result, error) { return f(ctx, batch) }

// QueryValidator is an optional interface of an [Engine].
type QueryValidator interface {
	// ValidateQuery refuses, without I/O, a query that the engine could not take
	// as it is: with an [*EngineError] of kind EngineBadRequest for the object's
	// id, EngineBadSubject for the subject's, EngineMisconfigured for the type
	// or relation. It is asked before each query is sent.
	ValidateQuery(q Query) error
}

// ConsistencySupporter is an optional interface of an [Engine]. An engine without
// it supports ModeMinimizeLatency only; a rule that asks for more is an error at
// start.
type ConsistencySupporter interface {
	SupportsConsistency(mode Mode) bool
}
