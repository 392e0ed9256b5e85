package authztest_test

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
)

// kindMutants are mistakes of engines that answer permissions and attributes, by the
// failure that the suite must report.
var kindMutants = map[string]struct {
	suites, caught string
	before         func(authz.Batch) authz.Batch
	after          func(authz.Batch, authz.Result) authz.Result
}{
	"permissions as relations": {suites: "pa", caught: "queries of other kinds", before: eachQuery(func(q authz.Query, asked authz.QueryKind) authz.Query {
		q.Kind = asked

		return q
	})},
	"the first subject for all": {suites: "pa", caught: "another subject", before: func(batch authz.Batch) authz.Batch {
		return eachQuery(func(q authz.Query, _ authz.QueryKind) authz.Query { q.Subject = batch.Queries[0].Subject; return q })(batch)
	}},
	"the subject's id without its type": {suites: "pa", caught: "another subject", before: eachQuery(func(q authz.Query, _ authz.QueryKind) authz.Query {
		q.Subject.Type = "user"

		return q
	})},
	"answers in another order": {suites: "pa", caught: "huge batch", after: func(_ authz.Batch, result authz.Result) authz.Result {
		slices.Reverse(result.Answers)

		return result
	}},
	"an outage for a query that is refused": {suites: "pa", caught: "mixed faults", after: func(_ authz.Batch, result authz.Result) authz.Result {
		if slices.ContainsFunc(result.Answers, func(a authz.Answer) bool { return a.Err != nil }) {
			for i := range result.Answers {
				result.Answers[i] = authz.Answer{Err: &authz.EngineError{}}
			}
		}

		return result
	}},
	"permissions without their object": {suites: "p", caught: "on an object", before: eachQuery(func(q authz.Query, _ authz.QueryKind) authz.Query {
		q.Object.ID = "1"

		return q
	})},
	"the first properties for all": {suites: "a", caught: "properties of the subject", before: func(batch authz.Batch) authz.Batch {
		return eachQuery(func(q authz.Query, _ authz.QueryKind) authz.Query {
			q.Properties = batch.Queries[0].Properties
			return q
		})(batch)
	}},
	"numbers as text": {suites: "a", caught: "properties of every type", before: eachQuery(func(q authz.Query, _ authz.QueryKind) authz.Query {
		if q.Properties != nil && q.Properties.Resource["count"] == int64(-7) {
			q.Properties = &authz.Properties{Resource: map[string]any{"count": "-7"}}
		}

		return q
	})},
	"a grant without properties": {suites: "a", caught: "properties of the action", after: func(batch authz.Batch, result authz.Result) authz.Result {
		for i, q := range batch.Queries {
			if q.Properties == nil && q.Context == nil && q.Subject.ID == "alice" && q.Object.ID == "1" {
				result.Answers[i].Effect = authz.EffectAllowed
			}
		}

		return result
	}},
}

func eachQuery(change func(authz.Query, authz.QueryKind) authz.Query) func(authz.Batch) authz.Batch {
	return func(batch authz.Batch) authz.Batch {
		asked := authz.QueryPermission
		if slices.ContainsFunc(batch.Queries, func(q authz.Query) bool { return q.Kind == authz.QueryAttributes }) {
			asked = authz.QueryAttributes
		}
		batch.Queries = slices.Clone(batch.Queries)
		for i, q := range batch.Queries {
			batch.Queries[i] = change(q, asked)
		}

		return batch
	}
}

type mutatedKinds struct {
	*authztest.Engine

	name string
}

func (m mutatedKinds) CheckPermissions(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	return m.change(ctx, batch, m.Engine.CheckPermissions)
}

func (m mutatedKinds) EvaluateAttributes(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	return m.change(ctx, batch, m.Engine.EvaluateAttributes)
}

func (m mutatedKinds) change(ctx context.Context, batch authz.Batch, ask func(context.Context, authz.Batch) (authz.Result, error)) (authz.Result, error) {
	mistake := kindMutants[m.name]
	if len(batch.Queries) == 0 {
		return ask(ctx, batch)
	}
	if mistake.before != nil {
		batch = mistake.before(batch)
	}
	result, err := ask(ctx, batch)
	if err == nil && mistake.after != nil {
		result = mistake.after(batch, result)
	}

	return result, err
}

// TestKindMutant must fail. TestKindSuitesCatch runs it in another process.
func TestKindMutant(t *testing.T) {
	if *mutant == "" {
		return
	}
	t.Run("p", func(t *testing.T) {
		authztest.PermissionSuite{New: func(_ testing.TB, grants ...authztest.Permission) authz.PermissionEngine {
			engine := authztest.NewEngine()
			engine.Grant(grants...)

			return mutatedKinds{engine, *mutant}
		}}.Run(t)
	})
	t.Run("a", func(t *testing.T) {
		authztest.AttributeSuite{New: func(_ testing.TB, tuples ...authztest.Tuple) authz.AttributeEngine {
			engine := authztest.NewEngine()
			engine.SetPolicy(authztest.SuitePolicy(tuples...))

			return mutatedKinds{engine, *mutant}
		}}.Run(t)
	})
}

func TestKindSuitesCatch(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, mistake := range kindMutants {
		t.Run(name, func(t *testing.T) {
			output, err := exec.CommandContext(t.Context(), program, "-test.run", "^TestKindMutant$", "-mutant", name).CombinedOutput()
			if err == nil {
				t.Fatal("the suites pass an engine with this mistake")
			}
			for _, suite := range mistake.suites {
				if !strings.Contains(string(output), "--- FAIL: TestKindMutant/"+string(suite)+"/"+strings.ReplaceAll(mistake.caught, " ", "_")) {
					t.Errorf("not caught by %q of %q:\n%s", mistake.caught, suite, output)
				}
			}
		})
	}
}
