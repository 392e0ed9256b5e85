package authz

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/usher-auth/usher/authz/internal/caller"
)

var (
	errPanicked = errors.New("the engine or an observer panicked")
	errEnded    = errors.New("the engine or an observer ended its goroutine")
	// errGone is an engine that gives no answer and never will.
	errGone error = &EngineError{Kind: EngineUnavailable, Err: errEnded}
)

// seat is the place of one query in a flight. Its answer may be read once the flight
// is done.
type seat struct {
	flight    *flight
	key       string
	cacheable bool
	// shared says that other calls may find it.
	shared bool
	answer Answer
}

// flight is one caller's request to the engine, whose answers other calls of the
// caller may share.
type flight struct {
	front       *front
	caller      uint64
	call        context.Context                       //nolint:containedctx // its values are the request's
	context     func(context.Context) context.Context // of the call, if it has one
	consistency Consistency
	seats       []seat
	queries     []Query
	// mine finds the seats that no other call does, where there may be several.
	mine map[string]*seat
	// shared says that others may be waiting for it.
	shared bool
	// inline says that the call's own goroutine asks, and joined that other calls wait
	// too, which watch ends at the timeout. The front's lock guards them.
	inline, joined bool
	watch          *time.Timer
	// asked is when the request was sent, or when the flight joined others.
	asked time.Duration
	// ticket is its place among the requests under way, with the batch that it was
	// in; see [combiner].
	ticket uint64
	with   *combined
	// alone is how long it took when it was asked alone after others, zero until it
	// has landed.
	alone atomic.Int64

	landing atomic.Bool
	done    chan struct{}
	// needless ends, by quit, once the call has its decision without the flight. Nil if
	// there is no such decision.
	needless context.Context //nolint:containedctx // it is the flight's own
	quit     context.CancelFunc
	// left says that the call has ended before it, and is counted; over that it has
	// landed. The front's lock guards both.
	left, over bool

	// Most flights have one seat.
	oneSeat  [1]seat
	oneQuery [1]Query
}

// newFlight returns a flight with place for so many seats.
func (f *front) newFlight(ctx context.Context, e *evaluation, caller uint64, places int) *flight {
	own := &flight{
		front: f, caller: caller, call: ctx, context: e.call.EngineContext, consistency: e.consistency, done: make(chan struct{}),
	}
	if own.seats, own.queries = own.oneSeat[:0], own.oneQuery[:0]; places > 1 {
		own.seats, own.queries = make([]seat, 0, places), make([]Query, 0, places)
	}

	return own
}

// add gives a question a seat.
func (f *flight) add(q *question, shared bool) *seat {
	f.seats = append(f.seats, seat{flight: f, key: q.text, cacheable: q.check.cacheable, shared: shared})
	f.queries = append(f.queries, q.query())
	f.shared = f.shared || shared
	taken := &f.seats[len(f.seats)-1]
	if !shared && cap(f.seats) > 1 {
		if f.mine == nil {
			f.mine = map[string]*seat{}
		}
		f.mine[q.text] = taken
	}

	return taken
}

// find returns the seat of a query that isn't shared, nil if there is none.
func (f *flight) find(key string) *seat {
	if f == nil {
		return nil
	}

	return f.mine[key]
}

// stackSize was chosen by measuring: with it, no sample of a request to SpiceDB over
// gRPC is of a stack that grows again; twice as much, which the runtime keeps no
// stacks at hand for, gained nothing.
const stackSize = 12 << 10

// growStack makes the goroutine's stack grow at once, while there is next to nothing on
// it to copy. By itself it would double several times in the depth of the engine's
// client, which takes a tenth of the time of a request to an engine in this process.
// Entering the function is what grows it: with a negative at, the frame isn't even
// cleared. Goroutines that wait for the next request with a grown stack are hardly
// faster, and a synctest bubble can't end while they wait.
//
//go:noinline
func growStack(at int) byte {
	if at < 0 {
		return 0
	}
	var deep [stackSize]byte
	deep[at]++

	return deep[0]
}

// start has the engine asked.
func (f *flight) start() {
	if f.inline {
		f.runInline()
	} else {
		go f.run()
	}
}

