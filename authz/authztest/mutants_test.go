package authztest_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
)

var mutant = flag.String("mutant", "", "run the suite on this broken engine; used by TestSuiteCatches")

// mutants are engines with one mistake each, by the failure that the suite must
// report.
var mutants = map[string]struct {
	caught string
	change func(query authz.Batch, result authz.Result, err error) (authz.Result, error)
}{
	"answers in another order": {"batch of", func(_ authz.Batch, result authz.Result, err error) (authz.Result, error) {
		slices.Reverse(result.Answers)

		return result, err
	}},
	"an answer too few": {"batch of", func(_ authz.Batch, result authz.Result, err error) (authz.Result, error) {
		if n := len(result.Answers); n > 1 {
			result.Answers = result.Answers[:n-1]
		}

		return result, err
	}},
	"a grant for a denial": {"direct relation", each(func(_ authz.Query, answer authz.Answer) authz.Answer {
		if answer.Effect == authz.EffectDenied {
			answer.Effect = authz.EffectAllowed
		}

		return answer
	})},
	"a grant for a condition": {"condition", each(func(_ authz.Query, answer authz.Answer) authz.Answer {
		if answer.Effect == authz.EffectConditional {
			answer.Effect = authz.EffectAllowed
		}

		return answer
	})},
	"no names of what is missing": {"condition", each(func(_ authz.Query, answer authz.Answer) authz.Answer {
		answer.Missing = nil

		return answer
	})},
	"a denial for an unknown relation": {"unknown_relation", each(func(_ authz.Query, answer authz.Answer) authz.Answer {
		if answer.Err != nil {
			answer = authz.Answer{Effect: authz.EffectDenied}
		}

		return answer
	})},
	"usersets as plain subjects": {"userset_as_the_subject", each(func(query authz.Query, answer authz.Answer) authz.Answer {
		if query.Subject.Relation != "" {
			answer.Effect = authz.EffectDenied
		}

		return answer
	})},
	"an outage for what a caller wrote": {"hostile", func(batch authz.Batch, result authz.Result, err error) (authz.Result, error) {
		if slices.ContainsFunc(batch.Queries, func(q authz.Query) bool { return strings.ContainsAny(q.Object.ID+q.Subject.ID, "\n\x00") }) {
			return authz.Result{}, errors.New("502")
		}

		return result, err
	}},
	"a revision that is no revision": {"at_least_as_fresh", func(batch authz.Batch, result authz.Result, err error) (authz.Result, error) {
		if err != nil {
			return authz.Result{Answers: make([]authz.Answer, len(batch.Queries))}, nil
		}

		return result, err
	}},
	"one caller's answers for all": {"combined", func(batch authz.Batch, result authz.Result, err error) (authz.Result, error) {
		for i := range result.Answers {
			if batch.Queries[i].Subject != batch.Queries[0].Subject && strings.HasPrefix(batch.Queries[0].Subject.ID, "u0") {
				result.Answers[i] = result.Answers[0]
			}
		}

		return result, err
	}},
	"cleaned ids": {"hostile", nil},
	"a deaf ear":  {"cancelled_before", nil},
	// Its client waits for something for longer than the context lives.
	"a broken promise":    {"keeps_its_promise", nil},
	"an unproved promise": {"keeps_its_promise", nil},
}

func each(change func(authz.Query, authz.Answer) authz.Answer) func(authz.Batch, authz.Result, error) (authz.Result, error) {
	return func(batch authz.Batch, result authz.Result, err error) (authz.Result, error) {
		for i := range result.Answers {
			result.Answers[i] = change(batch.Queries[i], result.Answers[i])
		}

		return result, err
	}
}

type mutated struct {
	*authztest.Engine

	name string
}

func (m mutated) HonorsContext() bool { return strings.HasSuffix(m.name, "promise") }

// CombinesQueries makes every mutant a Combiner.
func (mutated) CombinesQueries() int { return 10 }

func (m mutated) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	switch m.name {
	case "cleaned ids":
		batch.Queries = slices.Clone(batch.Queries)
		for i := range batch.Queries {
			batch.Queries[i].Object.ID = strings.TrimSpace(batch.Queries[i].Object.ID)
		}
	case "a deaf ear":
		ctx = context.WithoutCancel(ctx)
	}
	result, err := m.Engine.Check(ctx, batch)
	if change := mutants[m.name].change; change != nil {
		return change(batch, result, err)
	}

	return result, err
}

// TestMutant must fail. TestSuiteCatches runs it in another process.
func TestMutant(t *testing.T) {
	if *mutant == "" {
		return
	}
	suite := authztest.Suite{New: func(testing.TB) (authz.Engine, authztest.Writer) {
		engine := authztest.NewModelEngine(authztest.SuiteModel())

		return mutated{engine, *mutant}, engine
	}}
	if *mutant == "a broken promise" {
		suite.Hanging = func(testing.TB) authz.Engine {
			return authz.EngineFunc(func(ctx context.Context, _ authz.Batch) (authz.Result, error) {
				<-ctx.Done()
				time.Sleep(1100 * time.Millisecond)

				return authz.Result{}, ctx.Err()
			})
		}
	}
	suite.Run(t)
}

func TestSuiteCatches(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, mistake := range mutants {
		t.Run(name, func(t *testing.T) {
			output, err := exec.CommandContext(t.Context(), program, "-test.run", "^TestMutant$", "-mutant", name).CombinedOutput()
			if err == nil {
				t.Fatal("the suite passes an engine with this mistake")
			}
			if !strings.Contains(string(output), "--- FAIL: TestMutant/"+strings.ReplaceAll(mistake.caught, " ", "_")) {
				t.Errorf("not caught by %q:\n%s", mistake.caught, output)
			}
		})
	}
}
