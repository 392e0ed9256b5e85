package authz

import (
	"errors"

	"github.com/usher-auth/usher/authz/internal/template"
)

var (
	errDenied   = errors.New("the policy denies it")
	errMissing  = errors.New("the request doesn't name its object")
	errUnusable = errors.New("the value can't name an object")
	errContext  = errors.New("the value can't be sent to the engine")
	errAbsent   = errors.New("the request leaves out a value that the rule gives the engine")
	errOther    = errors.New("the message names another object than the stream's first")
)

// leaf is the state of one leaf of the condition.
type leaf struct {
	// from and to delimit its questions, if it is a check that has any.
	from, to int
	verdict  verdict
	// reason is why the leaf is denied, if that isn't the relation.
	reason Reason
	scope  string
	// bad is the part because of which a check wasn't asked, and of the template
	// that has it.
	bad *template.Part
	of  *template.Template
	// err is the error to report if the request is at fault.
	err *Error
	// cause is why an expression has no value.
	cause error
}

func (e *evaluation) gather(n *node) *Error {
	switch n.kind {
	case nodeCheck:
		return e.gatherCheck(n.check, &e.leaves[n.leaf])
	case nodeMatch:
		return e.gatherMatch(n.match, &e.leaves[n.leaf])
	case nodeScope:
		at := &e.leaves[n.leaf]
		*at = leaf{verdict: verdictDenied, reason: ReasonInsufficientScope, scope: n.scope}
		if e.call.Principal.HasScope(n.scope) {
			at.verdict = verdictAllowed
		}
	case nodeHeld:
		at := &e.leaves[n.leaf]
		*at = leaf{verdict: verdictDenied, reason: ReasonRelationDenied}
		if n.held.by(e.call.Principal) {
			at.verdict = verdictAllowed
		}
	case nodeExpression:
		e.gatherExpression(n.expression, &e.leaves[n.leaf])
	case nodeAll, nodeAny:
		for _, child := range n.children {
			if err := e.gather(child); err != nil {
				return err
			}
		}
	case nodeNever:
	}

	return nil
}

// gatherCheck adds the questions of a check, one for each object. A fault of any of
// the objects takes precedence over a fault of the subject.
func (e *evaluation) gatherCheck(c *check, at *leaf) *Error {
	*at = leaf{from: len(e.questions), to: len(e.questions), verdict: verdictPending}
	count := c.count(&e.in)
	if count == 0 {
		e.missing(c, at, c.fan(), -1)

		return nil
	}
	if len(e.questions)+count > e.method.owner.maxObjects {
		return e.tooMany(c.fan(), count)
	}
	context, given, foreign, err := e.given(c)
	if err != nil {
		e.fault(at, err)

		return nil
	}
	subject := c.subject
	if subject == nil {
		subject = e.caller
	}
	var reason Reason
	switch {
	case subject == nil:
		reason = ReasonSubjectUnmapped
	case foreign != nil:
		reason, at.bad = ReasonSubjectInvalid, foreign
	}
	for i := range count {
		from := len(e.buf)
		var found ids
		var st template.Status
		var bad *template.Part
		if e.buf, st, bad = c.appendObject(e.buf, &e.in, i, &found); st != template.StatusOK {
			e.unnamed(c, at, st, bad, i)

			return nil
		}
		switch {
		case reason != "":
			continue
		case i > 0:
			e.endAs(&e.questions[at.from], &found)
		default:
			if e.buf, st, bad = subject.append(e.buf, &e.in, &found); st != template.StatusOK {
				reason, at.bad, at.of = ReasonSubjectInvalid, bad, subject.template

				continue
			}
			var ok bool
			if e.buf, ok = c.appendGiven(e.buf, context, given); !ok {
				reason = ReasonSubjectInvalid

				continue
			}
			e.buf = appendConsistency(e.buf, e.consistency)
		}
		q := e.add(from, found)
		q.check, q.objectType, q.subject, q.context, q.properties, q.element = c, c.objectType(), subject, context, given, i
	}
	if reason != "" {
		e.deny(at, reason)

		return nil
	}
	at.to = len(e.questions)

	return nil
}

// given renders a check's context and properties, nil where it has none. A part is one
// that reads a value of the token that can't be used, unless the request is at fault.
func (e *evaluation) given(c *check) (context map[string]any, of *Properties, foreign *template.Part, err *Error) {
	context, foreign, err = e.valuesOf(c, c.context, nil)
	if err != nil || c.properties == nil {
		return context, nil, foreign, err
	}
	of = &Properties{}
	if of.Subject, foreign, err = e.valuesOf(c, c.properties.subject, foreign); err != nil {
		return nil, nil, nil, err
	}
	if of.Action, foreign, err = e.valuesOf(c, c.properties.action, foreign); err != nil {
		return nil, nil, nil, err
	}
	if of.Resource, foreign, err = e.valuesOf(c, c.properties.resource, foreign); err != nil {
		return nil, nil, nil, err
	}

	return context, of, foreign, nil
}

