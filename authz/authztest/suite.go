package authztest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
)

// Writer writes relationships into the store of an engine under test.
type Writer interface {
	// Write adds tuples. It returns the revision that has them, empty if the
	// engine has none.
	Write(ctx context.Context, tuples ...Tuple) (authz.Revision, error)
	// Delete removes tuples.
	Delete(ctx context.Context, tuples ...Tuple) (authz.Revision, error)
}

// Suite is what every engine adapter must pass; see [Suite.Run].
type Suite struct {
	// New returns the adapter over an empty store that has [SuiteModel], and a
	// writer to that store. It is called for each case. Required.
	New func(tb testing.TB) (authz.Engine, Writer)
	// Hanging returns the adapter over a server that takes requests and never
	// answers. Required of an engine that is an [authz.ContextHonorer]. Otherwise
	// optional: without it cancellation is tested before a request only.
	Hanging func(tb testing.TB) authz.Engine
	// Limit is the server's own batch limit, around which batches are sized.
	// Optional. Default 50.
	Limit int
	// Lacks names what the engine's protocol can't express.
	Lacks Lacks
}

// Lacks names what an engine can't express. Instead of the cases for it, the suite
// requires that the adapter reports the lack and doesn't guess.
type Lacks struct {
	// Usersets is set if a query can't have a userset as its subject. Such a query
	// must be an error.
	Usersets bool
	// Conditions is set if there are no caveats or conditions. A query with a context
	// must still not be allowed by a conditional tuple, which isn't written.
	Conditions bool
	// Revisions is set if ModeAtLeastAsFresh is supported only as the engine's
	// freshest mode: writes return no revision, and a query's revision has no effect.
	Revisions bool
	// Freshness is set if only ModeMinimizeLatency is supported. SupportsConsistency
	// must then be false for the others.
	Freshness bool
	// Schema is set if the server doesn't tell an unknown type or relation from a
	// denial. A query with one must still not be allowed.
	Schema bool
}

const (
	defaultLimit = 50
	// caseTimeout bounds one case, so that a case fails if the adapter hangs.
	caseTimeout = 30 * time.Second
)

// Run runs every case as a subtest of at most 30 s. Each case gets its own store.
func (s Suite) Run(t *testing.T) {
	t.Helper()
	if s.New == nil {
		t.Fatal("authztest: Suite.New is required")
	}
	if s.Limit == 0 {
		s.Limit = defaultLimit
	}
	for _, group := range [][]suiteCase{relationCases(), batchCases(), faultCases()} {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), caseTimeout)
				defer cancel()
				c.run(t, &fixture{Suite: s, ctx: ctx})
			})
		}
	}
}

type suiteCase struct {
	name string
	run  func(t *testing.T, f *fixture)
}

// fixture is the state of one case.
type fixture struct {
	Suite

	ctx    context.Context //nolint:containedctx // the case's deadline, for helpers of one test
	engine authz.Engine
	writer Writer
	last   authz.Revision
}

// with returns a fixture whose engine has the tuples.
func (f *fixture) with(t *testing.T, tuples ...string) {
	t.Helper()
	f.engine, f.writer = f.New(t)
	if f.engine == nil || f.writer == nil {
		t.Fatal("authztest: Suite.New returned nothing")
	}
	if len(tuples) > 0 {
		f.write(t, tuples...)
	}
}

func (f *fixture) write(t *testing.T, tuples ...string) {
	t.Helper()
	var err error
	if f.last, err = f.writer.Write(f.ctx, MustTuples(tuples...)...); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// fresh returns the consistency under which a check must see the latest writes.
func (f *fixture) fresh() authz.Consistency {
	supporter, ok := f.engine.(authz.ConsistencySupporter)
	if ok && supporter.SupportsConsistency(authz.ModeFullyConsistent) {
		return authz.Consistency{Mode: authz.ModeFullyConsistent}
	}

	return authz.Consistency{}
}

// query parses a text such as "document:1#view@user:alice".
func query(text string) authz.Query {
	tuple := MustTuples(text)[0]

	return authz.Query{Object: tuple.Object, Relation: tuple.Relation, Subject: tuple.Subject}
}

// check sends queries and requires a well-formed result.
func (f *fixture) check(t *testing.T, queries ...authz.Query) []authz.Answer {
	t.Helper()
	result, err := f.engine.Check(f.ctx, authz.Batch{Queries: queries, Consistency: f.fresh()})
	if err != nil {
		t.Fatalf("check of %d queries: %v", len(queries), err)
	}
	if len(result.Answers) != len(queries) {
		t.Fatalf("%d answers to %d queries", len(result.Answers), len(queries))
	}

	return result.Answers
}

// expect sends each query as one batch and requires its effect.
func (f *fixture) expect(t *testing.T, want authz.Effect, texts ...string) {
	t.Helper()
	queries := make([]authz.Query, len(texts))
	for i, text := range texts {
		queries[i] = query(text)
	}
	for i, answer := range f.check(t, queries...) {
		if answer.Err != nil || answer.Effect != want {
			t.Errorf("%s is %v (%v), want %v", texts[i], answer.Effect, answer.Err, want)
		}
	}
}

// one sends one query and returns its answer. The answer has the error, whether the
// query or the whole batch failed.
func (f *fixture) one(t *testing.T, q authz.Query) authz.Answer {
	t.Helper()
	if validator, ok := f.engine.(authz.QueryValidator); ok {
		if err := validator.ValidateQuery(q); err != nil {
			return authz.Answer{Err: err}
		}
	}
	result, err := f.engine.Check(f.ctx, authz.Batch{Queries: []authz.Query{q}, Consistency: f.fresh()})
	if err != nil {
		return authz.Answer{Err: err}
	}
	if len(result.Answers) != 1 {
		t.Fatalf("%d answers to one query", len(result.Answers))
	}

	return result.Answers[0]
}

// kind returns the kind of an engine's error.
func kind(t *testing.T, err error) authz.EngineErrorKind {
	t.Helper()
	var engineErr *authz.EngineError
	if !errors.As(err, &engineErr) {
		t.Fatalf("error %v (%T) is no *authz.EngineError", err, err)
	}

	return engineErr.Kind
}
