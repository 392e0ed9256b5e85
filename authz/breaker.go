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
	// defaultFailures is more than a passing fault causes, and less than an outage
	// causes in a second.
	defaultFailures = 5
	// maxFailures bounds what is remembered of one caller's failures, and the work
	// of comparing them.
	maxFailures = 16
	// defaultWindow is long enough for a few requests of a quiet service, and short
	// enough that an outage outweighs the good answers before it within seconds.
	defaultWindow = 5 * time.Second
	// defaultOpenFor is the time between two requests to an engine that is down.
	// Calls pass again within 3 s of its first answer, even if one of these
	// requests is wasted on an object that the engine can't answer for.
	defaultOpenFor = time.Second
	// retryNow is the shortest RetryAfter that a caller is given.
	retryNow = 100 * time.Millisecond
	// maxShut bounds the callers that have an open circuit of their own.
	maxShut = 256
)

var (
	errOpen     = errors.New("the circuit breaker is open")
	errOpenToMe = errors.New("the circuit breaker is open for this caller")
)

// breaker stops requests to an engine that is unavailable. It has one circuit for
// all callers, which only an outage can open, and one for each caller whose own
// requests get no answers; see [BreakerConfig].
type breaker struct {
	openFor time.Duration
	clock   func() time.Duration
	changed func(BreakerChanged)
	kind    QueryKind
	seed    maphash.Seed

	mu     sync.Mutex
	window window
	all    circuit
	own    map[uint64]*circuit
	// told is the state that changed was last told; telling is set while changed
	// runs.
	told, telling bool
}

// circuit is one circuit of a breaker. Closed, it lets every request through; open,
// it lets one at a time try whether it can close.
type circuit struct {
	open bool
	// since is when the circuit last opened or closed. Requests that began earlier
	// are no evidence of the present state.
	since time.Duration
	// next is when a request may try while the circuit is open. probe identifies
	// the voter that tried last: a caller or an object.
	next  time.Duration
	probe uint64
}

// attempt is one request that the breaker let through.
type attempt struct {
	caller uint64
	begun  time.Duration
	// all and own are set if the request tries whether the circuit can close.
	all, own bool
}

// outcome is the evidence that an attempt gives about the engine.
type outcome uint8

const (
	// outcomeNone is no evidence: the caller has left, or every query was refused
	// before it was sent.
	outcomeNone outcome = iota
	outcomeAnswered
	outcomeFailed
)

// newBreaker returns nil, which is a breaker that never opens, if config disables
// it.
func newBreaker(config BreakerConfig, kind QueryKind, clock func() time.Duration, observer *Observer) *breaker {
	if config.Disabled {
		return nil
	}
	b := &breaker{
		openFor: config.OpenFor, clock: clock, changed: observer.BreakerChanged, kind: kind, seed: maphash.MakeSeed(),
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

// wait returns the time until a request may try. The voter that tried last, a
// caller or an object, waits longer, so that another tries next: one that never
// gets an answer must not keep the circuit open.
func (c *circuit) wait(voter uint64, now, openFor time.Duration) time.Duration {
	next := c.next
	if voter == c.probe {
		next += openFor
	}

	return next - now
}

// yield gives back the turn of an attempt that brought no evidence. Others may try at
// once, and the voter after as long as it had the turn: one that always leaves before
// there is an answer must not keep the turn from them.
func (c *circuit) yield(begun, now, openFor time.Duration) {
	if c.next == begun+openFor {
		c.next = now + min(now-begun, openFor) - openFor
	}
}

// done records the result of an attempt and reports a change of state.
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
			b.all.yield(tried.begun, now, b.openFor)
		}
		if tried.own && own != nil {
			own.yield(tried.begun, now, b.openFor)
		}

		return
	case tried.begun < b.all.since, own != nil && tried.begun < own.since:
		return
	}
	if result == outcomeAnswered {
		if b.all.open {
			// The failures before this answer no longer count.
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

// shut opens the circuit of one caller, unless maxShut callers have an open one.
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

// objects returns the sorted hashes of the objects of a batch, or nil if there are
// too many to remember.
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

// tell calls changed if the state has changed: one call at a time, in order, and
// without the lock, so that the observer may use the breaker. The last call has the
// newest state.
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
	b.changed(BreakerChanged{Kind: b.kind, Open: open})

	return true
}

// outcomeOf judges a request. Only an unavailable engine is a failure; nothing that
// a caller writes into a request can cause one.
func outcomeOf(result *Result, err error) outcome {
	if err != nil {
		if errors.Is(err, context.Canceled) {
			// The caller has left, which is no evidence about the engine.
			return outcomeNone
		}
		switch asEngineError(err).Kind {
		case EngineUnavailable:
			return outcomeFailed
		case EngineBadRevision, EngineBadRequest, EngineBadSubject:
			// An engine's client may refuse what the caller wrote before sending
			// anything. A caller must not be able to pass that off as an answer
			// during an outage.
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
