package authz

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/usher-auth/usher/authz/internal/template"
)

var errNoSession = errors.New("the context has no session: the call didn't pass a guard")

// CheckFromContext checks, in a handler, that the caller has the relation to the
// object, "type:id". It uses the same subject, consistency, cache and audit as the
// method's rule. The caller has the relation if, and only if, the error is nil;
// otherwise the error is an [*Error], or wraps the context's own.
func CheckFromContext(ctx context.Context, object, relation string) error {
	allowed, err := decideFromContext(ctx, []string{object}, relation, false)
	if err != nil {
		return err
	}
	if len(allowed) != 1 || !allowed[0] {
		return &Error{Reason: ReasonRelationDenied, Err: errDenied}
	}

	return nil
}

// FilterFromContext reports, in a handler, to which of the objects, each "type:id",
// the caller has the relation. The result has the objects' order and length. An
// object that is invalid, here or by the engine's grammar, is denied and doesn't
// affect the others. But if none of the objects has a type, as in "1" instead of
// "document:1", the handler names them wrongly, and that is an error. If any object
// has no answer, the result is an error: a list that lacks what the caller may see
// isn't an answer. More than 10,000 objects are an error. An error is an [*Error],
// or wraps the context's own.
func FilterFromContext(ctx context.Context, objects []string, relation string) ([]bool, error) {
	return decideFromContext(ctx, objects, relation, true)
}

// EmptyFromContext declares, in a handler under the policy "handler", that the
// response holds nothing that a check could be about, as an empty page of a list
// does. It counts as the check that the policy requires, and is audited as a
// decision without checks. Nothing verifies the handler's claim. An error is an
// [*Error]: the context has no session, or its call has ended.
func EmptyFromContext(ctx context.Context) error {
	session, ok := FromContext(ctx)
	if !ok {
		return &Error{Reason: ReasonMisconfigured, Err: errNoSession}
	}
	if session.over() {
		return &Error{Reason: ReasonMisconfigured, Err: errSessionOver}
	}
	session.granted.Store(true)
	session.method.observe(ctx, &Decision{
		allowed: true, method: session.method.name, rule: "handler's word that its answer is empty",
	})

	return nil
}

// decideFromContext asks about the objects and returns which of them are allowed.
// In a filter, an invalid object is denied without affecting the others.
func decideFromContext(ctx context.Context, objects []string, relation string, filter bool) ([]bool, error) {
	session, ok := FromContext(ctx)
	if !ok {
		return nil, &Error{Reason: ReasonMisconfigured, Err: errNoSession}
	}
	m := session.method
	decision := &Decision{method: m.name, rule: "handler's check of " + relation}
	if filter {
		decision.rule = "handler's filter by " + relation
	}
	call, consistency, refused := session.current()
	e := m.newEvaluation(&call)
	defer e.release()
	e.consistency = consistency
	explain := m.owner.observer.Decided != nil
	if explain {
		e.begun = time.Now()
	}
	err := session.decide(ctx, e, refused, objects, relation, filter)
	if explain {
		decision.duration = time.Since(e.begun)
	}
	if err == nil {
		if explain {
			decision.checks = e.checks(make([]Checked, 0, len(e.questions)))
		}
		if refused := e.refusal(filter); refused != nil {
			err = refused
		}
	}
	switch {
	case errors.As(err, &refused):
		decision.reason, decision.err = refused.Reason, refused
	case err != nil:
		return nil, err // the call ended
	default:
		decision.allowed = true
		session.count(decision, e.questions, filter)
	}
	m.observe(ctx, decision)
	if err != nil {
		return nil, err
	}
	allowed := make([]bool, len(e.questions))
	for i := range e.questions {
		allowed[i] = e.questions[i].verdict == verdictAllowed
	}

	return allowed, nil
}

// refusal returns the error of answers to a handler: of a check that is denied, or
// of a check or filter that lacks an answer. A question that the engine didn't
// answer decides nothing, even if the handler ignores the error.
func (e *evaluation) refusal(filter bool) *Error {
	for i := range e.questions {
		switch q := &e.questions[i]; {
		case q.verdict.failed():
			return engineFailure(asEngineError(q.answer.Err))
		case q.verdict != verdictAllowed && !filter:
			return &Error{Reason: ReasonRelationDenied, Err: denial("the policy denies " + e.query(q).String())}
		}
	}

	return nil
}

