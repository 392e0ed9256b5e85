package backoff_test

import (
	"math"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/usher-auth/usher/internal/backoff"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDoubled(t *testing.T) {
	for n, want := range map[int]time.Duration{
		math.MinInt: time.Second, -1: time.Second, 0: time.Second, 1: 2 * time.Second, 5: 32 * time.Second,
		6: time.Minute, 63: time.Minute, 64: time.Minute, math.MaxInt: time.Minute,
	} {
		if got := backoff.Doubled(time.Second, n, time.Minute); got != want {
			t.Errorf("%d: %v, want %v", n, got, want)
		}
	}
	if got := backoff.Doubled(24*time.Hour-1, math.MaxInt, time.Hour); got != time.Hour {
		t.Error(got)
	}
	if got := backoff.Doubled(time.Minute, 0, time.Second); got != time.Second {
		t.Error(got)
	}
}

func TestJitter(t *testing.T) {
	for _, d := range []time.Duration{math.MinInt64, -1, 0} {
		if got := backoff.Jitter(d); got != 0 {
			t.Errorf("%v: %v", d, got)
		}
	}
	seen := map[time.Duration]bool{}
	for range 1000 {
		got := backoff.Jitter(3)
		if got < 0 || got > 3 {
			t.Fatal(got)
		}
		seen[got] = true
	}
	if len(seen) != 4 {
		t.Error(seen)
	}
}
