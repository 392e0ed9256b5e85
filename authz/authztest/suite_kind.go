package authztest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
)

// asker is the method of an engine that answers one kind of queries.
type asker func(ctx context.Context, batch authz.Batch) (authz.Result, error)

// kindSuite is what the suites of permissions and attributes have in common.
type kindSuite struct {
	kind authz.QueryKind
	// open returns the adapter over a server that allows what the tuples say.
	open func(tb testing.TB, tuples ...Tuple) (ask asker, engine any)
	// hanging is nil if it isn't tested.
	hanging func(tb testing.TB) asker
	limit   int
	// noObject is set if queries are about no object.
	noObject bool
}

// kindFixture is the state of one case.
type kindFixture struct {
	kindSuite

	ctx    context.Context //nolint:containedctx // the case's deadline, for helpers of one test
	ask    asker
	engine any
}

type kindCase struct {
	name string
	run  func(t *testing.T, f *kindFixture)
}

func (s kindSuite) run(t *testing.T, groups ...[]kindCase) {
	t.Helper()
	if s.limit == 0 {
		s.limit = defaultLimit
	}
	for _, group := range groups {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), caseTimeout)
				defer cancel()
				c.run(t, &kindFixture{kindSuite: s, ctx: ctx})
			})
		}
	}
}

// with returns the fixture's engine, over a server that allows what the texts say.
func (f *kindFixture) with(t *testing.T, tuples ...string) {
	t.Helper()
	f.allow(t, MustTuples(tuples...)...)
}

// allow is with for tuples.
func (f *kindFixture) allow(t *testing.T, tuples ...Tuple) {
	t.Helper()
	if f.noObject {
		for i := range tuples {
			tuples[i] = withoutObject(tuples[i])
		}
	}
	if f.ask, f.engine = f.open(t, tuples...); f.ask == nil {
		t.Fatal("authztest: New returned nothing")
	}
}

// withoutObject moves the object into the name, so that tuples that differ still do.
func withoutObject(tuple Tuple) Tuple {
	tuple.Relation += "." + tuple.Object.Type + "." + tuple.Object.ID
	tuple.Object = authz.Object{}

	return tuple
}

// query returns the query that a tuple answers, written as in
// "document:1#view@user:alice".
func (f *kindFixture) query(text string) authz.Query {
	tuple := MustTuples(text)[0]
	if f.noObject {
		tuple = withoutObject(tuple)
	}

	return authz.Query{Kind: f.kind, Object: tuple.Object, Relation: tuple.Relation, Subject: tuple.Subject}
}

// answers sends queries and requires a well-formed result.
func (f *kindFixture) answers(t *testing.T, queries ...authz.Query) []authz.Answer {
	t.Helper()
	result, err := f.ask(f.ctx, authz.Batch{Queries: queries})
	if err != nil {
		t.Fatalf("%d queries: %v", len(queries), err)
	}
	if len(result.Answers) != len(queries) {
		t.Fatalf("%d answers to %d queries", len(result.Answers), len(queries))
	}

	return result.Answers
}

// expect sends the queries as one batch, and each alone, and requires that exactly
// those that are to be allowed are, and that the others are denied.
func (f *kindFixture) expect(t *testing.T, allowed []bool, queries ...authz.Query) {
	t.Helper()
	check := func(where string, want bool, q authz.Query, answer authz.Answer) {
		t.Helper()
		effect := authz.EffectDenied
		if want {
			effect = authz.EffectAllowed
		}
		if answer.Err != nil || answer.Effect != effect {
			t.Errorf("%s, %s: %v is %v (%v), want %v", q, where, q.Properties, answer.Effect, answer.Err, effect)
		}
	}
	for i, answer := range f.answers(t, queries...) {
		check("in a batch", allowed[i], queries[i], answer)
	}
	for i, q := range queries {
		check("alone", allowed[i], q, f.one(t, q))
	}
}

