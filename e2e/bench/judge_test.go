package main

import (
	"math"
	"testing"
)

func TestDecide(t *testing.T) {
	most := goal{relation: atMost, bound: 1.05, unit: ratio}
	edge := goal{relation: atLeast, bound: 0.98, unit: ratio, edge: true}
	exact := goal{relation: exactly, bound: 0, slack: 0.1, unit: allocs}
	for name, c := range map[string]struct {
		goal   goal
		figure estimate
		off    float64
		want   verdict
	}{
		"the interval is below the bound":            {most, estimate{1.02, 1.01, 1.04, 10}, 0, met},
		"the control is off by more than the margin": {most, estimate{1.02, 1.01, 1.04, 10}, 0.02, unclear},
		"the interval includes the bound":            {most, estimate{1.04, 1.02, 1.06, 10}, 0, unclear},
		"the interval is above the bound":            {most, estimate{1.08, 1.07, 1.09, 10}, 0, missed},
		"above, but not by more than the control":    {most, estimate{1.08, 1.07, 1.09, 10}, 0.03, unclear},
		"an edge goal in a narrow interval":          {edge, estimate{0.975, 0.965, 0.985, 40}, 0, metAtEdge},
		"an edge goal in a wide interval":            {edge, estimate{0.975, 0.9, 1.1, 40}, 0, unclear},
		"an edge goal that is missed":                {edge, estimate{0.96, 0.95, 0.97, 40}, 0, missed},
		"a count with the runtime's own":             {exact, estimate{0.02, -0.01, 0.06, 40}, 0, met},
		"a count that isn't it":                      {exact, estimate{1.02, 0.99, 1.06, 40}, 0, missed},
		"too few turns of something that varies":     {most, estimate{1.02, 1.02, 1.02, 1}, 0, unclear},
		"a single turn of something exact":           {exact, estimate{0, 0, 0, 1}, 0, met},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.goal.decide(c.figure, c.off); got != c.want {
				t.Errorf("%q, not %q", got, c.want)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	fast, slow, same := metric{"s", "Fast", ratio}, metric{"s", "Slow", ratio}, metric{"s", "Same", ratio}
	measured := samples{fast: {1, 1, 1}, slow: {2, 2, 2}, same: {1.01, 1.01, 1.01}}
	worst := judge(want(1, "worst", []metric{fast, slow}, atMost, 1.5, ratio), measured)
	if worst.from != slow || worst.verdict != missed {
		t.Errorf("the worst of two: %v %q", worst.from, worst.verdict)
	}
	if r := judge(want(1, "none", of("s", "None", ratio), atMost, 1.5, ratio), measured); r.verdict != noFigure {
		t.Errorf("nothing measured: %q", r.verdict)
	}
	if r := judge(want(1, "no control", []metric{fast}, atMost, 1.5, ratio).controlled("s", "None", ratio), measured); r.verdict != noFigure {
		t.Errorf("no control measured: %q", r.verdict)
	}
	controlled := judge(want(1, "controlled", []metric{fast}, atMost, 1.005, ratio).controlled("s", "Same", ratio), measured)
	if controlled.verdict != unclear || controlled.control == nil {
		t.Errorf("a control that is off by more than the margin: %q", controlled.verdict)
	}
	if r := judge(goal{absent: "why"}, measured); r.verdict != notThere {
		t.Errorf("not offered: %q", r.verdict)
	}
	if r := judge(peer(1, "peer", []metric{fast}, ratio), measured); r.verdict != noGoal {
		t.Errorf("a peer: %q", r.verdict)
	}
}

func TestEstimate(t *testing.T) {
	if e := estimateOf(nil); !math.IsNaN(e.Median) || e.Samples != 0 {
		t.Errorf("of nothing: %+v", e)
	}
	// The ranks of the usual tables: n samples, so many outside on each side.
	for n, outside := range map[int]int{1: 0, 5: 0, 6: 0, 8: 0, 9: 1, 12: 2, 20: 5, 40: 13, 100: 39} {
		if got := below(n); got != outside {
			t.Errorf("%d samples: %d outside, not %d", n, got, outside)
		}
	}
	if e := estimateOf([]float64{9, 1, 5, 2, 4, 3, 8, 7, 6}); e != (estimate{Median: 5, Low: 2, High: 8, Samples: 9}) {
		t.Errorf("of nine: %+v", e)
	}
	if e := estimateOf([]float64{4, 1, 2, 3}); e != (estimate{Median: 2.5, Low: 1, High: 4, Samples: 4}) {
		t.Errorf("of four: %+v", e)
	}
}
