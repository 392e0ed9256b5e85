package authz_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

// moody is an engine that hangs or fails on some queries, and on all of them while
// it is down.
type moody struct {
	down     atomic.Bool
	requests atomic.Int64
	// slow says of which queries there is never an answer.
	slow func(authz.Query) bool
}

func (e *moody) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	e.requests.Add(1)
	if e.down.Load() {
		return authz.Result{}, &authz.EngineError{Kind: authz.EngineUnavailable, Err: errors.New("down")}
	}
	answers := make([]authz.Answer, len(batch.Queries))
	for i, query := range batch.Queries {
		if e.slow != nil && e.slow(query) {
			<-ctx.Done()

			return authz.Result{}, ctx.Err()
		}
		answers[i].Effect = authz.EffectAllowed
	}

	return authz.Result{Answers: answers}, nil
}

// slowObjects are the documents whose name says so.
func slowObjects(q authz.Query) bool { return strings.HasPrefix(q.Object.ID, "slow") }

// ask is one call, by its caller and the document.
func ask(ctx context.Context, authorizer *authz.Authorizer, who, id string) authz.Reason {
	_, err := authorizer.Authorize(ctx, service+"GetDocument", user(who), get(id))

	return reasonOf(err)
}

// healthy makes 200 calls a second, of several callers, for so long, and returns
// how many there were and how many failed.
func healthy(ctx context.Context, authorizer *authz.Authorizer, callers int, long time.Duration) (calls, failed int) {
	return paced(ctx, authorizer, callers, long, 5*time.Millisecond)
}

// paced makes a call each so often.
func paced(ctx context.Context, authorizer *authz.Authorizer, callers int, long, every time.Duration) (calls, failed int) {
	for end := time.Now().Add(long); time.Now().Before(end); calls++ {
		if ask(ctx, authorizer, fmt.Sprint("good", calls%callers), fmt.Sprint("d", calls)) != "" {
			failed++
		}
		time.Sleep(every)
	}

	return calls, failed
}

// One caller's objects that time out make no other caller's call fail: five at once,
// any number for any time, and one object that many callers ask for.
func TestOneCallersObjectsDoNotOpenTheBreaker(t *testing.T) {
	for name, attack := range map[string]func(ctx context.Context, authorizer *authz.Authorizer, round int){
		"row 61: five that time out at once": func(ctx context.Context, authorizer *authz.Authorizer, round int) {
			if round == 0 {
				for i := range 5 {
					go ask(ctx, authorizer, "mallory", fmt.Sprint("slow", i))
				}
			}
		},
		"row 61: ten times the healthy calls, each another object": func(ctx context.Context, authorizer *authz.Authorizer, round int) {
			for i := range 200 {
				go ask(ctx, authorizer, "mallory", fmt.Sprint("slow", round, "-", i))
			}
		},
		"row 61: one object, asked for by a hundred callers": func(ctx context.Context, authorizer *authz.Authorizer, round int) {
			for i := range 20 {
				go ask(ctx, authorizer, fmt.Sprint("m", (20*round+i)%100), "slow")
			}
		},
		"row 61: one object in everybody's lists": func(ctx context.Context, authorizer *authz.Authorizer, round int) {
			for i := range 20 {
				n := 20*round + i
				go authorizer.Authorize(ctx, service+"BatchGetDocuments", user(fmt.Sprint("m", n%100)),
					&docsv1.BatchGetDocumentsRequest{DocumentIds: []string{fmt.Sprint("a", n), fmt.Sprint("b", n), "slow"}})
			}
		},
		"row 61: twenty callers, an object each": func(ctx context.Context, authorizer *authz.Authorizer, round int) {
			for i := range 2 {
				n := (2*round + i) % 20
				go ask(ctx, authorizer, fmt.Sprint("m", n), fmt.Sprint("slow", n))
			}
		},
	} {
		for _, callers := range []int{1, 25} {
			t.Run(fmt.Sprintf("%s, beside %d callers", name, callers), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var opened atomic.Int64
					authorizer := newAuthorizer(t, authz.Config{
						Engine: &moody{slow: slowObjects}, Timeout: time.Second,
						Observer: authz.Observer{BreakerChanged: func(changed authz.BreakerChanged) {
							if changed.Open {
								opened.Add(1)
							}
						}},
					})
					ctx, cancel := context.WithCancel(t.Context())
					go func() {
						for round := 0; ctx.Err() == nil; round++ {
							attack(ctx, authorizer, round)
							time.Sleep(100 * time.Millisecond)
						}
					}()
					calls, failed := healthy(ctx, authorizer, callers, 8*time.Second)
					cancel()
					time.Sleep(5 * time.Second)
					if failed != 0 || opened.Load() != 0 {
						t.Errorf("%d of %d healthy calls failed, the breaker opened %d times", failed, calls, opened.Load())
					}
				})
			})
		}
	}
}

