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
		all := newConjunction()
		for i := at.from; i < at.to; i++ {
			all.and(e.questions[i].verdict)
		}

		return all.verdict()
	case nodeMatch, nodeScope:
		return e.leaves[n.leaf].settled()
	case nodeAll:
		all := newConjunction()
		for _, child := range n.children {
			all.and(e.fold(child))
		}

		return all.verdict()
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

// conjunction is the least of some verdicts. An error is final only when nothing is
// open: what is open may be a denial.
type conjunction struct {
	least verdict
	open  bool
	some  bool
}

func newConjunction() conjunction { return conjunction{least: verdictAllowed} }

func (c *conjunction) and(v verdict) {
	c.least = min(c.least, v)
	c.open = c.open || v == verdictPending
	c.some = true
}

// verdict is a denial of nothing at all.
func (c *conjunction) verdict() verdict {
	switch {
	case !c.some:
		return verdictDenied
	case c.open && c.least != verdictDenied:
		return verdictPending
	default:
		return c.least
	}
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

// want marks the questions that can still change the verdict.
func (e *evaluation) want(n *node) {
	if e.fold(n) != verdictPending {
		return
	}
	if n.kind != nodeCheck {
		for _, child := range n.children {
			e.want(child)
		}

		return
	}
	for i := e.leaves[n.leaf].from; i < e.leaves[n.leaf].to; i++ {
		e.questions[i].wanted = e.questions[i].verdict == verdictPending
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
