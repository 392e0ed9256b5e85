package authz

// question is one check of one call, whether its rule asks or its handler: what the
// engine is asked, and what is known of the answer.
type question struct {
	check      *check
	objectType string
	subject    *subjectTemplate
	context    map[string]any
	properties *Properties
	// key is in the evaluation's buffer; object and id are the two ids within it.
	key, object, id span
	// text is the key once it is needed for longer than the call; see [evaluation.query].
	text string
	// answer is nil until it is known. It may be shared and isn't changed.
	answer *Answer
	// seat is where the answer arrives, if the engine is asked.
	seat *seat
	// element is the index in the list that the object fans out over.
	element int
	// wanted says that the answer can still change the decision.
	wanted  bool
	cached  bool
	verdict verdict
}

// span is a piece of a buffer or of a text.
type span struct{ from, to int }

// told takes the engine's answer, or the error that is in its place.
func (q *question) told(answer *Answer) {
	q.answer, q.verdict, q.wanted = answer, verdictOf(answer), false
}

// The answers of the cache.
var cachedAllowed, cachedDenied = &Answer{Effect: EffectAllowed}, &Answer{Effect: EffectDenied}

// recalled takes an answer of the cache.
func (q *question) recalled(effect Effect) {
	q.answer, q.verdict, q.wanted, q.cached = cachedDenied, verdictDenied, false, true
	if effect == EffectAllowed {
		q.answer, q.verdict = cachedAllowed, verdictAllowed
	}
}

// query is the question as the engine is asked it. Its ids are parts of the key, so
// that both are one text.
func (q *question) query() Query {
	return Query{
		Kind:     q.check.kind,
		Object:   Object{Type: q.objectType, ID: q.text[q.object.from:q.object.to]},
		Relation: q.check.relation,
		Subject: Subject{
			Type: q.subject.template.Type(), ID: q.text[q.id.from:q.id.to], Relation: q.subject.template.Relation(),
		},
		Context: q.context, Properties: q.properties,
	}
}

// add adds a question whose key is the end of the buffer, from from.
func (e *evaluation) add(from int, found ids) *question {
	if n := len(e.questions); n < cap(e.questions) {
		e.questions = e.questions[:n+1]
	} else {
		e.questions = append(e.questions, question{})
	}
	q := &e.questions[len(e.questions)-1]
	q.key = span{from, len(e.buf)}
	q.object = span{found.object.from - from, found.object.to - from}
	q.id = span{found.subject.from - from, found.subject.to - from}
	q.verdict, q.wanted = verdictPending, true

	return q
}

// endAs ends a key after the object's id as that of another question of its check.
func (e *evaluation) endAs(first *question, found *ids) {
	from := first.key.from + first.object.to
	shift := found.object.to - from + first.key.from
	found.subject = span{first.id.from + shift, first.id.to + shift}
	e.buf = append(e.buf, e.buf[from:first.key.to]...)
}

// query makes the text of a question, and the query of it.
func (e *evaluation) query(q *question) Query {
	if q.text == "" {
		q.text = string(e.buf[q.key.from:q.key.to])
	}

	return q.query()
}

// decision returns a decision that lists the questions that have an answer. Most have
// one question, for which the decision and its list are allocated together.
func (e *evaluation) decision() *Decision {
	if len(e.questions) != 1 {
		return &Decision{checks: e.checks(make([]Checked, 0, len(e.questions)))}
	}
	both := &struct {
		decision Decision
		checks   [1]Checked
	}{}
	both.decision.checks = e.checks(both.checks[:0])

	return &both.decision
}

// checks appends the questions that have an answer.
func (e *evaluation) checks(checks []Checked) []Checked {
	for i := range e.questions {
		if q := &e.questions[i]; q.verdict != verdictPending {
			checks = append(checks, Checked{Query: e.query(q), Answer: *q.answer, Cached: q.cached})
		}
	}

	return checks
}
