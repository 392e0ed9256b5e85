package authz

// verdict is the truth value of a condition or of one of its queries. (An engine
// gives answers, and a call gets a decision.) Verdicts are ordered: a denial, then
// the errors, from those that asking again can't mend to those that it may, then
// what hasn't been asked yet, then a grant. all_of is the least of its parts and
// any_of the greatest, so that an error that doesn't decide the call doesn't choose
// its status. This is Kleene's logic with an order among its unknowns. The zero
// value is a denial.
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

// fold combines the leaves' verdicts. A condition without parts is denied.
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
	case nodeMatch, nodeScope, nodeHeld, nodeExpression:
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

// settled returns the verdict of a leaf without questions. A leaf that was never
// decided ran no check, so it is denied.
func (l *leaf) settled() verdict {
	if l.verdict == verdictPending {
		return verdictDenied
	}

	return l.verdict
}

// conjunction adds a verdict to the least of some, and reports whether any is
// pending.
func conjunction(least verdict, open bool, v verdict) (verdict, bool) {
	return min(least, v), open || v == verdictPending
}

// conclusion returns the verdict of a conjunction. An error is final only if
// nothing is open, since what is open may turn out to be a denial.
func conclusion(least verdict, open bool) verdict {
	if open && least != verdictDenied {
		return verdictPending
	}

	return least
}

// settle is fold before anything is asked. It also drops questions that can't lead
// to a grant: an all_of with a request at fault fails whatever the engine answers,
// so the engine isn't asked. What is known without the engine goes first, so that
// the status never depends on what the cache holds.
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
	case nodeMatch, nodeScope, nodeHeld, nodeExpression, nodeNever:
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

// want marks as wanted the questions that can still change the verdict, and no
// others.
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

// verdictOf returns the verdict of one answer. An error has a verdict of its own;
// anything else except a plain "allowed" is a denial.
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
