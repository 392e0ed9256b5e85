package authz

import (
	"context"
	"errors"
)

// verdict is what a condition or one of its queries comes to: a truth value. An
// engine gives answers, a call gets a decision. Verdicts are in order: a denial, then
// the errors, from what asking again can't mend to what it can, then what hasn't been
// asked yet, then a grant. all_of is the least of its parts, any_of the greatest, so that an error
// which doesn't decide doesn't choose the status: Kleene's logic, with an order
// among its unknowns. The zero value is a denial.
type verdict uint8

const (
	verdictDenied verdict = iota
	// verdictRequest is a request that can't name its object.
	verdictRequest
	// verdictSubject is a subject that the engine can't take.
	verdictSubject
	// verdictRevision is a revision that the engine refuses.
	verdictRevision
	// verdictMisconfigured is a fault of the operator.
	verdictMisconfigured
	// verdictUnavailable is an engine without an answer.
	verdictUnavailable
	verdictPending
	verdictAllowed
)

// failed reports whether the verdict is an error.
func (v verdict) failed() bool { return v > verdictDenied && v < verdictPending }

// fold combines the leaves' verdicts. Nothing at all is denied.
func (e *evaluation) fold(n *node) verdict {
	switch n.kind {
	case nodeCheck:
		at := &e.leaves[n.leaf]
		if at.from == at.to {
			return at.settled()
		}

		return conjunction(at.to-at.from, func(i int) verdict { return e.asks[at.from+i].verdict })
	case nodeMatch, nodeScope:
		return e.leaves[n.leaf].settled()
	case nodeAll:
		return conjunction(len(n.children), func(i int) verdict { return e.fold(n.children[i]) })
	case nodeAny:
		return disjunction(len(n.children), func(i int) verdict { return e.fold(n.children[i]) })
	case nodeNever:
		return verdictDenied
	default:
		return verdictDenied
	}
}

// settled is the verdict of a leaf without asks. One that was never decided ran
// zero checks.
func (l *leaf) settled() verdict {
	if l.verdict == verdictPending {
		return verdictDenied
	}

	return l.verdict
}

// conjunction is the least of the verdicts. An error is final only when nothing is
// open: what is open may be a denial.
func conjunction(n int, at func(int) verdict) verdict {
	if n == 0 {
		return verdictDenied
	}
	least, open := verdictAllowed, false
	for i := range n {
		v := at(i)
		if v == verdictDenied {
			return verdictDenied
		}
		open = open || v == verdictPending
		least = min(least, v)
	}
	if open {
		return verdictPending
	}

	return least
}

// disjunction is the greatest of the verdicts.
func disjunction(n int, at func(int) verdict) verdict {
	greatest := verdictDenied
	for i := range n {
		if greatest = max(greatest, at(i)); greatest == verdictAllowed {
			return verdictAllowed
		}
	}

	return greatest
}

// settle is fold before anything is asked, and drops asks that can't lead to a
// grant: an all_of beside a request that is at fault fails whatever the engine
// says, and then it isn't asked. What is known without the engine comes before that,
// so that the status never depends on what the cache holds.
func (e *evaluation) settle(n *node) verdict {
	switch n.kind {
	case nodeAny:
		greatest := verdictDenied
		for _, child := range n.children {
			greatest = max(greatest, e.settle(child))
		}

		return greatest
	case nodeAll:
		if len(n.children) == 0 {
			return verdictDenied
		}
		least := verdictAllowed
		for _, child := range n.children {
			least = min(least, e.settle(child))
		}
		if least.failed() {
			e.drop(n, least, e.cause(n, least))
		}

		return least
	case nodeCheck, nodeMatch, nodeScope, nodeNever:
		return e.fold(n)
	default:
		return verdictDenied
	}
}

// drop gives the open checks of a condition a verdict, so that they aren't asked.
func (e *evaluation) drop(n *node, v verdict, err *Error) {
	if e.fold(n) != verdictPending {
		return
	}
	for _, child := range n.children {
		e.drop(child, v, err)
	}
	if n.kind == nodeCheck {
		at := &e.leaves[n.leaf]
		at.verdict, at.err, at.to = v, err, at.from
	}
}

// wanted marks the asks that can still change the verdict.
func (e *evaluation) wanted(n *node) {
	if e.fold(n) != verdictPending {
		return
	}
	if n.kind != nodeCheck {
		for _, child := range n.children {
			e.wanted(child)
		}

		return
	}
	for i := e.leaves[n.leaf].from; i < e.leaves[n.leaf].to; i++ {
		e.asks[i].wanted = e.asks[i].verdict == verdictPending
	}
}

// denial says why the policy denied: the relation, unless every leaf that decided
// so did for the token's sake.
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
	if n.kind != nodeCheck && n.kind != nodeMatch && n.kind != nodeScope {
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

// graver picks the reason to tell: the relation before the subject before the
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

// cause is the error, the first in the rule's order, that made a condition what it
// is: an error of that rank.
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
		q := &e.asks[i]
		if q.verdict != v {
			continue
		}
		failed := engineFailure(asEngineError(q.answer.Err))
		if failed.Reason == ReasonObjectMissing {
			if fields := q.check.object.Fields(); len(fields) > 0 {
				failed.Field = fields[0].Path(q.element)
			}
		}

		return failed
	}

	return nil
}

// failure is the error that decided.
func (e *evaluation) failure(v verdict) *Error {
	if err := e.cause(e.method.root, v); err != nil {
		return err
	}

	return refusal(ReasonEngineUnavailable, "no answer")
}

// engineFailure tells an engine's error as the caller's.
func engineFailure(err *EngineError) *Error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		// The engine's request ended, not the caller's call: nobody may take the
		// one for the other.
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

// verdictOf judges one answer. An error is a verdict of its own; anything else but a
// plain "allowed" is a denial.
func verdictOf(answer *Answer) verdict {
	switch {
	case answer.Err != nil:
		return verdictOfError(asEngineError(answer.Err).Kind)
	case answer.Effect == EffectAllowed:
		return verdictAllowed
	default:
		return verdictDenied
	}
}

func verdictOfError(kind EngineErrorKind) verdict {
	switch kind {
	case EngineBadRequest:
		return verdictRequest
	case EngineBadSubject:
		return verdictSubject
	case EngineBadRevision:
		return verdictRevision
	case EngineMisconfigured:
		return verdictMisconfigured
	case EngineUnavailable, EngineRefused:
		return verdictUnavailable
	default:
		return verdictUnavailable
	}
}
