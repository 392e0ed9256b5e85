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
)

// badly are the ways in which an engine takes a batch that holds an odd query.
var badly = map[string]func(ctx context.Context, batch authz.Batch) (authz.Result, error){
	"hangs": func(ctx context.Context, _ authz.Batch) (authz.Result, error) {
		<-ctx.Done()

		return authz.Result{}, ctx.Err()
	},
	"heeds no context": func(context.Context, authz.Batch) (authz.Result, error) {
		time.Sleep(5 * time.Second)

		return authz.Result{}, nil
	},
	"takes longer than the patience": func(_ context.Context, batch authz.Batch) (authz.Result, error) {
		time.Sleep(100 * time.Millisecond)

		return authz.Result{Answers: make([]authz.Answer, len(batch.Queries))}, nil
	},
	"fails": func(context.Context, authz.Batch) (authz.Result, error) { return authz.Result{}, errors.New("odd") },
	"is refused": func(context.Context, authz.Batch) (authz.Result, error) {
		return authz.Result{}, &authz.EngineError{Kind: authz.EngineBadRequest}
	},
	"panics":             func(context.Context, authz.Batch) (authz.Result, error) { panic("odd") },
	"ends its goroutine": func(context.Context, authz.Batch) (authz.Result, error) { runtime.Goexit(); panic("unreachable") },
	"lacks answers":      func(context.Context, authz.Batch) (authz.Result, error) { return authz.Result{}, nil },
	"has too many answers": func(_ context.Context, batch authz.Batch) (authz.Result, error) {
		return authz.Result{Answers: make([]authz.Answer, len(batch.Queries)+1)}, nil
	},
	"can't be read": func(context.Context, authz.Batch) (authz.Result, error) { var none *sick; return authz.Result{}, none },
}

// Row 61: for ten seconds 63 callers ask, and one about odd objects, several at a time.
// Each of the others has its own right answer within the patience and twice its usual
// time, and is in one batch with an odd query once at most.
func TestHostileCallerAmongManyGoodOnes(t *testing.T) {
	const good, bound = 63, 30 * time.Millisecond
	for name, hostile := range badly {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				engine := &combining{delay: time.Millisecond, hostile: hostile}
				var changed atomic.Int64
				authorizer := newAuthorizer(t, authz.Config{Engine: engine, Observer: authz.Observer{BreakerChanged: func(authz.BreakerChanged) { changed.Add(1) }}})
				var group sync.WaitGroup
				end := time.Now().Add(10 * time.Second)
				for i := range good {
					group.Go(func() {
						for time.Now().Before(end) {
							begun := time.Now()
							if got := ask(t.Context(), authorizer, fmt.Sprint("u", i), fmt.Sprint(i)); got != "" {
								t.Errorf("row 61: caller %d got %q", i, got)
							}
							if took := time.Since(begun); took > bound {
								t.Errorf("row 61: caller %d was answered after %v", i, took)
							}
							time.Sleep(50 * time.Millisecond)
						}
					})
				}
				for i := range 4 {
					group.Go(func() {
						for n := 0; time.Now().Before(end); n++ {
							if got := ask(t.Context(), authorizer, "mallory", fmt.Sprint("odd", i, "-", n)); got == "" {
								t.Error("row 61: the odd query was allowed")
							}
							time.Sleep(20 * time.Millisecond)
						}
					})
				}
				group.Wait()
				hit := map[string]int{}
				for _, batch := range engine.batches {
					odd := false
					for _, q := range batch.Queries {
						odd = odd || strings.HasPrefix(q.Object.ID, "odd")
					}
					for _, q := range batch.Queries {
						if odd && q.Subject.ID != "mallory" {
							hit[q.Subject.ID]++
						}
					}
				}
				for who, times := range hit {
					if times > 1 {
						t.Errorf("row 61: %s was asked for with an odd query %d times", who, times)
					}
				}
				if _, largest := engine.asked(); len(hit) == 0 || largest < 20 {
					t.Errorf("%d callers were combined with the hostile one, %d with each other", len(hit), largest)
				}
				if changed.Load() != 0 {
					t.Errorf("row 61: the breaker changed %d times", changed.Load())
				}
				time.Sleep(6 * time.Second)
			})
		})
	}
}

