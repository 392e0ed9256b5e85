package wire

import (
	"math"
	"testing"
)

// triplet measures a side between the two that have no interceptor, whose order
// changes from turn to turn: what drifts meets both alike.
type triplet struct {
	base, subject, control *side
	made                   [][3]window // base, subject, control
}

func newTriplet(tb testing.TB, networkName, subject string, l load) *triplet {
	tb.Helper()
	n, token := open(tb, networkName)

	return &triplet{
		base:    newSideConn(tb, n, sideBase, token, l),
		subject: newSideConn(tb, n, subject, token, l),
		control: newSideConn(tb, n, sideControl, token, l),
	}
}

// order counts the triplets of this process, so that -count 20 changes the order
// as 20 iterations do.
var order int

func (t *triplet) measure(tb testing.TB) {
	tb.Helper()
	var m [3]window
	if order++; order%2 == 0 {
		m[0], m[1], m[2] = t.base.measure(tb), t.subject.measure(tb), t.control.measure(tb)
	} else {
		m[2], m[1], m[0] = t.control.measure(tb), t.subject.measure(tb), t.base.measure(tb)
	}
	t.made = append(t.made, m)
}

// report reports the means over the triplets: geometric for ratios.
func (t *triplet) report(b *testing.B) {
	b.Helper()
	rate := func(w window) float64 { return w.rate }
	cpu := func(w window) float64 { return w.cpu }
	b.ReportMetric(t.mean(ratioOf(rate)), "throughput-ratio")
	b.ReportMetric(t.mean(controlOf(rate)), "throughput-control")
	b.ReportMetric(t.mean(ratioOf(cpu)), "cpu-ratio")
	b.ReportMetric(t.mean(controlOf(cpu)), "cpu-control")
	b.ReportMetric(t.mean(func(m [3]window) float64 { return m[1].rate }), "rate/s")
	b.ReportMetric(t.mean(func(m [3]window) float64 { return (m[0].cpu + m[2].cpu) / 2 }), "base-cpu-ns")
	over := 0.0
	for _, m := range t.made {
		over += m[1].mallocs - (m[0].mallocs+m[2].mallocs)/2
	}
	b.ReportMetric(over/float64(len(t.made)), "allocs-over")
	b.ReportMetric(0, "ns/op") // an iteration is three windows, which says nothing
}

func ratioOf(of func(window) float64) func([3]window) float64 {
	return func(m [3]window) float64 { return of(m[1]) / math.Sqrt(of(m[0])*of(m[2])) }
}

func controlOf(of func(window) float64) func([3]window) float64 {
	return func(m [3]window) float64 { return of(m[2]) / of(m[0]) }
}

// mean is the geometric one.
func (t *triplet) mean(of func([3]window) float64) float64 {
	sum := 0.0
	for _, m := range t.made {
		sum += math.Log(of(m))
	}

	return math.Exp(sum / float64(len(t.made)))
}

func run(b *testing.B, networkName, subject string, l load) {
	b.Helper()
	t := newTriplet(b, networkName, subject, l)
	for b.Loop() {
		t.measure(b)
	}
	t.report(b)
}
