package authz

import (
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Decision is what was decided about one call, and why. It is immutable.
type Decision struct {
	allowed  bool
	reason   Reason
	method   string
	rule     string
	checks   []Checked
	duration time.Duration
	err      error
	// filter is set if a handler's filter was answered: granted and of are its
	// counts.
	filter      bool
	granted, of int
	remembered  bool
}

// Checked is one query of a decision.
type Checked struct {
	Query  Query
	Answer Answer
	// Cached reports whether the answer came from the decision cache.
	Cached bool
}

// Allowed reports whether the call may go on. A handler's filter that was answered
// is allowed, even if it left no object; see [Decision.Filter].
func (d *Decision) Allowed() bool { return d.allowed }

// Remembered reports whether the decision was made without asking the engine or the
// cache: a [Stream] let the message through by an earlier decision.
func (d *Decision) Remembered() bool { return d.remembered }

// Reason returns why the call may not go on. It is empty if the call may go on, or
// if it ended before that was known.
func (d *Decision) Reason() Reason { return d.reason }

// Err returns the [*Error] that the call was refused with, for logs. It is nil if
// Reason is empty.
func (d *Decision) Err() error { return d.err }

// Filter returns how many objects a handler's filter was about, and how many of
// them it left. The bool is false for every other decision, and for a filter
// without an answer.
func (d *Decision) Filter() (granted, of int, ok bool) { return d.granted, d.of, d.filter }

// Method returns the full method, as in "/pkg.Service/Method".
func (d *Decision) Method() string { return d.method }

// Rule returns the rule that decided, as text; for a handler's own check or filter,
// what it asked for.
func (d *Decision) Rule() string { return d.rule }

// Checks returns the queries that were asked or found in the cache, in the rule's
// order. A grant that came from the cache alone lists them only if [Call.Explain]
// or [Observer.Decided] is set.
func (d *Decision) Checks() []Checked { return slices.Clone(d.checks) }

// Duration returns how long the decision took. It is zero where Checks may be left
// out.
func (d *Decision) Duration() time.Duration { return d.duration }

// String explains the decision in one line.
func (d *Decision) String() string {
	var line strings.Builder
	switch {
	case d.allowed:
		line.WriteString("allowed ")
	case d.reason == "":
		line.WriteString("undecided ")
	default:
		line.WriteString("denied ")
	}
	line.WriteString(d.method)
	if d.reason != "" {
		line.WriteString(" " + string(d.reason))
	}
	if d.rule != "" {
		line.WriteString(" by " + d.rule)
	}
	if d.filter {
		line.WriteString(" left " + strconv.Itoa(d.granted) + " of " + strconv.Itoa(d.of))
	}
	for i, checked := range d.checks {
		if i == 0 {
			line.WriteString(": ")
		} else {
			line.WriteString(", ")
		}
		line.WriteString(checked.String())
	}
	if d.duration > 0 {
		line.WriteString(" in " + d.duration.String())
	}

	return line.String()
}

// LogValue returns the decision as a group: method, allowed, reason, rule, duration
// and checks. It implements [slog.LogValuer].
func (d *Decision) LogValue() slog.Value {
	checks := make([]string, len(d.checks))
	for i, checked := range d.checks {
		checks[i] = checked.String()
	}

	return slog.GroupValue(
		slog.String("method", d.method), slog.Bool("allowed", d.allowed), slog.String("reason", string(d.reason)),
		slog.String("rule", d.rule), slog.Duration("duration", d.duration), slog.Any("checks", checks),
	)
}

// String explains one query in a few words.
func (c Checked) String() string {
	text := c.Query.String() + " " + c.Answer.Effect.String()
	if c.Answer.Err != nil {
		text = c.Query.String() + " no answer (" + c.Answer.Err.Error() + ")"
	}
	if len(c.Answer.Missing) > 0 {
		text += " without " + strconv.Quote(strings.Join(c.Answer.Missing, " "))
	}
	if c.Cached {
		text += " (cached)"
	}

	return text
}
