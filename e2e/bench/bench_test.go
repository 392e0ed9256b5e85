package main

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestDecide(t *testing.T) {
	most := want(1, "", atMost, 1.05, ratio)
	edge := want(1, "", atLeast, 0.98, ratio).onEdge()
	exact := want(1, "", exactly, 0, allocs).withSlack(0.1)
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
		"an edge goal that is met":                   {edge, estimate{0.99, 0.985, 0.995, 40}, 0, met},
		"a count with the runtime's own":             {exact, estimate{0.02, -0.01, 0.06, 40}, 0, met},
		"a count that isn't it":                      {exact, estimate{1.02, 0.99, 1.06, 40}, 0, missed},
		"a count on both sides":                      {exact, estimate{0, -1, 1, 40}, 0, unclear},
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
	const fast, slow, same, none = "s Fast ratio", "s Slow ratio", "s Same ratio", "s None ratio"
	measured := samples{fast: {1, 1, 1}, slow: {2, 2, 2}, same: {1.01, 1.01, 1.01}}
	absent := want(1, "", atMost, 1, ratio)
	absent.Absent = "why"
	for name, c := range map[string]struct {
		goal    goal
		from    metric
		control bool
		want    verdict
	}{
		"the worst of two":                           {want(1, "", atMost, 1.5, ratio, fast, slow), slow, false, missed},
		"the least of two":                           {want(1, "", atLeast, 1.5, ratio, slow, fast), fast, false, missed},
		"nothing measured":                           {want(1, "", atMost, 1.5, ratio, fast, none), fast, false, noFigure},
		"no control measured":                        {want(1, "", atMost, 1.5, ratio, fast).controlled(none), fast, false, noFigure},
		"a control that is off by more than is left": {want(1, "", atMost, 1.005, ratio, fast).controlled(same), fast, true, unclear},
		"not offered":                                {absent, "", false, notThere},
		"a peer":                                     {peer(1, "", ratio, fast), fast, false, noGoal},
	} {
		t.Run(name, func(t *testing.T) {
			got := judge(c.goal, measured)
			if got.Verdict != c.want || got.From != c.from || (got.Control != nil) != c.control {
				t.Errorf("%q of %q, control %v", got.Verdict, got.From, got.Control)
			}
		})
	}
}

func TestEstimate(t *testing.T) {
	if e := estimateOf(nil); e != nil {
		t.Errorf("of nothing: %+v", e)
	}
	for name, c := range map[string]struct {
		values []float64
		want   estimate
	}{
		"nine have an interval":       {[]float64{9, 1, 5, 2, 4, 3, 8, 7, 6}, estimate{5, 2, 8, 9}},
		"four have all that was seen": {[]float64{4, 1, 2, 3}, estimate{2.5, 1, 4, 4}},
		"one":                         {[]float64{7}, estimate{7, 7, 7, 1}},
	} {
		given := slices.Clone(c.values)
		if got := estimateOf(c.values); *got != c.want || !slices.Equal(c.values, given) {
			t.Errorf("%s: %+v of %v", name, *got, c.values)
		}
	}
}

func TestRead(t *testing.T) {
	const output = `goos: linux
cpu: A Processor @ 2.00GHz
BenchmarkCall/net=tcp/callers=64-2         	       1	         5.971 allocs-over	         1.075 cpu-ratio
BenchmarkHit-2   	 1000000	       27.5 ns/op	       9 cpu-ns/op	       0 B/op	       0 allocs/op
BenchmarkHit-2   	 1000000	       28.5 ns/op	       9 cpu-ns/op	       0 B/op	       0 allocs/op
BenchmarkBroken-2
--- FAIL: BenchmarkBroken-2
    x_test.go:12: BenchmarkBroken-2 1 2 3
PASS
`
	var r runner
	got := samples{}
	if err := r.read("suite", strings.NewReader(output), got); err != nil {
		t.Fatal(err)
	}
	if want := (samples{
		"suite Call/net=tcp/callers=64 cpu-ratio":   {1.075},
		"suite Call/net=tcp/callers=64 allocs-over": {5.971},
		"suite Hit ns/op":                           {27.5, 28.5},
		"suite Hit cpu-ns/op":                       {9, 9},
		"suite Hit B/op":                            {0, 0},
		"suite Hit allocs/op":                       {0, 0},
	}); !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("%v, not %v", got, want)
	}
	if r.processor != "A Processor @ 2.00GHz" {
		t.Errorf("the processor is %q", r.processor)
	}
}

func TestDue(t *testing.T) {
	for _, n := range []int{1, 3, 8, 10} {
		made := 0
		for round := range 10 {
			if due(round, 10, n) {
				made++
			}
		}
		if made != n {
			t.Errorf("%d of 10 rounds, not %d", made, n)
		}
	}
}

// Each goal is in the report, and what the tables name is measured: its suite has
// turns.
func TestTables(t *testing.T) {
	measured := func(turns []turn, m metric) {
		t.Helper()
		if len(strings.Fields(string(m))) != 3 || !slices.ContainsFunc(turns, func(turn turn) bool { return turn.suite == m.suite() }) {
			t.Errorf("nothing measures %q", m)
		}
	}
	seen := map[int]bool{}
	last := 0
	for _, g := range goals() {
		if g.Number < last {
			t.Errorf("%d. %s comes after goal %d", g.Number, g.What, last)
		}
		last = g.Number
		if titles[g.Number] == "" || len(g.of) == 0 && g.Absent == "" {
			t.Errorf("%d. %s has no title, or nothing to measure", g.Number, g.What)
		}
		for _, m := range append(g.of, g.control) {
			if m != "" {
				measured(reportTurns, m)
			}
		}
		seen[g.Number] = seen[g.Number] || !g.Peer
	}
	for number := range titles {
		if !seen[number] {
			t.Errorf("goal %d isn't in the report", number)
		}
	}
	for _, g := range gates {
		measured(gateTurns, g.of)
		if g.reason == "" {
			t.Errorf("%v has no reason", g.of)
		}
	}
	for _, turn := range slices.Concat(reportTurns, gateTurns) {
		if suites[turn.suite] == "" {
			t.Errorf("no suite %q", turn.suite)
		}
		turns := make([]float64, turn.count*turn.times)
		for i := range turns {
			turns[i] = float64(i)
		}
		if e := estimateOf(turns); e.Low != turns[len(turns)-1]-e.High {
			t.Errorf("%s %s: the interval of %d turns favours one side", turn.suite, turn.pattern, len(turns))
		}
	}
}

// A broken gate is found, and one without a figure is broken.
func TestGate(t *testing.T) {
	for name, c := range map[string]struct {
		gate   gate
		figure []float64
		want   bool
	}{
		"within":         {gate{relation: atMost, bound: 1.5}, []float64{1.4, 1.5, 9}, true},
		"above":          {gate{relation: atMost, bound: 1.5}, []float64{1.6, 1.6, 1}, false},
		"enough":         {gate{relation: atLeast, bound: 0.9}, []float64{0.9}, true},
		"not enough":     {gate{relation: atLeast, bound: 0.9}, []float64{0.8}, false},
		"exact":          {gate{relation: exactly, bound: 1}, []float64{1, 1}, true},
		"not exact":      {gate{relation: exactly, bound: 1}, []float64{2, 2}, false},
		"without figure": {gate{relation: atMost, bound: math.Inf(1)}, nil, false},
	} {
		if got := c.gate.holds(estimateOf(c.figure)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
