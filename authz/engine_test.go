package authz_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// strict is an engine with an id grammar and a length of its own.
type strict struct{ *tuples }

func (strict) ValidateQuery(q authz.Query) error {
	const limit = 8
	switch {
	case len(q.Object.ID) > limit || strings.Contains(q.Object.ID, "|"):
		return &authz.EngineError{Kind: authz.EngineBadRequest, Err: errors.New("object id")}
	case len(q.Subject.ID) > limit || strings.Contains(q.Subject.ID, "|"):
		return &authz.EngineError{Kind: authz.EngineBadSubject, Err: errors.New("subject id")}
	default:
		return nil
	}
}

func TestTheEnginesOwnGrammar(t *testing.T) {
	for name, tc := range map[string]struct {
		caller string
		id     string
		want   authz.Reason
	}{
		"row 55: within it":                       {"alice", "1", authz.ReasonRelationDenied},
		"row 55: object above the engine's limit": {"alice", "123456789", authz.ReasonObjectMissing},
		"row 55: object outside the grammar":      {"alice", "a|b", authz.ReasonObjectMissing},
		"row 55: subject above the limit":         {"alice-in-wonderland", "1", authz.ReasonSubjectInvalid},
		"row 55: subject outside the grammar":     {"auth0|1", "1", authz.ReasonSubjectInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			engine := newTuples()
			_, err := newAuthorizer(t, authz.Config{Engine: strict{engine}}).
				Authorize(t.Context(), service+"GetDocument", user(tc.caller), get(tc.id))
			if got := reasonOf(err); got != tc.want {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			var refused *authz.Error
			if errors.As(err, &refused); (refused.Field == "document_id") != (tc.want == authz.ReasonObjectMissing) {
				t.Errorf("field %q", refused.Field)
			}
			if asked := engine.requests() > 0; asked != (tc.want == authz.ReasonRelationDenied) {
				t.Errorf("the engine was asked: %v", asked)
			}
		})
	}
}

func TestErrorsOfEngines(t *testing.T) {
	for name, tc := range map[string]struct {
		err   error
		want  authz.Reason
		after time.Duration
	}{
		"row 61: unavailable":                 {&authz.EngineError{Kind: authz.EngineUnavailable, RetryAfter: time.Minute}, authz.ReasonEngineUnavailable, time.Minute},
		"row 61: our credentials are refused": {&authz.EngineError{Kind: authz.EngineRefused}, authz.ReasonEngineUnavailable, 0},
		"row 61: any other error":             {errors.New("boom"), authz.ReasonEngineUnavailable, 0},
		"row 61: an error of no kind we know": {&authz.EngineError{Kind: 99}, authz.ReasonEngineUnavailable, 0},
		"row 61: the engine's own deadline":   {context.DeadlineExceeded, authz.ReasonEngineUnavailable, 0},
		"row 61: the engine's own cancel":     {&authz.EngineError{Err: context.Canceled}, authz.ReasonEngineUnavailable, 0},
		"row 62: unknown type or relation":    {&authz.EngineError{Kind: authz.EngineMisconfigured}, authz.ReasonMisconfigured, 0},
		"revision that is refused":            {&authz.EngineError{Kind: authz.EngineBadRevision}, authz.ReasonRevisionInvalid, 0},
		"object that is refused":              {&authz.EngineError{Kind: authz.EngineBadRequest}, authz.ReasonObjectMissing, 0},
		"subject that is refused":             {&authz.EngineError{Kind: authz.EngineBadSubject}, authz.ReasonSubjectInvalid, 0},
	} {
		for where, engine := range map[string]authz.EngineFunc{
			"batch": func(context.Context, authz.Batch) (authz.Result, error) { return authz.Result{}, tc.err },
			"item": func(_ context.Context, batch authz.Batch) (authz.Result, error) {
				return authz.Result{Answers: []authz.Answer{{Effect: authz.EffectAllowed, Err: tc.err}}[:len(batch.Queries)]}, nil
			},
		} {
			t.Run(name+", of the "+where, func(t *testing.T) {
				_, err := newAuthorizer(t, authz.Config{Engine: engine}).Authorize(t.Context(), service+"GetDocument", user("alice"), get("1"))
				var refused *authz.Error
				if !errors.As(err, &refused) || refused.Reason != tc.want || refused.RetryAfter != tc.after {
					t.Fatalf("got %v, want %v", err, tc.want)
				}
				if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
					t.Error("the error can be taken for the caller's own deadline")
				}
			})
		}
	}
}

