package authz_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

// prompt is an engine that honours its context: it allows what its script answers
// with nil.
type prompt struct {
	script func(ctx context.Context, id string) error

	mu       sync.Mutex
	requests int
	// inline counts the requests in the goroutine of the call.
	inline int
}

func (*prompt) HonorsContext() bool { return true }

func (*prompt) SupportsConsistency(authz.Mode) bool { return true }

func (p *prompt) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	p.mu.Lock()
	p.requests++
	if strings.Contains(string(debug.Stack()), "(*Method).Authorize") {
		p.inline++
	}
	p.mu.Unlock()
	answers := make([]authz.Answer, len(batch.Queries))
	for i, query := range batch.Queries {
		if err := p.script(ctx, query.Object.ID); err != nil {
			return authz.Result{}, err
		}
		answers[i].Effect = authz.EffectAllowed
	}

	return authz.Result{Answers: answers}, nil
}

func (p *prompt) counts() (requests, inline int) {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.requests, p.inline
}

// waits takes so long, or until the context ends.
func waits(ctx context.Context, long time.Duration) error {
	select {
	case <-time.After(long):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// newPrompt returns an authorizer whose engine has shown that it is quick, so that it
// is asked in the goroutine of the call, until it is asked something slow.
func newPrompt(t *testing.T, config authz.Config, script func(ctx context.Context, id string) error) (*prompt, *authz.Authorizer) {
	t.Helper()
	engine := &prompt{script: script}
	config.Engine = engine
	authorizer := newAuthorizer(t, config)
	if got := ask(t.Context(), authorizer, "warm", "quick"); got != "" {
		t.Fatal(got)
	}
	engine.requests, engine.inline = 0, 0

	return engine, authorizer
}

func document(ctx context.Context, authorizer *authz.Authorizer, id string) error {
	_, err := authorizer.Authorize(ctx, service+"GetDocument", user("alice"), get(id))

	return err
}

// shareDocument asks what isn't shared with other calls.
func shareDocument(ctx context.Context, authorizer *authz.Authorizer, id string) error {
	strong := user("alice")
	strong.acr, strong.authTime = "mfa", time.Now()
	_, err := authorizer.Authorize(ctx, service+"ShareDocument", strong, &docsv1.ShareDocumentRequest{DocumentId: id})

	return err
}

func TestAQuickEngineIsAskedInTheCallsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine, authorizer := newPrompt(t, authz.Config{}, func(ctx context.Context, id string) error {
			switch id {
			case "slow":
				return waits(ctx, time.Millisecond)
			case "fails":
				return errOdd
			default:
				return nil
			}
		})
		for i, c := range []struct {
			id     string
			inline int
		}{
			{"1", 1}, {"2", 2}, {"slow", 3}, {"3", 3}, {"4", 4}, {"fails", 5}, {"5", 5}, {"6", 6},
		} {
			_ = document(t.Context(), authorizer, c.id)
			if requests, inline := engine.counts(); requests != i+1 || inline != c.inline {
				t.Errorf("after %s: %d of %d requests were the call's own, want %d of %d", c.id, inline, requests, c.inline, i+1)
			}
		}
		if err := shareDocument(t.Context(), authorizer, "7"); err != nil {
			t.Error(err)
		}
		if requests, inline := engine.counts(); requests != 9 || inline != 7 {
			t.Errorf("%d of %d", inline, requests)
		}
	})
}