// Only the caller whose own checks all fail is kept from the engine.
func TestBreakerOfOneCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &moody{slow: func(q authz.Query) bool { return q.Subject.ID == "mallory" }}
		var asked atomic.Int64
		authorizer := newAuthorizer(t, authz.Config{Engine: engine, Timeout: time.Second, Observer: authz.Observer{
			Asked: func(_ context.Context, a authz.EngineAsked) {
				if a.Err != nil && strings.Contains(a.Err.Error(), "for this caller") {
					asked.Add(1)
				}
			},
		}})
		for i := range 5 {
			go ask(t.Context(), authorizer, "mallory", fmt.Sprint(i))
		}
		time.Sleep(1100 * time.Millisecond)
		before := engine.requests.Load()
		for i := range 20 {
			_, err := authorizer.Authorize(t.Context(), service+"GetDocument", user("mallory"), get(fmt.Sprint("d", i)))
			var refused *authz.Error
			if !errors.As(err, &refused) || refused.Reason != authz.ReasonEngineUnavailable || refused.RetryAfter <= 0 || refused.RetryAfter > time.Second {
				t.Fatalf("got %v", err)
			}
		}
		if n := engine.requests.Load() - before; n != 0 || asked.Load() != 20 {
			t.Errorf("%d requests for a caller who gets no answers, %d told of", n, asked.Load())
		}
		if got := ask(t.Context(), authorizer, "alice", "1"); got != "" {
			t.Errorf("another caller got %v", got)
		}
		engine.slow = nil
		time.Sleep(time.Second)
		if got := ask(t.Context(), authorizer, "mallory", "1"); got != "" {
			t.Errorf("a second later the caller got %v", got)
		}
	})
}

// An outage opens the breaker within seconds, and 3 s after the engine answers
// again calls pass (goal 16), whatever the outage's length, with a caller's slow
// objects beside it or without.
func TestBreakerInAnOutage(t *testing.T) {
	for _, outage := range []time.Duration{5 * time.Second, 20 * time.Second, time.Minute, 10 * time.Minute} {
		every := outage / 1000 // 1000 calls in each
		for _, slow := range []bool{false, true} {
			t.Run(fmt.Sprintf("row 61: of %v, slow objects beside it: %v", outage, slow), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					engine := &moody{slow: slowObjects}
					var changes []string
					begun := time.Now()
					authorizer := newAuthorizer(t, authz.Config{Engine: engine, Observer: authz.Observer{
						BreakerChanged: func(changed authz.BreakerChanged) { changes = append(changes, fmt.Sprint(changed.Open)) },
					}})
					ctx, cancel := context.WithCancel(t.Context())
					if slow {
						go func() {
							for i := 0; ctx.Err() == nil; i++ {
								go ask(ctx, authorizer, "mallory", fmt.Sprint("slow", i))
								time.Sleep(every / 4)
							}
						}()
					}
					if calls, failed := healthy(ctx, authorizer, 25, 10*time.Second); failed != 0 {
						t.Errorf("%d of %d calls failed before the outage", failed, calls)
					}
					engine.down.Store(true)
					if calls, failed := paced(ctx, authorizer, 25, outage, every); failed != calls {
						t.Errorf("%d of %d calls were granted during the outage", calls-failed, calls)
					}
					before := engine.requests.Load()
					if _, _ = healthy(ctx, authorizer, 25, 10*time.Second); engine.requests.Load()-before > 11 {
						t.Errorf("%d requests in 10 s to an engine that is down", engine.requests.Load()-before)
					}
					engine.down.Store(false)
					_, _ = healthy(ctx, authorizer, 25, 3*time.Second)
					if calls, failed := healthy(ctx, authorizer, 25, 10*time.Second); failed != 0 {
						t.Errorf("%d of %d calls failed from 3 s after the engine answered again", failed, calls)
					}
					cancel()
					time.Sleep(5 * time.Second)
					if got := strings.Join(changes, " "); got != "true false" {
						t.Errorf("changes %s in %v", got, time.Since(begun))
					}
				})
			})
		}
	}
}

