package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"
)

// writeText prints the report for people.
func writeText(w io.Writer, m machine, took time.Duration, results []result) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "usher against its performance goals, %s\n", m.When.Format(time.RFC3339))
	fmt.Fprintf(table, "%s, %s, %s, %d processors (%s), measured for %.0f s\n", m.Commit, m.Go, m.System, m.Processors, m.Processor, took.Seconds())
	if !m.quiet() {
		fmt.Fprintf(table, "The machine wasn't quiet: its load was %.1f before the run began.\n", m.LoadBefore)
	}
	last := 0
	for _, r := range results {
		if g := r.goal; g.number != last {
			fmt.Fprintf(table, "\n%d. %s\n", g.number, titles[g.number])
			fmt.Fprint(table, "\t\tfigure\tinterval\tgoal\tverdict\tA/A control\n")
			last = g.number
		}
		fmt.Fprintf(table, "\t%s\n", strings.Join(r.cells(), "\t"))
	}
	fmt.Fprintf(table, "\n%s\n", summary(results))

	return table.Flush()
}

func (r result) cells() []string {
	g := r.goal
	name := g.what
	if g.peer {
		name = "beside: " + name
	}
	figure, interval, control := "", "", ""
	switch {
	case r.verdict == notThere:
		interval = g.absent
	case r.figure.Samples > 0:
		figure, interval = show(r.figure.Median)+" "+g.unit, r.figure.interval()
	}
	if r.control != nil {
		control = show(r.control.Median) + " " + r.control.interval()
	}
	bound := ""
	if !g.peer {
		bound = string(g.relation) + " " + show(g.bound)
	}

	return []string{name, figure, interval, bound, string(r.verdict), control}
}

func (e estimate) interval() string { return "[" + show(e.Low) + ", " + show(e.High) + "]" }

// show gives four digits, as many as these figures have.
func show(v float64) string {
	switch {
	case math.IsNaN(v):
		return "-"
	case v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 100:
		return fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.3f", v)
	}
}

// summary counts the verdicts and names what isn't met.
func summary(results []result) string {
	counts := map[verdict]int{}
	names := map[verdict][]string{}
	for _, r := range results {
		if r.goal.peer {
			continue
		}
		counts[r.verdict]++
		names[r.verdict] = append(names[r.verdict], fmt.Sprintf("  %d. %s: %s%s %s, goal %s %s", r.goal.number, r.goal.what,
			show(r.figure.Median), unitOf(r.goal), r.figure.interval(), r.goal.relation, show(r.goal.bound)))
	}
	var out strings.Builder
	fmt.Fprintf(&out, "met %d, met at the bound %d, missed %d, can't be judged %d, without a figure %d, not offered %d\n",
		counts[met], counts[metAtEdge], counts[missed], counts[unclear], counts[noFigure], counts[notThere])
	for _, section := range []struct {
		verdict verdict
		title   string
	}{
		{missed, "missed:"},
		{unclear, "can't be judged on this run: the interval, with what the control is off, includes the bound, or the turns are too few:"},
		{noFigure, "without a figure, because a benchmark failed:"},
	} {
		if len(names[section.verdict]) > 0 {
			fmt.Fprintf(&out, "%s\n%s\n", section.title, strings.Join(names[section.verdict], "\n"))
		}
	}

	return strings.TrimSuffix(out.String(), "\n")
}

func unitOf(g goal) string {
	if g.unit == "" {
		return ""
	}

	return " " + g.unit
}
