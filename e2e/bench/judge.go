package main

import "math"

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

// narrow is how wide the interval may be, to either side and by the figure, for
// a goal on the edge to count as met: these machines resolve about 1.5 %.
const narrow = 0.03

// fewest turns can judge what varies from one to the next.
const fewest = 3

// result is a goal with what was measured.
type result struct {
	goal    goal
	figure  estimate
	from    metric
	control *estimate
	verdict verdict
}

// judge finds a goal's figure and its verdict.
func judge(g goal, s samples) result {
	r := result{goal: g, verdict: notThere}
	if g.absent != "" {
		return r
	}
	for i, m := range g.of {
		figure := estimateOf(s[m])
		if figure.Samples == 0 {
			r.figure, r.from, r.verdict = figure, m, noFigure

			return r
		}
		if i == 0 || worse(g.relation, figure.Median, r.figure.Median) {
			r.figure, r.from = figure, m
		}
	}
	off := 0.0
	if g.control != nil {
		control := estimateOf(s[*g.control])
		if control.Samples == 0 {
			r.verdict = noFigure

			return r
		}
		r.control = &control
		off = math.Abs(control.Median-1) * r.figure.Median
	}
	if g.peer {
		r.verdict = noGoal

		return r
	}
	r.verdict = g.decide(r.figure, off)

	return r
}

// decide compares an interval, widened by what the control is off, with the goal.
func (g goal) decide(figure estimate, off float64) verdict {
	low, high := figure.Low-off, figure.High+off
	var sure, never bool
	switch g.relation {
	case atMost:
		sure, never = high <= g.bound+g.slack, low > g.bound+g.slack
	case atLeast:
		sure, never = low >= g.bound-g.slack, high < g.bound-g.slack
	case exactly:
		sure = math.Abs(low-g.bound) <= g.slack && math.Abs(high-g.bound) <= g.slack
		never = low > g.bound+g.slack || high < g.bound-g.slack
	}
	switch {
	case g.varies() && figure.Samples < fewest:
		return unclear
	case sure:
		return met
	case never:
		return missed
	case g.edge && (high-low)/2 <= narrow*figure.Median:
		return metAtEdge
	default:
		return unclear
	}
}

// varies says that the figure is a time, or a ratio of times.
func (g goal) varies() bool {
	switch g.unit {
	case ratio, nanos, micros, millis:
		return true
	default:
		return false
	}
}

func worse(rel relation, a, b float64) bool {
	if rel == atLeast {
		return a < b
	}

	return a > b
}
