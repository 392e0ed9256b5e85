package authz_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func get(id string) *docsv1.GetDocumentRequest { return &docsv1.GetDocumentRequest{DocumentId: id} }

// slow is an engine that answers after a while.
type slow struct {
	*tuples

	delay time.Duration
	err   atomic.Pointer[error]
}

func (s *slow) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	select {
	case <-time.After(s.delay):
	case <-ctx.Done():
		return authz.Result{}, ctx.Err()
	}
	result, err := s.tuples.Check(ctx, batch)
	if failure := s.err.Load(); failure != nil && *failure != nil {
		return authz.Result{}, *failure
	}

	return result, err
}

func (s *slow) fail(err error) { s.err.Store(&err) }

func TestIdenticalQueriesInFlightAreAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &slow{tuples: newTuples("document:1#viewer@user:alice"), delay: time.Second}
		authorizer := newAuthorizer(t, authz.Config{Engine: engine, Cache: authz.CacheConfig{Size: 100, TTL: time.Minute}})
		var group sync.WaitGroup
		for range 64 {
			group.Go(func() {
				if _, err := authorizer.Authorize(t.Context(), service+"GetDocument", user("alice"), get("1")); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if got := engine.requests(); got != 1 {
			t.Errorf("%d requests for 64 callers, want 1", got)
		}
	})
}

func TestOverlappingBatchesShareTheirQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &slow{tuples: newTuples("document:1#viewer@user:alice", "document:2#viewer@user:alice"), delay: time.Second}
		authorizer := newAuthorizer(t, authz.Config{Engine: engine})
		var group sync.WaitGroup
		for i, ids := range [][]string{{"1", "2"}, {"2", "3"}, {"1", "1", "2"}} {
			group.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				_, err := authorizer.Authorize(t.Context(), service+"BatchGetDocuments", user("alice"), &docsv1.BatchGetDocumentsRequest{DocumentIds: ids})
				if (err == nil) != (i != 1) {
					t.Errorf("%v: %v", ids, err)
				}
			})
		}
		group.Wait()
		asked := map[string]int{}
		for _, batch := range engine.batches {
			for _, query := range batch.Queries {
				asked[query.Object.ID]++
			}
		}
		if len(asked) != 3 || asked["1"] != 1 || asked["2"] != 1 || asked["3"] != 1 {
			t.Errorf("asked %v, want each once", asked)
		}
	})
}

func TestLeaderThatLeavesTakesTheAnswerFromNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &slow{tuples: newTuples("document:1#viewer@user:alice"), delay: time.Second}
		authorizer := newAuthorizer(t, authz.Config{Engine: engine})
		leader, leave := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			_, err := authorizer.Authorize(leader, service+"GetDocument", user("alice"), get("1"))
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the leader got %v", err)
			}
		})
		group.Go(func() {
			time.Sleep(time.Millisecond)
			if _, err := authorizer.Authorize(t.Context(), service+"GetDocument", user("alice"), get("1")); err != nil {
				t.Errorf("the follower got %v", err)
			}
		})
		time.Sleep(100 * time.Millisecond)
		leave()
		group.Wait()
		if got := engine.requests(); got != 1 {
			t.Errorf("%d requests, want 1", got)
		}
	})
}

func TestCallerKeepsItsOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &slow{tuples: newTuples(), delay: 2 * time.Second}
		authorizer := newAuthorizer(t, authz.Config{Engine: engine})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		begun := time.Now()
		_, err := authorizer.Authorize(ctx, service+"GetDocument", user("alice"), get("1"))
		var refused *authz.Error
		if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &refused) || time.Since(begun) != 100*time.Millisecond {
			t.Errorf("got %v after %v", err, time.Since(begun))
		}
		time.Sleep(5 * time.Second)
	})
}

func TestEngineThatNeverAnswersIsUnavailableWithinTheTimeout(t *testing.T) {
	for name, heeds := range map[string]bool{"heeds its context": true, "ignores its context": false} {
		t.Run("row 61: an engine that "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				engine := authz.EngineFunc(func(ctx context.Context, _ authz.Batch) (authz.Result, error) {
					if heeds {
						<-ctx.Done()
					} else {
						<-release
					}

					return authz.Result{}, ctx.Err()
				})
				authorizer := newAuthorizer(t, authz.Config{Engine: engine, Timeout: time.Second})
				begun := time.Now()
				_, err := authorizer.Authorize(t.Context(), service+"GetDocument", user("alice"), get("1"))
				if reasonOf(err) != authz.ReasonEngineUnavailable || time.Since(begun) != time.Second {
					t.Errorf("got %v after %v", err, time.Since(begun))
				}
				if errors.Is(err, context.DeadlineExceeded) {
					t.Error("the engine's timeout can be taken for the caller's deadline")
				}
				close(release)
				synctest.Wait()
			})
		})
	}
}

