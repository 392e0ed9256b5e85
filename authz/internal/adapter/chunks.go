package adapter

import (
	"context"
	"errors"
	"sync"

	"github.com/usher-auth/usher/authz"
)

// errEnded is the error of a run that ended its goroutine instead of returning.
var errEnded = errors.New("adapter: a request ended its goroutine")

// Chunks cuts a batch into runs of at most size and calls ask for each, at most
// parallel at once, and waits for all. Ask sets the answers from lo up to hi. If
// it fails, these answers get its error, see [Fail], and the other runs go on: a
// denial in one run decides, whether or not another failed. Chunks itself fails,
// with the first run's error, only when every run failed.
//
// Runs that have not started when ctx ends fail with its error. Without answers
// nothing is called. A run that ends its goroutine has failed. A panic in ask is
// raised again in the caller's goroutine, where it can be recovered.
func Chunks(ctx context.Context, answers []authz.Answer, size, parallel int, ask func(ctx context.Context, lo, hi int) error) error {
	n := len(answers)
	if n <= size {
		if n == 0 {
			return nil
		}
		err := ask(ctx, 0, n)
		if err != nil {
			Fail(answers, err)
		}

		return err
	}

	runs := (n + size - 1) / size
	errs := make([]error, runs)
	panics := make(chan any, runs)
	slots := make(chan struct{}, max(parallel, 1))
	var group sync.WaitGroup
	for run := range runs {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			errs[run] = ctx.Err()

			continue
		}
		group.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panics <- p
				}
				<-slots
			}()
			errs[run] = errEnded
			errs[run] = ask(ctx, run*size, min(n, (run+1)*size))
		})
	}
	group.Wait()
	select {
	case p := <-panics:
		panic(p)
	default:
	}

	failures := 0
	for run, err := range errs {
		if err != nil {
			failures++
			Fail(answers[run*size:min(n, (run+1)*size)], err)
		}
	}
	if failures == runs {
		return errs[0]
	}

	return nil
}

// Fail sets err as the answer of each query in the slice and leaves the
// effect unknown, which never allows.
func Fail(answers []authz.Answer, err error) {
	for i := range answers {
		answers[i] = authz.Answer{Err: err}
	}
}
