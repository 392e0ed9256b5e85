package authz

import (
	"context"
	"errors"
	"sync"
)

var errPanicked = errors.New("the engine or an observer panicked")

// owned is a question that a flight asks itself.
type owned struct {
	question

	shared bool
}

// flight is one caller's request to the engine, whose answers others may share.
type flight struct {
	asker       *asker
	own         []owned
	consistency Consistency
	// shared says that others may be waiting for it.
	shared bool
	done   chan struct{}
	once   sync.Once
}

// run asks the engine on a context of its own, so that a caller who leaves takes
// the answer from nobody, and always ends within the timeout, whether the engine
// heeds its context or not.
func (f *flight) run(caller context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(caller), f.asker.timeout)
	defer cancel()
	answers := make([]Answer, len(f.own))
	stop := context.AfterFunc(ctx, func() {
		f.asker.overdue.Add(1)
		f.fail(&EngineError{Kind: EngineUnavailable, Err: ctx.Err()})
	})
	defer func() {
		if !stop() {
			f.asker.overdue.Add(-1)
		}
	}()
	if !f.shared {
		defer context.AfterFunc(caller, cancel)()
	}
	defer func() {
		// Nobody's callback may end the program, or leave others waiting.
		if recovered := recover(); recovered != nil {
			for i := range answers {
				answers[i] = Answer{Err: &EngineError{Kind: EngineMisconfigured, Err: errPanicked}}
			}
		}
		f.finish(answers)
	}()
	f.send(ctx, answers)
}

// send asks in pieces that the engine takes, at one snapshot where it can.
func (f *flight) send(ctx context.Context, answers []Answer) {
	consistency := f.consistency
	for from := 0; from < len(f.own); {
		to := len(f.own)
		if limit := f.asker.limit; limit > 0 {
			to = min(to, from+limit)
		}
		batch := Batch{Queries: make([]Query, 0, to-from), Consistency: consistency}
		for i := from; i < to; i++ {
			batch.Queries = append(batch.Queries, f.own[i].query)
		}
		result, err := f.asker.call(ctx, batch)
		if err != nil {
			for i := from; i < len(answers); i++ {
				answers[i] = Answer{Err: err}
			}

			return
		}
		copy(answers[from:to], result.Answers)
		if result.CheckedAt != "" && consistency.Mode != ModeFullyConsistent && f.asker.supports(ModeAtLeastAsFresh) {
			consistency = Consistency{Mode: ModeAtLeastAsFresh, Revision: result.CheckedAt}
		}
		from = to
	}
}

// fail gives every query the same error.
func (f *flight) fail(err error) {
	failed := make([]Answer, len(f.own))
	for i := range failed {
		failed[i] = Answer{Err: err}
	}
	f.finish(failed)
}

// finish hands out the answers, once.
func (f *flight) finish(answers []Answer) {
	f.once.Do(func() {
		a := f.asker
		now := a.clock()
		a.mu.Lock()
		defer a.mu.Unlock()
		for i := range f.own {
			q := &f.own[i]
			q.pending.answer = answers[i]
			if a.cache != nil && q.cacheable && f.consistency.Mode != ModeFullyConsistent && answers[i].Err == nil {
				a.cache.put(q.key, answers[i].Effect, now)
			}
			if q.shared {
				delete(a.inFlight, q.key)
			}
		}
		close(f.done)
	})
}
