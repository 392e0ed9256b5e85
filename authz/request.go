package authz

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// valid asks the engine's own validator, and makes a panic of it an error.
func (f *front) valid(query Query) (err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			err = &EngineError{Kind: EngineMisconfigured, Err: errPanicked}
		}
	}()

	if err = f.validate(query); err != nil {
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
// goroutine leaves errGone to those who are told of the request. The caller's call is
// given if the context ends with it.
func (f *front) call(ctx, call context.Context, caller uint64, batch Batch, asked time.Duration) (result Result, err error) {
	defer func() {
		if f.observer.Asked != nil {
			f.observer.Asked(ctx, EngineAsked{Kind: f.kind, Queries: len(batch.Queries), Duration: f.clock() - asked, Err: err})
		}
	}()
	tried, err := f.breaker.admit(caller, &batch, asked)
	if err != nil {
		return Result{}, err
	}
	err = errGone
	defer func() { f.breaker.done(tried, &batch, outcomeOf(&result, err)) }()
	result, err = f.contained(ctx, call, batch)

	return result, err
}

// contained asks the engine, and makes a panic of it, or of its errors, an error.
func (f *front) contained(ctx, call context.Context, batch Batch) (result Result, err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			result, err = Result{}, &EngineError{Kind: EngineMisconfigured, Err: errPanicked}
		}
	}()
	if result, err = f.check(ctx, batch); err != nil {
		if left(ctx, call) {
			err = context.Canceled
		}
		read(err)

		return Result{}, err
	}
	if got, want := len(result.Answers), len(batch.Queries); got != want {
		return Result{}, &EngineError{Kind: EngineUnavailable, Err: fmt.Errorf("%d answers to %d queries", got, want)}
	}

	for i := range result.Answers {
		if err := result.Answers[i].Err; err != nil {
			if left(ctx, call) {
				return Result{}, context.Canceled
			}
			read(err)
		}
	}

	return result, allUnavailable(result.Answers)
}

// left reports whether the caller has left a request. What the request fails with, as a
// whole or in one of its answers, says nothing about the engine then, however its
// client words that.
func left(ctx, call context.Context) bool {
	return errors.Is(ctx.Err(), context.Canceled) || call != nil && call.Err() != nil
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
