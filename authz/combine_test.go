package authz_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

// combining is an engine whose requests may be combined. It allows what a user asks
// about its own document: u7 about 7.
type combining struct {
	mu      sync.Mutex
	batches []authz.Batch
	delay   time.Duration
	hostile func(ctx context.Context, batch authz.Batch) (authz.Result, error)
}

func (*combining) CombinesQueries() int { return 50 }

func (e *combining) SupportsConsistency(authz.Mode) bool { return true }

func (e *combining) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	e.mu.Lock()
	e.batches = append(e.batches, batch)
	e.mu.Unlock()
	time.Sleep(e.delay)
	result := authz.Result{}
	for _, q := range batch.Queries {
		if e.hostile != nil && strings.HasPrefix(q.Object.ID, "odd") {
			return e.hostile(ctx, batch)
		}
		answer := authz.Answer{Effect: authz.EffectDenied}
		if q.Subject.ID == "u"+q.Object.ID {
			answer.Effect = authz.EffectAllowed
		}
		result.Answers = append(result.Answers, answer)
	}

	return result, nil
}

// asked returns how many requests there were, and the largest.
func (e *combining) asked() (requests, largest int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, batch := range e.batches {
		largest = max(largest, len(batch.Queries))
	}

	return len(e.batches), largest
}

// crowd has n callers ask at once, each about its own document.
func crowd(t *testing.T, authorizer *authz.Authorizer, n int) {
	t.Helper()
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			if got := ask(t.Context(), authorizer, fmt.Sprint("u", i), fmt.Sprint(i)); got != "" {
				t.Errorf("caller %d got %q", i, got)
			}
		})
	}
	group.Wait()
}

func TestManyCallersAreCombined(t *testing.T) {
	for name, c := range map[string]struct {
		disabled bool
		most     int
	}{"combined": {false, 6}, "disabled": {true, 64}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				engine := &combining{delay: 5 * time.Millisecond}
				var queries, combined atomic.Int64
				authorizer := newAuthorizer(t, authz.Config{Engine: engine, DisableCombining: c.disabled, Observer: authz.Observer{
					Asked: func(_ context.Context, a authz.EngineAsked) {
						queries.Add(int64(a.Queries))
						combined.Add(int64(a.Combined))
					},
				}})
				begun := time.Now()
				crowd(t, authorizer, 64)
				requests, _ := engine.asked()
				if requests > c.most || c.disabled && requests != 64 || time.Since(begun) > 7*time.Millisecond {
					t.Errorf("%d requests in %v", requests, time.Since(begun))
				}
				if queries.Load() != 64 || c.disabled != (combined.Load() == 0) {
					t.Errorf("told of %d queries, %d combined", queries.Load(), combined.Load())
				}
			})
		})
	}
}

func TestCallerAloneIsNotHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &combining{delay: 300 * time.Microsecond}
		authorizer := newAuthorizer(t, authz.Config{Engine: engine})
		begun := time.Now()
		for i := range 100 {
			if got := ask(t.Context(), authorizer, fmt.Sprint("u", i), fmt.Sprint(i)); got != "" {
				t.Fatal(got)
			}
		}
		if took := time.Since(begun); took != 100*engine.delay {
			t.Errorf("100 requests took %v", took)
		}
	})
}

// A caller who is alone costs no more allocations. They are counted over many calls,
// since a pool that the race detector or the collector empties adds a part of one.
func TestCallerAloneAllocatesNoMore(t *testing.T) {
	engine := newTuplesUnrecorded("document:1#viewer@user:alice")
	allocs := func(engine authz.Engine) float64 {
		const calls = 2000
		method := newAuthorizer(t, authz.Config{Engine: engine}).Method(service + "GetDocument")
		call := &authz.Call{Principal: user("alice"), Message: get("1")}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range calls {
			if _, err := method.Authorize(t.Context(), call); err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&after)

		return float64(after.Mallocs-before.Mallocs) / calls
	}
	_ = allocs(engine) // fills the pools
	if plain, combined := allocs(engine), allocs(combinerFunc(engine.Check)); combined > plain+0.5 {
		t.Errorf("%v allocations, %v without combining", combined, plain)
	}
}

// Answers are never another caller's, whatever is slow, fails or is left.
func TestCombinedAnswersAreTheCallersOwn(t *testing.T) {
	for name, honors := range map[string]bool{"in goroutines of their own": false, "in the calls' goroutines, too": true} {
		t.Run(name, func(t *testing.T) { combinedAnswersAreTheCallersOwn(t, honors) })
	}
}