// A hook may use the authorizer: it is told without a lock held.
func TestBreakerChangedMayCallBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &moody{}
		var authorizer *authz.Authorizer
		var told []string
		authorizer = newAuthorizer(t, authz.Config{Engine: engine, Observer: authz.Observer{BreakerChanged: func(changed authz.BreakerChanged) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			told = append(told, fmt.Sprint(changed.Open, ask(ctx, authorizer, "hook", "1")))
		}}})
		engine.down.Store(true)
		for i := range 20 {
			ask(t.Context(), authorizer, fmt.Sprint("u", i), fmt.Sprint("d", i))
		}
		engine.down.Store(false)
		time.Sleep(2 * time.Second)
		if got := ask(t.Context(), authorizer, "alice", "1"); got != "" {
			t.Errorf("got %v", got)
		}
		if got, want := fmt.Sprint(told), fmt.Sprintf("[true%s false]", authz.ReasonEngineUnavailable); got != want {
			t.Errorf("told %s, want %s", got, want)
		}
	})
}

// Row 61: an engine that ends its goroutine is unavailable, takes no place for
// good, and opens and closes the breaker as any outage does.
func TestEngineThatEndsItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone atomic.Bool
		gone.Store(true)
		engine := authz.EngineFunc(func(_ context.Context, batch authz.Batch) (authz.Result, error) {
			if gone.Load() {
				runtime.Goexit()
			}

			return authz.Result{Answers: []authz.Answer{{Effect: authz.EffectAllowed}}[:len(batch.Queries)]}, nil
		})
		var asked, failed atomic.Int64
		authorizer := newAuthorizer(t, authz.Config{Engine: engine, Observer: authz.Observer{Asked: func(_ context.Context, a authz.EngineAsked) {
			asked.Add(1)
			if a.Err != nil {
				failed.Add(1)
			}
		}}})
		begun := time.Now()
		for i := range 20 {
			if got := ask(t.Context(), authorizer, fmt.Sprint("u", i), fmt.Sprint("d", i)); got != authz.ReasonEngineUnavailable {
				t.Fatalf("row 61: call %d got %q", i, got)
			}
		}
		// A probe that ends its goroutine too holds no place in the breaker.
		for range 3 {
			time.Sleep(1100 * time.Millisecond)
			if got := ask(t.Context(), authorizer, "alice", "1"); got != authz.ReasonEngineUnavailable {
				t.Fatalf("row 61: a probe got %q", got)
			}
		}
		gone.Store(false)
		time.Sleep(2 * time.Second)
		for i := range 20 {
			if got := ask(t.Context(), authorizer, fmt.Sprint("u", i), fmt.Sprint("d", i)); got != "" {
				t.Errorf("row 61: after it answers again: %q", got)
			}
		}
		if time.Since(begun) > 6*time.Second || asked.Load() != 43 || failed.Load() != 23 {
			t.Errorf("row 61: %v, told of %d requests, %d of them failed", time.Since(begun), asked.Load(), failed.Load())
		}
	})
}

