package authz_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// Row 61: one stream, each of whose messages is decided without the engine that hangs,
// leaves no request there behind: nothing else would bound them while the stream lives.
func TestRequestsThatADecisionDoesNotNeedEnd(t *testing.T) {
	for name, more := range map[string]string{
		"row 61: a volatile time":  `context: {name: "now" value: "{$now}"}`,
		"row 61: fully consistent": ``,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var running atomic.Int64
				hanging := func(ctx context.Context, batch authz.Batch) (authz.Result, error) {
					running.Add(1)
					defer running.Add(-1)

					return hangs(ctx, batch)
				}
				text := `any_of: {conditions: {check: {object: "d:{text}" relation: "r"}} conditions: {attributes: {action: "a" resource: "d:{text}" ` + more + `}}}`
				if more == "" {
					text += ` consistency: {mode: MODE_FULLY_CONSISTENT}`
				}
				method := one(t, anyMode{ways{says(authz.EffectAllowed), says(authz.EffectDenied), hanging}}, "StreamM", written(t, text))
				stream := method.NewStream()
				for range 5000 {
					if _, err := stream.Authorize(t.Context(), &authz.Call{Principal: user("alice"), Message: &docsv1.Kinds{Text: "1"}}); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
				if n := running.Load(); n != 0 {
					t.Errorf("%d requests are under way for one stream, whose messages are all decided", n)
				}
			})
		})
	}
}

// Row 61: a caller of many calls that are decided without a slow engine isn't refused
// there afterwards, as one would be that leaves its calls.
func TestDecisionsWithoutAnEngineCostTheCallerNothingThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running atomic.Int64
		slow := func(ctx context.Context, batch authz.Batch) (authz.Result, error) {
			running.Add(1)
			defer running.Add(-1)
			select {
			case <-time.After(time.Second):
				return says(authz.EffectAllowed)(ctx, batch)
			case <-ctx.Done():
				return authz.Result{}, ctx.Err()
			}
		}
		authorizer := newAuthorizer(t, authz.Config{
			Engine: ways{says(authz.EffectAllowed), says(authz.EffectDenied), slow},
			Resolver: ruled(t, nil, map[string]*authzv1.Rule{
				"Either": written(t, `any_of: {conditions: {check: {object: "d:{text}" relation: "r"}} conditions: {attributes: {action: "a" resource: "d:{text}"}}}`),
				"Slow":   written(t, `attributes: {action: "a" resource: "d:{text}"}`),
			}),
		})
		ask := func(method, id string) error {
			_, err := authorizer.Authorize(t.Context(), "/t.S/"+method, user("gateway"), &docsv1.Kinds{Text: id})

			return err
		}
		// One call waits for what another asks, and gets its answer.
		waiting := make(chan error, 1)
		go func() {
			time.Sleep(time.Millisecond)
			waiting <- ask("Slow", "joined")
		}()
		go func() { _ = ask("Slow", "joined") }()
		for i := range 3000 {
			if err := ask("Either", strconv.Itoa(i)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := running.Load(); n != 1 {
			t.Errorf("%d requests are under way", n)
		}
		if err := ask("Slow", "x"); err != nil {
			t.Errorf("a call that needs the slow engine: %v", err)
		}
		if err := <-waiting; err != nil {
			t.Errorf("the call that waits with another: %v", err)
		}
	})
}

// anyMode is an engine that can give every consistency.
type anyMode struct{ ways }

func (anyMode) SupportsConsistency(authz.Mode) bool { return true }

// validated is an engine whose validator does something first.
type validated struct {
	ways

	before func()
}

func (v validated) ValidateQuery(authz.Query) error {
	v.before()

	return nil
}

// Row 61: an answer that arrives in the cache while a call is about to ask decides it,
// if it can, like one that was there before.
func TestAnAnswerThatArrivesLateDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var method *authz.Method
		var inner atomic.Bool
		ask := func(subject string) error {
			_, err := method.Authorize(t.Context(), &authz.Call{Principal: user(subject), Message: &docsv1.Kinds{Text: "1"}})

			return err
		}
		engine := validated{ways{says(authz.EffectAllowed), says(authz.EffectDenied), hangs}, func() {
			if method != nil && !inner.Swap(true) { // New asks the validator, too
				if err := ask("bob"); err != nil {
					t.Error(err)
				}
			}
		}}
		method = newAuthorizer(t, authz.Config{
			Engine: engine, Cache: authz.CacheConfig{Size: 10, TTL: time.Minute},
			Resolver: ruled(t, nil, map[string]*authzv1.Rule{"M": written(t, `any_of: {
				conditions: {check: {object: "d:{text}" relation: "r" subject: "team:{text}"}}
				conditions: {attributes: {action: "a" resource: "d:{text}"}}}`)}),
		}).Method("/t.S/M")
		began := time.Now()
		if err := ask("alice"); err != nil || time.Since(began) != 0 {
			t.Errorf("%v after %v, want a grant at once", err, time.Since(began))
		}
		time.Sleep(5 * time.Second)
	})
}