func TestDecisionExplainsItself(t *testing.T) {
	authorizer := newAuthorizer(t, authz.Config{
		Engine: newTuples("document:1#owner@user:alice"), Cache: authz.CacheConfig{Size: 10, TTL: time.Hour},
	})
	method := authorizer.Method(service + "DeleteDocument")
	call := &authz.Call{Principal: user("alice"), Message: &docsv1.DeleteDocumentRequest{DocumentId: "1"}, Explain: true}
	for i, want := range []string{" allowed in ", " allowed (cached) in "} {
		decision, err := method.Authorize(t.Context(), call)
		if err != nil {
			t.Fatal(err)
		}
		got := decision.String()
		const start = "allowed /usher.test.docs.v1.DocumentService/DeleteDocument by " +
			"any_of(has_scope documents.admin, check document:{document_id}#owner): document:1#owner@user:alice"
		if !strings.HasPrefix(got, start+want) || decision.Duration() <= 0 || decision.Method() != method.Name() || decision.Rule() != method.Rule() {
			t.Errorf("decision %d: %s", i, got)
		}
		if checks := decision.Checks(); len(checks) != 1 || checks[0].Cached != (i == 1) {
			t.Errorf("decision %d: %v", i, checks)
		}
		if logged := decision.LogValue().String(); !strings.Contains(logged, "document:1#owner@user:alice") || !strings.Contains(logged, "allowed=true") {
			t.Errorf("logged %s", logged)
		}
	}
	if decision, err := method.Authorize(t.Context(), &authz.Call{Principal: user("alice"), Message: &docsv1.DeleteDocumentRequest{DocumentId: "1"}}); err != nil || len(decision.Checks()) != 0 {
		t.Errorf("a warm grant that nobody wants explained: %v, %v", decision, err)
	}
}

