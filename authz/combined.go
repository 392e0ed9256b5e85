package authz

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// maxPauses is how often a pause of this process prolongs the patience with a batch.
const maxPauses = 3

// combined is one request to the engine for several flights. One that fails, or takes
// too long, is asked again for each flight alone; see [trial] for what that shows.
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
	// trial is what follows if each flight is asked alone.
	trial trial

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
	stop := context.AfterFunc(ctx, func() { front.overdue.add(overdueCombined, 1) })
	asked := front.clock()
	late := time.AfterFunc(b.patience, func() { b.overran(asked+b.patience, maxPauses) })
	var result Result
	err := errGone
	defer func() {
		late.Stop()
		if !stop() {
			front.overdue.add(overdueCombined, -1)
		}
		if err == nil && !b.apart.Load() {
			b.combiner.inTime(len(b.queries), front.clock()-asked)
		}
		b.combiner.ended(b.ticket)
		if err == nil {
			b.land(asked, result.Answers)
		}
	}()
	defer func() {
		if front.observer.Asked != nil {
			front.observer.Asked(ctx, EngineAsked{Kind: front.kind, Queries: len(b.queries), Combined: len(b.flights), Duration: front.clock() - asked, Err: err})
		}
	}()
	result, err = front.contained(ctx, nil, Batch{Queries: b.queries, Consistency: b.consistency})
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

// overran asks each flight alone when the patience has ended, at due. If that is told
// late, this process has paused, and perhaps only the answer is still to be read: the
// request has the patience again, so often.
func (b *combined) overran(due time.Duration, pauses int) {
	now := b.combiner.front.clock()
	if pauses > 0 && now-due > b.patience/10 && !b.apart.Load() {
		time.AfterFunc(b.patience, func() { b.overran(now+b.patience, pauses-1) })

		return
	}
	b.separate(true)
}

// separate asks each flight alone that has no answer yet. The first answer counts.
func (b *combined) separate(late bool) {
	if b.apart.Swap(true) {
		return
	}
	b.accuse(late)
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
	b.testify(f, failed)
	if b.open.Add(-1) == 0 {
		b.cancel()
		b.judge()
	}
}
