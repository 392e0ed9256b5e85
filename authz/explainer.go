package authz

import (
	"context"
	"errors"
	"fmt"
)

// Explainer is an optional interface of an [Engine], a [PermissionEngine] or an
// [AttributeEngine] that can tell how it comes to an answer. It is for operators, tools
// and tests. No decision is made by it, and nothing of it is for callers: an explanation
// names other subjects and objects than those of the query.
type Explainer interface {
	// Explain answers one query of any kind that the engine answers, and tells how. It may
	// make several requests, so the trace may be of another moment than the answer. It must
	// be safe for concurrent use, and honour its context. An error is an [*EngineError].
	Explain(ctx context.Context, query Query, consistency Consistency) (Explanation, error)
}

// Explanation is an engine's answer to a query, and how it comes to it.
type Explanation struct {
	// Answer is the answer.
	Answer Answer
	// CheckedAt is the revision of the answer, if the engine reports it.
	CheckedAt Revision
	// Trace is how the engine comes to the answer. Nil if it doesn't tell.
	Trace *Trace
}

var errNoSuchEngine = errors.New("the engine doesn't answer queries of this kind")

// Explain asks an engine one query, and how it comes to its answer. An engine that isn't
// an [Explainer] is asked as a call asks it, and gives no trace. The trace is bounded as
// [Trace.Bounded] returns it, whatever the engine gives, and a panic of the engine is an
// error. The error, and that of the answer, is an [*EngineError].
func Explain(ctx context.Context, engine any, query Query, consistency Consistency) (explanation Explanation, err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			explanation, err = Explanation{}, &EngineError{Kind: EngineMisconfigured, Err: errPanicked}
		}
	}()
	if explainer, ok := engine.(Explainer); ok {
		explanation, err = explainer.Explain(ctx, query, consistency)
	} else {
		explanation, err = unexplained(ctx, engine, query, consistency)
	}
	if err != nil {
		read(err)

		return Explanation{}, asEngineError(err)
	}
	if said := explanation.Answer.Err; said != nil {
		read(said)
		explanation.Answer.Err = asEngineError(said)
	}
	explanation.Trace = explanation.Trace.Bounded()

	return explanation, nil
}

// unexplained asks an engine that doesn't explain itself.
func unexplained(ctx context.Context, engine any, query Query, consistency Consistency) (Explanation, error) {
	ask := func(context.Context, Batch) (Result, error) {
		return Result{}, &EngineError{Kind: EngineMisconfigured, Err: errNoSuchEngine}
	}
	switch query.Kind {
	case QueryRelation:
		if e, ok := engine.(Engine); ok {
			ask = e.Check
		}
	case QueryPermission:
		if e, ok := engine.(PermissionEngine); ok {
			ask = e.CheckPermissions
		}
	case QueryAttributes:
		if e, ok := engine.(AttributeEngine); ok {
			ask = e.EvaluateAttributes
		}
	}
	result, err := ask(ctx, Batch{Queries: []Query{query}, Consistency: consistency})
	if err != nil {
		return Explanation{}, err
	}
	if len(result.Answers) != 1 {
		return Explanation{}, &EngineError{Kind: EngineUnavailable, Err: fmt.Errorf("%d answers to one query", len(result.Answers))}
	}

	return Explanation{Answer: result.Answers[0], CheckedAt: result.CheckedAt}, nil
}
