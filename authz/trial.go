package authz

import (
	"maps"
	"math"
	"slices"
	"sync/atomic"
	"time"
)

const (
	// trialTimes is after how many times the patience a trial ends: what has no answer
	// alone by then is slow.
	trialTimes = 4
	// outlierTimes is how many times longer than the quickest quarter an answer takes
	// that stands out. They are asked for in a crowd, and the last takes longer than
	// the first. It is no more than twice trialTimes.
	outlierTimes = 2 * trialTimes
	// maxTrust is spent by five batches that nothing explains, one after the other.
	maxTrust = 5 * doubtCosts
	// doubtCosts is how many batches in time make up for one: no more than one in
	// twenty may be late.
	doubtCosts = 20
	// doubtFor is how long nothing is combined without trust.
	doubtFor = apartFor
	// never is how long it takes to fail.
	never = time.Duration(math.MaxInt64)
)

// trial finds out why a combined batch was late or failed, from what its flights take
// alone. All its callers are kept apart while it lasts, and afterwards those about
// whose queries the engine is slow, or fails, while it answers the others: so one
// caller costs the others one such delay in [apartFor]. If the engine was as slow with
// most of them, combining wasn't at fault. If it was slow with none, trust in combining
// is lost, and without trust nothing is combined for a while.
type trial struct {
	// since is when the flights were asked alone, zero if they weren't.
	since atomic.Int64
	// late is set if the batch was late, and not if it failed.
	late bool
	// turn is when the callers were set apart.
	turn   uint64
	judged atomic.Bool
}

// accuse keeps the callers of a batch apart until it is judged.
func (b *combined) accuse(late bool) {
	c := b.combiner
	now := c.front.clock()
	c.mu.Lock()
	b.trial.late, b.trial.turn = late, c.apart.turn(now)
	for _, f := range b.flights {
		c.apart.add(f.caller, now)
	}
	c.mu.Unlock()
	b.trial.since.Store(max(1, int64(now)))
	time.AfterFunc(trialTimes*b.patience, b.judge)
}

// testify notes how long a flight took that is asked alone.
func (b *combined) testify(f *flight, failed bool) {
	since := time.Duration(b.trial.since.Load())
	switch {
	case since == 0:
	case failed:
		f.alone.Store(int64(never))
	default:
		f.alone.Store(int64(max(1, b.combiner.front.clock()-since)))
	}
}

// judge ends the trial of a batch, if there is one: when every flight has an answer, or
// has had enough time.
func (b *combined) judge() {
	if b.trial.since.Load() == 0 || b.trial.judged.Swap(true) {
		return
	}
	// A caller with many flights has one voice.
	quickest, slowest := map[uint64]time.Duration{}, map[uint64]time.Duration{}
	for _, f := range b.flights {
		took := time.Duration(f.alone.Load())
		if took == 0 && !f.landing.Load() {
			took = never
		}
		if quick, known := quickest[f.caller]; !known || took < quick {
			quickest[f.caller] = took
		}
		slowest[f.caller] = max(slowest[f.caller], took)
	}
	times := slices.Sorted(maps.Values(quickest))
	quarter := times[len(times)/4]
	c := b.combiner
	c.mu.Lock()
	defer c.mu.Unlock()
	var guilty func(caller uint64) bool
	if slow := b.patience / 2; quarter >= slow {
		// The engine was slow, or down. A caller that was answered well all the same
		// stays apart, so that it isn't delayed again.
		guilty = func(caller uint64) bool { return quickest[caller] < slow }
		if b.trial.late && len(times) > 1 {
			c.pace.slower()
		}
	} else {
		stands := max(b.patience, outlierTimes*quarter)
		guilty = func(caller uint64) bool { return len(times) > 1 && slowest[caller] >= stands }
		if !slices.ContainsFunc(b.flights, func(f *flight) bool { return guilty(f.caller) }) {
			c.doubt()
		}
	}
	for _, f := range b.flights {
		if !guilty(f.caller) {
			c.apart.remove(f.caller, b.trial.turn)
		}
	}
}

// doubt loses some of the trust that a batch is no slower than what it holds. The lock
// is held.
func (c *combiner) doubt() {
	if c.trust -= doubtCosts; c.trust <= 0 {
		c.trust, c.alone = maxTrust, c.front.clock()+doubtFor
	}
}

// inTime learns from a batch that was answered in time.
func (c *combiner) inTime(queries int, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pace.combined(queries, took)
	c.trust = min(c.trust+1, maxTrust)
}
