package authz_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

// BenchmarkSharedDecision is goal 12: 64 callers ask one new question. The goal is
// that the engine is asked once.
func BenchmarkSharedDecision(b *testing.B) {
	const callers = 64
	asked := 0
	for b.Loop() {
		var requests, arrived atomic.Int64
		all := make(chan struct{})
		engine := authz.EngineFunc(func(ctx context.Context, batch authz.Batch) (authz.Result, error) {
			requests.Add(1)
			select {
			case <-all: // an engine takes longer than it takes the callers to arrive
			case <-ctx.Done():
				return authz.Result{}, ctx.Err()
			}

			return authz.Result{Answers: []authz.Answer{{Effect: authz.EffectAllowed}}[:len(batch.Queries)]}, nil
		})
		authorizer := newAuthorizer(b, authz.Config{Engine: engine, Cache: authz.CacheConfig{Size: 100, TTL: time.Hour}, Timeout: time.Minute})
		method := authorizer.Method(service + "GetDocument")
		question := &authz.Call{Principal: user("alice"), Message: &docsv1.GetDocumentRequest{DocumentId: "1"}}
		var callersDone sync.WaitGroup
		for range callers {
			callersDone.Go(func() {
				if arrived.Add(1) == callers {
					close(all)
				}
				if _, err := method.Authorize(b.Context(), question); err != nil {
					b.Error(err)
				}
			})
		}
		callersDone.Wait()
		asked += int(requests.Load())
	}
	b.ReportMetric(float64(asked)/float64(b.N), "checks/question")
}

// BenchmarkCombined is the count of goal 15: 64 callers that ask about other objects
// without a pause, of an engine that takes a millisecond for any request.
func BenchmarkCombined(b *testing.B) {
	const callers, rounds = 64, 20
	requests, checks := int64(0), 0
	for b.Loop() {
		var asked atomic.Int64
		authorizer := newAuthorizer(b, authz.Config{Engine: combinerFunc(func(_ context.Context, batch authz.Batch) (authz.Result, error) {
			asked.Add(1)
			time.Sleep(time.Millisecond)
			result := authz.Result{Answers: make([]authz.Answer, len(batch.Queries))}
			for i := range result.Answers {
				result.Answers[i].Effect = authz.EffectAllowed
			}

			return result, nil
		})})
		method := authorizer.Method(service + "GetDocument")
		var group sync.WaitGroup
		for i := range callers {
			call := &authz.Call{Principal: user(fmt.Sprint("u", i)), Message: &docsv1.GetDocumentRequest{DocumentId: fmt.Sprint(i)}}
			group.Go(func() {
				for range rounds {
					if _, err := method.Authorize(b.Context(), call); err != nil {
						b.Error(err)
					}
				}
			})
		}
		group.Wait()
		requests += asked.Load()
		checks += callers * rounds
	}
	b.ReportMetric(float64(requests)/float64(checks), "requests/check")
}
