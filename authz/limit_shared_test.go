package authz_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/authz"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// limiterFunc is a limiter of a test.
type limiterFunc func(ctx context.Context, key authz.LimitKey, limit authz.Limit) (time.Duration, error)

func (f limiterFunc) Take(ctx context.Context, key authz.LimitKey, limit authz.Limit) (time.Duration, error) {
	return f(ctx, key, limit)
}

// shared returns two methods whose calls the limiter counts, A by subject and Public
// by method, and one, Process, whose calls this process counts.
func shared(tb testing.TB, limiter limiterFunc, config authz.Config) *authz.Authorizer {
	tb.Helper()
	process := aMinute(2, bySubject)
	process.Scope = authzv1.RateLimit_SCOPE_PROCESS
	config.Limiter = limiter

	return guarded(tb, config, nil, map[string]*authzv1.Rule{
		"A": limited(check("document:1", "viewer"), aMinute(7, bySubject)), "Public": limited(publicRule(), aMinute(7, byMethod)),
		"Process": limited(authenticated(), process),
	})
}

func TestAConfiguredLimiterIsToldTheKeyAndTheLimit(t *testing.T) {
	var got []authz.LimitKey
	var mu sync.Mutex
	authorizer := shared(t, func(_ context.Context, key authz.LimitKey, limit authz.Limit) (time.Duration, error) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, key)
		if limit != (authz.Limit{Requests: 7, Per: time.Minute, Burst: 7}) {
			t.Errorf("got %+v", limit)
		}

		return 0, nil
	}, authz.Config{})
	for _, name := range []string{"A", "Public", "Process"} {
		if _, err := authorizer.Authorize(t.Context(), "/t.S/"+name, user("alice"), nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 2 || got[0] != (authz.LimitKey{Method: "/t.S/A", Issuer: "main", Subject: "alice"}) || got[1] != (authz.LimitKey{Method: "/t.S/Public"}) {
		t.Errorf("got %+v", got)
	}
}

// Row 71: whatever a limiter does, it never lets a call pass that it didn't count, and
// limits of the process go on.
func TestALimiterThatDoesntAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		take  limiterFunc
		want  authz.Reason
		retry time.Duration
	}{
		"down": {func(context.Context, authz.LimitKey, authz.Limit) (time.Duration, error) {
			return 0, errors.New("no route")
		}, authz.ReasonLimiterUnavailable, 0},
		"down, for a known time": {func(context.Context, authz.LimitKey, authz.Limit) (time.Duration, error) {
			return time.Second, errors.New("moving")
		}, authz.ReasonLimiterUnavailable, time.Second},
		"down, for a time below 0": {func(context.Context, authz.LimitKey, authz.Limit) (time.Duration, error) {
			return -1, errors.New("moving")
		}, authz.ReasonLimiterUnavailable, 0},
		"its own deadline": {func(context.Context, authz.LimitKey, authz.Limit) (time.Duration, error) {
			return 0, context.DeadlineExceeded
		}, authz.ReasonLimiterUnavailable, 0},
		"its own cancellation": {func(context.Context, authz.LimitKey, authz.Limit) (time.Duration, error) { return 0, context.Canceled }, authz.ReasonLimiterUnavailable, 0},
		"panics":               {func(context.Context, authz.LimitKey, authz.Limit) (time.Duration, error) { panic("a secret") }, authz.ReasonMisconfigured, 0},
		"ends its goroutine": {func(context.Context, authz.LimitKey, authz.Limit) (time.Duration, error) {
			runtime.Goexit()
			return 0, nil
		}, authz.ReasonMisconfigured, 0},
		"a wait below 0":  {func(context.Context, authz.LimitKey, authz.Limit) (time.Duration, error) { return -time.Second, nil }, authz.ReasonMisconfigured, 0},
		"an endless wait": {func(context.Context, authz.LimitKey, authz.Limit) (time.Duration, error) { return 1 << 62, nil }, authz.ReasonRateLimited, time.Minute},
		"an error that can't be read": {func(context.Context, authz.LimitKey, authz.Limit) (time.Duration, error) {
			return 0, &authz.EngineError{Err: (*sick)(nil)}
		}, authz.ReasonMisconfigured, 0},
		"an error that can't be compared": {func(context.Context, authz.LimitKey, authz.Limit) (time.Duration, error) {
			return 0, odd{is: true}
		}, authz.ReasonMisconfigured, 0},
	} {
		t.Run("row 71: "+name, func(t *testing.T) {
			engine := newTuples("document:1#viewer@user:alice")
			authorizer := shared(t, c.take, authz.Config{Engine: engine})
			for _, method := range []string{"A", "Public"} {
				decision, err := authorizer.Authorize(t.Context(), "/t.S/"+method, user("alice"), nil)
				var refused *authz.Error
				if !errors.As(err, &refused) || refused.Reason != c.want || decision.Allowed() || decision.Reason() != c.want {
					t.Fatalf("%s: got %v, want %s", method, err, c.want)
				}
				if refused.RetryAfter != c.retry {
					t.Errorf("%s: a wait of %v, want %v", method, refused.RetryAfter, c.retry)
				}
				if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "secret") {
					t.Errorf("%s: %v", method, err)
				}
			}
			if engine.requests() != 0 {
				t.Error("the engine was asked about a call that didn't count")
			}
			if got := passes(t, authorizer.Method("/t.S/Process"), 5, &authz.Call{Principal: user("alice")}); got != 2 {
				t.Errorf("%d calls of 5 passed that the process counts, want 2", got)
			}
		})
	}
}

