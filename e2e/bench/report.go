package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// quietLoad is the load, for each processor, above which a run isn't quiet.
const quietLoad = 0.25

// machine is where and when the figures were taken.
type machine struct {
	When       time.Time `json:"when"`
	Commit     string    `json:"commit"`
	Go         string    `json:"go"`
	System     string    `json:"system"`
	Processor  string    `json:"processor"`
	Processors int       `json:"processors"`
	// LoadBefore is the load of the last minute before the run began: -1 where the
	// system doesn't tell.
	LoadBefore float64 `json:"loadBefore"`
}

func thisMachine(ctx context.Context) machine {
	m := machine{
		When: time.Now().UTC().Truncate(time.Second), Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH,
		Processors: runtime.NumCPU(), LoadBefore: -1,
	}
	if out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output(); err == nil {
		m.Commit = strings.TrimSpace(string(out))
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		if _, err := fmt.Sscan(string(load), &m.LoadBefore); err != nil {
			m.LoadBefore = -1
		}
	}
	return m
}

// document is the report, as it is written for machines.
type document struct {
	Machine machine  `json:"machine"`
	Seconds float64  `json:"seconds"`
	Goals   []result `json:"goals"`
}

func (d document) writeJSON(path string) error {
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// writeText prints the report for people.
func (d document) writeText(w io.Writer) error {
	table, m := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0), d.Machine
	fmt.Fprintf(table, "usher against its performance goals, %s\n", m.When.Format(time.RFC3339))
	fmt.Fprintf(table, "%s, %s, %s, %d processors (%s), measured for %.0f s\n", m.Commit, m.Go, m.System, m.Processors, m.Processor, d.Seconds)
	if m.LoadBefore > quietLoad*float64(m.Processors) {
		fmt.Fprintf(table, "The machine wasn't quiet: its load was %.1f before the run began.\n", m.LoadBefore)
	}
	last := 0
	for _, r := range d.Goals {
		if r.Number != last {
			fmt.Fprintf(table, "\n%d. %s\n\t\tfigure\tinterval\tgoal\tverdict\tA/A control\n", r.Number, titles[r.Number])
			last = r.Number
		}
		name, bound := "beside: "+r.What, ""
		if !r.Peer {
			name, bound = r.What, r.bound()
		}
		figure, interval, control := "", r.Absent, ""
		if r.Figure != nil {
			figure, interval = show(r.Figure.Median)+" "+r.Unit, r.Figure.interval()
		}
		if r.Control != nil {
			control = show(r.Control.Median) + " " + r.Control.interval()
		}
		fmt.Fprintf(table, "\t%s\t%s\t%s\t%s\t%s\t%s\n", name, figure, interval, bound, r.Verdict, control)
	}
	fmt.Fprintf(table, "\n%s", summary(d.Goals))
	return table.Flush()
}

func (g goal) bound() string { return string(g.Relation) + " " + show(*g.Bound) }

func (e estimate) interval() string { return "[" + show(e.Low) + ", " + show(e.High) + "]" }

// show gives four digits, as many as these figures have.
func show(v float64) string {
	switch {
	case v == math.Trunc(v) || math.Abs(v) >= 100:
		return fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.3f", v)
	}
}

// summary counts the verdicts and names what isn't met.
func summary(results []result) string {
	counts, names := map[verdict]int{}, map[verdict]string{}
	for _, r := range results {
		if r.Peer {
			continue
		}
		counts[r.Verdict]++
		figure := "-"
		if r.Figure != nil {
			figure = strings.TrimSpace(show(r.Figure.Median)+" "+r.Unit) + " " + r.Figure.interval()
		}
		names[r.Verdict] += fmt.Sprintf("  %d. %s: %s, goal %s\n", r.Number, r.What, figure, r.bound())
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
		if counts[section.verdict] > 0 {
			out.WriteString(section.title + "\n" + names[section.verdict])
		}
	}
	return out.String()
}