// Row 61: an engine that never returns, whatever its context says, on one caller's
// objects takes no more than a share of the places from the others.
func TestHangingRequestsOfOneCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var running atomic.Int64
		engine := authz.EngineFunc(func(_ context.Context, batch authz.Batch) (authz.Result, error) {
			running.Add(1)
			defer running.Add(-1)
			if slowObjects(batch.Queries[0]) {
				<-release
			}

			return authz.Result{Answers: []authz.Answer{{Effect: authz.EffectAllowed}}}, nil
		})
		authorizer := newAuthorizer(t, authz.Config{Engine: engine, Timeout: time.Second, Breaker: authz.BreakerConfig{Disabled: true}})
		var group sync.WaitGroup
		for round := range 30 {
			for i := range 100 {
				group.Go(func() { ask(t.Context(), authorizer, "mallory", fmt.Sprint("slow", round, "-", i)) })
			}
			group.Wait()
			if got := ask(t.Context(), authorizer, "alice", fmt.Sprint(round)); got != "" {
				t.Errorf("row 61: round %d: another caller got %v beside %d requests that hang", round, got, running.Load())
			}
		}
		if n := running.Load(); n < 400 || n > 600 {
			t.Errorf("row 61: one caller's requests hang %d times, want about half of 1000", n)
		}
		close(release)
		synctest.Wait()
		if n := running.Load(); n != 0 {
			t.Errorf("row 61: %d requests are left", n)
		}
	})
}

// A query that one caller's batch is waiting for is no other caller's: a slow
// object in a batch must not hold what others ask about the rest of it.
func TestBatchOfAnotherCallerIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &moody{slow: slowObjects}
		// All callers are one subject to the engine.
		authorizer := newAuthorizer(t, authz.Config{Engine: engine, Subjects: authz.Subjects{User: "tenant:{$claim.organization}"}})
		of := func(who string) *caller {
			c := user(who)
			c.claims = map[string]any{"organization": "acme"}

			return c
		}
		go authorizer.Authorize(t.Context(), service+"BatchGetDocuments", of("mallory"),
			&docsv1.BatchGetDocumentsRequest{DocumentIds: []string{"1", "slow"}})
		synctest.Wait()
		begun := time.Now()
		if _, err := authorizer.Authorize(t.Context(), service+"GetDocument", of("alice"), get("1")); err != nil || time.Since(begun) != 0 {
			t.Errorf("row 61: %v after %v", err, time.Since(begun))
		}
		time.Sleep(4 * time.Second)
	})
}

// What an engine's client refuses before it is sent, for what the caller wrote, is
// no answer of the engine: with it one caller would keep the breaker shut in an
// outage, or shut it again, and everybody would wait for the timeout.
func TestRefusedRequestsDoNotHideAnOutage(t *testing.T) {
	for _, kind := range []authz.EngineErrorKind{authz.EngineBadRevision, authz.EngineBadRequest, authz.EngineBadSubject} {
		t.Run("row 61: "+kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var down atomic.Bool
				down.Store(true)
				engine := authz.EngineFunc(func(_ context.Context, batch authz.Batch) (authz.Result, error) {
					switch {
					case strings.HasPrefix(batch.Queries[0].Object.ID, "bad"):
						return authz.Result{}, &authz.EngineError{Kind: kind}
					case down.Load():
						return authz.Result{}, &authz.EngineError{Kind: authz.EngineUnavailable}
					default:
						return authz.Result{Answers: []authz.Answer{{Effect: authz.EffectAllowed}}}, nil
					}
				})
				var changes []bool
				authorizer := newAuthorizer(t, authz.Config{Engine: engine, Observer: authz.Observer{
					BreakerChanged: func(changed authz.BreakerChanged) { changes = append(changes, changed.Open) },
				}})
				refused := func() {
					for i := range 100 {
						ask(t.Context(), authorizer, "mallory", fmt.Sprint("bad", i))
					}
				}
				for i := range 10 {
					refused()
					ask(t.Context(), authorizer, fmt.Sprint("u", i), fmt.Sprint("d", i))
				}
				if got := fmt.Sprint(changes); got != "[true]" {
					t.Errorf("row 61: in an outage: changes %s", got)
				}
				for range 5 {
					time.Sleep(1100 * time.Millisecond)
					refused()
				}
				if got := fmt.Sprint(changes); got != "[true]" {
					t.Errorf("row 61: beside one who is refused: changes %s", got)
				}
				down.Store(false)
				time.Sleep(2 * time.Second)
				if got := ask(t.Context(), authorizer, "alice", "1"); got != "" {
					t.Errorf("row 61: after the outage: %q", got)
				}
			})
		})
	}
}

