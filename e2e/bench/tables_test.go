package main

import "testing"

// Each of the thirteen goals is in the report, and what the tables name is
// measured: its suite has turns.
func TestTables(t *testing.T) {
	seen := map[int]bool{}
	measured := func(turns []turn, m metric) {
		t.Helper()
		for _, turn := range turns {
			if turn.suite == m.Suite {
				return
			}
		}
		t.Errorf("nothing measures %v", m)
	}
	last := 0
	for _, g := range goals() {
		if g.number < last {
			t.Errorf("%d. %s comes after goal %d", g.number, g.what, last)
		}
		last = g.number
		if titles[g.number] == "" || len(g.of) == 0 && g.absent == "" {
			t.Errorf("%d. %s has no title, or nothing to measure", g.number, g.what)
		}
		for _, m := range g.of {
			measured(report, m)
		}
		seen[g.number] = seen[g.number] || !g.peer
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
	for _, turn := range append(append([]turn{}, report...), gateTurns...) {
		if _, ok := suites[turn.suite]; !ok {
			t.Errorf("no suite %q", turn.suite)
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
		"without figure": {gate{relation: atMost, bound: 1}, nil, false},
	} {
		if got := c.gate.holds(estimateOf(c.figure)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