// Where batches are late though nothing is slow alone, no caller is to blame: soon
// nothing is combined, for a while.
func TestBatchesThatGainNothing(t *testing.T) {
	for name, many := range map[string]func(ctx context.Context) (authz.Result, error){
		"slow": func(context.Context) (authz.Result, error) {
			time.Sleep(time.Minute)

			return authz.Result{}, nil
		},
		"refused": func(context.Context) (authz.Result, error) {
			return authz.Result{}, &authz.EngineError{Kind: authz.EngineRefused}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				engine := &combining{delay: time.Millisecond}
				combined := 0
				counted := combinerFunc(func(ctx context.Context, batch authz.Batch) (authz.Result, error) {
					if len(batch.Queries) > 1 {
						engine.mu.Lock()
						combined++
						engine.mu.Unlock()

						return many(ctx)
					}

					return engine.Check(ctx, batch)
				})
				changed := 0
				authorizer := newAuthorizer(t, authz.Config{Engine: counted, Observer: authz.Observer{BreakerChanged: func(authz.BreakerChanged) { changed++ }}})
				for range 90 {
					crowd(t, authorizer, 20)
					time.Sleep(100 * time.Millisecond)
				}
				if combined == 0 || combined > 10 {
					t.Errorf("%d requests were combined", combined)
				}
				if changed != 0 {
					t.Errorf("the breaker changed %d times", changed)
				}
				before := combined
				time.Sleep(11 * time.Second)
				crowd(t, authorizer, 20)
				if combined == before {
					t.Error("nothing is combined any more")
				}
				time.Sleep(2 * time.Minute)
			})
		})
	}
}

// combinerFunc is a function that is a Combiner.
type combinerFunc func(context.Context, authz.Batch) (authz.Result, error)

func (combinerFunc) CombinesQueries() int { return 50 }

func (f combinerFunc) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	return f(ctx, batch)
}

// An engine that becomes slow as a whole isn't taken for a caller's fault, and is still
// asked in batches.
func TestSlowEngineIsStillCombined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &combining{delay: 60 * time.Millisecond}
		authorizer := newAuthorizer(t, authz.Config{Engine: engine})
		for range 10 {
			crowd(t, authorizer, 50)
		}
		engine.mu.Lock()
		engine.batches = nil
		engine.mu.Unlock()
		for range 10 {
			crowd(t, authorizer, 50)
		}
		if requests, _ := engine.asked(); requests > 50 {
			t.Errorf("%d requests for 500 checks", requests)
		}
	})
}

// A combined answer counts for each of its callers: were it only one's, the two that
// are asked alone in each round would open the breaker.
func TestCombinedAnswersCountForEachCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &combining{delay: time.Millisecond}
		changed := 0
		authorizer := newAuthorizer(t, authz.Config{Observer: authz.Observer{BreakerChanged: func(authz.BreakerChanged) { changed++ }}, Engine: combinerFunc(
			func(ctx context.Context, batch authz.Batch) (authz.Result, error) {
				result, err := engine.Check(ctx, batch)
				if len(batch.Queries) == 1 {
					return authz.Result{}, &authz.EngineError{Kind: authz.EngineUnavailable}
				}

				return result, err
			})})
		for range 20 {
			var group sync.WaitGroup
			for i := range 20 {
				group.Go(func() { ask(t.Context(), authorizer, fmt.Sprint("u", i), fmt.Sprint(i)) })
			}
			group.Wait()
			time.Sleep(10 * time.Millisecond)
		}
		if changed != 0 {
			t.Errorf("the breaker changed %d times", changed)
		}
	})
}

// An outage opens the breaker as it does without combining, and nothing is combined
// while it is open.
func TestOutageOfACombiner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		engine := &combining{delay: time.Millisecond}
		var opened, closed atomic.Int64
		authorizer := newAuthorizer(t, authz.Config{
			Observer: authz.Observer{BreakerChanged: func(changed authz.BreakerChanged) {
				if changed.Open {
					opened.Add(1)
				} else {
					closed.Add(1)
				}
			}},
			Engine: combinerFunc(func(ctx context.Context, batch authz.Batch) (authz.Result, error) {
				result, err := engine.Check(ctx, batch)
				if down.Load() {
					return authz.Result{}, &authz.EngineError{Kind: authz.EngineUnavailable}
				}

				return result, err
			}),
		})
		crowd(t, authorizer, 50)
		down.Store(true)
		for range 6 {
			for i := range 50 {
				go ask(t.Context(), authorizer, fmt.Sprint("u", i), fmt.Sprint(i))
			}
			time.Sleep(time.Second)
		}
		if opened.Load() != 1 || closed.Load() != 0 {
			t.Errorf("the breaker opened %d times and closed %d times", opened.Load(), closed.Load())
		}
		engine.mu.Lock()
		engine.batches = nil
		engine.mu.Unlock()
		for i := range 50 {
			go ask(t.Context(), authorizer, fmt.Sprint("u", i), fmt.Sprint(i))
		}
		synctest.Wait()
		if requests, largest := engine.asked(); requests > 1 || largest > 1 {
			t.Errorf("%d requests while the breaker is open, the largest of %d", requests, largest)
		}
		down.Store(false)
		time.Sleep(3 * time.Second)
		ask(t.Context(), authorizer, "u1", "1")
		time.Sleep(time.Second)
		crowd(t, authorizer, 50)
		if closed.Load() != 1 {
			t.Errorf("the breaker closed %d times", closed.Load())
		}
	})
}

