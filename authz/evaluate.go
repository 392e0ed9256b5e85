package authz

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/usher-auth/usher/authz/internal/template"
)

// evaluation is the work on one call, or on one check that its handler makes. It is
// pooled, so nothing may keep a reference to it.
type evaluation struct {
	method      *Method
	in          template.Input
	call        *Call
	kept        Call
	consistency Consistency
	buf         []byte
	questions   []question
	leaves      []leaf
	// caller is the configured subject of the token's kind, nil if there is none.
	caller *subjectTemplate
	// begun is when the work began. It is zero while the duration isn't needed:
	// until the engine is asked, unless the decision is to be explained.
	begun time.Time
	// expr is what an expression reads.
	expr ExpressionInput
	// stale is why the engine can't be asked: the call's revision is invalid.
	stale *Error
}

var evaluations = sync.Pool{New: func() any { return &evaluation{} }}

const (
	// maxPooled, in bytes, and maxPooledQuestions bound what is kept between calls.
	maxPooled          = 64 << 10
	maxPooledQuestions = 256
)

func (e *evaluation) release() {
	if cap(e.buf) > maxPooled || cap(e.questions) > maxPooledQuestions {
		return
	}
	clear(e.questions)
	buf, questions, leaves := e.buf[:0], e.questions[:0], e.leaves[:0]
	*e = evaluation{}
	e.buf, e.questions, e.leaves = buf, questions, leaves
	evaluations.Put(e)
}

// newEvaluation begins the work on a call. The caller must release it.
func (m *Method) newEvaluation(call *Call) *evaluation {
	e, _ := evaluations.Get().(*evaluation)
	// A copy, so that the caller's own Call doesn't escape to the heap.
	e.kept = *call
	e.method, e.call = m, &e.kept
	m.owner.fill(&e.in, call)

	return e
}

// evaluate decides a condition: it gathers the questions, settles what needs no
// engine, has the front answer the others, and folds the answers. The caller is the
// configured subject of the token's kind, nil if there is none.
func (m *Method) evaluate(ctx context.Context, call *Call, caller *subjectTemplate) (*Decision, error) {
	e := m.newEvaluation(call)
	defer e.release()
	e.caller = caller
	if call.Explain || m.owner.observer.Decided != nil {
		e.begun = time.Now()
	}
	if err := e.prepare(); err != nil {
		return m.refuse(ctx, err)
	}
	if call.explained != nil {
		defer e.explain()
	}
	v := e.settle(m.root)
	if v == verdictPending {
		if e.stale != nil {
			return m.refuse(ctx, e.stale)
		}
		var err error
		if v, err = e.resolve(ctx); err != nil {
			return m.abandoned(ctx, err)
		}
	}
	if v == verdictAllowed && e.begun.IsZero() {
		return m.granted, nil
	}

	return m.conclude(ctx, e, v)
}

// keyRoom is the size of a key that needs no heap, in bytes. Two UUIDs and the
// names around them fit.
const keyRoom = 128

// recalls reports whether the cache grants a rule of one check. It does the work of
// evaluate for a call in which nothing has to be asked, explained or refused, without
// the cost of keeping several questions. If it returns false, evaluate decides.
func (m *Method) recalls(call *Call, caller *subjectTemplate) bool {
	c, fronts := m.root.check, m.owner.fronts
	if fronts.cache == nil || call.Fresh || call.Explain || m.owner.observer.Decided != nil {
		return false
	}
	// Objects and subjects read nothing else of the call, so in needs no heap.
	in := template.Input{Principal: call.Principal}
	if m.reads {
		if call.Message == nil {
			return false
		}
		if in.Message = call.Message.ProtoReflect(); in.Message.Descriptor() != m.input {
			return false
		}
	}
	if c.subject != nil {
		caller = c.subject
	}
	var room [keyRoom]byte
	var found ids
	key, st, _ := c.appendObject(room[:0], &in, 0, &found)
	if st != template.StatusOK || caller == nil {
		return false
	}
	if key, st, _ = caller.append(key, &in, &found); st != template.StatusOK {
		return false
	}
	effect, hit := fronts.cache.get(key, fronts.clock())

	return hit && effect == EffectAllowed
}

// prepare gathers the questions of the rule and decides the leaves that need none.
// An error refuses the whole call: there is no message, or it names too many
// objects.
func (e *evaluation) prepare() *Error {
	if e.method.reads {
		if err := e.setMessage(); err != nil {
			return err
		}
	}
	if e.method.consistency.mode != ModeMinimizeLatency {
		e.consistency, e.stale = e.method.consistency.resolve(&e.in)
	}
	if n := e.method.leaves; cap(e.leaves) < n {
		e.leaves = make([]leaf, n)
	} else {
		e.leaves = e.leaves[:n]
	}

	return e.gather(e.method.root)
}

// resolve has the front answer the questions that can change the verdict: from the
// cache first, then from the engine those that still can. The error is the
// context's.
func (e *evaluation) resolve(ctx context.Context) (verdict, error) {
	root, fronts := e.method.root, e.method.owner.fronts
	if len(root.children) > 0 {
		e.want(root)
	}
	before := fronts.landed()
	if fronts.recall(e) {
		if v := e.fold(root); v != verdictPending {
			return v, nil
		}
		e.want(root)
	}
	if e.begun.IsZero() {
		e.begun = time.Now()
	}
	if err := fronts.ask(ctx, e, root, before); err != nil {
		return verdictDenied, err
	}

	return e.fold(root), nil
}

// abandoned ends a call whose own context ended.
func (m *Method) abandoned(ctx context.Context, err error) (*Decision, error) {
	decision := &Decision{method: m.name, rule: m.rule}
	m.observe(ctx, decision)

	return decision, fmt.Errorf("authz: the call ended before a decision: %w", err)
}

func (m *Method) conclude(ctx context.Context, e *evaluation, v verdict) (*Decision, error) {
	decision := e.decision()
	decision.method, decision.rule = m.name, m.rule
	if !e.begun.IsZero() {
		decision.duration = time.Since(e.begun)
	}
	if v == verdictAllowed {
		decision.allowed = true
		m.observe(ctx, decision)

		return decision, nil
	}
	var err *Error
	if v.failed() {
		err = e.failure(v)
	} else {
		err = e.denial()
	}
	decision.reason, decision.err = err.Reason, err
	m.observe(ctx, decision)

	return decision, err
}

// fill sets what templates read of a call, except its message. It sets the fields
// one by one, since copying a whole Input would slow down a decision from the
// cache.
func (a *Authorizer) fill(in *template.Input, call *Call) {
	in.Principal, in.Metadata, in.PeerIP, in.Now = call.Principal, call.Metadata, call.PeerIP, a.now
	in.MaxList = a.maxObjects
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
		// The rule was compiled from another copy of the descriptor (of a
		// descriptor set, for example): read the message by that descriptor.
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
