package authz_test

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

var errOdd = errors.New("odd")

// handlerRule leaves the decision to the handler.
func handlerRule() *authzv1.Rule {
	return &authzv1.Rule{Policy: &authzv1.Rule_Handler{Handler: &authzv1.Handler{}}}
}

// fromField is a rule's consistency whose revision is the field text.
func fromField() *authzv1.Consistency {
	return &authzv1.Consistency{
		Mode: authzv1.Mode_MODE_AT_LEAST_AS_FRESH, Revision: "{optional_text}", IfAbsent: authzv1.Mode_MODE_MINIMIZE_LATENCY,
	}
}

func revision(text string) *docsv1.Kinds { return &docsv1.Kinds{Text: "a", OptionalText: &text} }

func TestSessionAsksAtTheRevisionOfTheMessage(t *testing.T) {
	rule := handlerRule()
	rule.Consistency = fromField()
	engine := newTuples("document:a#viewer@user:alice")
	method := one(t, engine, "StreamM", rule)
	if !method.RevisionReadsMessage() {
		t.Fatal("the rule's revision is a field")
	}
	ask := func(t *testing.T, session *authz.Session, want authz.Reason, at authz.Consistency) {
		t.Helper()
		before := engine.requests()
		err := authz.CheckFromContext(authz.NewContext(t.Context(), session), "document:a", "viewer")
		if reasonOf(err) != want {
			t.Fatalf("got %v, want %q", err, want)
		}
		if want != "" {
			if engine.requests() != before {
				t.Error("the engine was asked")
			}

			return
		}
		if got := engine.batches[len(engine.batches)-1].Consistency; got != at {
			t.Errorf("asked with %v, want %v", got, at)
		}
	}
	fresh := func(revision authz.Revision) authz.Consistency {
		return authz.Consistency{Mode: authz.ModeAtLeastAsFresh, Revision: revision}
	}
	t.Run("the request of a unary call", func(t *testing.T) {
		ask(t, method.NewSession(authz.Call{Principal: user("alice"), Message: revision("r1")}, nil), "", fresh("r1"))
	})
	t.Run("the last message of a stream", func(t *testing.T) {
		session := method.NewSession(authz.Call{Principal: user("alice")}, nil)
		ask(t, session, authz.ReasonObjectMissing, authz.Consistency{})
		first := revision("r1")
		if err := session.Receive(first); err != nil {
			t.Fatal(err)
		}
		*first.OptionalText = "the handler owns it now"
		ask(t, session, "", fresh("r1"))
		if err := session.Receive(revision("r2")); err != nil {
			t.Fatal(err)
		}
		ask(t, session, "", fresh("r2"))
		if err := session.Receive(&docsv1.Kinds{Text: "a"}); err != nil {
			t.Fatal(err)
		}
		ask(t, session, "", authz.Consistency{})
	})
	t.Run("a revision that can't be one", func(t *testing.T) {
		session := method.NewSession(authz.Call{Principal: user("alice")}, nil)
		if err := session.Receive(revision("a b")); reasonOf(err) != authz.ReasonRevisionInvalid {
			t.Error(err)
		}
		ask(t, session, authz.ReasonRevisionInvalid, authz.Consistency{})
	})
	t.Run("a message of another type", func(t *testing.T) {
		session := method.NewSession(authz.Call{Principal: user("alice")}, nil)
		if err := session.Receive(&docsv1.Item{}); reasonOf(err) != authz.ReasonMisconfigured {
			t.Error(err)
		}
	})
	t.Run("a stream held to its first message keeps its revision", func(t *testing.T) {
		rule := check("document:{text}", "viewer")
		rule.Consistency = fromField()
		rule.Stream = &authzv1.Stream{MessageCheck: authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE, RecheckInterval: durationpb.New(1e9)}
		method := one(t, engine, "StreamM", rule)
		session := method.NewSession(authz.Call{Principal: user("alice")}, nil)
		for _, message := range []*docsv1.Kinds{revision("r1"), {}} {
			if err := session.Receive(message); err != nil {
				t.Fatal(err)
			}
			ask(t, session, "", fresh("r1"))
		}
		if err := session.Receive(revision("r2")); err != nil {
			t.Fatal(err)
		}
		ask(t, session, "", fresh("r2"))
	})
}

func TestSessionAsksAboutTheRenewedPrincipal(t *testing.T) {
	engine := newTuples("document:a#viewer@user:alice")
	session := one(t, engine, "M", handlerRule()).NewSession(authz.Call{Principal: user("bob")}, nil)
	ctx := authz.NewContext(t.Context(), session)
	if err := authz.CheckFromContext(ctx, "document:a", "viewer"); reasonOf(err) != authz.ReasonRelationDenied {
		t.Fatal(err)
	}
	session.Renew(user("alice"))
	if err := authz.CheckFromContext(ctx, "document:a", "viewer"); err != nil {
		t.Fatal(err)
	}
	session.Renew(nil)
	if err := authz.CheckFromContext(ctx, "document:a", "viewer"); err == nil {
		t.Fatal("granted to nobody")
	}
}