// one sends one query and returns its answer, or the error of its batch as the
// answer's.
func (f *kindFixture) one(t *testing.T, q authz.Query) authz.Answer {
	t.Helper()
	before := fmt.Sprintf("%+v %+v", q, q.Properties)
	result, err := f.ask(f.ctx, authz.Batch{Queries: []authz.Query{q}})
	if after := fmt.Sprintf("%+v %+v", q, q.Properties); after != before {
		t.Errorf("the query was changed from %s to %s", before, after)
	}
	if err != nil {
		return authz.Answer{Err: err}
	}
	if len(result.Answers) != 1 {
		t.Fatalf("%d answers to one query", len(result.Answers))
	}

	return result.Answers[0]
}

// never requires that a query isn't allowed: it is denied, or has an error of one of
// the kinds.
func (f *kindFixture) never(t *testing.T, q authz.Query, kinds ...authz.EngineErrorKind) {
	t.Helper()
	answer := f.one(t, q)
	if answer.Err == nil {
		if answer.Effect == authz.EffectAllowed {
			t.Errorf("%q is %v", q.String(), answer.Effect)
		}

		return
	}
	got := kind(t, answer.Err)
	if !slices.Contains(kinds, got) {
		t.Errorf("%q is refused as %v (%v), want one of %v", q.String(), got, answer.Err, kinds)
	}
}

// misconfigured requires that a query is refused as one that the engine can't express,
// and by ValidateQuery, too, if the engine has it.
func (f *kindFixture) misconfigured(t *testing.T, q authz.Query) {
	t.Helper()
	answer := f.one(t, q)
	if answer.Err == nil {
		t.Errorf("%q is %v, want %v", q.String(), answer.Effect, authz.EngineMisconfigured)

		return
	}
	if got := kind(t, answer.Err); got != authz.EngineMisconfigured {
		t.Errorf("%q is refused as %v (%v), want %v", q.String(), got, answer.Err, authz.EngineMisconfigured)
	}
	if validator, ok := f.engine.(authz.QueryValidator); ok && validator.ValidateQuery(q) == nil {
		t.Errorf("%q is refused where it is asked, and ValidateQuery accepts it", q.String())
	}
}

// kindCases are the cases of both suites.
func kindCases() []kindCase {
	cases := []kindCase{
		{"allowed and denied", func(t *testing.T, f *kindFixture) {
			f.with(t, "document:1#view@user:alice", "document:2#view@service:indexer")
			f.expect(t, []bool{true, true, false, false, false, false},
				f.query("document:1#view@user:alice"), f.query("document:2#view@service:indexer"),
				f.query("document:2#view@user:alice"), f.query("document:1#view@user:bob"),
				f.query("document:1#view@service:indexer"), f.query("document:1#view@service:alice"))
		}},
		{"another subject", otherSubject},
		{"unknown names", func(t *testing.T, f *kindFixture) {
			f.with(t, "document:1#view@user:alice")
			for _, text := range []string{"document:1#no_such@user:alice", "no_such:1#view@user:alice", "document:1#view@no_such:alice"} {
				f.never(t, f.query(text), authz.EngineMisconfigured)
			}
		}},
		{"queries of other kinds", otherKinds},
		{"batch of none", batchOfNone},
		{"mixed faults", mixedFaults},
		{"hostile ids", hostile},
		{"consistency", func(t *testing.T, f *kindFixture) {
			f.with(t, "document:1#view@user:alice")
			for _, mode := range []authz.Mode{authz.ModeFullyConsistent, authz.ModeAtLeastAsFresh} {
				result, err := f.ask(f.ctx, authz.Batch{
					Queries: []authz.Query{f.query("document:1#view@user:alice")}, Consistency: authz.Consistency{Mode: mode, Revision: "r0"},
				})
				supporter, ok := f.engine.(authz.ConsistencySupporter)
				if ok && supporter.SupportsConsistency(mode) {
					if err != nil || len(result.Answers) != 1 || result.Answers[0].Effect != authz.EffectAllowed {
						t.Errorf("%v: %v, %v", mode, result, err)
					}
				} else if err == nil || kind(t, err) != authz.EngineMisconfigured {
					t.Errorf("%v, which isn't supported: %v, %v", mode, result, err)
				}
			}
		}},
		{"cancelled before", func(t *testing.T, f *kindFixture) {
			f.with(t, "document:1#view@user:alice")
			ctx, cancel := context.WithCancel(f.ctx)
			cancel()
			f.ends(t, ctx, f.ask)
		}},
		{"cancelled while waiting", func(t *testing.T, f *kindFixture) {
			if f.hanging == nil {
				return
			}
			ctx, cancel := context.WithCancel(f.ctx)
			stop := time.AfterFunc(50*time.Millisecond, cancel)
			defer stop.Stop()
			f.ends(t, ctx, f.hanging(t))
		}},
		{"deadline while waiting", func(t *testing.T, f *kindFixture) {
			if f.hanging == nil {
				return
			}
			ctx, cancel := context.WithTimeout(f.ctx, 50*time.Millisecond)
			defer cancel()
			f.ends(t, ctx, f.hanging(t))
		}},
		{"concurrency", kindConcurrency},
	}
	for name, size := range map[string]func(limit int) int{
		"batch of the limit minus one": func(limit int) int { return max(limit-1, 1) },
		"batch of the limit":           func(limit int) int { return limit },
		"batch of the limit and one":   func(limit int) int { return limit + 1 },
		"huge batch":                   func(limit int) int { return 11*limit - 2 },
	} {
		cases = append(cases, kindCase{name, func(t *testing.T, f *kindFixture) { kindOrder(t, f, size(f.limit)) }})
	}

	return cases
}

