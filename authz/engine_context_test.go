package authz_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/authz"
)

type contextKey string

// The engine is asked under the context that Call makes of the call's, which has
// its values and the timeout; the warm path makes none.
func TestEngineContext(t *testing.T) {
	const kept, hidden contextKey = "kept", "hidden"
	var asked int
	engine := authz.EngineFunc(func(ctx context.Context, _ authz.Batch) (authz.Result, error) {
		asked++
		if _, ok := ctx.Deadline(); ctx.Value(kept) != "a" || ctx.Value(hidden) != nil || !ok {
			t.Errorf("the engine's context has %v, %v, a deadline: %v", ctx.Value(kept), ctx.Value(hidden), ok)
		}

		return authz.Result{Answers: []authz.Answer{{Effect: authz.EffectAllowed}}}, nil
	})
	made := 0
	authorizer := newAuthorizer(t, authz.Config{
		Engine: engine, Cache: authz.CacheConfig{Size: 10, TTL: time.Hour},
	})
	call := &authz.Call{Principal: user("alice"), Message: get("1"), EngineContext: func(ctx context.Context) context.Context {
		made++

		return context.WithValue(ctx, hidden, nil)
	}}
	ctx := context.WithValue(context.WithValue(t.Context(), kept, "a"), hidden, "b")
	for range 3 {
		if _, err := authorizer.Method(service+"GetDocument").Authorize(ctx, call); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 1 || made != 1 {
		t.Errorf("asked %d times under %d contexts, want once", asked, made)
	}
}

// A function that panics, or returns no context, is our own fault: no grant, no
// denial, and no end of the program.
func TestEngineContextThatFails(t *testing.T) {
	for name, engines := range map[string]func(context.Context) context.Context{
		"panics":         func(context.Context) context.Context { panic("secret") },
		"gives none":     func(context.Context) context.Context { return nil },
		"gives a nobody": func(context.Context) context.Context { return (*brokenContext)(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			authorizer := newAuthorizer(t, authz.Config{Engine: &moody{slow: slowObjects}})
			_, err := authorizer.Method(service+"GetDocument").Authorize(t.Context(), &authz.Call{
				Principal: user("alice"), Message: get("slow"), EngineContext: engines,
			})
			if got := reasonOf(err); got != authz.ReasonMisconfigured {
				t.Errorf("got %v", got)
			}
		})
	}
}

// The context that the function makes is the engine's alone: one that is broken
// doesn't reach what ends a request at its timeout.
func TestEngineContextIsTheEnginesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		engine := authz.EngineFunc(func(context.Context, authz.Batch) (authz.Result, error) {
			<-release

			return authz.Result{}, nil
		})
		authorizer := newAuthorizer(t, authz.Config{Engine: engine, Timeout: time.Second})
		begun := time.Now()
		_, err := authorizer.Method(service+"GetDocument").Authorize(t.Context(), &authz.Call{
			Principal: user("alice"), Message: get("1"), EngineContext: func(context.Context) context.Context { return nil },
		})
		if got := reasonOf(err); got != authz.ReasonEngineUnavailable || time.Since(begun) != time.Second {
			t.Errorf("got %v after %v", got, time.Since(begun))
		}
		close(release)
		synctest.Wait()
	})
}

type brokenContext struct{ context.Context }

// A validator that panics is an engine that panics.
func TestValidatorThatPanicsIsAnErrorOfOurs(t *testing.T) {
	authorizer := newAuthorizer(t, authz.Config{Engine: panickyValidator{newTuples()}})
	if _, err := authorizer.Authorize(t.Context(), service+"GetDocument", user("alice"), get("1")); reasonOf(err) != authz.ReasonMisconfigured {
		t.Errorf("got %v", err)
	}
}

type panickyValidator struct{ *tuples }

func (panickyValidator) ValidateQuery(authz.Query) error { panic("secret") }
