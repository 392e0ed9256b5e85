package adapter_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/adapter"
)

func TestWhoseDeadlineItWas(t *testing.T) {
	within := func(d time.Duration) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		t.Cleanup(cancel)

		return ctx
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tc := range map[string]struct {
		ctx      context.Context
		timedOut bool
		want     error
	}{
		"a caller who left":                             {gone, false, context.Canceled},
		"a deadline that has passed":                    {within(-time.Second), false, context.DeadlineExceeded},
		"a deadline that the engine saw pass first":     {within(30 * time.Millisecond), true, context.DeadlineExceeded},
		"an engine that is slow by its own measure":     {within(time.Hour), true, nil},
		"an engine that is slow, and nobody's deadline": {t.Context(), true, nil},
		"another fault just before the deadline":        {within(time.Hour), false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := adapter.Ended(tc.ctx, tc.timedOut); !errors.Is(got, tc.want) || (got == nil) != (tc.want == nil) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// Row 59: a request that ends its goroutine has failed, and has no verdict.
func TestRequestThatEndsItsGoroutine(t *testing.T) {
	answers := make([]authz.Answer, 3)
	err := adapter.Chunks(t.Context(), answers, 1, 2, func(_ context.Context, lo, _ int) error {
		if lo > 0 {
			runtime.Goexit()
		}

		return nil
	})
	failed := 0
	for _, answer := range answers {
		if answer.Err != nil {
			failed++
		}
	}
	if failed != 2 || err != nil {
		t.Errorf("%d queries failed, %v", failed, err)
	}
}