// otherSubject asks about several subjects in one batch, which an adapter or its
// server may ask about together: none gets the answer of another.
func otherSubject(t *testing.T, f *kindFixture) {
	f.with(t, "document:1#view@user:alice", "document:2#view@user:bob", "document:3#view@service:alice")
	var queries []authz.Query
	var allowed []bool
	for range 3 {
		for i, subject := range []string{"user:alice", "user:bob", "service:alice", "user:carol"} {
			for document := range 3 {
				queries = append(queries, f.query(fmt.Sprintf("document:%d#view@%s", document+1, subject)))
				allowed = append(allowed, i == document)
			}
		}
	}
	f.expect(t, allowed, queries...)
}

// otherKinds requires that queries of other kinds are refused, and never asked.
func otherKinds(t *testing.T, f *kindFixture) {
	f.with(t, "document:1#view@user:alice")
	own := f.query("document:1#view@user:alice")
	for _, other := range []authz.QueryKind{authz.QueryRelation, authz.QueryPermission, authz.QueryAttributes, authz.QueryAttributes + 1} {
		if other == f.kind {
			continue
		}
		foreign := own
		foreign.Kind = other
		answer := f.one(t, foreign)
		if answer.Err == nil || kind(t, answer.Err) != authz.EngineMisconfigured {
			t.Errorf("a query of kind %v is %v (%v)", other, answer.Effect, answer.Err)
		}
		answers := f.answers(t, foreign, own)
		if answers[0].Err == nil || answers[1].Err != nil || answers[1].Effect != authz.EffectAllowed {
			t.Errorf("a query of kind %v and one of the own: %+v", other, answers)
		}
	}
}

// batchOfNone requires an empty result without I/O: a server that hangs isn't asked.
func batchOfNone(t *testing.T, f *kindFixture) {
	f.with(t)
	asks := []asker{f.ask}
	if f.hanging != nil {
		asks = append(asks, f.hanging(t))
	}
	for _, ask := range asks {
		ctx, cancel := context.WithTimeout(f.ctx, time.Second)
		result, err := ask(ctx, authz.Batch{})
		cancel()
		if err != nil || len(result.Answers) != 0 {
			t.Errorf("got %v, %v", result, err)
		}
	}
}

