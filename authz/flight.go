package authz

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/usher-auth/usher/authz/internal/caller"
)

var (
	errPanicked = errors.New("the engine or an observer panicked")
	errEnded    = errors.New("the engine or an observer ended its goroutine")
	// errGone is an engine that gives no answer and never will.
	errGone error = &EngineError{Kind: EngineUnavailable, Err: errEnded}
)

// owned is a question that a flight asks itself.
type owned struct {
	question

	shared bool
	// asked is when its request was sent.
	asked time.Duration
}

// flight is one caller's request to the engine, whose answers others may share.
type flight struct {
	asker       *asker
	caller      uint64
	own         []owned
	consistency Consistency
	// context makes the engine's context from the call's, if set.
	context func(context.Context) context.Context
	// shared says that others may be waiting for it.
	shared bool
	// refused says that the caller has left too many; left, that this one is counted
	// among them, and over that it has its answers.
	refused, left, over bool

	done chan struct{}
	once sync.Once
}

// run asks the engine on a context of its own, so that a caller who leaves takes
// the answer from nobody, and always ends within the timeout, whether the engine
// heeds its context or not.
func (f *flight) run(call context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(call), f.asker.timeout)
	defer cancel()
	answers := make([]Answer, len(f.own))
	stop := context.AfterFunc(ctx, func() {
		f.asker.overdue.add(f.caller, 1)
		f.fail(&EngineError{Kind: EngineUnavailable, Err: ctx.Err()})
	})
	defer func() {
		if !stop() {
			f.asker.overdue.add(f.caller, -1)
		}
	}()
	if !f.shared {
		defer context.AfterFunc(call, cancel)()
	}
	returned := false
	defer func() {
		// Nobody's callback may end the program, or leave others waiting.
		if recovered := recover(); recovered != nil {
			fill(answers, &EngineError{Kind: EngineMisconfigured, Err: errPanicked})
		} else if !returned {
			fill(answers, errGone)
		}
		f.finish(answers)
	}()
	engines := ctx
	if f.context != nil {
		engines = f.context(ctx)
	}
	f.send(caller.NewContext(engines, f.caller), answers)
	returned = true
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
		asked := f.asker.clock()
		for i := from; i < to; i++ {
			f.own[i].asked = asked
		}
		result, err := f.asker.call(ctx, f.caller, batch, asked)
		if err != nil {
			fill(answers[from:], err)

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
	fill(failed, err)
	f.finish(failed)
}

// fill gives every answer the same error.
func fill(answers []Answer, err error) {
	for i := range answers {
		answers[i] = Answer{Err: err}
	}
}

// leave counts the flight among those whose call has ended. One that isn't shared
// ends with its call.
func (f *flight) leave() {
	f.asker.mu.Lock()
	defer f.asker.mu.Unlock()
	if f.shared && !f.left && !f.over {
		f.left = true
		f.asker.left[f.caller]++
	}
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
				a.cache.put(q.key, answers[i].Effect, q.asked, now)
			}
			if q.shared {
				delete(a.inFlight, flightKey{f.caller, q.key})
			}
		}
		f.over = true
		if f.left {
			if a.left[f.caller]--; a.left[f.caller] == 0 {
				delete(a.left, f.caller)
			}
		}
		close(f.done)
	})
}