// A request that has ended gives its place to another, however it has ended.
func TestRequestsInTheCallsGoroutineGiveTheirPlacesBack(t *testing.T) {
	engine, authorizer := newPrompt(t, authz.Config{Breaker: authz.BreakerConfig{Disabled: true}}, func(_ context.Context, id string) error {
		if strings.HasPrefix(id, "odd") {
			panic("secret")
		}

		return nil
	})
	for i := range 100 {
		_ = document(t.Context(), authorizer, fmt.Sprint("odd", i))
		engine.requests, engine.inline = 0, 0
		for engine.inline == 0 { // a busy machine isn't always quick
			if engine.requests > 1000 {
				t.Fatalf("none after %d odd ones", i+1)
			}
			if err := document(t.Context(), authorizer, fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// An engine that makes no promise has a goroutine for each request.
func TestOtherEnginesAreNotAskedInTheCallsGoroutine(t *testing.T) {
	inline := 0
	authorizer := newAuthorizer(t, authz.Config{Engine: authz.EngineFunc(func(context.Context, authz.Batch) (authz.Result, error) {
		if strings.Contains(string(debug.Stack()), "(*Method).Authorize") {
			inline++
		}

		return authz.Result{Answers: []authz.Answer{{Effect: authz.EffectAllowed}}}, nil
	})})
	for range 5 {
		if err := document(t.Context(), authorizer, "1"); err != nil {
			t.Error(err)
		}
	}
	if inline != 0 {
		t.Errorf("%d requests in the call's goroutine", inline)
	}
}

func TestLeaderThatAsksItselfLeavesTheOthersTheirAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine, authorizer := newPrompt(t, authz.Config{Timeout: 3 * time.Second}, func(ctx context.Context, id string) error {
			if id == "quick" {
				return nil
			}

			return waits(ctx, time.Second)
		})
		begun := time.Now()
		leader, leave := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			err := document(leader, authorizer, "1")
			if !errors.Is(err, context.Canceled) || time.Since(begun) != 100*time.Millisecond {
				t.Errorf("the leader got %v after %v", err, time.Since(begun))
			}
		})
		for range 5 {
			group.Go(func() {
				time.Sleep(time.Millisecond)
				if err := document(t.Context(), authorizer, "1"); err != nil || time.Since(begun) != 1100*time.Millisecond {
					t.Errorf("a follower got %v after %v", err, time.Since(begun))
				}
			})
		}
		group.Go(func() {
			time.Sleep(50 * time.Millisecond)
			impatient, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			err := document(impatient, authorizer, "1")
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 60*time.Millisecond {
				t.Errorf("a follower with a deadline got %v after %v", err, time.Since(begun))
			}
		})
		time.Sleep(100 * time.Millisecond)
		leave()
		group.Wait()
		if requests, inline := engine.counts(); requests != 2 || inline != 1 {
			t.Errorf("%d requests, %d of them the leader's own, want 2 and 1", requests, inline)
		}
	})
}

// A leader who is alone ends its request, and nobody can join it any more.
func TestLeaderThatAsksItselfAndLeavesAlone(t *testing.T) {
	for name, unshared := range map[string]bool{"shared": false, "not shared": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ended atomic.Int64
				engine, authorizer := newPrompt(t, authz.Config{Breaker: authz.BreakerConfig{Failures: 1}}, func(ctx context.Context, id string) error {
					if id == "quick" {
						return nil
					}
					err := waits(ctx, time.Second)
					if err != nil {
						ended.Add(1)
					}
					if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) < time.Second {
						t.Errorf("the engine's deadline is %v, %v: the call's own isn't evidence about the engine", time.Until(deadline), ok)
					}

					return err
				})
				for i := range 3 {
					if i > 0 {
						if err := document(t.Context(), authorizer, "quick"); err != nil {
							t.Error(err)
						}
					}
					before, _ := engine.counts()
					leader, leave := context.WithTimeout(t.Context(), 100*time.Millisecond)
					begun := time.Now()
					call := document
					if unshared {
						call = shareDocument
					}
					err := call(leader, authorizer, "1")
					if !errors.Is(err, context.DeadlineExceeded) || reasonOf(err) == authz.ReasonEngineUnavailable || time.Since(begun) != 100*time.Millisecond {
						t.Errorf("the leader got %v after %v", err, time.Since(begun))
					}
					leave()
					synctest.Wait()
					if requests, _ := engine.counts(); requests != before+1 || ended.Load() != int64(i+1) {
						t.Errorf("%d requests, %d of them ended with their call", requests-before, ended.Load())
					}
				}
				if err := document(t.Context(), authorizer, "1"); err != nil {
					t.Errorf("the breaker opened: %v", err)
				}
			})
		})
	}
}

