package authz

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// combined is one request to the engine for several flights. One that fails, or takes
// too long, is asked again for each flight alone, and its callers are kept apart for
// a while: so a caller pays for another's query with one such delay at most.
type combined struct {
	combiner    *combiner
	consistency Consistency
	flights     []*flight
	queries     []Query
	// begun is when the first flight joined, timer what ends its wait.
	begun  time.Duration
	timer  *time.Timer
	ticket uint64
	// patience is how long the request may take before each flight is asked alone.
	patience time.Duration

	// cancel ends the request. It is set before any of the flights can land.
	cancel context.CancelFunc
	// open counts the flights that haven't landed.
	open atomic.Int64
	// apart is set once each flight is asked alone, or needs it no more.
	apart atomic.Bool
	// since is when the flights were asked alone, zero if they weren't. Late is set if
	// the request was late, not failed; turn is when the callers were set apart.
	since atomic.Int64
	late  bool
	turn  uint64

	mu sync.Mutex
	// answered is set once every flight has landed with the answers of this request.
	answered bool
	// alone ends the requests of the flights that are asked alone.
	alone []context.CancelFunc
}

// run asks the engine on a context that has nothing of any call's, and hands out the
// answers. A flight that found no company is asked as if it hadn't waited.
func (b *combined) run() {
	if len(b.flights) == 1 {
		b.apart.Store(true)
		b.flights[0].ticket = b.ticket
		b.flights[0].run()

		return
	}
	growStack(0)
	front := b.combiner.front
	ctx, cancel := context.WithTimeout(context.Background(), front.timeout)
	defer cancel()
	b.cancel = cancel
	b.open.Store(int64(len(b.flights)))
	// However this ends, each flight is asked for.
	defer func() {
		_ = recover()
		b.separate(false)
	}()
	late := time.AfterFunc(b.patience, func() { b.separate(true) })
	stop := context.AfterFunc(ctx, func() { front.overdue.add(overdueCombined, 1) })
	asked := front.clock()
	var result Result
	err := errGone
	defer func() {
		late.Stop()
		if !stop() {
			front.overdue.add(overdueCombined, -1)
		}
		if err == nil && !b.apart.Load() {
			c := b.combiner
			took := front.clock() - asked
			c.mu.Lock()
			c.pace.combined(len(b.queries), took)
			c.mu.Unlock()
		}
		b.combiner.ended(b.ticket)
		if err == nil {
			b.land(asked, result.Answers)
		}
	}()
	defer func() {
		if front.observer.Asked != nil {
			front.observer.Asked(ctx, EngineAsked{Queries: len(b.queries), Combined: len(b.flights), Duration: front.clock() - asked, Err: err})
		}
	}()
	result, err = front.check(ctx, Batch{Queries: b.queries, Consistency: b.consistency})
}

// land hands out the answers. What they say about the engine counts for each caller,
// as if it had been asked for that one alone.
func (b *combined) land(asked time.Duration, answers []Answer) {
	breaker := b.combiner.front.breaker
	for _, f := range b.flights {
		own := answers[:len(f.queries):len(f.queries)]
		answers = answers[len(f.queries):]
		if breaker != nil && !f.landing.Load() {
			batch, result := Batch{Queries: f.queries, Consistency: f.consistency}, Result{Answers: own}
			breaker.record(attempt{caller: f.caller, begun: asked}, &batch, outcomeOf(&result, allUnavailable(own)), breaker.clock())
		}
		f.land(own, nil)
	}
	b.apart.Store(true)
	b.mu.Lock()
	b.answered = true
	alone := b.alone
	b.mu.Unlock()
	for _, cancel := range alone {
		cancel()
	}
	if breaker != nil {
		breaker.tell()
	}
}

// separate asks each flight alone that has no answer yet. The first answer counts.
func (b *combined) separate(late bool) {
	if b.apart.Swap(true) {
		return
	}
	c := b.combiner
	now := c.front.clock()
	c.mu.Lock()
	b.turn = c.apart.turn(now)
	for _, f := range b.flights {
		c.apart.add(f.caller, now)
	}
	c.mu.Unlock()
	b.late = late
	b.since.Store(max(1, int64(now)))
	for _, f := range b.flights {
		if !f.landing.Load() {
			go f.run()
		}
	}
}

// asksAlone reports whether a flight is to be asked alone still, by a request that
// cancel ends.
func (b *combined) asksAlone(cancel context.CancelFunc) bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.answered {
		b.alone = append(b.alone, cancel)
	}

	return !b.answered
}

// lasted returns the part of a flight's timeout that it has been in the batch for.
func (b *combined) lasted() time.Duration {
	if b == nil {
		return 0
	}

	return b.combiner.front.clock() - b.begun
}

// landed takes note that a flight has an answer, or failed. The last one ends the
// request.
func (b *combined) landed(f *flight, failed bool) {
	if b == nil {
		return
	}
	if since := time.Duration(b.since.Load()); since != 0 {
		f.noBetter = failed || b.combiner.front.clock()-since >= b.patience/2
	}
	if b.open.Add(-1) == 0 {
		b.cancel()
		b.acquit()
	}
}

// acquit ends the keeping apart of callers whom it gains nothing: the engine was as
// slow, or failed, when they were asked for alone, and so it was for three quarters of
// the callers, so that it isn't their own objects that it is slow about. A caller who
// was answered well alone stays apart: it isn't delayed again.
func (b *combined) acquit() {
	if b.since.Load() == 0 {
		return
	}
	votes, noBetter := map[uint64]bool{}, 0
	for _, f := range b.flights {
		same, voted := votes[f.caller]
		votes[f.caller] = f.noBetter && (same || !voted)
	}
	for _, same := range votes {
		if same {
			noBetter++
		}
	}
	if len(votes) < 2 || 4*noBetter < 3*len(votes) {
		return
	}
	c := b.combiner
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.late {
		c.pace.slower()
	}
	for _, f := range b.flights {
		if votes[f.caller] {
			c.apart.remove(f.caller, b.turn)
		}
	}
}
