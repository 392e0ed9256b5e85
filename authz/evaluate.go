package authz

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/usher-auth/usher/authz/internal/template"
)

// evaluation is the work on one call. It is pooled: nothing of it is kept.
type evaluation struct {
	method      *Method
	in          template.Input
	call        *Call
	kept        Call
	consistency Consistency
	buf         []byte
	asks        []ask
	leaves      []leaf
	caller      *subjectTemplate
	begun       time.Time
	// stale says why the engine can't be asked: the revision can't be one.
	stale *Error
}

// leaf is the state of one leaf of the condition.
type leaf struct {
	// from and to are its asks, of a check that has any.
	from, to int
	verdict  verdict
	// reason is why it is denied, where that isn't the relation.
	reason Reason
	scope  string
	// bad is the part for which it wasn't asked, and of the template that it is in.
	bad *template.Part
	of  *template.Template
	// err is the error to tell, where the request is at fault.
	err *Error
}

var evaluations = sync.Pool{New: func() any { return &evaluation{} }}

func (e *evaluation) release() {
	clear(e.asks)
	clear(e.leaves)
	*e = evaluation{buf: e.buf[:0], asks: e.asks[:0], leaves: e.leaves[:0]}
	if cap(e.buf) <= maxPooled {
		evaluations.Put(e)
	}
}

// maxPooled bounds the buffers kept between calls.
const maxPooled = 64 << 10

// evaluate decides a condition: what needs no engine first, then the cache, then
// one batch for the engine. The caller is the configured subject of the token's
// kind, nil if there is none.
func (m *Method) evaluate(ctx context.Context, call *Call, caller *subjectTemplate) (*Decision, error) {
	e, _ := evaluations.Get().(*evaluation)
	defer e.release()
	// A copy, so that the caller's own needs no heap.
	e.kept = *call
	e.method, e.call, e.caller = m, &e.kept, caller
	m.owner.fill(&e.in, call)
	explain := call.Explain || m.owner.observer.Decided != nil
	if explain {
		e.begun = time.Now()
	}
	if err := e.prepare(); err != nil {
		return m.refuse(ctx, err)
	}
	if e.settle(m.root) == verdictPending && e.stale != nil {
		return m.refuse(ctx, e.stale)
	}
	warm, err := e.answer(ctx, m.root)
	if err != nil {
		return m.abandoned(ctx, err)
	}
	verdict := e.fold(m.root)
	if verdict == verdictAllowed && warm && !explain {
		return m.granted, nil
	}

	return m.conclude(ctx, e, verdict)
}

// abandoned ends a call whose own context ended.
func (m *Method) abandoned(ctx context.Context, err error) (*Decision, error) {
	decision := &Decision{method: m.name, rule: m.rule}
	m.observe(ctx, decision)

	return decision, fmt.Errorf("authz: the call ended before a decision: %w", err)
}

func (m *Method) conclude(ctx context.Context, e *evaluation, verdict verdict) (*Decision, error) {
	decision := &Decision{method: m.name, rule: m.rule, checks: e.checks()}
	if !e.begun.IsZero() {
		decision.duration = time.Since(e.begun)
	}
	if verdict == verdictAllowed {
		decision.allowed = true
		m.observe(ctx, decision)

		return decision, nil
	}
	var err *Error
	if verdict.failed() {
		err = e.failure(verdict)
	} else {
		err = e.denial()
	}
	decision.reason, decision.err = err.Reason, err
	m.observe(ctx, decision)

	return decision, err
}

// fill sets what templates read of a call, except its message. It sets fields of
// what is there already, since a warm decision would pay for the copy.
func (a *Authorizer) fill(in *template.Input, call *Call) {
	in.Principal, in.Metadata, in.PeerIP, in.Now = call.Principal, call.Metadata, call.PeerIP, a.now
}

// prepare renders every query of the rule and decides the leaves that need none. An
// error is the whole call's: there is no message, or it names too much.
func (e *evaluation) prepare() *Error {
	if e.method.reads {
		if err := e.setMessage(); err != nil {
			return err
		}
	}
	e.consistency, e.stale = e.method.consistency.resolve(&e.in)
	e.leaves = slices.Grow(e.leaves[:0], e.method.leaves)[:e.method.leaves]

	return e.gather(e.method.root)
}

func (e *evaluation) setMessage() *Error {
	if e.call.Message == nil {
		return refusal(ReasonObjectMissing, "there is no message")
	}
	message := e.call.Message.ProtoReflect()
	if descriptor := message.Descriptor(); descriptor != e.method.input {
		if descriptor.FullName() != e.method.input.FullName() {
			return refusal(ReasonMisconfigured, "the message is a %s, not a %s", descriptor.FullName(), e.method.input.FullName())
		}
		// The rule was compiled from another copy of the descriptor (a descriptor
		// set, say): read the message as that one has it.
		wire, err := proto.Marshal(e.call.Message)
		copied := dynamicpb.NewMessage(e.method.input)
		if err == nil {
			err = proto.Unmarshal(wire, copied)
		}
		if err != nil {
			return refusal(ReasonMisconfigured, "the message can't be read by the rule's descriptor: %w", err)
		}
		message = copied
	}
	e.in.Message = message

	return nil
}

