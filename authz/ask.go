package authz

import (
	"context"
	"errors"
	"time"

	"github.com/usher-auth/usher/authz/internal/template"
)

var (
	errDenied   = errors.New("the policy denies it")
	errMissing  = errors.New("the request doesn't name its object")
	errUnusable = errors.New("the value can't name an object")
	errOther    = errors.New("the message names another object than the stream's first")
)

// span is a piece of an evaluation's buffer.
type span struct{ from, to int }

// ask is one query of an evaluation, with its parts in the buffer.
type ask struct {
	check   *check
	subject *subjectTemplate
	context map[string]any
	key     span
	object  span
	id      span
	// element is the index in the list that the object fans out over.
	element int
	verdict verdict
	wanted  bool
	cached  bool
	answer  Answer
}

// query builds the query that an ask stands for.
func (e *evaluation) query(q *ask) Query {
	return Query{
		Object:   Object{Type: q.check.object.Type(), ID: string(e.buf[q.object.from:q.object.to])},
		Relation: q.check.relation,
		Subject: Subject{
			Type: q.subject.template.Type(), ID: string(e.buf[q.id.from:q.id.to]), Relation: q.subject.template.Relation(),
		},
		Context: q.context,
	}
}

// answer gets verdicts for the asks that the condition needs: from the cache,
// then from the engine in one batch. Warm says that the engine wasn't asked. The
// error is the context's.
func (e *evaluation) answer(ctx context.Context, root *node) (warm bool, err error) {
	if e.fold(root) != verdictPending {
		return true, nil
	}
	e.wanted(root)
	asker := e.method.owner.asker
	if asker.cache != nil && !e.call.Fresh && e.consistency.Mode != ModeFullyConsistent {
		now := asker.clock()
		for i := range e.asks {
			q := &e.asks[i]
			if !q.wanted || !q.check.cacheable {
				continue
			}
			if effect, hit := asker.cache.get(e.buf[q.key.from:q.key.to], now); hit {
				q.answer.Effect, q.cached, q.wanted = effect, true, false
				q.verdict = verdictOf(&q.answer)
			}
		}
		if e.fold(root) != verdictPending {
			return true, nil
		}
		for i := range e.asks {
			e.asks[i].wanted = false
		}
		e.wanted(root)
	}
	questions := make([]question, 0, len(e.asks))
	for i := range e.asks {
		q := &e.asks[i]
		if q.wanted {
			questions = append(questions, question{
				key: string(e.buf[q.key.from:q.key.to]), query: e.query(q), cacheable: q.check.cacheable,
			})
		}
	}
	if e.begun.IsZero() {
		e.begun = time.Now()
	}
	if err := asker.ask(ctx, asker.callerOf(e.call.Principal), questions, e.consistency, e.call); err != nil {
		return false, err
	}
	next := 0
	for i := range e.asks {
		q := &e.asks[i]
		if !q.wanted {
			continue
		}
		q.answer, q.cached = questions[next].answer, questions[next].cached
		q.verdict = verdictOf(&q.answer)
		next++
	}

	return false, nil
}

// checks lists the queries that have an answer.
func (e *evaluation) checks() []Checked {
	checks := make([]Checked, 0, len(e.asks))
	for i := range e.asks {
		if q := &e.asks[i]; q.verdict != verdictPending {
			checks = append(checks, Checked{Query: e.query(q), Answer: q.answer, Cached: q.cached})
		}
	}

	return checks
}

// contextOf renders a check's context. A value that isn't there is left out: the
// engine then says what it lacks.
func (e *evaluation) contextOf(c *check) (map[string]any, *Error) {
	if len(c.context) == 0 {
		return nil, nil
	}
	context := make(map[string]any, len(c.context))
	for _, entry := range c.context {
		value, st, bad := entry.value.Value(&e.in)
		switch st {
		case template.StatusOK:
			context[entry.name] = value
		case template.StatusMissing:
		case template.StatusInvalid, template.StatusForeign:
			fallthrough
		default:
			return nil, &Error{Reason: ReasonObjectMissing, Field: bad.Path(0), Err: errUnusable}
		}
	}
	return context, nil
}

// parseObject splits "type:id" and refuses what can't be one.
func parseObject(text string) (Object, bool) {
	objectType, id, ok := template.CutObject(text)
	if !ok {
		return Object{}, false
	}

	return Object{Type: objectType, ID: id}, true
}