// An engine takes its time to end: whoever comes meanwhile waits for an answer of its
// own.
func TestCallThatComesWhileTheLeadersRequestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, authorizer := newPrompt(t, authz.Config{Timeout: time.Second}, func(ctx context.Context, id string) error {
			if id == "quick" {
				return nil
			}
			err := waits(ctx, 100*time.Millisecond)
			if err != nil {
				time.Sleep(50 * time.Millisecond)
			}

			return err
		})
		leader, leave := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			if err := document(leader, authorizer, "1"); !errors.Is(err, context.Canceled) {
				t.Errorf("the leader got %v", err)
			}
		})
		time.Sleep(10 * time.Millisecond)
		leave()
		synctest.Wait()
		begun := time.Now()
		if err := document(t.Context(), authorizer, "1"); err != nil || time.Since(begun) != 150*time.Millisecond {
			t.Errorf("got %v after %v", err, time.Since(begun))
		}
		group.Wait()
	})
}

func TestTimeoutOfARequestInTheCallsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, authorizer := newPrompt(t, authz.Config{Timeout: time.Second}, func(ctx context.Context, id string) error {
			if id == "quick" {
				return nil
			}

			return waits(ctx, time.Hour)
		})
		begun := time.Now()
		err := document(t.Context(), authorizer, "1")
		if reasonOf(err) != authz.ReasonEngineUnavailable || errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(begun))
		}
	})
}

// Callers whose deadlines are shorter than the timeout can't hide an engine that hangs
// from the breaker: only the first such request ends with its call.
func TestShortDeadlinesDontHideAnEngineThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine, authorizer := newPrompt(t, authz.Config{Timeout: time.Second, Breaker: authz.BreakerConfig{Failures: 3, OpenFor: time.Minute}}, func(ctx context.Context, id string) error {
			if id == "quick" {
				return nil
			}

			return waits(ctx, time.Hour)
		})
		for i := range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			_ = ask(ctx, authorizer, fmt.Sprint("u", i), fmt.Sprint("d", i))
			cancel()
		}
		if requests, inline := engine.counts(); inline != 1 || requests > 10 {
			t.Errorf("%d requests, %d of them in the call's goroutine", requests, inline)
		}
		time.Sleep(time.Second)
	})
}

// Row 61: an engine that breaks its promise holds up its own callers, of which it can
// have no more than a bound, and those who share their request get no answer in time.
func TestEngineThatBreaksItsPromise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		engine, authorizer := newPrompt(t, authz.Config{Timeout: time.Second}, func(_ context.Context, id string) error {
			if id != "quick" {
				<-release
			}

			return nil
		})
		var back atomic.Int64
		var group sync.WaitGroup
		for i := range 100 {
			group.Go(func() {
				_ = ask(t.Context(), authorizer, fmt.Sprint("u", i), fmt.Sprint("d", i))
				back.Add(1)
			})
		}
		group.Go(func() {
			synctest.Wait()
			begun := time.Now()
			for i := range 100 {
				group.Go(func() {
					if got := ask(t.Context(), authorizer, fmt.Sprint("u", i), fmt.Sprint("d", i)); got != authz.ReasonEngineUnavailable || time.Since(begun) != time.Second {
						t.Errorf("row 61: one who shares a request got %v after %v", got, time.Since(begun))
					}
				})
			}
		})
		time.Sleep(1100 * time.Millisecond)
		if requests, inline := engine.counts(); requests != 100 || inline != 64 || back.Load() != 36 {
			t.Errorf("row 61: %d requests, %d of them in their calls' goroutines; %d calls are back", requests, inline, back.Load())
		}
		close(release)
		group.Wait()
	})
}

// Row 61: what the engine does to the goroutine reaches all who wait.
func TestEngineThatEndsTheCallsGoroutine(t *testing.T) {
	for name, c := range map[string]struct {
		end    func()
		leader authz.Reason // empty: the goroutine is over
		others authz.Reason
		inline int
	}{
		"panic":  {func() { panic("secret") }, authz.ReasonMisconfigured, authz.ReasonMisconfigured, 3},
		"Goexit": {runtime.Goexit, "", authz.ReasonEngineUnavailable, 1},
	} {
		t.Run("row 61: "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				engine, authorizer := newPrompt(t, authz.Config{}, func(ctx context.Context, id string) error {
					if id == "odd" {
						_ = waits(ctx, time.Second)
						c.end()
					}

					return nil
				})
				var leader authz.Reason
				var group sync.WaitGroup
				group.Go(func() { leader = ask(t.Context(), authorizer, "alice", "odd") })
				for range 5 {
					group.Go(func() {
						time.Sleep(time.Millisecond)
						if got := ask(t.Context(), authorizer, "alice", "odd"); got != c.others {
							t.Errorf("a follower got %q", got)
						}
					})
				}
				group.Wait()
				if leader != c.leader {
					t.Errorf("the leader got %q", leader)
				}
				for range 3 {
					if got := ask(t.Context(), authorizer, "alice", "1"); got != "" {
						t.Errorf("afterwards: %q", got)
					}
				}
				if _, inline := engine.counts(); inline != c.inline {
					t.Errorf("%d requests in the call's goroutine, want %d", inline, c.inline)
				}
			})
		})
	}
}

