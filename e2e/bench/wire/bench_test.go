package wire

import (
	"fmt"
	"math"
	"testing"
)

var networks = []string{"tcp", "tcp+tls", "memory"}

// BenchmarkCall is goals 1 and 2: a warm call that is authenticated and
// authorized, against the same call without an interceptor.
func BenchmarkCall(b *testing.B) {
	for _, n := range networks {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("net=%s/callers=%d", n, callers), func(b *testing.B) { run(b, n, sideUsher, unary(callers)) })
		}
	}
}

// BenchmarkPeer is the same for others, which authorize nothing.
func BenchmarkPeer(b *testing.B) {
	for _, peer := range []string{sideJWX, sideGolangJWT} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/net=tcp/callers=%d", peer, callers), func(b *testing.B) { run(b, "tcp", peer, unary(callers)) })
		}
	}
}

// BenchmarkStream is goal 8: one long stream of messages.
func BenchmarkStream(b *testing.B) {
	b.Run("check=first", func(b *testing.B) { run(b, "tcp", sideFirst, messages) })
	b.Run("check=each", func(b *testing.B) { run(b, "tcp", sideUsher, messages) })
}

// made counts the triplets of this process, so that -count 20 changes their order
// as 20 iterations do.
var made int

// run measures a side between the two that have no interceptor, whose order
// changes from triplet to triplet: what drifts meets both alike. It reports the
// means over the triplets.
func run(b *testing.B, networkName, name string, l load) {
	b.Helper()
	n, token := open(b, networkName)
	side, base, control := newSideConn(b, n, name, token, l), newSideConn(b, n, sideBase, token, l), newSideConn(b, n, sideControl, token, l)
	sums := map[string]float64{}
	for b.Loop() {
		var first, guarded, last window
		if made++; made%2 == 0 {
			first, guarded, last = base.measure(b), side.measure(b), control.measure(b)
		} else {
			last, guarded, first = control.measure(b), side.measure(b), base.measure(b)
		}
		sums["throughput-ratio"] += guarded.rate / math.Sqrt(first.rate*last.rate)
		sums["throughput-control"] += last.rate / first.rate
		sums["cpu-ratio"] += guarded.cpu / math.Sqrt(first.cpu*last.cpu)
		sums["cpu-control"] += last.cpu / first.cpu
		sums["allocs-over"] += guarded.mallocs - (first.mallocs+last.mallocs)/2
	}
	for unit, sum := range sums {
		b.ReportMetric(sum/float64(b.N), unit)
	}
	b.ReportMetric(0, "ns/op") // an iteration is three windows, so its time means nothing
}
