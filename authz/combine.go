package authz

import (
	"slices"
	"sync"
	"time"
)

// Combiner is an optional interface of an [Engine] for which one request with many
// queries costs less than many requests with one. While two requests are under way,
// what other calls ask at the same moment is then asked in one batch; a call that is
// alone never waits. The batch is asked under a context without any call's values, and
// [Call.EngineContext] isn't applied to it: an engine whose answers, or whose client's
// credentials, depend on these must not implement it. An engine that wraps another is
// no Combiner unless it implements the interface itself.
//
// A batch that fails, or takes longer than a few times the usual, is asked again for
// each call alone, and the first answer counts. The caller about whose queries the
// engine is slow, or fails, is then kept apart for 10 to 20 s. Queries of rules that are
// fully consistent, of calls that are fresh, and those that read the time are never
// combined.
type Combiner interface {
	// CombinesQueries returns how many queries of different callers one batch may
	// hold. Fewer than two: none are combined. More than 64 count as 64. It is asked
	// once.
	CombinesQueries() int
}

const (
	// maxCombined bounds a combined batch, and so what one odd query may hold up.
	maxCombined = 64
	// maxJoining is how many queries one call may bring: more than that is a batch by
	// itself.
	maxJoining = 8
	// sentAtOnce is how many requests are under way before others wait for company. It
	// is more than one, so that a caller who is alone never waits.
	sentAtOnce = 2
	// maxWaiting bounds the batches that wait, one for each consistency.
	maxWaiting = 8
	// overdueCombined stands for the caller of the combined requests that run on after
	// their timeout.
	overdueCombined = ^uint64(0)
)

// combiner makes one request of what several flights ask at the same moment. A flight
// is sent at once unless as many requests are under way as may be; then it waits for
// company until one of them ends, but never for longer than a request usually takes.
// A nil combiner sends every flight at once.
type combiner struct {
	front *front
	limit int

	mu sync.Mutex
	// slots are the requests that hold others up.
	slots   [sentAtOnce]slot
	tickets uint64
	pace    pace
	waiting []*combined
	apart   apart
	// trust is in combining as such; without it, each flight is asked alone until alone.
	trust int
	alone time.Duration
}

// slot is a request under way, which counts no longer than until.
type slot struct {
	ticket uint64
	until  time.Duration
}

func newCombiner(front *front, config *Config) *combiner {
	engine, ok := config.Engine.(Combiner)
	if !ok || config.DisableCombining {
		return nil
	}
	limit := min(engine.CombinesQueries(), maxCombined)
	if limit < 2 {
		return nil
	}

	return &combiner{front: front, limit: limit, pace: pace{one: maxWait}, trust: maxTrust}
}

// send has the engine asked for a flight: by itself, or together with others.
func (c *combiner) send(f *flight) {
	if c == nil {
		f.start()

		return
	}
	now := c.front.clock()
	c.mu.Lock()
	f.ticket = c.take(now, 4*max(c.pace.one, maxWait))
	c.mu.Unlock()
	if f.ticket != 0 || !c.combinable(f) {
		f.start()

		return
	}
	f.detach()
	c.mu.Lock()
	ready, joined := c.join(f, now)
	c.mu.Unlock()
	if ready != nil {
		go ready.run()
	}
	if !joined {
		f.start()
	}
}

// take takes a free slot for so long. It returns no ticket if there is none. The lock
// is held.
func (c *combiner) take(now, long time.Duration) (ticket uint64) {
	for i := range c.slots {
		if s := &c.slots[i]; s.ticket == 0 || s.until <= now {
			c.tickets++
			*s = slot{c.tickets, now + long}

			return c.tickets
		}
	}

	return 0
}

// combinable reports whether a flight may be asked together with others: what isn't
// shared between the calls of one caller isn't combined with those of another, and an
// open breaker is each caller's own affair.
func (c *combiner) combinable(f *flight) bool {
	if f.consistency.Mode == ModeFullyConsistent || len(f.seats) > min(maxJoining, c.limit-1) {
		return false
	}
	for i := range f.seats {
		if !f.seats[i].shared {
			return false
		}
	}

	return c.front.breaker.passes(f.caller) && c.front.overdue.admits(overdueCombined)
}

// join gives a flight a place in the batch that waits. Ready is a batch that is full.
// The lock is held.
func (c *combiner) join(f *flight, now time.Duration) (ready *combined, joined bool) {
	if now < c.alone || c.apart.has(f.caller, now) {
		return nil, false
	}
	at := slices.IndexFunc(c.waiting, func(b *combined) bool { return b.consistency == f.consistency })
	if at >= 0 && len(c.waiting[at].queries)+len(f.queries) > c.limit {
		ready, at = c.leaves(at, now), -1
	}
	if at < 0 {
		if len(c.waiting) >= maxWaiting {
			return ready, false
		}
		b := &combined{
			combiner: c, consistency: f.consistency, begun: now,
			flights: make([]*flight, 0, 16), queries: make([]Query, 0, 16),
		}
		b.timer = time.AfterFunc(c.pace.wait(), b.waited)
		c.waiting = append(c.waiting, b)
		at = len(c.waiting) - 1
	}
	b := c.waiting[at]
	f.with, f.asked = b, now
	b.flights = append(b.flights, f)
	b.queries = append(b.queries, f.queries...)
	if ready == nil && len(b.queries) == c.limit {
		ready = c.leaves(at, now)
	}

	return ready, true
}

// leaves has a batch wait no longer. The lock is held.
func (c *combiner) leaves(at int, now time.Duration) *combined {
	b := c.waiting[at]
	c.waiting = slices.Delete(c.waiting, at, at+1)
	b.timer.Stop()
	b.patience = c.pace.patience(len(b.queries), c.front.timeout)
	b.ticket = c.take(now, b.patience)

	return b
}

// waited sends a batch that has waited long enough.
func (b *combined) waited() {
	c := b.combiner
	c.mu.Lock()
	at := slices.Index(c.waiting, b)
	if at >= 0 {
		c.leaves(at, c.front.clock())
	}
	c.mu.Unlock()
	if at >= 0 {
		b.run()
	}
}

// landed takes note that a flight's own request, sent at asked, has ended, before its
// answer is handed out.
func (c *combiner) landed(f *flight, asked time.Duration, err error) {
	if c == nil {
		return
	}
	// What is asked again after a batch comes in a crowd, and takes longer than usual.
	if err == nil && len(f.queries) <= maxJoining && (f.with == nil || len(f.with.flights) == 1) {
		took := c.front.clock() - asked
		c.mu.Lock()
		c.pace.asked(took)
		c.mu.Unlock()
	}
	c.ended(f.ticket)
}

// ended gives the slot of a request back, to the batch that waits longest.
func (c *combiner) ended(ticket uint64) {
	if ticket == 0 {
		return
	}
	var next *combined
	c.mu.Lock()
	for i := range c.slots {
		if c.slots[i].ticket == ticket {
			c.slots[i] = slot{}
			if len(c.waiting) > 0 {
				next = c.leaves(0, c.front.clock())
			}
		}
	}
	c.mu.Unlock()
	if next != nil {
		go next.run()
	}
}
