package authz_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

// Row 59: an engine's error that is a nil pointer is an error, and ends nothing
// but the check.
func TestNilPointerForAnError(t *testing.T) {
	var none *authz.EngineError
	for name, engine := range map[string]authz.EngineFunc{
		"row 59: for the batch": func(context.Context, authz.Batch) (authz.Result, error) { return authz.Result{}, none },
		"row 59: for the query": func(_ context.Context, b authz.Batch) (authz.Result, error) {
			answers := make([]authz.Answer, len(b.Queries))
			for i := range answers {
				answers[i] = authz.Answer{Effect: authz.EffectAllowed, Err: none}
			}

			return authz.Result{Answers: answers}, nil
		},
	} {
		for _, disabled := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				authorizer := newAuthorizer(t, authz.Config{Engine: engine, Breaker: authz.BreakerConfig{Disabled: disabled}})
				decision, err := authorizer.Authorize(t.Context(), service+"GetDocument", user("alice"), get("1"))
				if reasonOf(err) != authz.ReasonEngineUnavailable {
					t.Errorf("got %q", reasonOf(err))
				}
				_, _ = decision.String(), err.Error()
			})
		}
	}
}

// A caller that leaves is no failure of the engine, whatever error the engine's client
// returns: no caller can open the breaker by hanging up.
func TestCallersWhoLeaveDoNotOpenTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &leavingEngine{tuples: newTuples("document:1#owner@user:alice")}
		authorizer := newAuthorizer(t, authz.Config{Engine: engine})
		strong := user("alice")
		strong.acr, strong.authTime = "mfa", time.Now()
		share := func(ctx context.Context) error {
			_, err := authorizer.Authorize(ctx, service+"ShareDocument", strong, &docsv1.ShareDocumentRequest{DocumentId: "1"})

			return err
		}
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			if err := share(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			cancel()
			synctest.Wait()
		}
		if err := share(t.Context()); err != nil {
			t.Errorf("the breaker is open for everybody: %v", err)
		}
	})
}

// leavingEngine takes a while, and calls a canceled request unavailable.
type leavingEngine struct{ *tuples }

func (e *leavingEngine) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	select {
	case <-ctx.Done():
		return authz.Result{}, &authz.EngineError{Kind: authz.EngineUnavailable, Err: errors.New("canceled")}
	case <-time.After(10 * time.Millisecond):
		return e.tuples.Check(ctx, batch)
	}
}

// An observer that panics changes no decision and ends no program.
func TestObserverThatPanicsChangesNothing(t *testing.T) {
	down := errors.New("down")
	engine := &slow{tuples: newTuples("document:1#viewer@user:alice")}
	authorizer := newAuthorizer(t, authz.Config{Engine: engine, Breaker: authz.BreakerConfig{Failures: 1}, Observer: authz.Observer{
		Decided:        func(context.Context, *authz.Decision) { panic("decided") },
		Asked:          func(context.Context, authz.EngineAsked) { panic("asked") },
		BreakerChanged: func(authz.BreakerChanged) { panic("changed") },
		RuleFault:      func(*authz.RuleError) { panic("fault") },
	}})
	if _, err := authorizer.Authorize(t.Context(), service+"GetDocument", user("alice"), get("1")); err != nil {
		t.Errorf("a grant became %v", err)
	}
	if _, err := authorizer.Authorize(t.Context(), service+"GetDocument", user("bob"), get("1")); reasonOf(err) != authz.ReasonRelationDenied {
		t.Errorf("a denial became %v", err)
	}
	engine.fail(down)
	for range 2 {
		if _, err := authorizer.Authorize(t.Context(), service+"GetDocument", user("alice"), get("1")); reasonOf(err) != authz.ReasonEngineUnavailable {
			t.Errorf("an outage became %v", err)
		}
	}
}

// sick is an error whose nil pointer can't be read.
type sick struct{ cause error }

func (s *sick) Error() string { return s.cause.Error() }
func (s *sick) Unwrap() error { return s.cause }

// odd is an error that panics when it is compared, or taken for another.
type odd struct{ is, as bool }

func (odd) Error() string   { return "odd" }
func (o odd) Is(error) bool { panicIf(o.is); return false }
func (o odd) As(any) bool   { panicIf(o.as); return false }

func panicIf(wanted bool) {
	if wanted {
		panic("unreadable")
	}
}

// validating is an engine that refuses every query.
type validating struct {
	authz.EngineFunc

	err error
}

func (v validating) ValidateQuery(authz.Query) error { return v.err }

// Row 61: an engine's error that panics when it is read is contained as an engine
// that panics is, wherever it stands.
func TestErrorsThatCannotBeRead(t *testing.T) {
	var none *sick
	answering := func(errs ...error) authz.EngineFunc {
		return func(context.Context, authz.Batch) (authz.Result, error) {
			result := authz.Result{}
			for _, err := range errs {
				result.Answers = append(result.Answers, authz.Answer{Effect: authz.EffectAllowed, Err: err})
			}

			return result, nil
		}
	}
	for name, engine := range map[string]authz.Engine{
		"row 61: of the batch": authz.EngineFunc(func(context.Context, authz.Batch) (authz.Result, error) { return authz.Result{}, none }),
		"row 61: of a batch, wrapped": authz.EngineFunc(func(context.Context, authz.Batch) (authz.Result, error) {
			return authz.Result{}, &authz.EngineError{Kind: authz.EngineUnavailable, Err: none}
		}),
		"row 61: of the first query":     answering(none, nil),
		"row 61: of a query":             answering(nil, none),
		"row 61: of a query, wrapped":    answering(nil, &authz.EngineError{Kind: authz.EngineBadRequest, Err: none}),
		"row 61: of a query's validator": validating{answering(nil, nil), none},
		"row 61: of a query, compared":   answering(nil, &authz.EngineError{Kind: authz.EngineRefused, Err: odd{is: true}}),
		"row 61: of a query, taken":      answering(nil, &authz.EngineError{Kind: authz.EngineRefused, Err: odd{as: true}}),
		"row 61: of a batch, taken": authz.EngineFunc(func(context.Context, authz.Batch) (authz.Result, error) {
			return authz.Result{}, &authz.EngineError{Kind: authz.EngineUnavailable, Err: odd{as: true}}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			authorizer := newAuthorizer(t, authz.Config{Engine: engine})
			decision, err := authorizer.Authorize(t.Context(), service+"BatchGetDocuments", user("alice"), &docsv1.BatchGetDocumentsRequest{DocumentIds: []string{"1", "2"}})
			if reasonOf(err) != authz.ReasonMisconfigured {
				t.Fatalf("row 61: got %q", reasonOf(err))
			}
			_, _ = decision.String(), err.Error()
		})
	}
}