func TestContextOfARequestInTheCallsGoroutine(t *testing.T) {
	const kept, hidden contextKey = "kept", "hidden"
	asked := 0
	_, authorizer := newPrompt(t, authz.Config{}, func(ctx context.Context, id string) error {
		if _, ok := ctx.Deadline(); id != "quick" && (ctx.Value(kept) != "a" || ctx.Value(hidden) != nil || !ok) {
			t.Errorf("the engine's context has %v, %v, a deadline: %v", ctx.Value(kept), ctx.Value(hidden), ok)
		}
		asked++

		return nil
	})
	ctx := context.WithValue(context.WithValue(t.Context(), kept, "a"), hidden, "b")
	for name, c := range map[string]struct {
		engines func(context.Context) context.Context
		want    authz.Reason
	}{
		"hides":  {func(ctx context.Context) context.Context { return context.WithValue(ctx, hidden, nil) }, ""},
		"panics": {func(context.Context) context.Context { panic("secret") }, authz.ReasonMisconfigured},
		"none":   {func(context.Context) context.Context { return nil }, authz.ReasonMisconfigured},
	} {
		if err := document(t.Context(), authorizer, "quick"); err != nil {
			t.Fatal(err)
		}
		_, err := authorizer.Method(service+"GetDocument").Authorize(ctx, &authz.Call{
			Principal: user("alice"), Message: get(name), EngineContext: c.engines,
		})
		if reasonOf(err) != c.want {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if asked != 5 {
		t.Errorf("asked %d times", asked)
	}
}

// Whatever the callers do, each that stays gets its own right answer.
func TestCallersOfAPromptEngineGetTheirAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errOdd := &authz.EngineError{Kind: authz.EngineBadRequest, Err: errOdd}
		_, authorizer := newPrompt(t, authz.Config{Timeout: time.Second, Breaker: authz.BreakerConfig{Disabled: true}, Cache: authz.CacheConfig{Size: 4, TTL: time.Millisecond}}, func(ctx context.Context, id string) error {
			if id == "quick" {
				return nil
			}
			// Now and then it is slow, and slow to end.
			if rand.N(3) == 0 {
				if err := waits(ctx, rand.N(20*time.Millisecond)); err != nil {
					time.Sleep(rand.N(5 * time.Millisecond))

					return err
				}
			}
			if id[0] == 'x' {
				return errOdd
			}

			return nil
		})
		var group sync.WaitGroup
		for worker := range 40 {
			group.Go(func() {
				for range 100 {
					id, want := fmt.Sprint("d", rand.N(4)), authz.Reason("")
					if rand.N(2) == 0 {
						id, want = fmt.Sprint("x", rand.N(4)), authz.ReasonObjectMissing
					}
					ctx, cancel := t.Context(), context.CancelFunc(func() {})
					leaves := rand.N(3) == 0
					if leaves {
						ctx, cancel = context.WithTimeout(ctx, rand.N(10*time.Millisecond))
					}
					begun := time.Now()
					got := ask(ctx, authorizer, fmt.Sprint("u", worker%3), id)
					cancel()
					if left := leaves && strings.Contains(string(got), context.DeadlineExceeded.Error()); got != want && !left {
						t.Errorf("%s: got %q, want %q", id, got, want)
					}
					if long := time.Since(begun); long > 100*time.Millisecond || leaves && long > 15*time.Millisecond {
						t.Errorf("%s took %v", id, long)
					}
					time.Sleep(rand.N(time.Millisecond))
				}
			})
		}
		group.Wait()
		time.Sleep(time.Second) // what was left ends
	})
}