// A client that is registered with a user's name doesn't take the engine from the
// user, nor a user from a client.
func TestACircuitIsOfOneKind(t *testing.T) {
	for name, c := range map[string]struct{ mallory, victim *caller }{
		"row 61: a client with a user's name": {backend("alice"), user("alice")},
		"row 61: a user with a client's name": {user("billing"), backend("billing")},
		"row 61: the sub of another issuer":   {of("partner", "alice"), user("alice")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				authorizer := newAuthorizer(t, authz.Config{
					Engine: &moody{slow: slowObjects}, Timeout: time.Second, Issuers: authz.Issuers{"main", "partner"},
					Subjects: authz.Subjects{User: "user:{$issuer}/{$sub}", Service: "service:{$issuer}/{$client_id}"},
				})
				for i := range 20 {
					go authorizer.Authorize(t.Context(), service+"GetDocument", c.mallory, get(fmt.Sprint("slow", i)))
				}
				time.Sleep(1100 * time.Millisecond)
				if _, err := authorizer.Authorize(t.Context(), service+"GetDocument", c.mallory, get("1")); reasonOf(err) != authz.ReasonEngineUnavailable {
					t.Errorf("the caller itself got %v", err)
				}
				if _, err := authorizer.Authorize(t.Context(), service+"GetDocument", c.victim, get("1")); err != nil {
					t.Errorf("the victim got %v", err)
				}
			})
		})
	}
}

// Row 61: a caller that leaves its calls at once, as by resetting its streams, has no
// more requests under way for it than a bound, and the others are asked for as before.
func TestCallsThatAreLeftAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int64
		engine := authz.EngineFunc(func(_ context.Context, batch authz.Batch) (authz.Result, error) {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			if batch.Queries[0].Subject.ID == "mallory" {
				time.Sleep(2 * time.Second)
			}

			return authz.Result{Answers: []authz.Answer{{Effect: authz.EffectAllowed}}}, nil
		})
		authorizer := newAuthorizer(t, authz.Config{Engine: engine})
		left, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for i := range 5000 {
			ctx, leave := context.WithCancel(left)
			group.Go(func() { ask(ctx, authorizer, "mallory", fmt.Sprint(i)) })
			synctest.Wait()
			leave()
			synctest.Wait()
		}
		cancel()
		group.Wait()
		if n := most.Load(); n > 1000 {
			t.Errorf("row 61: %d requests under way for one who has left", n)
		}
		if got := ask(t.Context(), authorizer, "mallory", "more"); got != authz.ReasonEngineUnavailable {
			t.Errorf("row 61: one who has left a thousand got %q", got)
		}
		if got := ask(t.Context(), authorizer, "alice", "1"); got != "" {
			t.Errorf("row 61: another caller got %q", got)
		}
		time.Sleep(3 * time.Second)
		for range 3 {
			if got := ask(t.Context(), authorizer, "mallory", "1"); got != "" {
				t.Errorf("row 61: once they have ended: %q", got)
			}
		}
	})
}