// mixedFaults requires that queries that are refused leave the others their answers.
func mixedFaults(t *testing.T, f *kindFixture) {
	f.with(t, "document:1#view@user:alice")
	good := f.query("document:1#view@user:alice")
	bad, foreign := good, good
	bad.Subject.ID = "*"
	foreign.Kind = authz.QueryRelation
	denied := f.query("document:1#view@user:bob")
	answers := f.answers(t, bad, good, foreign, denied, good, bad)
	for i, want := range []authz.Answer{
		{Err: context.Canceled}, {Effect: authz.EffectAllowed}, {Err: context.Canceled}, {Effect: authz.EffectDenied}, {Effect: authz.EffectAllowed}, {Err: context.Canceled},
	} {
		if (answers[i].Err != nil) != (want.Err != nil) || want.Err == nil && answers[i].Effect != want.Effect {
			t.Errorf("answer %d is %v (%v)", i, answers[i].Effect, answers[i].Err)
		}
	}
	if answers[0].Err != nil && kind(t, answers[0].Err) != authz.EngineBadSubject {
		t.Errorf("a wildcard is %v", answers[0].Err)
	}
}

func hostile(t *testing.T, f *kindFixture) {
	f.with(t, "document:1#view@user:alice", "document:2#view@user:bob")
	for _, id := range hostileIDs("alice", "bob") {
		q := f.query("document:1#view@user:alice")
		q.Subject.ID = id
		f.never(t, q, authz.EngineBadSubject)
	}
	if f.noObject {
		return
	}
	for _, id := range hostileIDs("1", "2") {
		q := f.query("document:1#view@user:alice")
		q.Object.ID = id
		f.never(t, q, authz.EngineBadRequest)
	}
}

// kindOrder allows every third document, and requires the answers in the queries'
// order.
func kindOrder(t *testing.T, f *kindFixture, size int) {
	var tuples []Tuple
	queries := make([]authz.Query, size)
	for i := range queries {
		text := "document:" + strconv.Itoa(i) + "#view@user:alice"
		queries[i] = f.query(text)
		if i%3 == 0 {
			tuples = append(tuples, MustTuples(text)...)
		}
	}
	f.allow(t, tuples...)
	for i, answer := range f.answers(t, queries...) {
		if want := i%3 == 0; answer.Err != nil || (answer.Effect == authz.EffectAllowed) != want {
			t.Fatalf("answer %d of %d is %v (%v), want allowed %v", i, size, answer.Effect, answer.Err, want)
		}
	}
}

func kindConcurrency(t *testing.T, f *kindFixture) {
	const callers, rounds = 8, 10
	var tuples []string
	for i := range callers {
		tuples = append(tuples, fmt.Sprintf("document:%d#view@user:u%d", i, i))
	}
	f.with(t, tuples...)
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			own := f.query(fmt.Sprintf("document:%d#view@user:u%d", i, i))
			other := f.query(fmt.Sprintf("document:%d#view@user:u%d", (i+1)%callers, i))
			for range rounds {
				result, err := f.ask(f.ctx, authz.Batch{Queries: []authz.Query{own, other}})
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

// ends requires that a batch fails with its context's error soon after the context
// ends.
func (f *kindFixture) ends(t *testing.T, ctx context.Context, ask asker) { //nolint:revive // the test comes first here as in every helper
	t.Helper()
	done := make(chan error, 1)
	go func() {
		result, err := ask(ctx, authz.Batch{Queries: []authz.Query{f.query("document:1#view@user:alice")}})
		for _, answer := range result.Answers {
			if err == nil {
				err = answer.Err
			}
		}
		done <- err
	}()
	select {
	case err := <-done:
		var engineErr *authz.EngineError
		switch {
		case err == nil:
			t.Error("a query under a context that ended has an answer")
		case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		case !errors.As(err, &engineErr), engineErr.Kind != authz.EngineUnavailable:
			t.Errorf("the error is %v, want the context's or unavailable", err)
		}
	case <-f.ctx.Done():
		t.Error("the query didn't end with its context")
	}
}

// isNil reports whether an engine is nil, or a nil pointer.
func isNil(engine any) bool {
	if engine == nil {
		return true
	}
	v := reflect.ValueOf(engine)

	return v.Kind() == reflect.Pointer && v.IsNil()
}
