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

// front is what a query meets before the engine that answers its kind: the decision
// cache, which is one for all kinds, the sharing of queries in flight, the breaker
// and the timeout.
type front struct {
	kind     QueryKind
	engine   any // for its optional interfaces
	check    func(context.Context, Batch) (Result, error)
	supports func(Mode) bool
	timeout  time.Duration
	validate func(Query) error
	cache    *decisionCache
	breaker  *breaker
	clock    func() time.Duration
	combiner *combiner
	seed     maphash.Seed
	observer Observer

	overdue overdue
	inline  inline
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

// board finds a seat for each wanted question that the engine can take: in a flight
// that is under way, or in one of the call's own, which is returned if there is any.
// Refused says that the caller has left too many. This is the place where questions
// become requests: what would put several calls' questions into one stands here.
func (f *front) board(ctx context.Context, caller uint64, e *evaluation, landed uint64, alone bool) (own *flight, refused bool) {
	wanted := f.wanted(e)
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
	// Early says that the decision may be made without a flight of the call's own.
	early := !alone
	for i := range e.questions {
		q := &e.questions[i]
		if !q.wanted || q.check.kind != f.kind {
			continue
		}
		shared := shares && q.check.cacheable
		if shared {
			if again {
				if effect, known := f.cache.get(e.buf[q.key.from:q.key.to], now); known {
					q.recalled(effect)
					early = true

					continue
				}
			}
			if q.seat = f.inFlight[flightKey{caller, q.text}]; q.seat != nil {
				if q.seat.flight != own {
					q.seat.flight.join()
					early = true
				}

				continue
			}
		} else if q.seat = own.find(q.text); q.seat != nil {
			continue
		}
		if own == nil {
			own = f.newFlight(ctx, e, caller, wanted)
		}
		q.seat = own.add(q, shared)
		if shared {
			f.inFlight[flightKey{caller, q.text}] = q.seat
		}
	}
	if own != nil {
		if early {
			own.dispensable()
		} else {
			own.inline = f.inline.take()
		}
	}

	return own, f.left[caller] >= maxLeft
}

// wanted counts the wanted questions that the engine can take. The others have their
// answers.
func (f *front) wanted(e *evaluation) (n int) {
	for i := range e.questions {
		q := &e.questions[i]
		if !q.wanted || q.check.kind != f.kind {
			continue
		}
		query := e.query(q)
		if f.validate != nil {
			if err := f.valid(query); err != nil {
				q.told(&Answer{Err: err})

				continue
			}
		}
		n++
	}

	return n
}
