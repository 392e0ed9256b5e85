package authz

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"sync"
	"time"
)

const (
	// defaultFailures is more than a hiccup, fewer than what an outage brings in a
	// second.
	defaultFailures = 5
	// maxFailures bounds what is remembered of one caller's failures, and the work of
	// comparing them.
	maxFailures = 16
	// defaultWindow is long enough for a few requests of a quiet service, short
	// enough that an outage outweighs the good answers before it within seconds.
	defaultWindow = 5 * time.Second
	// defaultOpenFor is how long an engine that is down is left alone between two
	// requests: calls pass again within 3 s of its first answer, though one of
	// these requests is wasted on an object that it can't answer for.
	defaultOpenFor = time.Second
	// retryNow is the shortest wait that a caller is told.
	retryNow = 100 * time.Millisecond
	// maxShut bounds the callers that are kept from the engine at once.
	maxShut = 256
)

var (
	errOpen     = errors.New("the circuit breaker is open")
	errOpenToMe = errors.New("the circuit breaker is open for this caller")
)

// breaker stops asking an engine that is unavailable. It has one circuit for
// all callers, which only an outage can open, and one for each caller whose own
// requests get no answers; see [BreakerConfig].
type breaker struct {
	openFor time.Duration
	clock   func() time.Duration
	changed func(open bool)
	seed    maphash.Seed

	mu     sync.Mutex
	window window
	all    circuit
	own    map[uint64]*circuit
	// told is what changed was last told, telling that it is being told.
	told, telling bool
}

// circuit is a state that requests are let through in, or not.
type circuit struct {
	open bool
	// since is when it last opened or closed. What began before says nothing about
	// what is now.
	since time.Duration
	// next is when a request may try while it is open, probe who did so last.
	next  time.Duration
	probe uint64
}

// attempt is one request that the breaker let through.
type attempt struct {
	caller uint64
	begun  time.Duration
	// all and own say that it tries whether the circuit can be closed.
	all, own bool
}

// outcome is what an attempt says about the engine.
type outcome uint8

const (
	// outcomeNone is no evidence: the caller has left, or every query was refused
	// before it was sent.
	outcomeNone outcome = iota
	outcomeAnswered
	outcomeFailed
)

// newBreaker returns nil, the breaker that never opens, where it is disabled.
func newBreaker(config BreakerConfig, clock func() time.Duration, observer *Observer) *breaker {
	if config.Disabled {
		return nil
	}
	b := &breaker{
		openFor: config.OpenFor, clock: clock, changed: observer.BreakerChanged, seed: maphash.MakeSeed(),
		window: window{length: config.Window, failures: int(config.Failures)}, own: map[uint64]*circuit{},
	}
	if b.openFor == 0 {
		b.openFor = defaultOpenFor
	}
	if b.window.length == 0 {
		b.window.length = defaultWindow
	}
	if b.window.failures == 0 {
		b.window.failures = defaultFailures
	}

	return b
}

// admit lets a request begin, or refuses it with the time until one may try.
func (b *breaker) admit(caller uint64, batch *Batch, now time.Duration) (attempt, error) {
	tried := attempt{caller: caller, begun: now}
	if b == nil {
		return tried, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	own := b.own[caller]
	tried.all, tried.own = b.all.open, own != nil && own.open
	var object uint64
	if tried.all {
		if wait := b.all.wait(caller, now, b.openFor); wait > 0 {
			return tried, &EngineError{Kind: EngineUnavailable, RetryAfter: max(wait, retryNow), Err: errOpen}
		}
	}
	if tried.own {
		object = maphash.Comparable(b.seed, batch.Queries[0].Object)
		if wait := own.wait(object, now, b.openFor); wait > 0 {
			return tried, &EngineError{Kind: EngineUnavailable, RetryAfter: max(wait, retryNow), Err: errOpenToMe}
		}
		own.next, own.probe = now+b.openFor, object
	}
	if tried.all {
		b.all.next, b.all.probe = now+b.openFor, caller
	}

	return tried, nil
}

// passes reports whether a caller's requests pass as if there were no breaker.
func (b *breaker) passes(caller uint64) bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	own := b.own[caller]

	return !b.all.open && (own == nil || !own.open)
}

