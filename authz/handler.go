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

// CheckFromContext asks, in a handler, whether the caller has the relation to the
// object, "type:id". It uses the same subject, consistency, cache and audit as the
// method's rule. A nil error means yes, and nothing else does; otherwise the error
// is an [*Error], or wraps the context's own.
func CheckFromContext(ctx context.Context, object, relation string) error {
	decided, err := decideFromContext(ctx, []string{object}, relation, false)
	if err != nil {
		return err
	}
	if len(decided.verdicts) != 1 || decided.verdicts[0] != verdictAllowed {
		return &Error{Reason: ReasonRelationDenied, Err: errDenied}
	}

	return nil
}

// FilterFromContext asks, in a handler, to which of the objects, each "type:id",
// the caller has the relation. The result has the objects' order and length. What
// can't be an object, here or by the engine's grammar, is denied, and the others
// are not affected; but if none of them has a type, as "1" in the place of
// "document:1", the handler names them wrongly, and it is an error. An object without
// an answer makes the whole an error: a list that lacks what the caller may see isn't
// an answer. At most 10,000 objects.
func FilterFromContext(ctx context.Context, objects []string, relation string) ([]bool, error) {
	decided, err := decideFromContext(ctx, objects, relation, true)
	if err != nil {
		return nil, err
	}
	allowed := make([]bool, len(objects))
	for i, verdict := range decided.verdicts {
		allowed[i] = verdict == verdictAllowed
	}

	return allowed, nil
}

// EmptyFromContext says, in a handler under the policy "handler", that its answer
// holds nothing that a check could be about, as a page of a list without an entry
// does. It counts as the check that the policy demands, and is audited: as a
// decision without checks. It is the handler's word, which nothing verifies. An
// error is an [*Error]: the context has no session, or its call has ended.
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

// handlerDecision is a handler's own check.
type handlerDecision struct {
	verdicts []verdict
	checks   []Checked
}

// decideFromContext asks about the objects. In a filter, what can't be an object is
// denied by itself.
func decideFromContext(ctx context.Context, objects []string, relation string, filter bool) (*handlerDecision, error) {
	session, ok := FromContext(ctx)
	if !ok {
		return nil, &Error{Reason: ReasonMisconfigured, Err: errNoSession}
	}
	m := session.method
	decision := &Decision{method: m.name, rule: "handler's check of " + relation}
	if filter {
		decision.rule = "handler's filter by " + relation
	}
	var begun time.Time
	if m.owner.observer.Decided != nil {
		begun = time.Now()
	}
	decided, err := session.decide(ctx, objects, relation, filter)
	if !begun.IsZero() {
		decision.duration = time.Since(begun)
	}
	if decided != nil {
		decision.checks = decided.checks
		if refused := decided.refusal(filter); refused != nil {
			err = refused
		}
	}
	var refused *Error
	switch {
	case errors.As(err, &refused):
		decision.reason, decision.err = refused.Reason, refused
	case err != nil:
		return nil, err // the call ended
	default:
		decision.allowed = true
		session.count(decision, decided, filter)
	}
	m.observe(ctx, decision)
	if err != nil {
		return nil, err
	}

	return decided, nil
}

// refusal is what the answers refuse: a check that is denied, and a check or a
// filter that lacks an answer. A question that the engine didn't answer decides
// nothing, whether the handler heeds the error or not.
func (d *handlerDecision) refusal(filter bool) *Error {
	for i, verdict := range d.verdicts {
		switch {
		case verdict.failed():
			return engineFailure(asEngineError(d.checks[i].Answer.Err))
		case verdict != verdictAllowed && !filter:
			return &Error{Reason: ReasonRelationDenied, Err: denial("the policy denies " + d.checks[i].Query.String())}
		}
	}

	return nil
}

// count takes note of answers that refuse nothing.
func (s *Session) count(decision *Decision, decided *handlerDecision, filter bool) {
	granted, judged := 0, false
	for i, verdict := range decided.verdicts {
		if verdict == verdictAllowed {
			granted++
		}
		judged = judged || decided.checks[i].Answer.Err == nil
	}
	if granted > 0 {
		s.granted.Store(true)
	}
	if filter {
		decision.filter, decision.granted, decision.of = true, granted, len(decided.verdicts)
		if judged {
			s.filtered.Store(true)
		}
	}
}

