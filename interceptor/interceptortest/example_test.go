package interceptortest_test

import (
	"context"
	"slices"
	"testing"
)

// run gives an example what a test has.
func run(example func(testing.TB)) {
	tb := &fakeTB{}
	defer func() {
		for _, cleanup := range slices.Backward(tb.cleanups) {
			cleanup()
		}
	}()
	example(tb)
}

type fakeTB struct {
	testing.TB

	cleanups []func()
}

func (*fakeTB) Helper()                   {}
func (*fakeTB) Context() context.Context  { return context.Background() }
func (tb *fakeTB) Cleanup(cleanup func()) { tb.cleanups = append(tb.cleanups, cleanup) }