// run asks the engine on a context of its own, so that a caller who leaves takes
// the answer from no one, and always lands within the timeout, whether the engine
// heeds its context or not.
func (f *flight) run() {
	growStack(-1)
	ctx, cancel := context.WithTimeout(caller.Detach(f.call, f.caller), f.front.timeout-f.with.lasted())
	defer cancel()
	if !f.with.asksAlone(cancel) {
		return
	}
	stop := context.AfterFunc(ctx, func() {
		f.front.overdue.add(f.caller, 1)
		f.land(nil, &EngineError{Kind: EngineUnavailable, Err: ctx.Err()})
	})
	defer func() {
		if !stop() {
			f.front.overdue.add(f.caller, -1)
		}
	}()
	if !f.shared {
		defer context.AfterFunc(f.call, cancel)()
	}
	if f.needless != nil {
		defer f.quit()
		defer context.AfterFunc(f.needless, cancel)()
	}
	var answers []Answer
	err := errGone
	defer func() {
		// No callback may end the program, or leave others waiting.
		if recovered := recover(); recovered != nil {
			err = &EngineError{Kind: EngineMisconfigured, Err: errPanicked}
		}
		f.land(answers, err)
	}()
	answers, err = f.ask(ctx, nil)
}

// ask asks the engine. The context may end with the call, if one is given.
func (f *flight) ask(ctx, call context.Context) (answers []Answer, err error) {
	front := f.front
	asked := front.clock()
	if f.with == nil {
		f.asked = asked
	}
	err = errGone
	defer func() { front.combiner.landed(f, asked, err) }()
	if f.context != nil {
		ctx = caller.NewContext(f.context(ctx), f.caller)
	}
	result, err := front.call(ctx, call, f.caller, Batch{Queries: f.queries, Consistency: f.consistency}, asked)
	if front.inline.able.Load() {
		front.inline.note(err == nil, front.clock()-asked)
	}

	return result.Answers, err
}

// leave counts the flight among those whose call has ended. One that isn't shared
// ends with its call.
func (f *flight) leave() {
	if f == nil {
		return
	}
	f.front.mu.Lock()
	defer f.front.mu.Unlock()
	f.leaves()
}

// dispensable prepares a flight for a decision that is made without it.
func (f *flight) dispensable() { f.needless, f.quit = context.WithCancel(context.Background()) }

// dispense ends a flight whose call has its decision, unless others wait for it: the
// call may be of a stream, which goes on and asks again, or of a caller with many calls.
func (f *flight) dispense() {
	if f == nil {
		return
	}
	f.front.mu.Lock()
	needed := f.joined || f.with != nil || f.needless == nil
	if needed {
		f.leaves()
	} else {
		f.unlist()
	}
	f.front.mu.Unlock()
	if !needed {
		f.quit()
	}
}

// leaves is leave with the front's lock held.
func (f *flight) leaves() {
	if f.shared && !f.left && !f.over {
		f.left = true
		f.front.left[f.caller]++
	}
}

// unlist makes sure that nobody finds the flight any more. The front's lock is held.
func (f *flight) unlist() {
	for i := range f.seats {
		if s := &f.seats[i]; s.shared {
			delete(f.front.inFlight, flightKey{f.caller, s.key})
			s.shared = false
		}
	}
}

// land hands out the answers, or the error to all seats, once.
func (f *flight) land(answers []Answer, err error) {
	if f.landing.Swap(true) {
		return
	}
	for i := range f.seats {
		if err != nil {
			f.seats[i].answer.Err = err
		} else {
			f.seats[i].answer = answers[i]
		}
	}
	front := f.front
	if err == nil && front.cache != nil && f.consistency.Mode != ModeFullyConsistent {
		now := front.clock()
		for i := range f.seats {
			if s := &f.seats[i]; s.cacheable && s.answer.Err == nil {
				front.cache.put(s.key, s.answer.Effect, f.asked, now)
			}
		}
	}
	front.mu.Lock()
	f.unlist()
	if f.watch != nil {
		f.watch.Stop()
	}
	// After the cache has the answers, and before nobody can find the flight.
	front.landed.Add(1)
	f.over = true
	if f.left {
		if front.left[f.caller]--; front.left[f.caller] == 0 {
			delete(front.left, f.caller)
		}
	}
	front.mu.Unlock()
	close(f.done)
	f.with.landed(f, err != nil)
}
