package authz

import (
	"context"
	"errors"
)

// denial returns why the policy denied: the relation, unless every leaf that
// decided it did so because of the token.
func (e *evaluation) denial() *Error {
	err := &Error{Err: e.why()}
	e.denied(e.method.root, err)
	switch err.Reason {
	case "":
		err.Reason = ReasonRelationDenied
	case ReasonInsufficientScope:
		return err
	default:
	}
	err.RequiredScopes = nil

	return err
}

// denied collects the reasons of the leaves that made a condition denied.
func (e *evaluation) denied(n *node, err *Error) {
	if e.fold(n) != verdictDenied {
		return
	}
	for _, child := range n.children {
		e.denied(child, err)
	}
	if !n.isLeaf() {
		return
	}
	at := &e.leaves[n.leaf]
	if at.from != at.to {
		err.Reason = graver(err.Reason, ReasonRelationDenied)

		return
	}
	err.Reason = graver(err.Reason, at.reason)
	if at.reason == ReasonInsufficientScope {
		err.RequiredScopes = append(err.RequiredScopes, at.scope)
	}
}

// graver returns the reason to report: the relation before the subject before the
// scope.
func graver(a, b Reason) Reason {
	rank := func(r Reason) int {
		switch r {
		case ReasonRelationDenied:
			return 4
		case ReasonSubjectInvalid:
			return 3
		case ReasonSubjectUnmapped:
			return 2
		case ReasonInsufficientScope:
			return 1
		default:
			return 0
		}
	}
	if rank(b) > rank(a) {
		return b
	}

	return a
}

// cause returns the error that gave a condition its verdict v: the first one of
// that rank, in the rule's order.
func (e *evaluation) cause(n *node, v verdict) *Error {
	for _, child := range n.children {
		if e.fold(child) == v {
			return e.cause(child, v)
		}
	}
	if n.kind != nodeCheck {
		return nil
	}
	at := &e.leaves[n.leaf]
	if at.from == at.to {
		return at.err
	}
	for i := at.from; i < at.to; i++ {
		q := &e.questions[i]
		if q.verdict != v {
			continue
		}
		failed := engineFailure(asEngineError(q.answer.Err))
		if failed.Reason == ReasonObjectMissing {
			if fields := q.check.fields(); len(fields) > 0 {
				failed.Field = fields[0].Path(q.element)
			}
		}

		return failed
	}

	return nil
}

// failure returns the error that decided.
func (e *evaluation) failure(v verdict) *Error {
	if err := e.cause(e.method.root, v); err != nil {
		return err
	}

	return refusal(ReasonEngineUnavailable, "no answer")
}

// engineFailure returns an engine's error as that of the call.
func engineFailure(err *EngineError) *Error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		// The engine's request ended, not the caller's call. The errors must not be
		// mistaken for each other.
		err = &EngineError{Kind: err.Kind, RetryAfter: err.RetryAfter, Err: errors.New("no answer in time")}
	}
	refused := &Error{Err: err}
	switch err.Kind {
	case EngineUnavailable, EngineRefused:
		refused.Reason, refused.RetryAfter = ReasonEngineUnavailable, err.RetryAfter
	case EngineMisconfigured:
		refused.Reason = ReasonMisconfigured
	case EngineBadRevision:
		refused.Reason = ReasonRevisionInvalid
	case EngineBadRequest:
		refused.Reason = ReasonObjectMissing
	case EngineBadSubject:
		refused.Reason = ReasonSubjectInvalid
	default:
		refused.Reason = ReasonEngineUnavailable
	}

	return refused
}
