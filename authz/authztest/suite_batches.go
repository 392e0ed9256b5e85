package authztest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/usher-auth/usher/authz"
)

// batchCases test many queries at once.
func batchCases() []suiteCase {
	cases := []suiteCase{
		{"batch of none", func(t *testing.T, f *fixture) {
			f.with(t)
			result, err := f.engine.Check(f.ctx, authz.Batch{})
			if err != nil || len(result.Answers) != 0 {
				t.Errorf("got %v, %v", result, err)
			}
		}},
		{"duplicates", func(t *testing.T, f *fixture) {
			f.with(t, "document:1#viewer@user:alice")
			allowed, denied := query("document:1#view@user:alice"), query("document:1#view@user:bob")
			answers := f.check(t, allowed, denied, allowed, denied, allowed)
			for i, answer := range answers {
				if want := i%2 == 0; answer.Err != nil || (answer.Effect == authz.EffectAllowed) != want {
					t.Errorf("answer %d is %v (%v)", i, answer.Effect, answer.Err)
				}
			}
		}},
		{"error of one item", itemError},
		{"concurrency", concurrency},
		{"combined batch", combined},
	}
	sizes := map[string]func(limit int) int{
		"batch of one":                 func(int) int { return 1 },
		"batch of the limit":           func(limit int) int { return limit },
		"batch of the limit and one":   func(limit int) int { return limit + 1 },
		"batch of thrice the limit":    func(limit int) int { return 3*limit - 1 },
		"batch of the limit minus one": func(limit int) int { return max(limit-1, 1) },
	}
	for name, size := range sizes {
		cases = append(cases, suiteCase{name, func(t *testing.T, f *fixture) { order(t, f, size(f.Limit)) }})
	}

	return cases
}

// order grants every third document, and requires the answers in the queries' order.
func order(t *testing.T, f *fixture, size int) {
	f.with(t)
	queries := make([]authz.Query, size)
	for i := range queries {
		id := strconv.Itoa(i)
		queries[i] = query("document:" + id + "#view@user:alice")
		if i%3 == 0 {
			f.write(t, "document:"+id+"#viewer@user:alice")
		}
	}
	for i, answer := range f.check(t, queries...) {
		if want := i%3 == 0; answer.Err != nil || (answer.Effect == authz.EffectAllowed) != want {
			t.Fatalf("answer %d of %d is %v (%v), want allowed %v", i, size, answer.Effect, answer.Err, want)
		}
	}
}

// itemError requires that a query that can't be answered never makes the answer to
// another query of its batch wrong. The others may only remain without an answer.
func itemError(t *testing.T, f *fixture) {
	f.with(t, "document:1#viewer@user:alice")
	queries := []authz.Query{
		query("document:1#view@user:alice"), query("document:1#no_such@user:alice"), query("document:1#view@user:bob"),
	}
	result, err := f.engine.Check(f.ctx, authz.Batch{Queries: queries, Consistency: f.fresh()})
	if err != nil {
		if got := kind(t, err); got != authz.EngineMisconfigured {
			t.Errorf("the batch failed as %v, want %v", got, authz.EngineMisconfigured)
		}

		return
	}
	if len(result.Answers) != len(queries) {
		t.Fatalf("%d answers to %d queries", len(result.Answers), len(queries))
	}
	if answer := result.Answers[0]; answer.Err == nil && answer.Effect != authz.EffectAllowed {
		t.Errorf("the first is %v, want allowed or an error", answer.Effect)
	}
	if answer := result.Answers[2]; answer.Err == nil && answer.Effect != authz.EffectDenied {
		t.Errorf("the third is %v, want denied or an error", answer.Effect)
	}
	bad := result.Answers[1]
	if bad.Err == nil && (bad.Effect == authz.EffectAllowed || !f.Lacks.Schema) {
		t.Errorf("an unknown relation is %v, want an error", bad.Effect)
	}
}

// combined requires of an engine that is an [authz.Combiner] that a batch of different
// callers' queries, asked under a context that has no values, has the answers that each
// query has alone.
func combined(t *testing.T, f *fixture) {
	f.with(t)
	combiner, ok := f.engine.(authz.Combiner)
	if !ok || combiner.CombinesQueries() < 2 {
		return
	}
	queries := make([]authz.Query, min(combiner.CombinesQueries(), 64))
	for i := range queries {
		user := "user:u" + strconv.Itoa(i)
		queries[i] = query("document:" + strconv.Itoa(i/2) + "#view@" + user)
		if i%3 == 0 {
			f.write(t, "document:"+strconv.Itoa(i/2)+"#viewer@"+user)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer context.AfterFunc(f.ctx, cancel)()
	result, err := f.engine.Check(ctx, authz.Batch{Queries: queries, Consistency: f.fresh()})
	if err != nil || len(result.Answers) != len(queries) {
		t.Fatalf("%d answers to %d queries: %v", len(result.Answers), len(queries), err)
	}
	for i, q := range queries {
		alone := f.check(t, q)[0]
		if got, want := result.Answers[i], i%3 == 0; got.Err != nil || got.Effect != alone.Effect || (got.Effect == authz.EffectAllowed) != want {
			t.Errorf("%v is %v (%v) with others and %v alone, want allowed %v", q, got.Effect, got.Err, alone.Effect, want)
		}
	}
}

func concurrency(t *testing.T, f *fixture) {
	const callers, rounds = 8, 10
	f.with(t)
	for i := range callers {
		f.write(t, fmt.Sprintf("document:%d#viewer@user:u%d", i, i))
	}
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			own := query(fmt.Sprintf("document:%d#view@user:u%d", i, i))
			other := query(fmt.Sprintf("document:%d#view@user:u%d", (i+1)%callers, i))
			for range rounds {
				result, err := f.engine.Check(f.ctx, authz.Batch{Queries: []authz.Query{own, other}, Consistency: f.fresh()})
				if err != nil || len(result.Answers) != 2 ||
					result.Answers[0].Effect != authz.EffectAllowed || result.Answers[1].Effect != authz.EffectDenied {
					t.Errorf("caller %d: %v, %v", i, result, err)

					return
				}
			}
		})
	}
	group.Wait()
}
