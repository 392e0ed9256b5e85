package authz

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// front is what stands before the engine: the decision cache, the sharing of queries
// in flight, the breaker and the timeout. It answers questions from the first of
// these that can.
type front struct {
	engine   Engine
	timeout  time.Duration
	validate func(Query) error
	cache    *decisionCache
	breaker  *breaker
	combiner *combiner
	base     time.Time
	seed     maphash.Seed
	observer Observer

	overdue overdue
	// landed counts the flights that have landed: while it stays the same, the cache
	// has nothing new.
	landed atomic.Uint64

	mu       sync.Mutex
	inFlight map[flightKey]*seat
	// left counts, for each caller, the requests under way whose call has ended.
	left map[uint64]int
}

// flightKey is a caller's query: callers don't wait for each other's requests,
// since one that they share a query of may be about a slow object too.
type flightKey struct {
	caller uint64
	query  string
}

// maxLeft bounds the requests under way for one caller's calls that have ended. They
// go on, since others may wait for them; but a call that ends at once costs the
// caller nothing, and no limit of streams counts it.
const maxLeft = 1000

var (
	errLeft    = errors.New("too many requests are under way for calls that the caller has left")
	errOverdue = errors.New("the engine doesn't end its requests at their timeout")
)

func newFront(config *Config) *front {
	f := &front{
		engine: config.Engine, timeout: config.Timeout, observer: config.Observer, base: time.Now(), seed: maphash.MakeSeed(),
		cache: newDecisionCache(config.Cache), inFlight: map[flightKey]*seat{}, left: map[uint64]int{},
	}
	f.breaker = newBreaker(config.Breaker, f.clock, &f.observer)
	if f.timeout == 0 {
		f.timeout = defaultTimeout
	}
	if validator, ok := config.Engine.(QueryValidator); ok {
		f.validate = validator.ValidateQuery
	}
	f.combiner = newCombiner(f, config)

	return f
}

func (f *front) supports(mode Mode) bool {
	if supporter, ok := f.engine.(ConsistencySupporter); ok {
		return supporter.SupportsConsistency(mode)
	}

	return mode == ModeMinimizeLatency
}

// clock is monotonic time since the front was made: it doesn't jump.
func (f *front) clock() time.Duration { return time.Since(f.base) }

// callerOf identifies who asks, for what is bounded for each caller, whatever the
// subject of its queries is: a rule's own subject may come from the request. A
// service and a user are two callers, even with one sub: a client that is registered
// with a user's name isn't the user.
func (f *front) callerOf(p Principal) uint64 {
	if p == nil {
		return 0
	}
	issuer, id, kind := p.Issuer(), p.Subject(), byte(0)
	if p.IsService() {
		kind = 1
	}
	if id == "" {
		id, kind = p.ClientID(), kind|2
	}
	var length [binary.MaxVarintLen64]byte
	var hash maphash.Hash
	hash.SetSeed(f.seed)
	_ = hash.WriteByte(kind)
	_, _ = hash.Write(binary.AppendUvarint(length[:0], uint64(len(issuer))))
	_, _ = hash.WriteString(issuer)
	_, _ = hash.WriteString(id)

	return hash.Sum64()
}

// shares reports whether a call's answers may be those of another: it doesn't go past
// the cache, and isn't fully consistent.
func (e *evaluation) shares() bool {
	return !e.call.Fresh && e.consistency.Mode != ModeFullyConsistent
}

// recall answers what the cache knows of the wanted questions. It reports whether
// that is anything.
func (f *front) recall(e *evaluation) (hit bool) {
	if f.cache == nil || !e.shares() {
		return false
	}
	now := f.clock()
	for i := range e.questions {
		q := &e.questions[i]
		if !q.wanted || !q.check.cacheable {
			continue
		}
		if effect, known := f.cache.get(e.buf[q.key.from:q.key.to], now); known {
			q.recalled(effect)
			hit = true
		}
	}

	return hit
}

// ask answers the wanted questions: from what is in flight for the caller already,
// and the rest from the engine, in one flight. Landed is the count of flights that had
// landed before the cache was asked. The error is the context's.
func (f *front) ask(ctx context.Context, e *evaluation, landed uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	caller := f.callerOf(e.call.Principal)
	own, refused := f.board(ctx, caller, e, landed)
	switch {
	case own == nil:
	case refused:
		own.land(nil, &EngineError{Kind: EngineUnavailable, RetryAfter: retryNow, Err: errLeft})
	case !f.overdue.admits(caller):
		own.land(nil, &EngineError{Kind: EngineUnavailable, Err: errOverdue})
	default:
		f.combiner.send(own)
	}
	if err := e.await(ctx); err != nil {
		own.leave()

		return err
	}

	return nil
}

// await takes the answers of the questions that have a seat. The error is the
// context's.
func (e *evaluation) await(ctx context.Context) error {
	var landed *flight
	for i := range e.questions {
		q := &e.questions[i]
		if q.seat == nil {
			continue
		}
		if q.seat.flight != landed {
			select {
			case <-q.seat.flight.done:
				landed = q.seat.flight
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if q.seat.answer.Err != nil {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		q.told(&q.seat.answer)
	}

	return nil
}

// board finds a seat for each wanted question that the engine can take: in a flight
// that is under way, or in one of the call's own, which is returned if there is any.
// Refused says that the caller has left too many.
func (f *front) board(ctx context.Context, caller uint64, e *evaluation, landed uint64) (own *flight, refused bool) {
	wanted := 0
	for i := range e.questions {
		q := &e.questions[i]
		if !q.wanted {
			continue
		}
		query := e.query(q)
		if f.validate != nil {
			if err := f.valid(query); err != nil {
				q.told(&Answer{Err: err})

				continue
			}
		}
		wanted++
	}
	if wanted == 0 {
		return nil, false
	}
	shares := e.shares()
	f.mu.Lock()
	defer f.mu.Unlock()
	// A flight that has landed since the cache was asked may have brought the answer,
	// and isn't in flight any more.
	again := f.cache != nil && f.landed.Load() != landed
	var now time.Duration
	if again {
		now = f.clock()
	}
	for i := range e.questions {
		q := &e.questions[i]
		if !q.wanted {
			continue
		}
		shared := shares && q.check.cacheable
		if shared {
			if again {
				if effect, known := f.cache.get(e.buf[q.key.from:q.key.to], now); known {
					q.recalled(effect)

					continue
				}
			}
			if q.seat = f.inFlight[flightKey{caller, q.text}]; q.seat != nil {
				continue
			}
		} else if q.seat = own.find(q.text); q.seat != nil {
			continue
		}
		if own == nil {
			own = newFlight(ctx, e, caller, wanted)
		}
		q.seat = own.add(q, shared)
		if shared {
			f.inFlight[flightKey{caller, q.text}] = q.seat
		}
	}

	return own, f.left[caller] >= maxLeft
}
