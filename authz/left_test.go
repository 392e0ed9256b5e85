package authz_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// inParts answers each query by itself, as an engine does that splits a batch: a part
// that fails is in its answers.
func inParts(script func(ctx context.Context, id string) error) authz.EngineFunc {
	return func(ctx context.Context, batch authz.Batch) (authz.Result, error) {
		answers := make([]authz.Answer, len(batch.Queries))
		for i, query := range batch.Queries {
			answers[i].Effect = authz.EffectAllowed
			if err := script(ctx, query.Object.ID); err != nil {
				answers[i].Err = &authz.EngineError{Kind: authz.EngineUnavailable, Err: errors.New("a part ended")}
			}
		}

		return authz.Result{Answers: answers}, nil
	}
}

// Row 61: requests that end since their calls are decided without them are no failures
// of the engine, in whichever of its answers it says that they ended.
func TestPartsThatADecisionDoesNotNeedAreNoFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changed := 0
		slow := inParts(func(ctx context.Context, _ string) error { return waits(ctx, time.Second) })
		method := newAuthorizer(t, authz.Config{
			Engine:   ways{says(authz.EffectAllowed), says(authz.EffectDenied), slow},
			Observer: authz.Observer{BreakerChanged: func(authz.BreakerChanged) { changed++ }},
			Resolver: ruled(t, nil, map[string]*authzv1.Rule{"M": written(t, `any_of: {
				conditions: {check: {object: "d:{text}" relation: "r"}}
				conditions: {attributes: {action: "a" resource: "d:{text}"}}}`)}),
		}).Method("/t.S/M")
		for i := range 50 {
			call := &authz.Call{Principal: user(fmt.Sprint("u", i)), Message: &docsv1.Kinds{Text: fmt.Sprint(i)}}
			if _, err := method.Authorize(t.Context(), call); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if changed != 0 {
			t.Errorf("row 61: the breaker changed %d times, of an engine that is slow and that nothing waited for", changed)
		}
	})
}

// promptParts is an engine in parts that honours its context.
type promptParts struct{ authz.EngineFunc }

func (promptParts) HonorsContext() bool { return true }

// Row 61: a call that ends while its own goroutine asks a part of a batch takes the
// answer of that part from no other call.
func TestACallThatEndsTakesNoPartFromAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		engine := promptParts{inParts(func(ctx context.Context, id string) error {
			if id == "slow" && asked.Add(1) == 1 {
				return waits(ctx, 2*time.Second)
			}

			return nil
		})}
		authorizer := newAuthorizer(t, authz.Config{Engine: engine, Resolver: ruled(t, nil, map[string]*authzv1.Rule{
			"Both": written(t, `all_of: {conditions: {check: {object: "d:quick" relation: "r"}} conditions: {check: {object: "d:{text}" relation: "r"}}}`),
			"One":  written(t, `check: {object: "d:{text}" relation: "r"}`),
		})})
		ask := func(ctx context.Context, method, id string) error {
			_, err := authorizer.Authorize(ctx, "/t.S/"+method, user("gateway"), &docsv1.Kinds{Text: id})

			return err
		}
		if err := ask(t.Context(), "One", "warm"); err != nil {
			t.Fatal(err)
		}
		first, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- ask(first, "Both", "slow") }()
		time.Sleep(time.Millisecond)
		time.AfterFunc(time.Second, cancel)
		if err := ask(t.Context(), "One", "slow"); err != nil {
			t.Errorf("row 61: the call that goes on: %v", err)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the call that ended: %v", err)
		}
	})
}

// Row 61: a call that waits for an answer in another call's request, too, has its
// decision as soon as that one has landed, even where its own request hangs, which then
// ends: nothing else would bound those of a stream.
func TestAnotherCallsAnswerDecidesAtOnce(t *testing.T) {
	for name, more := range map[string]string{"shared": "", "a volatile time": `context: {name: "now" value: "{$now}"}`} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var hanging atomic.Int64
				engine := promptParts{inParts(func(ctx context.Context, id string) error {
					switch id {
					case "hangs":
						hanging.Add(1)
						defer hanging.Add(-1)
						<-ctx.Done()

						return ctx.Err()
					case "slow":
						return waits(ctx, time.Second)
					default:
						return nil
					}
				})}
				authorizer := newAuthorizer(t, authz.Config{Engine: engine, Resolver: ruled(t, nil, map[string]*authzv1.Rule{
					"StreamM": written(t, `any_of: {conditions: {check: {object: "d:hangs" relation: "r" `+more+`}} conditions: {check: {object: "d:{text}" relation: "r"}}}`),
					"One":     written(t, `check: {object: "d:{text}" relation: "r"}`),
				})})
				one := func(id string) {
					if _, err := authorizer.Authorize(t.Context(), "/t.S/One", user("gateway"), &docsv1.Kinds{Text: id}); err != nil {
						t.Error(err)
					}
				}
				one("quick")
				go one("slow")
				synctest.Wait()
				// Another caller shows that the engine is quick still.
				if _, err := authorizer.Authorize(t.Context(), "/t.S/One", user("bob"), &docsv1.Kinds{Text: "quick"}); err != nil {
					t.Error(err)
				}
				began := time.Now()
				stream := authorizer.Method("/t.S/StreamM").NewStream()
				if _, err := stream.Authorize(t.Context(), &authz.Call{Principal: user("gateway"), Message: &docsv1.Kinds{Text: "slow"}}); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("row 61: decided after %v", took)
				}
				synctest.Wait()
				if n := hanging.Load(); n != 0 {
					t.Errorf("row 61: %d requests are under way that no decision needs", n)
				}
				time.Sleep(10 * time.Second)
			})
		})
	}
}