func TestFullyConsistentIsNeitherSharedNorCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &slow{tuples: newTuples("document:1#owner@user:alice"), delay: time.Second}
		authorizer := newAuthorizer(t, authz.Config{Engine: engine, Cache: authz.CacheConfig{Size: 100, TTL: time.Minute}})
		caller := user("alice")
		var group sync.WaitGroup
		for range 5 {
			group.Go(func() {
				strong := *caller
				strong.acr, strong.authTime = "mfa", time.Now()
				if _, err := authorizer.Authorize(t.Context(), service+"ShareDocument", &strong, &docsv1.ShareDocumentRequest{DocumentId: "1"}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if got := engine.requests(); got != 5 {
			t.Errorf("%d requests for 5 calls, want 5", got)
		}
		if got := engine.batches[0].Consistency.Mode; got != authz.ModeFullyConsistent {
			t.Errorf("asked with %v", got)
		}
	})
}

func TestDecisionCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newTuples("document:1#viewer@user:alice")
		authorizer := newAuthorizer(t, authz.Config{Engine: engine, Cache: authz.CacheConfig{Size: 100, TTL: time.Minute, DeniedTTL: 10 * time.Second}})
		call := func(who, id string, fresh bool) error {
			_, err := authorizer.Method(service+"GetDocument").Authorize(t.Context(), &authz.Call{Principal: user(who), Message: get(id), Fresh: fresh})

			return err
		}
		expect := func(what string, want int) {
			t.Helper()
			if got := engine.requests(); got != want {
				t.Errorf("%s: %d requests, want %d", what, got, want)
			}
		}
		for range 3 {
			if err := call("alice", "1", false); err != nil {
				t.Fatal(err)
			}
			if err := call("bob", "1", false); reasonOf(err) != authz.ReasonRelationDenied {
				t.Fatal(err)
			}
		}
		expect("cached", 2)
		time.Sleep(9 * time.Second)
		_ = call("bob", "1", false)
		expect("denial still cached", 2)
		time.Sleep(2 * time.Second)
		_ = call("bob", "1", false)
		expect("denial expired first", 3)
		_ = call("alice", "1", false)
		expect("grant still cached", 3)
		engine.allowed = map[string]bool{}
		if err := call("alice", "1", true); reasonOf(err) != authz.ReasonRelationDenied {
			t.Errorf("fresh went to the cache: %v", err)
		}
		if err := call("alice", "1", false); reasonOf(err) != authz.ReasonRelationDenied {
			t.Errorf("a fresh denial didn't replace the cached grant: %v", err)
		}
		expect("fresh asked once", 4)
	})
}

