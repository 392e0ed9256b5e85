package authz

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
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
	observer Observer

	// overdue counts the requests that run on after their timeout, in an engine
	// that doesn't heed its context.
	overdue atomic.Int64

	mu       sync.Mutex
	inFlight map[string]*pending
}

// maxOverdue bounds overdue: an engine that hangs must not take the process with
// it, a goroutine a call.
const maxOverdue = 1000

var errOverdue = errors.New("the engine doesn't end its requests at their timeout")

func newAsker(config *Config) *asker {
	a := &asker{
		engine: config.Engine, timeout: config.Timeout, observer: config.Observer, base: time.Now(),
		cache: newDecisionCache(config.Cache), inFlight: map[string]*pending{},
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

// ask fills in the answers. Fresh goes past the cache and shares nothing. The
// error is the caller's context's.
func (a *asker) ask(ctx context.Context, questions []question, consistency Consistency, fresh bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	shared := !fresh && consistency.Mode != ModeFullyConsistent
	batch := a.join(questions, consistency, shared)
	switch {
	case len(batch.own) == 0:
	case a.overdue.Load() >= maxOverdue:
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
			return ctx.Err()
		}
		if err := ctx.Err(); err != nil && q.answer.Err != nil {
			return err
		}
	}

	return nil
}

// join finds for each question its answer in the cache, the request in flight that
// has it, or a place in the batch to send.
func (a *asker) join(questions []question, consistency Consistency, shared bool) *flight {
	f := &flight{asker: a, consistency: consistency, done: make(chan struct{})}
	for i := range questions {
		if q := &questions[i]; a.validate != nil {
			q.answer.Err = a.validate(q.query)
		}
	}
	mine := map[string]*pending{}
	now := a.clock()
	a.mu.Lock()
	defer a.mu.Unlock()
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
			if q.pending = a.inFlight[q.key]; q.pending != nil {
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
			a.inFlight[q.key] = q.pending
			f.shared = true
		}
	}

	return f
}

// call asks the engine once, and makes a panic of it an error.
func (a *asker) call(ctx context.Context, batch Batch) (Result, error) {
	begun := time.Now()
	result, err := a.breaker.do(func() (result Result, err error) {
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

			return Result{}, err
		}
		if got, want := len(result.Answers), len(batch.Queries); got != want {
			return Result{}, &EngineError{Kind: EngineUnavailable, Err: fmt.Errorf("%d answers to %d queries", got, want)}
		}

		return result, allUnavailable(result.Answers)
	})
	if a.observer.Asked != nil {
		a.observer.Asked(ctx, EngineAsked{Queries: len(batch.Queries), Duration: time.Since(begun), Err: err})
	}

	return result, err
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
