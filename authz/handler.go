package authz

import (
	"context"
	"errors"
	"fmt"
)

var errNoSession = errors.New("the context has no session: the call didn't pass a guard")

// CheckFromContext asks, in a handler, whether the caller has the relation to the
// object, "type:id". It uses the same subject, consistency, cache and audit as the
// method's rule. A nil error means yes, and nothing else does; otherwise the error
// is an [*Error], or wraps the context's own.
func CheckFromContext(ctx context.Context, object, relation string) error {
	decision, err := decideFromContext(ctx, []string{object}, relation)
	if err != nil {
		return err
	}
	if len(decision.verdicts) != 1 {
		return &Error{Reason: ReasonRelationDenied, Err: errDenied}
	}
	switch decision.verdicts[0] {
	case verdictAllowed:
		return nil
	case verdictError:
		return engineFailure(asEngineError(decision.checks[0].Answer.Err))
	case verdictDenied, verdictPending:
		fallthrough
	default:
		return &Error{Reason: ReasonRelationDenied, Err: errDenied}
	}
}

// FilterFromContext asks, in a handler, to which of the objects, each "type:id",
// the caller has the relation. The result has the objects' order and length. An
// object without a verdict makes the whole an error: a list that lacks what the
// caller may see isn't an answer.
func FilterFromContext(ctx context.Context, objects []string, relation string) ([]bool, error) {
	decision, err := decideFromContext(ctx, objects, relation)
	if err != nil {
		return nil, err
	}
	allowed := make([]bool, len(objects))
	for i, verdict := range decision.verdicts {
		if verdict == verdictError {
			return nil, engineFailure(asEngineError(decision.checks[i].Answer.Err))
		}
		allowed[i] = verdict == verdictAllowed
	}

	return allowed, nil
}

// handlerDecision is a handler's own check.
type handlerDecision struct {
	verdicts []verdict
	checks   []Checked
}

func decideFromContext(ctx context.Context, objects []string, relation string) (*handlerDecision, error) {
	session, ok := FromContext(ctx)
	if !ok {
		return nil, &Error{Reason: ReasonMisconfigured, Err: errNoSession}
	}
	decided, err := session.decide(ctx, objects, relation)
	if err != nil {
		var refused *Error
		if errors.As(err, &refused) {
			session.observe(ctx, relation, nil, refused.Reason, false)
		}

		return nil, err
	}
	reason, allowed, answered := Reason(""), true, true
	for _, verdict := range decided.verdicts {
		if verdict != verdictAllowed {
			allowed, reason = false, ReasonRelationDenied
		}
		answered = answered && verdict != verdictError
	}
	// Only a verdict counts as a check: a question that nobody answered decides
	// nothing, whether the handler heeds the error or not.
	if answered {
		session.checks.Add(1)
	}
	session.observe(ctx, relation, decided.checks, reason, allowed)

	return decided, nil
}

func (s *Session) observe(ctx context.Context, relation string, checks []Checked, reason Reason, allowed bool) {
	s.method.observe(ctx, &Decision{
		allowed: allowed, reason: reason, method: s.method.name, rule: "handler's check of " + relation, checks: checks,
	})
}

func (s *Session) decide(ctx context.Context, objects []string, relation string) (*handlerDecision, error) {
	m := s.method
	asker := m.owner.asker
	switch {
	case asker == nil:
		return nil, refusal(ReasonMisconfigured, "no engine is configured")
	case m.policy == policyPublic || s.call.Principal == nil:
		return nil, refusal(ReasonSubjectUnmapped, "the call has no principal")
	case badName(relation) >= 0:
		return nil, refusal(ReasonMisconfigured, "the relation %q isn't a name", relation)
	case len(objects) > maxFilter:
		return nil, refusal(ReasonMisconfigured, "%d objects are more than the %d that one filter may have", len(objects), maxFilter)
	}
	in := input{principal: s.call.Principal, call: &s.call, now: m.owner.now}
	if m.consistency.revision != nil && m.consistency.revision.reads {
		e := evaluation{method: m, call: &s.call}
		if err := e.setMessage(); err != nil {
			return nil, err
		}
		in.message = e.in.message
	}
	consistency, refused := m.consistency.resolve(&in)
	if refused != nil {
		return nil, refused
	}
	subject, refused := s.subject(&in)
	if refused != nil {
		return nil, refused
	}

	return s.ask(ctx, objects, relation, subject, consistency)
}

// maxFilter bounds the objects of one filter: what a handler lists is a page.
const maxFilter = 10_000

func (s *Session) subject(in *input) (Subject, *Error) {
	t := s.method.owner.subjects.of(in.principal)
	if t == nil {
		return Subject{}, refusal(ReasonSubjectUnmapped, "no subject is configured for this kind of token")
	}
	id, st, _ := t.template.render(nil, in, 0, screenAsID)
	if st != statusOK {
		return Subject{}, refusal(ReasonSubjectInvalid, "the token's subject can't be used")
	}

	return Subject{Type: t.template.objectType, ID: string(id), Relation: t.template.relation}, nil
}

func (s *Session) ask(ctx context.Context, objects []string, relation string, subject Subject, consistency Consistency) (*handlerDecision, error) {
	decided := &handlerDecision{verdicts: make([]verdict, len(objects)), checks: make([]Checked, len(objects))}
	questions := make([]question, len(objects))
	for i, text := range objects {
		object, ok := parseObject(text)
		if !ok {
			return nil, &Error{Reason: ReasonObjectMissing, Err: fmt.Errorf("object %d isn't type:id", i)}
		}
		query := Query{Object: object, Relation: relation, Subject: subject}
		questions[i] = question{key: queryKey(query, consistency), query: query, cacheable: true}
	}
	asker := s.method.owner.asker
	if err := asker.ask(ctx, asker.callerOf(s.call.Principal), questions, consistency, s.call.Fresh); err != nil {
		return nil, fmt.Errorf("authz: the call ended before a decision: %w", err)
	}
	for i := range questions {
		q := &questions[i]
		decided.checks[i] = Checked{Query: q.query, Answer: q.answer, Cached: q.cached}
		decided.verdicts[i] = verdictOf(&q.answer)
	}

	return decided, nil
}

// queryKey is the key of a query without context.
func queryKey(q Query, consistency Consistency) string {
	key := keyPrefix(q.Relation, q.Object.Type) + q.Object.ID + keySubject(q.Subject.Type, q.Subject.Relation) + q.Subject.ID

	return string(appendConsistency([]byte(key), consistency))
}