// wait is the time until a request may try. The voter that tried last, a caller or
// an object, leaves the next turn to another: one for which there is never an
// answer must not keep the circuit open.
func (c *circuit) wait(voter uint64, now, openFor time.Duration) time.Duration {
	next := c.next
	if voter == c.probe {
		next += openFor
	}

	return next - now
}

// yield gives back the turn of an attempt that brought no evidence.
func (c *circuit) yield(begun, openFor time.Duration) {
	if c.next == begun+openFor {
		c.next, c.probe = begun, 0
	}
}

// done says what became of an attempt.
func (b *breaker) done(tried attempt, batch *Batch, result outcome) {
	if b == nil {
		return
	}
	b.record(tried, batch, result, b.clock())
	b.tell()
}

func (b *breaker) record(tried attempt, batch *Batch, result outcome, now time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	own := b.own[tried.caller]
	switch {
	case result == outcomeNone:
		if tried.all {
			b.all.yield(tried.begun, b.openFor)
		}
		if tried.own && own != nil {
			own.yield(tried.begun, b.openFor)
		}

		return
	case tried.begun < b.all.since, own != nil && tried.begun < own.since:
		return
	}
	if result == outcomeAnswered {
		if b.all.open {
			// What came before the engine's answer counts no longer.
			b.all = circuit{since: now}
			b.window.reset()
			clear(b.own)
		} else if tried.own && own != nil {
			*own = circuit{since: now}
			b.window.forget(tried.caller)
		}
		b.window.answered(tried.caller, now)

		return
	}
	b.window.failed(tried.caller, b.objects(batch), now)
	if (own == nil || !own.open) && b.window.callerFails(tried.caller) {
		b.shut(tried.caller, now)
	}
	if !b.all.open && b.window.allFail() {
		b.all = circuit{open: true, since: now, next: now + b.openFor}
	}
}

// shut opens the circuit of one caller, if there is place for one more.
func (b *breaker) shut(caller uint64, now time.Duration) {
	if len(b.own) >= maxShut {
		for other, c := range b.own {
			if now-max(c.since, c.next) >= b.window.length {
				delete(b.own, other)
			}
		}
		if len(b.own) >= maxShut {
			return
		}
	}
	b.own[caller] = &circuit{open: true, since: now, next: now + b.openFor}
}

// objects identifies what a batch is about, sorted; nil if that is too much to
// remember.
func (b *breaker) objects(batch *Batch) []uint64 {
	if len(batch.Queries) > maxObjectsKept {
		return nil
	}
	objects := make([]uint64, len(batch.Queries))
	for i := range batch.Queries {
		objects[i] = maphash.Comparable(b.seed, batch.Queries[i].Object)
	}
	slices.Sort(objects)

	return objects
}

// tell tells of changes, one at a time, in their order and without the lock: the
// observer may use the breaker, and learns the newest state in the end.
func (b *breaker) tell() {
	if b.changed == nil {
		return
	}
	for b.tellOnce() {
	}
}

func (b *breaker) tellOnce() (told bool) {
	b.mu.Lock()
	if b.telling || b.told == b.all.open {
		b.mu.Unlock()

		return false
	}
	b.telling, b.told = true, b.all.open
	open := b.told
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.telling = false
		b.mu.Unlock()
	}()
	b.changed(open)

	return true
}

// outcomeOf judges a request. Only an engine that is unavailable is a failure:
// nothing that a caller writes into a request is one.
func outcomeOf(result *Result, err error) outcome {
	if err != nil {
		if errors.Is(err, context.Canceled) {
			// A caller that left says nothing about the engine.
			return outcomeNone
		}
		switch asEngineError(err).Kind {
		case EngineUnavailable:
			return outcomeFailed
		case EngineBadRevision, EngineBadRequest, EngineBadSubject:
			// A client may refuse before it sends anything what the caller wrote,
			// who must not pass that off as an answer while there are none.
			return outcomeNone
		case EngineRefused, EngineMisconfigured:
			return outcomeAnswered
		default:
			return outcomeAnswered
		}
	}
	for i := range result.Answers {
		if result.Answers[i].Err == nil {
			return outcomeAnswered
		}
	}

	return outcomeNone
}
