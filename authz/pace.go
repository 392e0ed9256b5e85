package authz

import "time"

const (
	// maxWait bounds the wait for company; an engine that answers sooner bounds it more.
	maxWait = time.Millisecond
	// minPatience is how long a combined batch may take however fast the engine is: no
	// shorter than a pause of this process or of the engine's.
	minPatience = 10 * time.Millisecond
	// maxPatience bounds it however slow the engine is, or is made to look by those
	// who ask it about slow objects.
	maxPatience = 250 * time.Millisecond
	// patienceTimes is how many times the usual a request may take.
	patienceTimes = 8
	// eachTimes is the same for what each query adds to a batch: it is little, and a
	// batch of slow objects mustn't raise it far.
	eachTimes = 4
)

// pace is how long the engine's requests usually take.
type pace struct {
	// one is about the median time of a request that isn't combined.
	one time.Duration
	// each is about the median of what a query adds to a batch. An engine for which it
	// is more than half of one gains nothing from batches.
	each time.Duration
}

// toward moves a median by an eighth: one request that takes long moves it no more
// than one that doesn't.
func toward(median, took time.Duration) time.Duration {
	if took > median {
		return median + median/8 + time.Microsecond
	}

	return median - median/8
}

// asked learns from a request that wasn't combined.
func (p *pace) asked(took time.Duration) { p.one = min(toward(p.one, took), maxPatience/patienceTimes) }

// combined learns from a batch of n queries that was answered in time.
func (p *pace) combined(n int, took time.Duration) {
	if took < p.one {
		p.one = toward(p.one, took)
	}
	p.each = min(toward(p.each, max(0, took-p.one)/time.Duration(n)), p.one/2)
}

// slower learns that a batch was late, and single requests after it as well.
func (p *pace) slower() { p.one = min(2*p.one, maxPatience/patienceTimes) }

// wait is how long a flight waits for company at most.
func (p *pace) wait() time.Duration { return min(p.one, maxWait) }

// patience is how long a batch of n queries may take before they are asked again.
func (p *pace) patience(n int, timeout time.Duration) time.Duration {
	expected := patienceTimes*p.one + eachTimes*time.Duration(n)*p.each

	return min(max(expected, minPatience), maxPatience, timeout/4)
}