func (s *Session) decide(ctx context.Context, objects []string, relation string, filter bool) (*handlerDecision, error) {
	m := s.method
	call, consistency, refused := s.current()
	switch {
	case refused != nil && errors.Is(refused, errSessionOver):
		return nil, refused
	case m.owner.asker == nil:
		return nil, refusal(ReasonMisconfigured, "no engine is configured")
	case m.policy == policyPublic || call.Principal == nil:
		return nil, refusal(ReasonSubjectUnmapped, "the call has no principal")
	case template.BadName(relation) >= 0:
		return nil, refusal(ReasonMisconfigured, "the relation %q isn't a name", relation)
	case len(objects) > maxFilter:
		return nil, refusal(ReasonMisconfigured, "%d objects are more than the %d that one filter may have", len(objects), maxFilter)
	case refused != nil:
		return nil, refused
	}
	if refused := m.owner.stranger(call.Principal); refused != nil {
		return nil, refused
	}
	subject, refused := s.subject(&call)
	if refused != nil {
		return nil, refused
	}
	decided, err := s.ask(ctx, &call, objects, relation, subject, consistency, filter)
	if err == nil && s.over() {
		return nil, &Error{Reason: ReasonMisconfigured, Err: errSessionOver}
	}

	return decided, err
}

// maxFilter bounds the objects of one filter: what a handler lists is a page.
const maxFilter = 10_000

func (s *Session) subject(call *Call) (Subject, *Error) {
	t := s.method.owner.subjects.of(call.Principal)
	if t == nil {
		return Subject{}, s.method.owner.subjects.unmapped(call.Principal)
	}
	var in template.Input
	s.method.owner.fill(&in, call)
	id, st, bad := t.template.Append(nil, &in, 0)
	if st != template.StatusOK {
		return Subject{}, &Error{
			Reason: ReasonSubjectInvalid, Err: &unusable{where: t.where, text: t.template.String(), name: bad.Name(), principal: call.Principal},
		}
	}

	return Subject{Type: t.template.Type(), ID: string(id), Relation: t.template.Relation()}, nil
}

func (s *Session) ask(
	ctx context.Context, call *Call, objects []string, relation string, subject Subject, consistency Consistency, filter bool,
) (*handlerDecision, error) {
	if filter && len(objects) > 0 && !slices.ContainsFunc(objects, hasType) {
		return nil, refusal(ReasonObjectMissing, "none of the %d objects is type:id, as in \"document:1\": the first is %s", len(objects), quoted(objects[0]))
	}
	decided := &handlerDecision{verdicts: make([]verdict, len(objects)), checks: make([]Checked, len(objects))}
	questions := make([]question, 0, len(objects))
	at := make([]int, 0, len(objects))
	for i, text := range objects {
		object, ok := parseObject(text)
		query := Query{Object: object, Relation: relation, Subject: subject}
		if !ok {
			err := fmt.Errorf("object %d, %s, isn't type:id", i, quoted(text))
			if !filter {
				return nil, &Error{Reason: ReasonObjectMissing, Err: err}
			}
			decided.checks[i] = Checked{Query: query, Answer: Answer{Err: &EngineError{Kind: EngineBadRequest, Err: err}}}

			continue
		}
		questions = append(questions, question{key: queryKey(query, consistency), query: query, cacheable: true})
		at = append(at, i)
	}
	asker := s.method.owner.asker
	if err := asker.ask(ctx, asker.callerOf(call.Principal), questions, consistency, call); err != nil {
		return nil, fmt.Errorf("authz: the call ended before a decision: %w", err)
	}
	for n := range questions {
		q, i := &questions[n], at[n]
		decided.checks[i] = Checked{Query: q.query, Answer: q.answer, Cached: q.cached}
		decided.verdicts[i] = verdictOf(&q.answer)
		if filter && q.answer.Err != nil && asEngineError(q.answer.Err).Kind == EngineBadRequest {
			decided.verdicts[i] = verdictDenied
		}
	}

	return decided, nil
}

// hasType reports whether a text starts with a type, as an object's does.
func hasType(object string) bool {
	objectType, _, ok := strings.Cut(object, ":")

	return ok && template.BadName(objectType) < 0
}

// queryKey is the key of a query without context.
func queryKey(q Query, consistency Consistency) string {
	key := keyPrefix(q.Relation, q.Object.Type) + q.Object.ID + keySubject(q.Subject.Type, q.Subject.Relation) + q.Subject.ID

	return string(appendConsistency([]byte(key), consistency))
}
