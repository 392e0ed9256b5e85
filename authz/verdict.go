package authz

import (
	"context"
	"errors"
)

// verdict is a truth value of Kleene's logic, with pending for what hasn't been
// asked yet. The zero value is a denial.
type verdict uint8

const (
	verdictDenied verdict = iota
	verdictAllowed
	verdictError
	verdictPending
)

// fold combines the leaves' verdicts. all_of with any denied is denied, any_of
// with any allowed is allowed; otherwise what is open stays open, and an error is
// an error. Nothing at all is denied.
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
	if l.verdict == verdictAllowed {
		return verdictAllowed
	}

	return verdictDenied
}

func conjunction(n int, at func(int) verdict) verdict {
	if n == 0 {
		return verdictDenied
	}
	sum := verdictAllowed
	for i := range n {
		switch at(i) {
		case verdictAllowed:
		case verdictPending:
			sum = verdictPending
		case verdictError:
			if sum == verdictAllowed {
				sum = verdictError
			}
		case verdictDenied:
			return verdictDenied
		default:
			return verdictDenied
		}
	}

	return sum
}

func disjunction(n int, at func(int) verdict) verdict {
	sum := verdictDenied
	for i := range n {
		switch at(i) {
		case verdictAllowed:
			return verdictAllowed
		case verdictPending:
			sum = verdictPending
		case verdictError:
			if sum == verdictDenied {
				sum = verdictError
			}
		case verdictDenied:
		default:
		}
	}

	return sum
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

// denial says why the policy denied: the relation, unless every leaf that denied
// did so for the token's sake.
func (e *evaluation) denial() *Error {
	reason := Reason("")
	var scopes []string
	for i := range e.leaves {
		at := &e.leaves[i]
		if at.from != at.to || at.verdict == verdictAllowed {
			if at.from != at.to && conjunction(at.to-at.from, func(i int) verdict { return e.asks[at.from+i].verdict }) == verdictDenied {
				reason = ReasonRelationDenied
			}

			continue
		}
		reason = graver(reason, at.reason)
		if at.reason == ReasonInsufficientScope {
			scopes = append(scopes, at.scope)
		}
	}
	if reason == "" {
		reason = ReasonRelationDenied
	}
	err := &Error{Reason: reason, Err: errDenied}
	if reason == ReasonInsufficientScope {
		err.RequiredScopes = scopes
	}

	return err
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

// failure is the first error, in the rule's order, among the asks.
func (e *evaluation) failure() *Error {
	for i := range e.asks {
		if q := &e.asks[i]; q.verdict == verdictError {
			failed := engineFailure(asEngineError(q.answer.Err))
			if failed.Reason == ReasonObjectMissing {
				failed.Field = q.check.object.field(q.element)
			}

			return failed
		}
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

// verdictOf judges one answer. An error is no verdict; anything but a plain
// "allowed" is a denial.
func verdictOf(answer *Answer) verdict {
	switch {
	case answer.Err != nil:
		return verdictError
	case answer.Effect == EffectAllowed:
		return verdictAllowed
	default:
		return verdictDenied
	}
}