func TestErrorsAndConditionalAnswersAreNotCached(t *testing.T) {
	answers := []authz.Answer{
		{Err: errors.New("item")}, {Effect: authz.EffectConditional}, {Effect: authz.EffectUnknown}, {Effect: authz.EffectAllowed},
	}
	asked := 0
	engine := authz.EngineFunc(func(context.Context, authz.Batch) (authz.Result, error) {
		asked++

		return authz.Result{Answers: answers[asked-1 : asked]}, nil
	})
	authorizer := newAuthorizer(t, authz.Config{Engine: engine, Cache: authz.CacheConfig{Size: 100, TTL: time.Minute}})
	for i, want := range []authz.Reason{authz.ReasonEngineUnavailable, authz.ReasonRelationDenied, authz.ReasonRelationDenied, ""} {
		_, err := authorizer.Authorize(t.Context(), service+"GetDocument", user("alice"), get("1"))
		if got := reasonOf(err); got != want {
			t.Errorf("answer %d: %v, want %q", i, err, want)
		}
	}
}

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &slow{tuples: newTuples("document:1#viewer@user:alice")}
		var changes []bool
		authorizer := newAuthorizer(t, authz.Config{
			Engine: engine, Breaker: authz.BreakerConfig{Failures: 3, OpenFor: 10 * time.Second},
			Observer: authz.Observer{BreakerChanged: func(changed authz.BreakerChanged) { changes = append(changes, changed.Open) }},
		})
		calls := 0
		call := func() error { // each of another caller, about another object
			calls++
			_, err := authorizer.Authorize(t.Context(), service+"GetDocument", user(fmt.Sprint("u", calls)), get(fmt.Sprint("d", calls)))

			return err
		}
		for _, kind := range []authz.EngineErrorKind{authz.EngineRefused, authz.EngineMisconfigured, authz.EngineBadRevision, authz.EngineBadRequest, authz.EngineBadSubject} {
			engine.fail(&authz.EngineError{Kind: kind})
			for range 5 {
				if err := call(); err == nil {
					t.Fatal("granted")
				}
			}
		}
		if len(changes) > 0 {
			t.Fatal("what isn't an outage opened the breaker")
		}
		time.Sleep(time.Minute)
		engine.fail(&authz.EngineError{Kind: authz.EngineUnavailable, RetryAfter: 7 * time.Second})
		before := engine.requests()
		for range 10 {
			err := call()
			if reasonOf(err) != authz.ReasonEngineUnavailable {
				t.Fatal(err)
			}
			var refused *authz.Error
			if errors.As(err, &refused); refused.RetryAfter <= 0 {
				t.Errorf("no time to retry after in %v", err)
			}
		}
		if got := engine.requests() - before; got != 3 {
			t.Errorf("%d requests to an engine that is down, want 3", got)
		}
		engine.fail(nil)
		time.Sleep(11 * time.Second)
		for range 5 {
			if err := call(); reasonOf(err) != authz.ReasonRelationDenied {
				t.Errorf("after the breaker let one through: %v", err)
			}
		}
		if fmt.Sprint(changes) != "[true false]" {
			t.Errorf("changes %v", changes)
		}
	})
}

// An engine that answers a batch, and each query in it with an outage, is down.
func TestBreakerCountsBatchesOfOutages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kind := authz.EngineUnavailable
		requests := 0
		engine := authz.EngineFunc(func(_ context.Context, batch authz.Batch) (authz.Result, error) {
			requests++
			answers := make([]authz.Answer, len(batch.Queries))
			for i := range answers {
				answers[i].Err = &authz.EngineError{Kind: kind}
			}

			return authz.Result{Answers: answers}, nil
		})
		var asked []authz.EngineAsked
		authorizer := newAuthorizer(t, authz.Config{Engine: engine, Breaker: authz.BreakerConfig{Failures: 3}, Observer: authz.Observer{
			Asked: func(_ context.Context, a authz.EngineAsked) { asked = append(asked, a) },
		}})
		made := 0
		calls := func(n int) (last error) {
			for range n {
				made++
				ids := &docsv1.BatchGetDocumentsRequest{DocumentIds: []string{fmt.Sprint("a", made), fmt.Sprint("b", made)}}
				if _, last = authorizer.Authorize(t.Context(), service+"BatchGetDocuments", user(fmt.Sprint("u", made)), ids); last == nil {
					t.Fatal("granted")
				}
			}

			return last
		}
		kind = authz.EngineBadRequest
		if calls(5); requests != 5 {
			t.Errorf("%d requests, want 5: what isn't an outage opened the breaker", requests)
		}
		kind = authz.EngineUnavailable
		if err := calls(10); reasonOf(err) != authz.ReasonEngineUnavailable || requests != 8 {
			t.Errorf("%v after %d requests, want 8: three outages open the breaker", err, requests)
		}
		if len(asked) != 15 || asked[0].Queries != 2 || asked[0].Err != nil || asked[7].Err == nil {
			t.Errorf("told of %+v", asked)
		}
	})
}

func TestCallersThatLeaveDontOpenTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &slow{tuples: newTuples("document:1#owner@user:alice"), delay: time.Second}
		var undecided int
		authorizer := newAuthorizer(t, authz.Config{Engine: engine, Breaker: authz.BreakerConfig{Failures: 1}, Observer: authz.Observer{
			Decided: func(_ context.Context, d *authz.Decision) {
				if !d.Allowed() {
					undecided++
				}
			},
		}})
		caller := func() *caller {
			strong := user("alice")
			strong.acr, strong.authTime = "mfa", time.Now()

			return strong
		}
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			_, err := authorizer.Authorize(ctx, service+"ShareDocument", caller(), &docsv1.ShareDocumentRequest{DocumentId: "1"})
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if _, err := authorizer.Authorize(t.Context(), service+"ShareDocument", caller(), &docsv1.ShareDocumentRequest{DocumentId: "1"}); err != nil {
			t.Errorf("the breaker opened: %v", err)
		}
		if undecided != 5 {
			t.Errorf("the observer was told of %d calls that ended before their decision, want 5", undecided)
		}
	})
}

