package authz

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
		least, open := verdictAllowed, false
		for i := at.from; i < at.to; i++ {
			least, open = conjunction(least, open, e.questions[i].verdict)
		}

		return conclusion(least, open)
	case nodeMatch, nodeScope:
		return e.leaves[n.leaf].settled()
	case nodeAll:
		if len(n.children) == 0 {
			return verdictDenied
		}
		least, open := verdictAllowed, false
		for _, child := range n.children {
			least, open = conjunction(least, open, e.fold(child))
		}

		return conclusion(least, open)
	case nodeAny:
		greatest := verdictDenied
		for _, child := range n.children {
			greatest = max(greatest, e.fold(child))
		}

		return greatest
	case nodeNever:
		return verdictDenied
	default:
		return verdictDenied
	}
}

// settled is the verdict of a leaf without questions. One that was never decided ran
// zero checks.
func (l *leaf) settled() verdict {
	if l.verdict == verdictPending {
		return verdictDenied
	}

	return l.verdict
}

// conjunction adds a verdict to the least of some, and says whether any is open.
func conjunction(least verdict, open bool, v verdict) (verdict, bool) {
	return min(least, v), open || v == verdictPending
}

// conclusion is what a conjunction comes to. An error is final only when nothing is
// open: what is open may be a denial.
func conclusion(least verdict, open bool) verdict {
	if open && least != verdictDenied {
		return verdictPending
	}

	return least
}

// settle is fold before anything is asked, and drops questions that can't lead to a
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
	case nodeCheck:
		at := &e.leaves[n.leaf]
		if at.from == at.to {
			return at.settled()
		}

		return verdictPending
	case nodeMatch, nodeScope, nodeNever:
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
		for i := at.from; i < at.to; i++ {
			e.questions[i].wanted = false
		}
		at.verdict, at.err, at.to = v, err, at.from
	}
}

// want leaves those questions wanted that can still change the verdict.
func (e *evaluation) want(n *node) { e.wantIf(n, true) }

func (e *evaluation) wantIf(n *node, pending bool) {
	pending = pending && e.fold(n) == verdictPending
	for _, child := range n.children {
		e.wantIf(child, pending)
	}
	if n.kind != nodeCheck {
		return
	}
	for i := e.leaves[n.leaf].from; i < e.leaves[n.leaf].to; i++ {
		q := &e.questions[i]
		q.wanted = pending && q.verdict == verdictPending
	}
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