// count records answers that refuse nothing in the decision and the session.
func (s *Session) count(decision *Decision, questions []question, filter bool) {
	granted, judged := 0, false
	for i := range questions {
		if questions[i].verdict == verdictAllowed {
			granted++
		}
		judged = judged || questions[i].answer.Err == nil
	}
	if granted > 0 {
		s.granted.Store(true)
	}
	if filter {
		decision.filter, decision.granted, decision.of = true, granted, len(questions)
		if judged {
			s.filtered.Store(true)
		}
	}
}

// decide gathers and answers the questions of a handler. Refused is why the session
// has no usable call, nil if it has one.
func (s *Session) decide(ctx context.Context, e *evaluation, refused *Error, objects []string, relation string, filter bool) error {
	m := s.method
	switch {
	case refused != nil && errors.Is(refused, errSessionOver):
		return refused
	case m.owner.fronts.of[QueryRelation] == nil:
		return refusal(ReasonMisconfigured, "no engine is configured")
	case m.policy == policyPublic || e.call.Principal == nil:
		return refusal(ReasonSubjectUnmapped, "the call has no principal")
	case template.BadName(relation) >= 0:
		return refusal(ReasonMisconfigured, "the relation %q isn't a name", relation)
	case len(objects) > maxFilter:
		return refusal(ReasonMisconfigured, "%d objects are more than the %d that one filter may have", len(objects), maxFilter)
	case refused != nil:
		return refused
	}
	if refused := m.owner.stranger(e.call.Principal); refused != nil {
		return refused
	}
	if refused := e.gatherObjects(objects, relation, filter); refused != nil {
		return refused
	}
	fronts := m.owner.fronts
	before := fronts.landed()
	fronts.recall(e)
	if err := fronts.ask(ctx, e, nil, before); err != nil {
		return fmt.Errorf("authz: the call ended before a decision: %w", err)
	}
	if s.over() {
		return &Error{Reason: ReasonMisconfigured, Err: errSessionOver}
	}
	for i := range e.questions {
		if q := &e.questions[i]; filter && q.verdict == verdictRequest {
			q.verdict = verdictDenied
		}
	}

	return nil
}

// maxFilter bounds the objects of one filter: a handler lists a page.
const maxFilter = 10_000

// gatherObjects adds a question about the caller for each object of a handler.
func (e *evaluation) gatherObjects(objects []string, relation string, filter bool) *Error {
	principal := e.call.Principal
	subject := e.method.owner.subjects.of(principal)
	if subject == nil {
		return e.method.owner.subjects.unmapped(principal)
	}
	if _, st, bad := subject.append(nil, &e.in, &ids{}); st != template.StatusOK {
		return &Error{
			Reason: ReasonSubjectInvalid,
			Err:    &unusable{where: subject.where, text: subject.template.String(), name: bad.Name(), principal: principal},
		}
	}
	if filter && len(objects) > 0 && !slices.ContainsFunc(objects, hasType) {
		return refusal(ReasonObjectMissing, "none of the %d objects is type:id, as in \"document:1\": the first is %s", len(objects), quoted(objects[0]))
	}
	asked := &check{relation: relation, cacheable: true}
	e.questions = slices.Grow(e.questions, len(objects))
	for i, text := range objects {
		objectType, id, ok := template.CutObject(text)
		var err error
		if !ok {
			objectType, id = "", ""
			if err = fmt.Errorf("object %d, %s, isn't type:id", i, quoted(text)); !filter {
				return &Error{Reason: ReasonObjectMissing, Err: err}
			}
		}
		from := len(e.buf)
		e.buf = appendPrefix(e.buf, QueryRelation, relation, objectType)
		found := ids{object: span{len(e.buf), len(e.buf) + len(id)}}
		if e.buf = append(e.buf, id...); i > 0 {
			e.endAs(&e.questions[0], &found)
		} else {
			e.buf, _, _ = subject.append(e.buf, &e.in, &found)
			e.buf = appendConsistency(e.buf, e.consistency)
		}
		q := e.add(from, found)
		q.check, q.objectType, q.subject, q.element = asked, objectType, subject, i
		if err != nil {
			q.told(&Answer{Err: &EngineError{Kind: EngineBadRequest, Err: err}})
		}
	}

	return nil
}

// hasType reports whether the text starts with a type, as an object's does.
func hasType(object string) bool {
	objectType, _, ok := strings.Cut(object, ":")

	return ok && template.BadName(objectType) < 0
}
