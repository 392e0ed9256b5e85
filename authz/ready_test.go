package authz_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	"github.com/usher-auth/usher/authz/schema"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// reader is an engine that tells its schema, and whether it is ready.
type reader struct {
	*tuples

	read  func(context.Context) (*schema.Schema, error)
	ready func(context.Context) error
	reads int
}

func (r *reader) ReadSchema(ctx context.Context) (*schema.Schema, error) {
	r.reads++

	return r.read(ctx)
}

func (r *reader) Ready(ctx context.Context) error {
	if r.ready == nil {
		return nil
	}

	return r.ready(ctx)
}

// rules of a server that is validated at start.
func startRules() map[string]*authzv1.Rule {
	handler := &authzv1.Rule{Policy: &authzv1.Rule_Handler{Handler: &authzv1.Handler{}}}

	return map[string]*authzv1.Rule{
		"Good": check("document:{text}", "viewer"), "Typo": check("document:{text}", "veiwer"), "Type": check("documnt:{text}", "viewer"),
		"Users": check("document:{text}", "owner"), "Nobody": admit(check("document:{text}", "owner"), authzv1.Kind_KIND_SERVICE),
		"Lacks": check("document:{text}", "dated"), "Handler": handler, "Scope": anyPasses(scope("a")),
		"Extra": given(check("document:{text}", "viewer"), "region", "eu"), "Mistyped": given(check("document:{text}", "dated"), "now", "{ratio}"),
		"Open": {Policy: &authzv1.Rule_Public{Public: &authzv1.Public{}}},
	}
}

func startAuthorizer(tb testing.TB, engine authz.Engine) *authz.Authorizer {
	tb.Helper()

	return newAuthorizer(tb, authz.Config{Engine: engine, Resolver: ruledOver(tb, &docsv1.Values{}, nil, startRules())})
}

func TestReadyReportsEveryFaultOfTheMethodsAtOnce(t *testing.T) {
	s := model(t)
	engine := &reader{tuples: newTuples(), read: func(context.Context) (*schema.Schema, error) { return s, nil }}
	authorizer := startAuthorizer(t, engine)
	if err := authorizer.Ready(t.Context(), "/t.S/Good", "/t.S/Users", "/t.S/Lacks", "/t.S/Extra", "/t.S/Handler", "/t.S/Scope", "/t.S/Nothing"); err != nil {
		t.Error(err)
	}
	err := authorizer.Ready(t.Context(), "/t.S/Good", "t.S/Typo", "/t.S/Type", "/t.S/Nobody", "/t.S/Mistyped")
	var ids []string
	for _, one := range unjoined(err) {
		var fault *authz.RuleError
		if !errors.As(one, &fault) {
			t.Fatalf("%T %v", one, one)
		}
		ids = append(ids, fault.Method+" "+fault.ID)
	}
	want := "t.S/Mistyped USHER_SCHEMA_CONTEXT, t.S/Nobody USHER_SCHEMA_SUBJECT, t.S/Type USHER_SCHEMA_TYPE, t.S/Typo USHER_SCHEMA_RELATION"
	if got := strings.Join(ids, ", "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if engine.reads != 2 {
		t.Errorf("the schema was read %d times", engine.reads)
	}
	if errors.As(err, new(*authz.EngineError)) {
		t.Error("a fault of a rule is an outage")
	}
}

// unjoined returns the errors that err joins, down to the last.
func unjoined(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, one := range joined.Unwrap() {
		all = append(all, unjoined(one)...)
	}

	return all
}

func TestReadyAsksOnlyEnginesThatRulesAsk(t *testing.T) {
	engine := &reader{tuples: newTuples(), read: func(context.Context) (*schema.Schema, error) { return nil, errors.New("down") }}
	authorizer := startAuthorizer(t, engine)
	if err := authorizer.Ready(t.Context(), "/t.S/Scope", "/t.S/Open", "/t.S/Nothing"); err != nil || engine.reads != 0 {
		t.Error(err, engine.reads)
	}
	if err := authorizer.Ready(t.Context()); err != nil || engine.reads != 0 {
		t.Error(err, engine.reads)
	}
	if err := authorizer.Ready(t.Context(), "/t.S/Handler"); err == nil {
		t.Error("a handler's engine is down, and Ready doesn't tell")
	}
}

func TestReadyTellsAnOutageFromAFault(t *testing.T) {
	var none *authz.EngineError
	refused := &authz.EngineError{Kind: authz.EngineRefused, Err: errors.New("401")}
	for name, tc := range map[string]struct {
		engine reader
		want   authz.EngineErrorKind
	}{
		"row 61: the schema can't be read": {reader{read: func(context.Context) (*schema.Schema, error) { return nil, errors.New("down") }}, authz.EngineUnavailable},
		"row 61: our key is refused":       {reader{read: func(context.Context) (*schema.Schema, error) { return nil, refused }}, authz.EngineRefused},
		"the engine isn't ready":           {reader{ready: func(context.Context) error { return errors.New("down") }}, authz.EngineUnavailable},
		"no schema and no error":           {reader{read: func(context.Context) (*schema.Schema, error) { return nil, nil }}, authz.EngineMisconfigured}, //nolint:nilnil // on purpose
		"a nil pointer for an error":       {reader{read: func(context.Context) (*schema.Schema, error) { return nil, none }}, authz.EngineUnavailable},
		"a panic while reading":            {reader{read: func(context.Context) (*schema.Schema, error) { panic("secret") }}, authz.EngineMisconfigured},
		"a panic of Ready":                 {reader{ready: func(context.Context) error { panic("secret") }}, authz.EngineMisconfigured},
		"the goroutine is ended": {reader{read: func(context.Context) (*schema.Schema, error) {
			runtime.Goexit()

			return nil, nil //nolint:nilnil // never reached
		}}, authz.EngineUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			tc.engine.tuples = newTuples()
			err := startAuthorizer(t, &tc.engine).Ready(t.Context(), "/t.S/Typo")
			var fault *authz.EngineError
			if !errors.As(err, &fault) || strings.Contains(err.Error(), "secret") || errors.As(err, new(*authz.RuleError)) {
				t.Fatalf("%T %v", err, err)
			}
			if fault != nil && fault.Kind != tc.want {
				t.Errorf("%v, want %v", fault.Kind, tc.want)
			}
		})
	}
}

func TestReadyEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		engine := &reader{tuples: newTuples(), read: func(context.Context) (*schema.Schema, error) {
			<-release // ignores its context

			return nil, errors.New("late")
		}}
		authorizer := startAuthorizer(t, engine)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := authorizer.Ready(ctx, "/t.S/Good"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Error(err, time.Since(start))
		}
		close(release)
		synctest.Wait()
		reads := engine.reads
		if err := authorizer.Ready(ctx, "/t.S/Good"); !errors.Is(err, context.DeadlineExceeded) || engine.reads != reads {
			t.Error("an ended context asks the engine", err)
		}
	})
}

// An engine of its own for each kind of query is asked for what rules ask of it, and one
// engine for all is asked once.
func TestReadyAsksEachEngine(t *testing.T) {
	files := ruledOver(t, &docsv1.Values{}, nil, map[string]*authzv1.Rule{
		"Relation":   check("document:{text}", "viewer"),
		"Permission": {Policy: &authzv1.Rule_Permission{Permission: &authzv1.Permission{Name: "edit"}}},
		"Attributes": {Policy: &authzv1.Rule_Attributes{Attributes: &authzv1.Attributes{Action: "edit", Resource: "document:{text}"}}},
	})
	every := []string{"/t.S/Relation", "/t.S/Permission", "/t.S/Attributes"}
	relations, permissions, attributes := &readyEngine{}, &readyEngine{}, &readyEngine{}
	separate := newAuthorizer(t, authz.Config{Engine: relations, Permissions: permissions, Attributes: attributes, Resolver: files})
	if err := separate.Ready(t.Context(), every[1:]...); err != nil || relations.asked+permissions.asked+attributes.asked != 2 || relations.asked != 0 {
		t.Error(err, relations.asked, permissions.asked, attributes.asked)
	}
	permissions.err, attributes.err = errors.New("permissions are down"), errors.New("attributes are down")
	if err := separate.Ready(t.Context(), every...); err == nil || len(unjoined(err)) != 2 || !strings.Contains(err.Error(), "permission engine") {
		t.Error(err)
	}
	together := &readyEngine{}
	if err := newAuthorizer(t, authz.Config{Engine: together, Resolver: files}).Ready(t.Context(), every...); err != nil || together.asked != 1 {
		t.Error(err, together.asked)
	}
}

// readyEngine answers every kind of query, and counts how often it is asked whether it is
// ready.
type readyEngine struct {
	authz.PermissionEngine
	authz.AttributeEngine

	asked int
	err   error
}

func (*readyEngine) Check(context.Context, authz.Batch) (authz.Result, error) {
	return authz.Result{}, errors.New("not asked")
}

func (e *readyEngine) Ready(context.Context) error {
	e.asked++

	return e.err
}
