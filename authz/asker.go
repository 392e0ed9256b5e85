package authz

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"time"
)

// question is one query on its way to the engine.
type question struct {
	key string
	// cacheable is false where equal calls have different queries.
	cacheable bool
	query     Query
	answer    Answer
	cached    bool
	pending   *pending
}

// pending is a query that the engine is being asked. Its answer may be read once
// done is closed.
type pending struct {
	done   chan struct{}
	answer Answer
}

// asker holds the layers in front of the engine: the decision cache, the sharing
// of queries in flight, the breaker, the timeout and the batch limit.
type asker struct {
	engine   Engine
	timeout  time.Duration
	limit    int
	validate func(Query) error
	cache    *decisionCache
	breaker  *breaker
	base     time.Time
	seed     maphash.Seed
	observer Observer

	overdue overdue

	mu       sync.Mutex
	inFlight map[flightKey]*pending
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

var errLeft = errors.New("too many requests are under way for calls that the caller has left")

var errOverdue = errors.New("the engine doesn't end its requests at their timeout")

func newAsker(config *Config) *asker {
	a := &asker{
		engine: config.Engine, timeout: config.Timeout, observer: config.Observer, base: time.Now(),
		cache: newDecisionCache(config.Cache), inFlight: map[flightKey]*pending{}, left: map[uint64]int{}, seed: maphash.MakeSeed(),
	}
	a.breaker = newBreaker(config.Breaker, a.clock, &a.observer)
	if a.timeout == 0 {
		a.timeout = DefaultTimeout
	}
	if limiter, ok := config.Engine.(BatchLimiter); ok {
		a.limit = limiter.BatchLimit()
	}
	if validator, ok := config.Engine.(QueryValidator); ok {
		a.validate = validator.ValidateQuery
	}

	return a
}

func (a *asker) supports(mode Mode) bool {
	if supporter, ok := a.engine.(ConsistencySupporter); ok {
		return supporter.SupportsConsistency(mode)
	}

	return mode == ModeMinimizeLatency
}

// clock is monotonic time since the asker was made: it doesn't jump.
func (a *asker) clock() time.Duration { return time.Since(a.base) }

// callerID is who asks, whatever the subject of its queries is: a rule's own
// subject may come from the request. A service and a user are two callers, even
// with one sub: a client that is registered with a user's name isn't the user.
type callerID struct {
	issuer, id      string
	service, client bool
}

// callerOf identifies who asks, for what is bounded for each caller.
func (a *asker) callerOf(p Principal) uint64 {
	if p == nil {
		return 0
	}
	id := callerID{issuer: p.Issuer(), id: p.Subject(), service: p.IsService()}
	if id.id == "" {
		id.id, id.client = p.ClientID(), true
	}

	return maphash.Comparable(a.seed, id)
}

// ask fills in the answers to a caller's questions about a call. A call that is
// Fresh goes past the cache and shares nothing. The error is the caller's context's.
func (a *asker) ask(ctx context.Context, caller uint64, questions []question, consistency Consistency, call *Call) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	shared := !call.Fresh && consistency.Mode != ModeFullyConsistent
	batch := a.join(caller, questions, consistency, shared)
	batch.context = call.EngineContext
	switch {
	case len(batch.own) == 0:
	case batch.refused:
		batch.fail(&EngineError{Kind: EngineUnavailable, RetryAfter: retryNow, Err: errLeft})
	case !a.overdue.admits(caller):
		batch.fail(&EngineError{Kind: EngineUnavailable, Err: errOverdue})
	default:
		go batch.run(ctx)
	}
	for i := range questions {
		q := &questions[i]
		if q.pending == nil {
			continue
		}
		select {
		case <-q.pending.done:
			q.answer = q.pending.answer
		case <-ctx.Done():
			batch.leave()

			return ctx.Err()
		}
		if err := ctx.Err(); err != nil && q.answer.Err != nil {
			batch.leave()

			return err
		}
	}

	return nil
}

