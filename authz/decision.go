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
}

// Checked is one query of a decision.
type Checked struct {
	Query  Query
	Answer Answer
	// Cached says that the answer came from the decision cache.
	Cached bool
}

// Allowed says whether the call may go on.
func (d *Decision) Allowed() bool { return d.allowed }

// Reason is why the call may not go on; empty when it may, and when the call ended
// before that was known.
func (d *Decision) Reason() Reason { return d.reason }

// Method is the full method, as in "/pkg.Service/Method".
func (d *Decision) Method() string { return d.method }

// Rule is the rule that decided, as text; for a handler's own check, the check.
func (d *Decision) Rule() string { return d.rule }

// Checks are the queries that were asked or found in the cache, in the rule's
// order. A grant that came from the cache alone lists them only if [Call] asked
// for it with Explain or an [Observer] is there to read them.
func (d *Decision) Checks() []Checked { return slices.Clone(d.checks) }

// Duration is how long the decision took; zero where Checks may be left out.
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

// LogValue gives the decision to slog as fields: method, allowed, reason, rule,
// duration and checks.
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
