package main

import (
	"math"
	"slices"
)

// confidence is the least probability with which an interval holds the median.
const confidence = 0.95

// estimate is the median of samples with its interval.
type estimate struct {
	Median  float64 `json:"median"`
	Low     float64 `json:"low"`
	High    float64 `json:"high"`
	Samples int     `json:"samples"`
}

// estimateOf takes the interval from the order of the samples, which supposes
// nothing of how they are distributed. Fewer than six can't have an interval of
// 95 %: theirs is all that was seen.
func estimateOf(samples []float64) estimate {
	n := len(samples)
	if n == 0 {
		return estimate{Median: math.NaN(), Low: math.NaN(), High: math.NaN()}
	}
	sorted := slices.Clone(samples)
	slices.Sort(sorted)
	outside := below(n)

	return estimate{Median: median(sorted), Low: sorted[outside], High: sorted[n-1-outside], Samples: n}
}

func median(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}

	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// below is how many of n samples lie outside the interval on each side: the
// median lies there too by chance in at most a fortieth of cases each, since as
// many samples or fewer are then on one side of it.
func below(n int) int {
	outside := 0
	cumulative := 0.0
	// binomial(n, i) / 2^n, by logarithms so that no n overflows
	for i := range n / 2 {
		whole, _ := math.Lgamma(float64(n + 1))
		chosen, _ := math.Lgamma(float64(i + 1))
		rest, _ := math.Lgamma(float64(n - i + 1))
		cumulative += math.Exp(whole - chosen - rest - float64(n)*math.Ln2)
		if cumulative > (1-confidence)/2 {
			break
		}
		outside = i
	}

	return outside
}