func TestSessionOfACallThatHasEndedRefuses(t *testing.T) {
	var session *authz.Session
	asked := 0
	engine := authz.EngineFunc(func(context.Context, authz.Batch) (authz.Result, error) {
		if asked++; asked == 2 {
			session.End() // the call ends while the answer is on its way
		}

		return authz.Result{Answers: []authz.Answer{{Effect: authz.EffectAllowed}}}, nil
	})
	session = one(t, engine, "M", handlerRule()).NewSession(authz.Call{Principal: user("alice")}, nil)
	ctx := authz.NewContext(t.Context(), session)
	for i, want := range []authz.Reason{"", authz.ReasonMisconfigured, authz.ReasonMisconfigured} {
		if err := authz.CheckFromContext(ctx, "document:a", "viewer"); reasonOf(err) != want {
			t.Errorf("check %d: got %v, want %q", i, err, want)
		}
	}
	if _, err := authz.FilterFromContext(ctx, []string{"document:a"}, "viewer"); reasonOf(err) != authz.ReasonMisconfigured {
		t.Error(err)
	}
	if err := authz.EmptyFromContext(ctx); reasonOf(err) != authz.ReasonMisconfigured {
		t.Error(err)
	}
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}

// Under "handler" only what was granted counts as the check.
func TestOnlyAGrantedCheckCountsAsTheHandlers(t *testing.T) {
	engine := newTuples("document:a#viewer@user:alice")
	for name, c := range map[string]struct {
		objects           []string
		checked, filtered bool
	}{
		"nothing":              {[]string{}, false, false},
		"one denied":           {[]string{"document:b"}, false, true},
		"one that can't be":    {[]string{"document:*"}, false, false},
		"one granted":          {[]string{"document:a"}, true, true},
		"one of three granted": {[]string{"document:b", "nonsense", "document:a"}, true, true},
	} {
		t.Run("a filter over "+name, func(t *testing.T) {
			session := one(t, engine, "M", handlerRule()).NewSession(authz.Call{Principal: user("alice")}, nil)
			if _, err := authz.FilterFromContext(authz.NewContext(t.Context(), session), c.objects, "viewer"); err != nil {
				t.Fatal(err)
			}
			if session.Checked() != c.checked || session.Filtered() != c.filtered {
				t.Errorf("checked %v, filtered %v", session.Checked(), session.Filtered())
			}
		})
	}
	for object, want := range map[string]bool{"document:a": true, "document:b": false, "nonsense": false} {
		t.Run("a check of "+object, func(t *testing.T) {
			session := one(t, engine, "M", handlerRule()).NewSession(authz.Call{Principal: user("alice")}, nil)
			if err := authz.CheckFromContext(authz.NewContext(t.Context(), session), object, "viewer"); (err == nil) != want {
				t.Fatal(err)
			}
			if session.Checked() != want || session.Filtered() {
				t.Errorf("checked %v, filtered %v", session.Checked(), session.Filtered())
			}
		})
	}
	t.Run("an answer that holds nothing", func(t *testing.T) {
		var told []string
		authorizer := newAuthorizer(t, authz.Config{
			Engine: engine, Resolver: ruled(t, nil, map[string]*authzv1.Rule{"M": handlerRule()}),
			Observer: authz.Observer{Decided: func(_ context.Context, d *authz.Decision) { told = append(told, d.Rule()) }},
		})
		session := authorizer.Method("/t.S/M").NewSession(authz.Call{Principal: user("alice")}, nil)
		if err := authz.EmptyFromContext(authz.NewContext(t.Context(), session)); err != nil {
			t.Fatal(err)
		}
		if !session.Checked() || session.Filtered() || len(told) != 1 || told[0] != "handler's word that its answer is empty" {
			t.Errorf("checked %v, filtered %v, told %q", session.Checked(), session.Filtered(), told)
		}
		if err := authz.EmptyFromContext(t.Context()); reasonOf(err) != authz.ReasonMisconfigured {
			t.Error(err)
		}
	})
}

func TestFilterDeniesAnOddIDAlone(t *testing.T) {
	engine := &picky{tuples: newTuples("document:a#viewer@user:alice", "document:c#viewer@user:alice")}
	session := one(t, engine, "M", handlerRule()).NewSession(authz.Call{Principal: user("alice")}, nil)
	ctx := authz.NewContext(t.Context(), session)
	got, err := authz.FilterFromContext(ctx, []string{"document:a", "document", "document:*", "document:odd", "", "document:x y", "document:c"}, "viewer")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false, false, false, false, false, true} {
		if got[i] != want {
			t.Errorf("element %d: %v", i, got[i])
		}
	}
	if err := authz.CheckFromContext(ctx, "document", "viewer"); reasonOf(err) != authz.ReasonObjectMissing {
		t.Error(err)
	}
	if _, err := authz.FilterFromContext(ctx, []string{"document:a", "document:down"}, "viewer"); reasonOf(err) != authz.ReasonEngineUnavailable {
		t.Errorf("an element without a verdict: %v", err)
	}
}

// picky is an engine with a grammar, which can't answer about the object "down".
type picky struct{ *tuples }

func (e *picky) ValidateQuery(query authz.Query) error {
	if query.Object.ID == "odd" {
		return &authz.EngineError{Kind: authz.EngineBadRequest, Err: errOdd}
	}

	return nil
}

func (e *picky) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	result, err := e.tuples.Check(ctx, batch)
	for i, query := range batch.Queries {
		if query.Object.ID == "down" {
			result.Answers[i] = authz.Answer{Err: &authz.EngineError{Kind: authz.EngineUnavailable, Err: errOdd}}
		}
	}

	return result, err
}
