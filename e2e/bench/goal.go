package main

import (
	"encoding/json"
	"math"
	"slices"
	"strings"

	"golang.org/x/perf/benchmath"
)

// metric names one figure of one benchmark: the suite, the benchmark without
// "Benchmark" and the number of processors, and the unit, with a space between.
type metric string

func (m metric) suite() string { return strings.Fields(string(m))[0] }

// MarshalJSON writes the three parts apart.
func (m metric) MarshalJSON() ([]byte, error) {
	parts := strings.Fields(string(m))
	return json.Marshal(map[string]string{"suite": parts[0], "bench": parts[1], "unit": parts[2]})
}

// relation is how a figure must compare with its bound.
type relation string

const (
	atMost  relation = "≤"
	atLeast relation = "≥"
	exactly relation = "="
)

// holds reports whether a value is within the bound. Slack is what the
// measurement itself adds.
func (r relation) holds(value, bound, slack float64) bool {
	switch r {
	case atMost:
		return value <= bound+slack
	case atLeast:
		return value >= bound-slack
	default:
		return math.Abs(value-bound) <= slack
	}
}

// worse reports whether a is further from the bound than b, or nearer to it from
// within.
func (r relation) worse(a, b float64) bool {
	if r == atLeast {
		return a < b
	}
	return a > b
}

// goal is one line of the report.
type goal struct {
	Number int    `json:"goal"`
	What   string `json:"what"`
	// Peer marks what others do: it has no bound.
	Peer     bool     `json:"peer,omitempty"`
	Unit     string   `json:"unit,omitempty"`
	Relation relation `json:"relation,omitempty"`
	Bound    *float64 `json:"bound,omitempty"`
	// Absent is why there is nothing to measure.
	Absent string `json:"absent,omitempty"`

	// of are the figures; of several the worst counts.
	of []metric
	// slack is what the measurement itself adds to a count that is exact.
	slack float64
	// control is the A/A control of a ratio.
	control metric
	// edge is set if the goal is at the edge of the values seen so far: it is met when
	// a narrow interval includes it.
	edge bool
}

// want is a goal.
func want(number int, what string, rel relation, bound float64, unit string, of ...metric) goal {
	return goal{Number: number, What: what, Relation: rel, Bound: &bound, Unit: unit, of: of}
}

// peer is what others do in the same run.
func peer(number int, what, unit string, of metric) goal {
	return goal{Number: number, What: what, Unit: unit, Peer: true, of: []metric{of}}
}

// controlled gives a goal its A/A control.
func (g goal) controlled(by metric) goal { g.control = by; return g }

func (g goal) onEdge() goal { g.edge = true; return g }

func (g goal) withSlack(slack float64) goal { g.slack = slack; return g }

// verdict of a goal on this run.
type verdict string

const (
	met       verdict = "met"
	metAtEdge verdict = "met, at the bound"
	missed    verdict = "MISSED"
	unclear   verdict = "can't be judged"
	noFigure  verdict = "NO FIGURE"
	notThere  verdict = "not offered"
	noGoal    verdict = "" // a peer's figure
)

const (
	// confidence is the least probability with which an interval holds the median.
	confidence = 0.95
	// narrow is how wide the interval may be, to either side and by the figure, for
	// a goal on the edge to count as met: these machines resolve about 1.5 %.
	narrow = 0.03
	// fewest turns can judge what varies from one to the next.
	fewest = 3
)

// estimate is the median of samples with its interval.
type estimate struct {
	Median  float64 `json:"median"`
	Low     float64 `json:"low"`
	High    float64 `json:"high"`
	Samples int     `json:"samples"`
}

// estimateOf supposes nothing of how the values are distributed. Fewer than six
// can't have an interval at 95 %: theirs is all that was seen. There is no
// estimate of nothing.
func estimateOf(values []float64) *estimate {
	if len(values) == 0 {
		return nil
	}
	sample := benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
	summary := benchmath.AssumeNothing.Summary(sample, confidence)
	lowest, highest := sample.Values[0], sample.Values[len(values)-1]
	return &estimate{summary.Center, max(summary.Lo, lowest), min(summary.Hi, highest), len(values)}
}

// result is a goal with what was measured.
type result struct {
	goal

	Verdict verdict   `json:"verdict,omitempty"`
	Figure  *estimate `json:"figure,omitempty"`
	Control *estimate `json:"control,omitempty"`
	From    metric    `json:"from,omitzero"`
}

// judge finds a goal's figure and its verdict.
func judge(g goal, s samples) result {
	r := result{goal: g, Verdict: noFigure}
	if g.Absent != "" {
		r.Verdict = notThere
		return r
	}
	for _, m := range g.of {
		figure := estimateOf(s[m])
		if figure == nil {
			r.Figure = nil
			return r
		}
		if r.Figure == nil || g.Relation.worse(figure.Median, r.Figure.Median) {
			r.Figure, r.From = figure, m
		}
	}
	off := 0.0
	if g.control != "" {
		if r.Control = estimateOf(s[g.control]); r.Control == nil {
			return r
		}
		off = math.Abs(r.Control.Median-1) * r.Figure.Median
	}
	if r.Verdict = noGoal; !g.Peer {
		r.Verdict = g.decide(*r.Figure, off)
	}
	return r
}

// decide compares an interval, widened by what the control is off, with the goal.
func (g goal) decide(figure estimate, off float64) verdict {
	low, high := figure.Low-off, figure.High+off
	lowHolds, highHolds := g.Relation.holds(low, *g.Bound, g.slack), g.Relation.holds(high, *g.Bound, g.slack)
	varies := slices.Contains([]string{ratio, nanos, micros, millis}, g.Unit)
	switch {
	case varies && figure.Samples < fewest:
		return unclear
	case lowHolds && highHolds:
		return met
	case !lowHolds && !highHolds && (low > *g.Bound || high < *g.Bound):
		return missed
	case g.edge && (high-low)/2 <= narrow*figure.Median:
		return metAtEdge
	default:
		return unclear
	}
}
