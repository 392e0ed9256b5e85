package notify_test

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/usher-auth/usher/internal/notify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCall(t *testing.T) {
	notify.Call(nil, 1, func(any) { t.Error("no function panicked") })
	var got []int
	notify.Call(func(e int) { got = append(got, e) }, 7, func(any) { t.Error("no function panicked") })
	var value any
	notify.Call(func(int) { panic("x") }, 8, func(v any) { value = v })
	notify.Call(func(int) { panic("x") }, 9, nil)
	if len(got) != 1 || got[0] != 7 || value != "x" {
		t.Error(got, value)
	}
}

func TestCallInTellsWhereThePanicCameFrom(t *testing.T) {
	var stack string
	notify.CallIn(t.Context(), faulty, 1, func(value any) { stack = fmt.Sprint(value, string(debug.Stack())) })
	if !strings.HasPrefix(stack, "x") || !strings.Contains(stack, "notify_test.faulty") {
		t.Error(stack)
	}
	notify.CallIn(t.Context(), nil, 1, func(any) { t.Error("no function panicked") })
}

func faulty(context.Context, int) { panic("x") }

func TestContained(t *testing.T) {
	if notify.Contained[int](nil) != nil || notify.ContainedIn[int](nil) != nil {
		t.Error("a function out of nothing")
	}
	got := 0
	notify.Contained(func(e int) { got += e; panic("x") })(1)
	type key struct{}
	notify.ContainedIn(func(ctx context.Context, e int) { got += e + ctx.Value(key{}).(int); panic("x") })(context.WithValue(t.Context(), key{}, 3), 2)
	if got != 6 {
		t.Error(got)
	}
}

func TestNotifyingCostsNoAllocation(t *testing.T) {
	count := 0
	f := func(n int) { count += n }
	contained := notify.ContainedIn(func(_ context.Context, n int) { count += n })
	in := func(_ context.Context, n int) { count += n }
	ctx := t.Context()
	if allocs := testing.AllocsPerRun(100, func() {
		notify.Call(f, 1, func(any) { count = -count })
		notify.CallIn(ctx, in, count, func(value any) { panic(value) })
		contained(ctx, 1)
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
