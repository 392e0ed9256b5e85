package authz

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The bounds of a trace; see [Trace.Bounded].
const (
	// MaxTraceNodes is how many nodes a trace has at most.
	MaxTraceNodes = 1000
	// MaxTraceDepth is how deep it nests at most.
	MaxTraceDepth = 50
	// MaxTraceText is how many bytes each text of a node has at most.
	MaxTraceText = 512
	// MaxTraceBytes is how many bytes the texts of all nodes have at most, together.
	MaxTraceBytes = 64 << 10
)

// Operator is how a step of a trace combines the steps within it.
type Operator string

// The operators.
const (
	// OperatorNone is a step that is a question of its own.
	OperatorNone Operator = ""
	// OperatorUnion means that any of the steps within grants.
	OperatorUnion Operator = "union"
	// OperatorIntersection means that all of the steps within must grant.
	OperatorIntersection Operator = "intersection"
	// OperatorExclusion means that the first step within must grant, and the second one
	// must not.
	OperatorExclusion Operator = "exclusion"
)

// Trace is one step of an engine on its way to an answer, with the steps within it. It
// holds ids of objects and usersets that the caller didn't name: it is for operators
// only.
type Trace struct {
	// Object, Relation and Subject are what the step asks. They are empty where the step
	// only combines others, and Subject also where it is the query's.
	Object   Object
	Relation string
	Subject  Subject
	// Operator is how the steps within are combined, if the engine tells.
	Operator Operator
	// Effect is what the step comes to, EffectUnknown if the engine doesn't tell.
	Effect Effect
	// Detail says more in words, such as the result of a condition. Optional.
	Detail string
	// Missing names the context values that a condition lacked.
	Missing []string
	// Cached is set if the engine had the step's answer already.
	Cached bool
	// Duration is how long the step took, zero if the engine doesn't tell.
	Duration time.Duration
	// Steps are the steps within.
	Steps []*Trace
	// Omitted is how many steps within were left out, at least.
	Omitted int
}

// String returns the step on one line, without the steps within.
func (t *Trace) String() string {
	var text strings.Builder
	switch {
	case t.Relation != "" && t.Subject != (Subject{}):
		text.WriteString(Query{Object: t.Object, Relation: t.Relation, Subject: t.Subject}.String())
	case t.Relation != "":
		text.WriteString(t.Object.String() + "#" + t.Relation)
	case t.Subject != (Subject{}):
		text.WriteString(t.Subject.String())
	case t.Detail == "" || t.Operator == OperatorIntersection || t.Operator == OperatorExclusion:
		text.WriteString(string(t.Operator))
	}
	if t.Effect != EffectUnknown {
		text.WriteString(" " + t.Effect.String())
	}
	if t.Relation != "" && (t.Operator == OperatorIntersection || t.Operator == OperatorExclusion) {
		text.WriteString(" (" + string(t.Operator) + ")")
	}
	if t.Detail != "" {
		if text.Len() > 0 {
			text.WriteString(": ")
		}
		text.WriteString(t.Detail)
	}
	if len(t.Missing) > 0 {
		text.WriteString(" without " + quoted(strings.Join(t.Missing, " ")))
	}
	if t.Cached {
		text.WriteString(" (cached)")
	}

	return text.String()
}

// Bounded returns a copy of the trace that has at most [MaxTraceNodes] nodes,
// [MaxTraceDepth] levels and [MaxTraceBytes] bytes of text, whose Omitted says where steps
// were left out. Characters that aren't printable are replaced. It ends for a trace that
// contains itself, too, and returns nil for a nil trace.
func (t *Trace) Bounded() *Trace {
	if t == nil {
		return nil
	}
	b := &tracer{nodes: MaxTraceNodes, bytes: MaxTraceBytes}

	return b.copy(t, MaxTraceDepth)
}

// tracer is what is left of a trace's bounds.
type tracer struct{ nodes, bytes int }

func (b *tracer) copy(t *Trace, depth int) *Trace {
	b.nodes--
	c := &Trace{
		Object: Object{b.text(t.Object.Type), b.text(t.Object.ID)}, Relation: b.text(t.Relation),
		Subject:  Subject{b.text(t.Subject.Type), b.text(t.Subject.ID), b.text(t.Subject.Relation)},
		Operator: Operator(b.text(string(t.Operator))), Effect: t.Effect, Detail: b.text(t.Detail),
		Cached: t.Cached, Duration: max(t.Duration, 0), Omitted: max(t.Omitted, 0),
	}
	for _, name := range t.Missing[:min(len(t.Missing), maxCauses)] {
		c.Missing = append(c.Missing, b.text(name))
	}
	for i, step := range t.Steps {
		if b.nodes <= 0 || b.bytes <= 0 || depth <= 1 {
			c.Omitted += len(t.Steps) - i

			break
		}
		if step != nil {
			c.Steps = append(c.Steps, b.copy(step, depth-1))
		}
	}

	return c
}

// text returns a text as it is shown.
func (b *tracer) text(text string) string {
	if text == "" {
		return ""
	}
	if limit := min(MaxTraceText, max(b.bytes, 0)); len(text) > limit {
		const cut = "…"
		for limit = max(limit-len(cut), 0); limit > 0 && !utf8.RuneStart(text[limit]); {
			limit--
		}
		text = text[:limit] + cut
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}

		return utf8.RuneError
	}, text)
	b.bytes -= len(text)

	return text
}
