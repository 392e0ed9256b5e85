package main

import (
	"slices"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	const output = `goos: linux
BenchmarkCall/net=tcp/callers=64-2         	       1	         5.971 allocs-over	         1.075 cpu-ratio
BenchmarkHit-2   	 1000000	       27.5 ns/op	       0 B/op	       0 allocs/op
BenchmarkHit-2   	 1000000	       28.5 ns/op	       0 B/op	       0 allocs/op
BenchmarkBroken-2
--- FAIL: BenchmarkBroken-2
    x_test.go:12: BenchmarkBroken-2 1 2 3
PASS
`
	s := samples{}
	if err := s.read("suite", strings.NewReader(output)); err != nil {
		t.Fatal(err)
	}
	for m, want := range map[metric][]float64{
		{"suite", "Call/net=tcp/callers=64", "cpu-ratio"}:   {1.075},
		{"suite", "Call/net=tcp/callers=64", "allocs-over"}: {5.971},
		{"suite", "Hit", "ns/op"}:                           {27.5, 28.5},
		{"suite", "Hit", "allocs/op"}:                       {0, 0},
	} {
		if !slices.Equal(s[m], want) {
			t.Errorf("%v: %v, not %v", m, s[m], want)
		}
	}
	if len(s) != 5 {
		t.Errorf("%d metrics: %v", len(s), s)
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