func TestBatchesAboveTheLimit(t *testing.T) {
	t.Run("row 58: above the cap refused without asking", func(t *testing.T) {
		engine := newTuples()
		authorizer := newAuthorizer(t, authz.Config{Engine: engine, MaxObjects: 5})
		_, err := authorizer.Authorize(t.Context(), service+"BatchGetDocuments", user("alice"), &docsv1.BatchGetDocumentsRequest{DocumentIds: make([]string, 6)})
		var refused *authz.Error
		if !errors.As(err, &refused) || refused.Reason != authz.ReasonObjectMissing || refused.Field != "document_ids" || engine.requests() != 0 {
			t.Errorf("got %v after %d requests", err, engine.requests())
		}
	})
}

func TestAnswersThatArentOneForOne(t *testing.T) {
	for name, answers := range map[string][]authz.Answer{
		"none":               nil,
		"too few":            {{Effect: authz.EffectAllowed}},
		"too many":           {{Effect: authz.EffectAllowed}, {Effect: authz.EffectAllowed}, {Effect: authz.EffectAllowed}},
		"unknown effects":    {{}, {}},
		"effects we lack":    {{Effect: 200}, {Effect: 4}},
		"allowed with error": {{Effect: authz.EffectAllowed, Err: errors.New("x")}, {Effect: authz.EffectAllowed}},
	} {
		t.Run("row 59: "+name, func(t *testing.T) {
			engine := authz.EngineFunc(func(context.Context, authz.Batch) (authz.Result, error) {
				return authz.Result{Answers: answers}, nil
			})
			authorizer := newAuthorizer(t, authz.Config{Engine: engine})
			if _, err := authorizer.Authorize(t.Context(), service+"BatchGetDocuments", user("alice"), &docsv1.BatchGetDocumentsRequest{DocumentIds: []string{"1", "2"}}); err == nil {
				t.Error("granted")
			}
		})
	}
}

func TestEngineThatPanicsIsAnErrorOfOurs(t *testing.T) {
	engine := authz.EngineFunc(func(context.Context, authz.Batch) (authz.Result, error) { panic("secret") })
	authorizer := newAuthorizer(t, authz.Config{Engine: engine})
	_, err := authorizer.Authorize(t.Context(), service+"GetDocument", user("alice"), get("1"))
	if reasonOf(err) != authz.ReasonMisconfigured || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func TestEngineThatHangsTakesNoMoreThanItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var running atomic.Int64
		engine := authz.EngineFunc(func(_ context.Context, batch authz.Batch) (authz.Result, error) {
			running.Add(1)
			defer running.Add(-1)
			<-release

			return authz.Result{Answers: make([]authz.Answer, len(batch.Queries))}, nil
		})
		authorizer := newAuthorizer(t, authz.Config{Engine: engine, Timeout: time.Second})
		ask := func(id int) {
			_, err := authorizer.Authorize(t.Context(), service+"GetDocument", user(fmt.Sprint("u", id)), get(fmt.Sprint(id)))
			if reasonOf(err) != authz.ReasonEngineUnavailable {
				t.Errorf("row 61: got %v", err)
			}
		}
		const calls, share = 3000, 1000
		for id := range calls {
			ask(id)
		}
		if n := running.Load(); n != share {
			t.Errorf("row 61: %d requests hang, want %d", n, share)
		}
		close(release)
		synctest.Wait()
		if n := running.Load(); n != 0 {
			t.Errorf("row 61: %d requests are left", n)
		}
		begun := time.Now()
		if _, err := authorizer.Authorize(t.Context(), service+"GetDocument", user("alice"), get("1")); reasonOf(err) == authz.ReasonEngineUnavailable || time.Since(begun) != 0 {
			t.Errorf("row 61: once the engine answers again: %v after %v", err, time.Since(begun))
		}
	})
}
