package authz

// question is one check of one call, whether its rule asks or its handler: what the
// engine is asked, and what is known of the answer.
type question struct {
	check      *check
	objectType string
	subject    *subjectTemplate
	context    map[string]any
	// key is in the evaluation's buffer; object and id are the two ids within it.
	key, object, id span
	// text is the key once it is needed for longer than the call; see [evaluation.query].
	text string
	// element is the index in the list that the object fans out over.
	element int
	// wanted says that the answer can still change the decision.
	wanted  bool
	cached  bool
	verdict verdict
	answer  Answer
	// seat is where the answer arrives, if the engine is asked.
	seat *seat
}

// span is a piece of a buffer or of a text.
type span struct{ from, to int }

// told takes the answer.
func (q *question) told(answer Answer, cached bool) {
	q.answer, q.cached, q.wanted = answer, cached, false
	q.verdict = verdictOf(&q.answer)
}

// query is the question as the engine is asked it. Its ids are parts of the key, so
// that both are one text.
func (q *question) query() Query {
	return Query{
		Object:   Object{Type: q.objectType, ID: q.text[q.object.from:q.object.to]},
		Relation: q.check.relation,
		Subject: Subject{
			Type: q.subject.template.Type(), ID: q.text[q.id.from:q.id.to], Relation: q.subject.template.Relation(),
		},
		Context: q.context,
	}
}

// add adds a question whose key begins in the buffer at from, with the object's id
// from object to the buffer's end, and ends as all keys of its check do.
func (e *evaluation) add(q question, from, object int, end keyEnd) {
	to := len(e.buf)
	e.buf = append(e.buf, e.buf[end.from:end.to]...)
	q.key, q.object = span{from, len(e.buf)}, span{object - from, to - from}
	q.id = span{to - from + end.id.from, to - from + end.id.to}
	e.questions = append(e.questions, q)
}

// query makes the text of a question, and the query of it.
func (e *evaluation) query(q *question) Query {
	if q.text == "" {
		q.text = string(e.buf[q.key.from:q.key.to])
	}

	return q.query()
}

// checks lists the questions that have an answer.
func (e *evaluation) checks() []Checked {
	checks := make([]Checked, 0, len(e.questions))
	for i := range e.questions {
		if q := &e.questions[i]; q.verdict != verdictPending {
			checks = append(checks, Checked{Query: e.query(q), Answer: q.answer, Cached: q.cached})
		}
	}

	return checks
}