// valuesOf renders the values of a context, or of properties. A value that is absent
// from a check is left out: the engine's answer is then conditional. Other servers have
// no such answer, and one whose policy refuses by that value would grant, so the
// absence is the fault of the request or of the token there. It returns the part of a
// value of the token that can't be used, the one that it was given if there is none.
func (e *evaluation) valuesOf(c *check, entries []contextValue, foreign *template.Part) (map[string]any, *template.Part, *Error) {
	if len(entries) == 0 {
		return nil, foreign, nil
	}
	values := make(map[string]any, len(entries))
	for _, entry := range entries {
		value, st, bad, element := entry.value.Value(&e.in)
		switch st {
		case template.StatusOK:
			values[entry.name] = value
		case template.StatusMissing:
			switch {
			case c.kind == QueryRelation:
			case bad.Path(-1) == "":
				foreign = bad
			default:
				return nil, nil, &Error{Reason: ReasonObjectMissing, Field: bad.Path(element), Err: errAbsent}
			}
		case template.StatusForeign:
			foreign = bad
		case template.StatusInvalid:
			fallthrough
		default:
			return nil, nil, &Error{Reason: ReasonObjectMissing, Field: bad.Path(element), Err: errContext}
		}
	}

	return values, foreign, nil
}

// deny denies a check that needn't be asked.
func (e *evaluation) deny(at *leaf, reason Reason) {
	e.forget(at)
	at.verdict, at.reason = verdictDenied, reason
}

// fault fails a check that needn't be asked, since the request is at fault.
func (e *evaluation) fault(at *leaf, err *Error) {
	e.forget(at)
	at.verdict, at.err = verdictRequest, err
}

// forget drops the questions of a check. It must be the last one gathered so far.
func (e *evaluation) forget(at *leaf) {
	clear(e.questions[at.from:])
	e.questions = e.questions[:at.from]
	at.to = at.from
}

// unnamed decides a check that has an object without an id.
func (e *evaluation) unnamed(c *check, at *leaf, st template.Status, bad *template.Part, i int) {
	switch st {
	case template.StatusMissing:
		e.missing(c, at, bad, i)
	case template.StatusForeign:
		e.deny(at, ReasonSubjectInvalid)
		at.bad, at.of = bad, c.object
	case template.StatusInvalid, template.StatusOK:
		fallthrough
	default:
		e.fault(at, &Error{Reason: ReasonObjectMissing, Field: bad.Path(i), Err: errUnusable})
	}
}

// missing decides a check whose object the request doesn't name.
func (e *evaluation) missing(c *check, at *leaf, p *template.Part, i int) {
	if c.deny {
		e.deny(at, ReasonRelationDenied)
		at.bad = p

		return
	}
	e.fault(at, &Error{Reason: ReasonObjectMissing, Field: p.Path(i), Err: errMissing})
}

func (e *evaluation) tooMany(fan *template.Part, count int) *Error {
	err := refusal(ReasonObjectMissing, "the request names %d objects more than the %d that one may",
		len(e.questions)+count-e.method.owner.maxObjects, e.method.owner.maxObjects)
	if fan != nil {
		err.Field = fan.Path(-1)
	}

	return err
}

func (e *evaluation) gatherMatch(m *match, at *leaf) *Error {
	*at = leaf{verdict: verdictDenied, reason: ReasonRelationDenied}
	many, one := m.left, m.right
	if m.right.Fan() != nil {
		many, one = m.right, m.left
	}
	count := many.Count(&e.in)
	if count > e.method.owner.maxObjects {
		return e.tooMany(many.Fan(), count)
	}
	mark := len(e.buf)
	defer func() { e.buf = e.buf[:mark] }()
	var st template.Status
	if e.buf, st, _ = one.Append(e.buf, &e.in, 0); st != template.StatusOK {
		return nil
	}
	split := len(e.buf)
	for i := range count {
		if e.buf, st, _ = many.Append(e.buf[:split], &e.in, i); st != template.StatusOK {
			return nil
		}
		if string(e.buf[mark:split]) != string(e.buf[split:]) {
			return nil
		}
	}
	if count > 0 {
		at.verdict = verdictAllowed
	}

	return nil
}