// Row 61: what runs on in an engine that heeds no context is bounded for combined
// requests as for others.
func TestCombinedRequestsThatRunOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int64
		engine := &combining{delay: time.Millisecond}
		authorizer := newAuthorizer(t, authz.Config{Engine: combinerFunc(func(ctx context.Context, batch authz.Batch) (authz.Result, error) {
			if len(batch.Queries) > 1 {
				most.Store(max(most.Load(), running.Add(1)))
				defer running.Add(-1)
				time.Sleep(24 * time.Hour)
			}

			return engine.Check(ctx, batch)
		})})
		for range 3000 {
			crowd(t, authorizer, 4)
			time.Sleep(2 * time.Second)
		}
		if most.Load() < 100 || most.Load() > 1000 {
			t.Errorf("row 61: %d requests ran on", most.Load())
		}
		time.Sleep(25 * time.Hour)
	})
}

// Row 61: one who leaves its calls at once has no more queries under way in combined
// requests than in others.
func TestCombinedCallsThatAreLeftAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int64
		authorizer := newAuthorizer(t, authz.Config{Engine: combinerFunc(func(_ context.Context, batch authz.Batch) (authz.Result, error) {
			result := authz.Result{Answers: make([]authz.Answer, len(batch.Queries))}
			left := int64(0)
			for i, q := range batch.Queries {
				result.Answers[i].Effect = authz.EffectAllowed
				if q.Subject.ID == "mallory" {
					left++
				}
			}
			if left > 0 {
				most.Store(max(most.Load(), running.Add(left)))
				defer running.Add(-left)
				time.Sleep(2 * time.Second)
			}

			return result, nil
		})})
		var group sync.WaitGroup
		for i := range 5000 {
			ctx, leave := context.WithCancel(t.Context())
			group.Go(func() { ask(ctx, authorizer, "mallory", fmt.Sprint(i)) })
			synctest.Wait()
			leave()
			synctest.Wait()
			if i%100 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		group.Wait()
		// What a late batch holds is asked again: a query may be under way twice.
		if n := most.Load(); n > 2*1000 {
			t.Errorf("row 61: %d queries under way for one who has left", n)
		}
		if got := ask(t.Context(), authorizer, "mallory", "more"); got != authz.ReasonEngineUnavailable {
			t.Errorf("row 61: one who has left a thousand got %q", got)
		}
		if got := ask(t.Context(), authorizer, "alice", "1"); got != "" {
			t.Errorf("row 61: another caller got %q", got)
		}
		time.Sleep(5 * time.Second)
		if got := ask(t.Context(), authorizer, "mallory", "1"); got != "" {
			t.Errorf("row 61: once they have ended: %q", got)
		}
	})
}

// An observer of a combined request may panic or end its goroutine: the answers are
// handed out all the same.
func TestOddObserverOfACombinedRequest(t *testing.T) {
	for name, odd := range map[string]func(){"panics": func() { panic("odd") }, "ends its goroutine": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				engine := &combining{delay: time.Millisecond}
				var combined atomic.Int64
				authorizer := newAuthorizer(t, authz.Config{Engine: engine, Observer: authz.Observer{Asked: func(_ context.Context, a authz.EngineAsked) {
					if a.Combined > 0 {
						combined.Add(1)
						odd()
					}
				}}})
				for range 5 {
					crowd(t, authorizer, 20)
				}
				if combined.Load() == 0 {
					t.Error("nothing was combined")
				}
				if requests, _ := engine.asked(); requests > 25 {
					t.Errorf("%d requests", requests)
				}
			})
		})
	}
}
