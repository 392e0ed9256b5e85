package explain

import (
	"fmt"
	"io"
	"strings"
)

// WriteText writes the result as a tree for people. The escape function makes each text
// printable.
func (r *Result) WriteText(w io.Writer, escape func(string) string) error {
	t := &tree{escape: escape}
	caller := r.Caller.As
	if caller == Anonymous {
		caller = "a caller without a token"
	}
	t.linef(0, "%s as %s: %s", r.Method, caller, r.headline(&r.Outcome))
	if r.Outcome.Cause != "" && len(r.Rule.Faults) == 0 {
		t.linef(1, "because %s", r.Outcome.Cause)
	}
	if r.Outcome.Code != "" && r.Outcome.Decision != Allowed {
		told := ", without a reason"
		if r.Outcome.Told != "" {
			told = " " + r.Outcome.Told
		}
		t.linef(1, "the caller gets %s%s", r.Outcome.Code, told)
	}
	if r.IfGranted != nil {
		t.linef(1, "if the engine grants each query: %s", r.headline(r.IfGranted))
		t.linef(1, "if the engine denies each query: %s", r.headline(r.IfDenied))
	}
	at := r.Rule.File
	if r.Rule.Line > 0 {
		at = fmt.Sprintf("%s:%d", at, r.Rule.Line)
	}
	switch {
	case r.Rule.Text != "":
		t.linef(0, "rule at %s: %s", at, r.Rule.Text)
	case len(r.Rule.Faults) == 0:
		t.linef(0, "no rule, so the method is denied")
	}
	if len(r.Rule.Inherited) > 0 {
		t.linef(1, "from the service's default: %s", strings.Join(r.Rule.Inherited, ", "))
	}
	for _, fault := range r.Rule.Faults {
		t.linef(1, "fault: %s", fault)
	}
	t.parts(r.Parts, 0)
	for _, note := range r.Notes {
		t.linef(0, "note: %s", note)
	}
	_, err := io.WriteString(w, t.text.String())

	return err
}

func (r *Result) headline(o *Outcome) string {
	switch {
	case o.Decision == Allowed && r.handled:
		return "ALLOWED; the handler decides the rest"
	case o.Decision != Denied:
		return strings.ToUpper(o.Decision)
	case o.Reason == "":
		return "UNDECIDED"
	default:
		return "DENIED " + o.Reason
	}
}

// tree writes indented lines.
type tree struct {
	text   strings.Builder
	escape func(string) string
}

func (t *tree) linef(depth int, format string, args ...any) {
	t.text.WriteString(strings.Repeat("  ", depth) + t.escape(fmt.Sprintf(format, args...)) + "\n")
}

func (t *tree) parts(parts []Part, depth int) {
	for _, part := range parts {
		text := part.Text
		if len(part.Parts) > 0 {
			text, _, _ = strings.Cut(text, "(") // its parts follow
		}
		line := fmt.Sprintf("%s  %s  [%s]", mark(part.Outcome), text, part.Path)
		if part.Cause != "" {
			line += ": " + part.Cause
		}
		t.linef(depth, "%s", line)
		for _, query := range part.Queries {
			t.query(&query, depth+1)
		}
		t.parts(part.Parts, depth+1)
	}
}

func mark(outcome string) string {
	switch outcome {
	case "met":
		return "yes"
	case "not met":
		return "no "
	default:
		return "-  "
	}
}

func (t *tree) query(query *Query, depth int) {
	var line strings.Builder
	line.WriteString("asked " + query.Text)
	for _, with := range []struct {
		name   string
		values map[string]any
	}{
		{"context", query.Context}, {"subject", query.SubjectProperties}, {"action", query.ActionProperties}, {"resource", query.ResourceProperties},
	} {
		if len(with.values) > 0 {
			line.WriteString(" " + with.name + " " + plainJSON(with.values)) // values returned what has a form in JSON
		}
	}
	if query.Error != "" {
		line.WriteString(": no answer: " + query.Error)
	} else {
		line.WriteString(": " + query.Effect)
	}
	if len(query.Missing) > 0 {
		line.WriteString(" without " + strings.Join(query.Missing, ", "))
	}
	if len(query.Said) > 0 {
		line.WriteString(", and the engine says " + plainJSON(query.Said))
	}
	t.linef(depth, "%s", line.String())
	if query.TraceError != "" {
		t.linef(depth+1, "no trace: %s", query.TraceError)
	}
	t.steps(query.Trace, depth+1)
}

func (t *tree) steps(step *Step, depth int) {
	if step == nil {
		return
	}
	t.linef(depth, "%s", step.Text)
	for _, within := range step.Steps {
		t.steps(within, depth+1)
	}
	if step.Omitted > 0 {
		t.linef(depth+1, "(%d more)", step.Omitted)
	}
}