func TestObserverSeesEachDecision(t *testing.T) {
	var seen []string
	authorizer := newAuthorizer(t, authz.Config{
		Engine:   newTuples("document:1#viewer@user:alice"),
		Observer: authz.Observer{Decided: func(_ context.Context, d *authz.Decision) { seen = append(seen, d.Rule()+" "+string(d.Reason())) }},
	})
	_, _ = authorizer.Authorize(t.Context(), service+"Ping", nil, nil)
	_, _ = authorizer.Authorize(t.Context(), service+"GetDocument", user("bob"), get("1"))
	method := authorizer.Method(service + "ListDocuments")
	call := authz.Call{Principal: user("alice")}
	decision, _ := method.Authorize(t.Context(), &call)
	ctx := authz.NewContext(t.Context(), method.NewSession(call, decision))
	_ = authz.CheckFromContext(ctx, "document:1", "viewer")
	_ = authz.CheckFromContext(ctx, "document:2", "viewer")
	_ = authz.CheckFromContext(ctx, "document:*", "viewer")
	want := "public |check document:{document_id}#viewer RELATION_DENIED|handler |" +
		"handler's check of viewer |handler's check of viewer RELATION_DENIED|handler's check of viewer OBJECT_MISSING"
	if got := strings.Join(seen, "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestHandlerChecksThatCantBe(t *testing.T) {
	down := errors.New("down")
	engine := authz.EngineFunc(func(_ context.Context, batch authz.Batch) (authz.Result, error) {
		answers := make([]authz.Answer, len(batch.Queries))
		answers[0] = authz.Answer{Err: down}

		return authz.Result{Answers: answers}, nil
	})
	authorizer := newAuthorizer(t, authz.Config{Engine: engine, Subjects: authz.Subjects{User: "user:{$sub}"}})
	unmapped := backend("b")
	for name, tc := range map[string]struct {
		method   string
		caller   authz.Principal
		objects  []string
		relation string
		want     authz.Reason
	}{
		"engine down":                {"ListDocuments", user("alice"), []string{"document:1", "document:2"}, "viewer", authz.ReasonEngineUnavailable},
		"no type":                    {"ListDocuments", user("alice"), []string{"1"}, "viewer", authz.ReasonObjectMissing},
		"row 55: userset":            {"ListDocuments", user("alice"), []string{"document:1#viewer"}, "viewer", authz.ReasonObjectMissing},
		"relation that isn't one":    {"ListDocuments", user("alice"), []string{"document:1"}, "viewer@user:bob", authz.ReasonMisconfigured},
		"no subject for the kind":    {"ListDocuments", unmapped, []string{"document:1"}, "viewer", authz.ReasonSubjectUnmapped},
		"row 55: subject with ':'":   {"ListDocuments", user("a:b"), []string{"document:1"}, "viewer", authz.ReasonSubjectInvalid},
		"public method":              {"Ping", nil, []string{"document:1"}, "viewer", authz.ReasonSubjectUnmapped},
		"more than a filter may ask": {"ListDocuments", user("alice"), make([]string, 10_001), "viewer", authz.ReasonMisconfigured},
		"none":                       {"ListDocuments", user("alice"), nil, "viewer", ""},
	} {
		t.Run(name, func(t *testing.T) {
			method := authorizer.Method(service + tc.method)
			session := method.NewSession(authz.Call{Principal: tc.caller}, nil)
			allowed, err := authz.FilterFromContext(authz.NewContext(t.Context(), session), tc.objects, tc.relation)
			wanted := tc.want
			if wanted == authz.ReasonObjectMissing && strings.Contains(tc.objects[0], ":") {
				wanted = "" // a filter denies what can't be an object, unless none has a type
			}
			if got := reasonOf(err); got != wanted || slices.Contains(allowed, true) {
				t.Errorf("got %v, %v, want %q", allowed, err, wanted)
			}
			if session.Checked() || session.Filtered() {
				t.Error("a check without a verdict was counted")
			}
			if len(tc.objects) == 1 {
				if err := authz.CheckFromContext(authz.NewContext(t.Context(), session), tc.objects[0], tc.relation); reasonOf(err) != tc.want {
					t.Errorf("check: %v, want %q", err, tc.want)
				}
			}
		})
	}
	t.Run("caller's own deadline", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		session := authorizer.Method(service+"ListDocuments").NewSession(authz.Call{Principal: user("alice")}, nil)
		if err := authz.CheckFromContext(authz.NewContext(ctx, session), "document:1", "viewer"); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestMethodSaysWhatTheInterceptorMustKnow(t *testing.T) {
	authorizer := newAuthorizer(t, authz.Config{Engine: newTuples()})
	for name, want := range map[string][4]bool{ // public, reads, handler, hides
		"Ping": {true}, "Whoami": {}, "GetDocument": {false, true}, "ListDocuments": {false, false, true}, "DeleteDocument": {false, true, false, true},
	} {
		m := authorizer.Method(service + name)
		if got := [4]bool{m.Public(), m.ReadsMessage(), m.HandlerDecides(), m.HidesExistence()}; got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if got := authorizer.Method(service + "ShareDocument").Validation(); got != authzv1.Validation_VALIDATION_INTROSPECT {
		t.Error(got)
	}
	session := authorizer.Method(service+"Ping").NewSession(authz.Call{}, nil)
	ctx := authz.NewContext(t.Context(), session)
	if got, ok := authz.FromContext(ctx); !ok || got != session || got.Decision().Allowed() {
		t.Error("the session of a context isn't found")
	}
}