func (c *consistencyRule) resolve(in *template.Input) (Consistency, *Error) {
	if c.mode != ModeAtLeastAsFresh {
		return Consistency{Mode: c.mode}, nil
	}
	text, st, at := c.revision.Append(nil, in, 0)
	switch st {
	case template.StatusOK:
		return Consistency{Mode: ModeAtLeastAsFresh, Revision: Revision(text)}, nil
	case template.StatusMissing:
		return Consistency{Mode: c.absent}, nil
	case template.StatusInvalid, template.StatusForeign:
		fallthrough
	default:
		return Consistency{}, refusal(ReasonRevisionInvalid, "the revision in %s can't be one", at.Name())
	}
}

func (e *evaluation) gather(n *node) *Error {
	switch n.kind {
	case nodeCheck:
		return e.gatherCheck(n.check, &e.leaves[n.leaf])
	case nodeMatch:
		return e.gatherMatch(n.match, &e.leaves[n.leaf])
	case nodeScope:
		at := &e.leaves[n.leaf]
		at.verdict, at.reason, at.scope = verdictDenied, ReasonInsufficientScope, n.scope
		if e.call.Principal.HasScope(n.scope) {
			at.verdict = verdictAllowed
		}
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

func (e *evaluation) gatherCheck(c *check, at *leaf) *Error {
	at.from, at.to = len(e.asks), len(e.asks)
	at.verdict = verdictPending
	count := c.object.Count(&e.in)
	if count == 0 {
		e.missing(c, at, c.object.Fan(), -1)

		return nil
	}
	if len(e.asks)+count > e.method.owner.maxObjects {
		return e.tooMany(c.object, count)
	}
	subject := e.caller
	var subjectReason Reason
	var subjectText []byte
	if c.subject != nil {
		subject = c.subject
	}
	if subject == nil {
		subjectReason = ReasonSubjectUnmapped
	}
	context, err := e.contextOf(c)
	if err != nil {
		e.fault(at, err)

		return nil
	}
	for i := range count {
		q := ask{verdict: verdictPending, check: c, subject: subject, context: context, key: span{from: len(e.buf)}, element: i}
		e.buf = append(e.buf, c.prefix...)
		q.object.from = len(e.buf)
		var st template.Status
		var bad *template.Part
		if e.buf, st, bad = c.object.Append(e.buf, &e.in, i); st != template.StatusOK {
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

			return nil
		}
		q.object.to = len(e.buf)
		if subjectReason != "" {
			continue
		}
		e.buf = append(e.buf, subject.prefix...)
		q.id.from = len(e.buf)
		if i == 0 {
			if e.buf, st, bad = subject.template.Append(e.buf, &e.in, 0); st != template.StatusOK {
				subjectReason = ReasonSubjectInvalid
				at.bad, at.of = bad, subject.template

				continue
			}
			subjectText = e.buf[q.id.from:]
		} else {
			e.buf = append(e.buf, subjectText...)
		}
		q.id.to = len(e.buf)
		if context != nil {
			var ok bool
			if e.buf, ok = appendContext(e.buf, c.context, context); !ok {
				subjectReason = ReasonSubjectInvalid

				continue
			}
		}
		e.buf = appendConsistency(e.buf, e.consistency)
		q.key.to = len(e.buf)
		e.asks = append(e.asks, q)
	}
	if subjectReason != "" {
		e.deny(at, subjectReason)

		return nil
	}
	at.to = len(e.asks)

	return nil
}

// deny denies a check that needn't be asked.
func (e *evaluation) deny(at *leaf, reason Reason) {
	e.asks = e.asks[:at.from]
	at.verdict, at.reason, at.to = verdictDenied, reason, at.from
}

// fault fails a check that needn't be asked, since the request is at fault.
func (e *evaluation) fault(at *leaf, err *Error) {
	e.asks = e.asks[:at.from]
	at.verdict, at.err, at.to = verdictRequest, err, at.from
}

// missing is a request that doesn't name the object.
func (e *evaluation) missing(c *check, at *leaf, p *template.Part, i int) {
	if c.deny {
		e.deny(at, ReasonRelationDenied)
		at.bad = p

		return
	}
	e.fault(at, &Error{Reason: ReasonObjectMissing, Field: p.Path(i), Err: errMissing})
}

func (e *evaluation) tooMany(t *template.Template, count int) *Error {
	err := refusal(ReasonObjectMissing, "the request names %d objects more than the %d that one may",
		len(e.asks)+count-e.method.owner.maxObjects, e.method.owner.maxObjects)
	if fan := t.Fan(); fan != nil {
		err.Field = fan.Path(-1)
	}

	return err
}

func (e *evaluation) gatherMatch(m *match, at *leaf) *Error {
	at.verdict, at.reason = verdictDenied, ReasonRelationDenied
	many, one := m.left, m.right
	if m.right.Fan() != nil {
		many, one = m.right, m.left
	}
	count := many.Count(&e.in)
	if count > e.method.owner.maxObjects {
		return e.tooMany(many, count)
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