// Row 71: a limiter that hangs, heeding its context or not, costs a call the timeout,
// and the process a bounded number of goroutines.
func TestALimiterThatHangs(t *testing.T) {
	for name, heeds := range map[string]bool{"and heeds its context": true, "and doesn't heed its context": false} {
		t.Run("row 71: "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				var mu sync.Mutex
				inside, most := 0, 0
				authorizer := shared(t, func(ctx context.Context, _ authz.LimitKey, _ authz.Limit) (time.Duration, error) {
					mu.Lock()
					inside++
					most = max(most, inside)
					mu.Unlock()
					defer func() {
						mu.Lock()
						defer mu.Unlock()
						inside--
					}()
					if heeds {
						<-ctx.Done()

						return 0, ctx.Err()
					}
					<-release

					return 0, nil
				}, authz.Config{Timeout: 2 * time.Second})
				m := authorizer.Method("/t.S/A")
				start := time.Now()
				if _, err := m.Authorize(t.Context(), &authz.Call{Principal: user("alice")}); reasonOf(err) != authz.ReasonLimiterUnavailable {
					t.Errorf("got %v", err)
				}
				if took := time.Since(start); took != 2*time.Second {
					t.Errorf("it took %v, want the timeout", took)
				}
				var calls sync.WaitGroup
				for range 3000 {
					calls.Go(func() {
						ctx, cancel := context.WithCancel(t.Context())
						go func() {
							time.Sleep(time.Millisecond)
							cancel()
						}()
						if _, err := m.Authorize(ctx, &authz.Call{Principal: user("alice")}); err == nil {
							t.Error("a call passed that wasn't counted")
						}
					})
					time.Sleep(2 * time.Millisecond) // so that each is left before the next
				}
				calls.Wait()
				mu.Lock()
				if most > 600 {
					t.Errorf("%d requests ran at a time", most)
				}
				if heeds && inside != 0 {
					t.Errorf("%d requests run on", inside)
				}
				mu.Unlock()
				if !heeds {
					// Another caller has its own share.
					start := time.Now()
					if _, err := m.Authorize(t.Context(), &authz.Call{Principal: of("main", "bob")}); reasonOf(err) != authz.ReasonLimiterUnavailable || time.Since(start) != 2*time.Second {
						t.Errorf("got %v after %v", err, time.Since(start))
					}
				}
				close(release)
				synctest.Wait()
				if heeds {
					return
				}
				if _, err := m.Authorize(t.Context(), &authz.Call{Principal: user("alice")}); err != nil {
					t.Errorf("after it answers again: %v", err)
				}
			})
		})
	}
}

// A call that ends while it is counted ends as a call does, not as a limiter's fault.
func TestACallThatEndsWhileItIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		authorizer := shared(t, func(ctx context.Context, _ authz.LimitKey, _ authz.Limit) (time.Duration, error) {
			<-ctx.Done()

			return 0, ctx.Err()
		}, authz.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 2 { // under way, and over before
			decision, err := authorizer.Authorize(ctx, "/t.S/A", user("alice"), nil)
			if !errors.Is(err, context.DeadlineExceeded) || decision.Allowed() || decision.Reason() != "" {
				t.Errorf("got %v, %v", decision, err)
			}
		}
		canceled, stop := context.WithCancel(t.Context())
		stop()
		if _, err := authorizer.Authorize(canceled, "/t.S/A", user("alice"), nil); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// A limiter in this process doesn't see what the engine mustn't see.
func TestALimiterSeesNoMoreThanAnEngine(t *testing.T) {
	type hidden struct{}
	authorizer := shared(t, func(ctx context.Context, _ authz.LimitKey, _ authz.Limit) (time.Duration, error) {
		if ctx.Value(hidden{}) != nil {
			t.Error("it sees the call's context")
		}

		return 0, nil
	}, authz.Config{})
	call := &authz.Call{Principal: user("alice"), EngineContext: func(ctx context.Context) context.Context {
		return context.WithValue(ctx, hidden{}, nil)
	}}
	if _, err := authorizer.Method("/t.S/A").Authorize(context.WithValue(t.Context(), hidden{}, "token"), call); err != nil {
		t.Error(err)
	}
	call.EngineContext = func(context.Context) context.Context { panic("") }
	if _, err := authorizer.Method("/t.S/A").Authorize(t.Context(), call); reasonOf(err) != authz.ReasonMisconfigured {
		t.Errorf("got %v", err)
	}
}
