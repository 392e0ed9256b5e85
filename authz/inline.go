package authz

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/usher-auth/usher/authz/internal/caller"
)

const (
	// quickAnswer is how fast an engine must be to be asked in the call's own
	// goroutine. Another goroutine costs some microseconds, which a request that
	// takes longer than this doesn't notice.
	quickAnswer = time.Millisecond
	// maxInline bounds the calls that wait in an engine at once, and so the calls that
	// an engine can hold that doesn't end with its context as it promised to.
	maxInline = 64
)

// inline decides which requests are made in the goroutine of the call that asks: those
// to an engine that is a [ContextHonorer], while it is quick. As soon as one request
// isn't answered quickly, those after it have goroutines of their own again: they go on
// when their caller has left, so that the breaker learns whether they fail and the
// cache gets their answers.
type inline struct {
	// able is set until the engine breaks its promise; quick tells of the last request.
	able, quick atomic.Bool
	running     atomic.Int32
}

// take reports whether a request may be made in its call's goroutine. If so, give must
// be called when it has ended.
func (i *inline) take() bool {
	if !i.quick.Load() || !i.able.Load() {
		return false
	}
	if i.running.Add(1) > maxInline {
		i.running.Add(-1)

		return false
	}

	return true
}

func (i *inline) give() { i.running.Add(-1) }

// note records how a request ended.
func (i *inline) note(answered bool, took time.Duration) {
	if quick := answered && took < quickAnswer; quick != i.quick.Load() {
		i.quick.Store(quick)
	}
}

// runInline asks the engine in the goroutine of the call. The request ends with the
// call: if others wait for its answers, they are asked for again, in a goroutine of
// their own.
func (f *flight) runInline() {
	ctx, cancel := context.WithTimeout(caller.Undated(f.call, f.caller), f.front.timeout)
	defer cancel()
	var answers []Answer
	err, returned := errGone, false
	defer func() {
		if recovered := recover(); recovered != nil {
			err = &EngineError{Kind: EngineMisconfigured, Err: errPanicked}
		} else if !returned {
			f.front.inline.able.Store(false)
		}
		f.front.inline.give()
		if err != nil && f.call.Err() != nil && f.handOver() {
			go f.run()

			return
		}
		f.land(answers, err)
	}()
	answers, err = f.ask(ctx, f.call)
	returned = true
}

// handOver reports whether others wait for a flight whose call has ended. If not,
// nobody can join it any more.
func (f *flight) handOver() bool {
	f.front.mu.Lock()
	defer f.front.mu.Unlock()
	f.inline = false
	if !f.joined {
		f.unlist()

		return false
	}
	f.leaves()

	return !f.over
}

// join records that another call waits for the flight, within the timeout, whatever
// becomes of the call that asks. The front's lock is held.
func (f *flight) join() {
	if f.joined {
		return
	}
	f.joined = true
	if f.inline {
		f.watch = time.AfterFunc(f.front.timeout, func() {
			f.land(nil, &EngineError{Kind: EngineUnavailable, Err: context.DeadlineExceeded})
		})
	}
}

// detach makes a flight one that another goroutine asks for.
func (f *flight) detach() {
	if !f.inline {
		return
	}
	f.front.inline.give()
	f.front.mu.Lock()
	defer f.front.mu.Unlock()
	f.inline = false
	if f.watch != nil {
		f.watch.Stop() // its own request ends in time
		f.watch = nil
	}
}

// refuse lands a flight that the engine isn't asked for.
func (f *flight) refuse(err *EngineError) {
	if f.inline {
		f.front.inline.give()
	}
	f.land(nil, err)
}