func combinedAnswersAreTheCallersOwn(t *testing.T, honors bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		var mu sync.Mutex
		roll := func(n int) int {
			mu.Lock()
			defer mu.Unlock()

			return random.IntN(n)
		}
		engine := &unsteady{roll: roll, honors: honors}
		authorizer := newAuthorizer(t, authz.Config{Engine: engine, Breaker: authz.BreakerConfig{Disabled: true}})
		var group sync.WaitGroup
		for i := range 64 {
			group.Go(func() {
				for range 200 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+roll(30))*time.Millisecond)
					other := i + roll(2)
					got := ask(ctx, authorizer, fmt.Sprint("u", i), fmt.Sprint(other))
					if got == "" && other != i || got == authz.ReasonRelationDenied && other == i {
						t.Errorf("caller %d about %d got %q", i, other, got)
					}
					cancel()
					time.Sleep(time.Duration(roll(1000)) * time.Microsecond)
				}
			})
		}
		group.Wait()
		time.Sleep(10 * time.Second)
		if _, largest := engine.asked(); largest < 2 {
			t.Error("nothing was combined")
		}
	})
}

// unsteady answers right, late or not at all. One that honors its context does so in
// less than a millisecond most of the time, so that calls wait in it.
type unsteady struct {
	combining

	roll   func(n int) int
	honors bool
}

func (e *unsteady) HonorsContext() bool { return e.honors }

func (e *unsteady) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	longest := 2000
	if e.honors {
		longest = 1100
	}
	if err := e.wait(ctx, time.Duration(e.roll(longest))*time.Microsecond); err != nil {
		return authz.Result{}, err
	}
	switch e.roll(400) {
	case 0:
		if err := e.wait(ctx, 30*time.Millisecond); err != nil {
			return authz.Result{}, err
		}
	case 1:
		return authz.Result{}, errors.New("down")
	case 2:
		<-ctx.Done()
	case 3:
		if !e.honors {
			runtime.Goexit()
		}
		panic("unsteady")
	}

	return e.combining.Check(ctx, batch)
}

// wait waits, until the context ends if the engine honors it.
func (e *unsteady) wait(ctx context.Context, long time.Duration) error {
	if !e.honors {
		time.Sleep(long)

		return nil
	}
	select {
	case <-time.After(long):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Queries at two revisions are never in one batch: the newer one may be of a tuple
// that the older doesn't have.
func TestRevisionsAreNotMixed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &combining{delay: 5 * time.Millisecond}
		rule := check("document:{text}", "view")
		rule.Consistency = fromField()
		method := one(t, engine, "M", rule)
		var group sync.WaitGroup
		for i := range 60 {
			message := &docsv1.Kinds{Text: fmt.Sprint(i)}
			if at := fmt.Sprint("r", i%3); i%3 != 0 {
				message.OptionalText = &at
			}
			group.Go(func() {
				if _, err := method.Authorize(t.Context(), &authz.Call{Principal: user(fmt.Sprint("u", i)), Message: message}); err != nil {
					t.Errorf("caller %d: %v", i, err)
				}
			})
		}
		group.Wait()
		for _, batch := range engine.batches {
			for _, q := range batch.Queries {
				at := authz.Consistency{}
				switch i, _ := strconv.Atoi(q.Object.ID); i % 3 {
				case 1:
					at = authz.Consistency{Mode: authz.ModeAtLeastAsFresh, Revision: "r1"}
				case 2:
					at = authz.Consistency{Mode: authz.ModeAtLeastAsFresh, Revision: "r2"}
				}
				if batch.Consistency != at {
					t.Errorf("document %s was asked for under %v", q.Object.ID, batch.Consistency)
				}
			}
		}
		if requests, largest := engine.asked(); requests > 10 || largest > 20 {
			t.Errorf("%d requests, the largest of %d queries", requests, largest)
		}
	})
}

// A rule that is fully consistent, and a call that is fresh, are asked for alone.
func TestFreshCallsAreNotCombined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &combining{delay: 5 * time.Millisecond}
		authorizer := newAuthorizer(t, authz.Config{Engine: engine})
		strong := func(i int) *caller {
			c := user(fmt.Sprint("u", i))
			c.acr, c.authTime = "mfa", time.Now()

			return c
		}
		var group sync.WaitGroup
		for i := range 20 {
			group.Go(func() {
				_, _ = authorizer.Authorize(t.Context(), service+"ShareDocument", strong(i), &docsv1.ShareDocumentRequest{DocumentId: fmt.Sprint(i)})
			})
			group.Go(func() {
				_, _ = authorizer.Method(service+"GetDocument").Authorize(t.Context(), &authz.Call{Principal: user(fmt.Sprint("u", i)), Message: get(fmt.Sprint(i)), Fresh: true})
			})
		}
		group.Wait()
		if requests, largest := engine.asked(); requests != 40 || largest != 1 {
			t.Errorf("%d requests, the largest of %d queries", requests, largest)
		}
	})
}