// join finds for each question its answer in the cache, the request in flight that
// has it, or a place in the batch to send.
func (a *asker) join(caller uint64, questions []question, consistency Consistency, shared bool) *flight {
	f := &flight{asker: a, caller: caller, consistency: consistency, done: make(chan struct{})}
	if a.validate != nil {
		for i := range questions {
			questions[i].answer.Err = a.valid(questions[i].query)
		}
	}
	mine := map[string]*pending{}
	now := a.clock()
	a.mu.Lock()
	defer a.mu.Unlock()
	f.refused = a.left[caller] >= maxLeft
	for i := range questions {
		q := &questions[i]
		if q.answer.Err != nil {
			continue
		}
		share := shared && q.cacheable
		if share {
			// Looked up here too: whoever asked may have finished since the first
			// look, and then nobody asks again.
			if a.cache != nil {
				if effect, hit := a.cache.get([]byte(q.key), now); hit {
					q.answer, q.cached = Answer{Effect: effect}, true

					continue
				}
			}
			if q.pending = a.inFlight[flightKey{caller, q.key}]; q.pending != nil {
				continue
			}
		}
		if q.pending = mine[q.key]; q.pending != nil {
			continue
		}
		q.pending = &pending{done: f.done}
		mine[q.key] = q.pending
		f.own = append(f.own, owned{question: *q, shared: share})
		if share {
			a.inFlight[flightKey{caller, q.key}] = q.pending
			f.shared = true
		}
	}

	return f
}

// valid asks the engine's own validator, and makes a panic of it an error.
func (a *asker) valid(query Query) (err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			err = &EngineError{Kind: EngineMisconfigured, Err: errPanicked}
		}
	}()

	if err = a.validate(query); err != nil {
		read(err)
	}

	return err
}

// read reads an error of an engine, down to its last cause, where its panic is
// contained: a nil pointer that can't be read would end the program in whatever
// reads it later.
func read(err error) {
	said := asEngineError(err)
	_ = said.Error()
	_ = errors.Is(said, context.Canceled)
	_ = errors.As(said, new(*Error))
}

// call asks the engine once, unless the breaker is open. An engine that ends its
// goroutine leaves errGone to those who are told of the request.
func (a *asker) call(ctx context.Context, caller uint64, batch Batch, asked time.Duration) (result Result, err error) {
	defer func() {
		if a.observer.Asked != nil {
			a.observer.Asked(ctx, EngineAsked{Queries: len(batch.Queries), Duration: a.clock() - asked, Err: err})
		}
	}()
	tried, err := a.breaker.admit(caller, &batch, asked)
	if err != nil {
		return Result{}, err
	}
	err = errGone
	defer func() { a.breaker.done(tried, &batch, outcomeOf(&result, err)) }()
	result, err = a.check(ctx, batch)

	return result, err
}

// check asks the engine, and makes a panic of it, or of its errors, an error.
func (a *asker) check(ctx context.Context, batch Batch) (result Result, err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			result, err = Result{}, &EngineError{Kind: EngineMisconfigured, Err: errPanicked}
		}
	}()
	if result, err = a.engine.Check(ctx, batch); err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			// The caller has left. However the engine's client words that, it says
			// nothing about the engine.
			err = ctx.Err()
		}
		read(err)

		return Result{}, err
	}
	if got, want := len(result.Answers), len(batch.Queries); got != want {
		return Result{}, &EngineError{Kind: EngineUnavailable, Err: fmt.Errorf("%d answers to %d queries", got, want)}
	}

	for i := range result.Answers {
		if err := result.Answers[i].Err; err != nil {
			read(err)
		}
	}

	return result, allUnavailable(result.Answers)
}

// allUnavailable is the error of a batch in which no item could be answered: to
// the breaker that is a batch that failed.
func allUnavailable(answers []Answer) error {
	for _, answer := range answers {
		if answer.Err == nil || asEngineError(answer.Err).Kind != EngineUnavailable {
			return nil
		}
	}

	return answers[0].Err
}
