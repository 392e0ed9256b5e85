package lumoauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/internal/httpapi/httpapitest"
	"github.com/usher-auth/usher/authz/lumoauth"
	"github.com/usher-auth/usher/authz/lumoauth/lumoauthtest"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// native turns the native endpoints on, and both of them are named by a word.
var native = map[string]func(*lumoauth.Config){
	"evaluations": nil,
	"native":      func(c *lumoauth.Config) { c.NativePermissions, c.NativeAttributes = true, true },
}

// behind returns an engine that asks the contract server, whose evaluations are of one
// kind and which another engine decides.
func behind(tb testing.TB, kind authz.QueryKind, decides *authztest.Engine, edits ...func(*lumoauth.Config)) *lumoauth.Engine {
	tb.Helper()
	front := httptest.NewServer(lumoauthtest.New(lumoauthtest.Config{
		Organization: "acme", Engine: decides, APIKeys: []string{"fake-key"},
		EvaluationKind: func(string) authz.QueryKind { return kind },
	}))
	tb.Cleanup(front.Close)

	return at(tb, front.URL, edits...)
}

func at(tb testing.TB, url string, edits ...func(*lumoauth.Config)) *lumoauth.Engine {
	tb.Helper()
	config := lumoauth.Config{
		BaseURL: url, Organization: "acme", APIKey: func(context.Context) (string, error) { return "fake-key", nil },
		PermissionResource: authz.Object{Type: "organization", ID: "acme"},
	}
	for _, edit := range edits {
		if edit != nil {
			edit(&config)
		}
	}
	e, err := lumoauth.New(config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = e.Close() })

	return e
}

func hanging(tb testing.TB) string {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	tb.Cleanup(server.Close)

	return server.URL
}

func TestPermissionSuite(t *testing.T) {
	for name, edit := range native {
		t.Run(name, func(t *testing.T) {
			authztest.PermissionSuite{
				New: func(tb testing.TB, grants ...authztest.Permission) authz.PermissionEngine {
					tb.Helper()
					decides := authztest.NewEngine()
					decides.Grant(grants...)

					return behind(tb, authz.QueryPermission, decides, edit)
				},
				Hanging: func(tb testing.TB) authz.PermissionEngine { tb.Helper(); return at(tb, hanging(tb), edit) },
				Limit:   100,
				Lacks:   authztest.PermissionLacks{Objects: edit != nil},
			}.Run(t)
		})
	}
}

func TestAttributeSuite(t *testing.T) {
	for name, edit := range native {
		t.Run(name, func(t *testing.T) {
			authztest.AttributeSuite{
				New: func(tb testing.TB, tuples ...authztest.Tuple) authz.AttributeEngine {
					tb.Helper()
					decides := authztest.NewEngine()
					decides.SetPolicy(authztest.SuitePolicy(tuples...))

					return behind(tb, authz.QueryAttributes, decides, edit)
				},
				Hanging: func(tb testing.TB) authz.AttributeEngine { tb.Helper(); return at(tb, hanging(tb), edit) },
				Limit:   100,
				Lacks:   authztest.AttributeLacks{SubjectProperties: edit != nil, ActionProperties: edit != nil},
			}.Run(t)
		})
	}
}

// permission is a query of a permission of a user's.
func permission(name, who string) authz.Query {
	return authz.Query{Kind: authz.QueryPermission, Relation: name, Subject: authz.Subject{Type: "user", ID: who}}
}

// attributes is a query of an action of a user's.
func attributes(id, who string) authz.Query {
	q := query(id)
	q.Kind, q.Subject.ID = authz.QueryAttributes, who

	return q
}

// Row 68: our service has every permission, and the server answers about it instead of
// the caller, or doesn't say about whom. No answer counts.
func TestServerThatIgnoresTheSubject(t *testing.T) {
	decides := authztest.NewEngine()
	for _, who := range []string{"service:docs", "user:docs", "user:ann"} {
		decides.Grant(authztest.Permission{Subject: who, Name: "documents.edit"})
	}
	decides.SetPolicy(func(authz.Query) authz.Answer { return authz.Answer{Effect: authz.EffectAllowed} })
	for name, judged := range map[string]lumoauthtest.Judged{
		"judges the bearer":               lumoauthtest.JudgeBearer,
		"judges the bearer, without name": lumoauthtest.JudgeBearerUnnamed,
		"doesn't name the subject":        lumoauthtest.JudgeUnnamed,
		"names another subject":           lumoauthtest.JudgeNamingAnother,
	} {
		for _, bearer := range []string{"service:docs", "user:docs", "docs"} {
			t.Run("row 68: "+name+", "+bearer, func(t *testing.T) {
				lumo := lumoauthtest.New(lumoauthtest.Config{Organization: "acme", Engine: decides, Judged: judged})
				e := engine(t, serve(t, lumo.ServeHTTP), native["native"], func(c *lumoauth.Config) {
					c.TokenSource = token(lumo.Issue(bearer, lumoauthtest.ScopeCheck))
				})
				for _, queries := range [][]authz.Query{
					{permission("documents.edit", "bob")},
					{permission("documents.edit", "ann"), permission("documents.read", "ann"), permission("documents.edit", "bob")},
				} {
					result, err := e.CheckPermissions(deadline(t), authz.Batch{Queries: queries})
					fault := wantFault(t, err, authz.EngineMisconfigured)
					if !strings.Contains(fault.Error(), "unset NativePermissions") {
						t.Errorf("the operator reads %v", fault)
					}
					wantNoGrant(t, result)
				}
				result, err := e.EvaluateAttributes(deadline(t), authz.Batch{Queries: []authz.Query{attributes("1", "bob"), attributes("1", "ann")}})
				if fault := wantFault(t, err, authz.EngineMisconfigured); !strings.Contains(fault.Error(), "unset NativeAttributes") {
					t.Errorf("the operator reads %v", fault)
				}
				wantNoGrant(t, result)
			})
		}
	}
	t.Run("row 68: one that honours it grants", func(t *testing.T) {
		lumo := lumoauthtest.New(lumoauthtest.Config{Organization: "acme", Engine: decides})
		e := engine(t, serve(t, lumo.ServeHTTP), native["native"], func(c *lumoauth.Config) {
			c.TokenSource = token(lumo.Issue("service:docs", lumoauthtest.ScopeCheck))
		})
		result, err := e.CheckPermissions(deadline(t), authz.Batch{Queries: []authz.Query{permission("documents.edit", "ann"), permission("documents.edit", "bob")}})
		if err != nil || result.Answers[0].Effect != authz.EffectAllowed || result.Answers[1].Effect != authz.EffectDenied {
			t.Errorf("%+v, %v", result, err)
		}
	})
	t.Run("row 68: without the scope it is refused", func(t *testing.T) {
		lumo := lumoauthtest.New(lumoauthtest.Config{Organization: "acme", Engine: decides})
		e := engine(t, serve(t, lumo.ServeHTTP), native["native"], func(c *lumoauth.Config) { c.TokenSource = token(lumo.Issue("service:docs")) })
		result, err := e.CheckPermissions(deadline(t), authz.Batch{Queries: []authz.Query{permission("documents.edit", "ann")}})
		wantFault(t, err, authz.EngineRefused)
		wantNoGrant(t, result)
	})
}

const (
	unavailable   = authz.EngineUnavailable
	misconfigured = authz.EngineMisconfigured
)

func TestOnlyNamedResultsCount(t *testing.T) {
	const ann = `"user_id": "ann"`
	for name, c := range map[string]struct {
		text string
		kind authz.EngineErrorKind
	}{
		"results missing":              {`{` + ann + `}`, unavailable},
		"results null":                 {`{` + ann + `, "results": null}`, unavailable},
		"results as a list":            {`{` + ann + `, "results": [true]}`, unavailable},
		"allowed instead of results":   {`{` + ann + `, "allowed": true}`, unavailable},
		"no result":                    {`{` + ann + `, "results": {}}`, unavailable},
		"another's result":             {`{` + ann + `, "results": {"documents.read": true}}`, unavailable},
		"one too many":                 {`{` + ann + `, "results": {"documents.edit": true, "documents.read": true}}`, unavailable},
		"a result twice":               {`{` + ann + `, "results": {"documents.edit": false, "documents.edit": true}}`, unavailable},
		"a result twice by an escape":  {`{` + ann + `, "results": {"documents.edit": false, "documents\u002eedit": true}}`, unavailable},
		"a result in another case":     {`{` + ann + `, "results": {"Documents.edit": true}}`, unavailable},
		`a result "true"`:              {`{` + ann + `, "results": {"documents.edit": "true"}}`, unavailable},
		"a result 1":                   {`{` + ann + `, "results": {"documents.edit": 1}}`, unavailable},
		"a result null":                {`{` + ann + `, "results": {"documents.edit": null}}`, unavailable},
		"a result as an object":        {`{` + ann + `, "results": {"documents.edit": {"allowed": true}}}`, unavailable},
		"an error beside the results":  {`{` + ann + `, "results": {"documents.edit": true}, "error": true}`, unavailable},
		"no user_id":                   {`{"results": {"documents.edit": true}}`, misconfigured},
		"user_id null":                 {`{"user_id": null, "results": {"documents.edit": true}}`, misconfigured},
		"another's user_id":            {`{"user_id": "bob", "results": {"documents.edit": true}}`, misconfigured},
		"a user_id in another case":    {`{"user_id": "Ann", "results": {"documents.edit": true}}`, misconfigured},
		"a user_id as another member":  {`{"userId": "ann", "results": {"documents.edit": true}}`, misconfigured},
		"a user_id that is no string":  {`{"user_id": ["ann"], "results": {"documents.edit": true}}`, misconfigured},
		"a user_id and another's":      {`{` + ann + `, "subject": {"type": "user", "id": "bob"}, "results": {"documents.edit": true}}`, misconfigured},
		"a subject of another type":    {`{"subject": {"type": "service", "id": "ann"}, "results": {"documents.edit": true}}`, misconfigured},
		"a subject without a type":     {`{"subject": {"id": "ann"}, "results": {"documents.edit": true}}`, misconfigured},
		"a subject as an id":           {`{"subject": "ann", "results": {"documents.edit": true}}`, misconfigured},
		"a subject null":               {`{` + ann + `, "subject": null, "results": {"documents.edit": true}}`, misconfigured},
		"a subject within the results": {`{"results": {"documents.edit": true, "user_id": "ann"}}`, misconfigured},
	} {
		t.Run("row 68: permissions, "+name, func(t *testing.T) {
			e := engine(t, serve(t, httpapitest.Body(c.text)), native["native"])
			result, err := e.CheckPermissions(deadline(t), authz.Batch{Queries: []authz.Query{permission("documents.edit", "ann")}})
			wantFault(t, err, c.kind)
			wantNoGrant(t, result)
		})
	}
	for text, want := range map[string]authz.Effect{
		`{` + ann + `, "results": {"documents.edit": true}}`:                                                    authz.EffectAllowed,
		`{` + ann + `, "results": {"documents.edit": false}}`:                                                   authz.EffectDenied,
		`{"subject": {"type": "user", "id": "ann", "x": 1}, "results": {"documents.edit": true}}`:               authz.EffectAllowed,
		`{"subject": "user:ann", "results": {"documents.edit": true}}`:                                          authz.EffectAllowed,
		`{` + ann + `, "subject": "user:ann", "error": false, "count": 1, "results": {"documents.edit": true}}`: authz.EffectAllowed,
	} {
		e := engine(t, serve(t, httpapitest.Body(text)), native["native"])
		result, err := e.CheckPermissions(deadline(t), authz.Batch{Queries: []authz.Query{permission("documents.edit", "ann")}})
		if err != nil || result.Answers[0].Effect != want {
			t.Errorf("%s: %+v, %v", text, result, err)
		}
	}

	t.Run("row 68: a service isn't named by user_id", func(t *testing.T) {
		q := permission("documents.edit", "ann")
		q.Subject.Type = "service"
		e := engine(t, serve(t, httpapitest.Body(`{`+ann+`, "results": {"documents.edit": true}}`)), native["native"])
		result, err := e.CheckPermissions(deadline(t), authz.Batch{Queries: []authz.Query{q}})
		wantFault(t, err, misconfigured)
		wantNoGrant(t, result)
	})
}

func TestOnlyNamedAttributeResultsCount(t *testing.T) {
	const ann = `"user_id": "ann"`
	for name, c := range map[string]struct {
		text string
		kind authz.EngineErrorKind
	}{
		"results missing":             {`{` + ann + `}`, unavailable},
		"results as an object":        {`{` + ann + `, "results": {"0": {"allowed": true}, "1": {"allowed": true}}}`, unavailable},
		"one too few":                 {`{` + ann + `, "results": [{"allowed": true}]}`, unavailable},
		"one too many":                {`{` + ann + `, "results": [{"allowed": true}, {"allowed": true}, {"allowed": true}]}`, unavailable},
		"a result true":               {`{` + ann + `, "results": [true, true]}`, unavailable},
		"allowed missing":             {`{` + ann + `, "results": [{"reason": "x"}, {"allowed": true}]}`, unavailable},
		`allowed "true"`:              {`{` + ann + `, "results": [{"allowed": "true"}, {"allowed": true}]}`, unavailable},
		"allowed twice":               {`{` + ann + `, "results": [{"allowed": false, "allowed": true}, {"allowed": true}]}`, unavailable},
		"about another resource":      {`{` + ann + `, "results": [{"allowed": true, "resourceId": "2"}, {"allowed": true}]}`, unavailable},
		"about another type":          {`{` + ann + `, "results": [{"allowed": true, "resourceType": "folder"}, {"allowed": true}]}`, unavailable},
		"about another action":        {`{` + ann + `, "results": [{"allowed": true, "action": "owner"}, {"allowed": true}]}`, unavailable},
		"no user_id":                  {`{"results": [{"allowed": true}, {"allowed": true}]}`, misconfigured},
		"another's user_id":           {`{"user_id": "bob", "results": [{"allowed": true}, {"allowed": true}]}`, misconfigured},
		"another's in one result":     {`{` + ann + `, "results": [{"allowed": true, "user_id": "bob"}, {"allowed": true}]}`, misconfigured},
		"a user_id in one result":     {`{"results": [{"allowed": true, "user_id": "ann"}, {"allowed": true}]}`, misconfigured},
		"another's in the answer":     {`{"user_id": "bob", "results": [{"allowed": true, "user_id": "ann"}, {"allowed": true, "user_id": "ann"}]}`, misconfigured},
		"an error beside the results": {`{` + ann + `, "results": [{"allowed": true}, {"allowed": true}], "error": "upstream-secret"}`, unavailable},
	} {
		t.Run("row 68: attributes, "+name, func(t *testing.T) {
			e := engine(t, serve(t, httpapitest.Body(c.text)), native["native"])
			result, err := e.EvaluateAttributes(deadline(t), authz.Batch{Queries: []authz.Query{attributes("1", "ann"), attributes("1", "ann")}})
			wantFault(t, err, c.kind)
			wantNoGrant(t, result)
		})
	}
	for _, text := range []string{
		`{` + ann + `, "results": [{"allowed": true, "reason": "policy 7", "matchedPolicies": [{"id": 7}], "evaluationContext": {"x": 1}}, {"allowed": false, "error": {"status": 500}}]}`,
		`{"results": [{"allowed": true, "reason": "policy 7", "matchedPolicies": [{"id": 7}], "user_id": "ann", "resourceId": "1"}, {"user_id": "ann", "error": "upstream-secret"}]}`,
	} {
		e := engine(t, serve(t, httpapitest.Body(text)), native["native"])
		result, err := e.EvaluateAttributes(deadline(t), authz.Batch{Queries: []authz.Query{attributes("1", "ann"), attributes("1", "ann")}})
		if err != nil || result.Answers[0].Effect != authz.EffectAllowed {
			t.Fatalf("%s: %+v, %v", text, result, err)
		}
		if got, _ := json.Marshal(result.Answers[0].Context); string(got) != `{"matchedPolicies":[{"id":7}],"reason":"policy 7"}` {
			t.Errorf("context = %s", got)
		}
		wantFault(t, result.Answers[1].Err, unavailable)
	}
}

// bodies records requests and answers them as a server that allows everything.
type bodies struct {
	mu  sync.Mutex
	got []map[string]any
	at  []string
}

func (b *bodies) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body)
	b.mu.Lock()
	b.got, b.at = append(b.got, body), append(b.at, r.URL.Path)
	b.mu.Unlock()
	out := map[string]any{"subject": body["subject"]}
	if names, ok := body["permissions"].([]any); ok {
		results := map[string]bool{}
		for _, name := range names {
			results[name.(string)] = true
		}
		out["results"] = results
	} else {
		var results []any
		for range body["requests"].([]any) {
			results = append(results, map[string]any{"allowed": true})
		}
		out["results"] = results
	}
	_ = json.NewEncoder(w).Encode(out)
}

func TestNativeRequests(t *testing.T) {
	t.Run("permissions", func(t *testing.T) {
		b := &bodies{}
		e := engine(t, serve(t, b.ServeHTTP), native["native"])
		q := permission("documents.edit", "ann")
		service := q
		service.Subject.Type = "service"
		with := q
		with.Context = map[string]any{"ip": "192.0.2.1", "n": int64(1)}
		again := with
		again.Relation = "documents.read"
		result, err := e.CheckPermissions(deadline(t), authz.Batch{Queries: []authz.Query{q, service, with, q, again, permission("documents.read", "ann")}})
		if err != nil {
			t.Fatal(err)
		}
		for i, answer := range result.Answers {
			if answer.Effect != authz.EffectAllowed {
				t.Errorf("answer %d = %+v", i, answer)
			}
		}
		for _, want := range []map[string]any{
			{"permissions": []any{"documents.edit", "documents.read"}, "user_id": "ann", "subject": map[string]any{"type": "user", "id": "ann"}},
			{"permissions": []any{"documents.edit"}, "subject": map[string]any{"type": "service", "id": "ann"}},
			{"permissions": []any{"documents.edit", "documents.read"}, "user_id": "ann", "subject": map[string]any{"type": "user", "id": "ann"}, "context": map[string]any{"ip": "192.0.2.1", "n": 1.0}},
		} {
			found := false
			for _, got := range b.got {
				found = found || reflect.DeepEqual(got, want)
			}
			if !found {
				t.Errorf("no request %v within %v", want, b.got)
			}
		}
		if len(b.got) != 3 || b.at[0] != "/api/v1/authz/check-bulk" {
			t.Errorf("%d requests, %v", len(b.got), b.at)
		}
	})
	t.Run("attributes", func(t *testing.T) {
		b := &bodies{}
		e := engine(t, serve(t, b.ServeHTTP), native["native"])
		q := attributes("1", "ann")
		q.Context = map[string]any{"at": "2026-01-02T03:04:05Z"}
		q.Properties = &authz.Properties{Resource: map[string]any{"size": int64(3)}}
		if _, err := e.EvaluateAttributes(deadline(t), authz.Batch{Queries: []authz.Query{q}}); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{
			"user_id": "ann", "subject": map[string]any{"type": "user", "id": "ann"},
			"requests": []any{map[string]any{
				"resourceType": "document", "resourceId": "1", "action": "viewer",
				"context": map[string]any{"resource": map[string]any{"size": 3.0}, "environment": map[string]any{"at": "2026-01-02T03:04:05Z"}},
			}},
		}
		if !reflect.DeepEqual(b.got[0], want) || b.at[0] != "/orgs/acme/api/v1/abac/check-bulk" {
			t.Errorf("%s %v", b.at[0], b.got[0])
		}
	})
	t.Run("at most a hundred each", func(t *testing.T) {
		b := &bodies{}
		e := engine(t, serve(t, b.ServeHTTP), native["native"])
		var permissions, actions authz.Batch
		for i := range 250 {
			permissions.Queries = append(permissions.Queries, permission(fmt.Sprint("p", i), "ann"))
			actions.Queries = append(actions.Queries, attributes(fmt.Sprint(i), "ann"))
		}
		if _, err := e.CheckPermissions(deadline(t), permissions); err != nil {
			t.Error(err)
		}
		if _, err := e.EvaluateAttributes(deadline(t), actions); err != nil {
			t.Error(err)
		}
		if len(b.got) != 6 {
			t.Errorf("%d requests, want 3 and 3", len(b.got))
		}
	})
}

func TestNativeEndpointsRefuse(t *testing.T) {
	b := &bodies{}
	e := engine(t, serve(t, b.ServeHTTP), native["native"])
	for name, edit := range map[string]func(*authz.Query){
		"a permission on an object": func(q *authz.Query) { q.Object = authz.Object{Type: "document", ID: "1"} },
		"a userset":                 func(q *authz.Query) { q.Subject.Relation = "member" },
		"a wildcard of permissions": func(q *authz.Query) { q.Relation = "documents.*" },
		"context without JSON":      func(q *authz.Query) { q.Context = map[string]any{"x": make(chan int)} },
		"a relation":                func(q *authz.Query) { q.Kind = authz.QueryRelation },
		"attributes":                func(q *authz.Query) { q.Kind = authz.QueryAttributes },
	} {
		q := permission("documents.edit", "ann")
		edit(&q)
		result, err := e.CheckPermissions(deadline(t), authz.Batch{Queries: []authz.Query{q, permission("documents.edit", "ann")}})
		if err != nil || result.Answers[1].Effect != authz.EffectAllowed {
			t.Fatalf("%s: %+v, %v", name, result, err)
		}
		wantFault(t, result.Answers[0].Err, misconfigured)
	}
	for name, edit := range map[string]func(*authz.Query){
		"properties of the subject": func(q *authz.Query) { q.Properties = &authz.Properties{Subject: map[string]any{"x": 1}} },
		"properties of the action":  func(q *authz.Query) { q.Properties = &authz.Properties{Action: map[string]any{"x": 1}} },
		"a property without JSON":   func(q *authz.Query) { q.Properties = &authz.Properties{Resource: map[string]any{"x": make(chan int)}} },
		"context without JSON":      func(q *authz.Query) { q.Context = map[string]any{"x": make(chan int)} },
		"a userset":                 func(q *authz.Query) { q.Subject.Relation = "member" },
		"a permission":              func(q *authz.Query) { q.Kind = authz.QueryPermission },
	} {
		q := attributes("1", "ann")
		edit(&q)
		result, err := e.EvaluateAttributes(deadline(t), authz.Batch{Queries: []authz.Query{q, attributes("1", "ann")}})
		if err != nil || result.Answers[1].Effect != authz.EffectAllowed {
			t.Fatalf("%s: %+v, %v", name, result, err)
		}
		wantFault(t, result.Answers[0].Err, misconfigured)
	}
	requests := len(b.got)
	for _, ask := range []func(context.Context, authz.Batch) (authz.Result, error){e.CheckPermissions, e.EvaluateAttributes} {
		_, err := ask(deadline(t), authz.Batch{Queries: []authz.Query{permission("x", "ann")}, Consistency: authz.Consistency{Mode: authz.ModeFullyConsistent}})
		wantFault(t, err, misconfigured)
	}
	if foreign, err := e.Check(deadline(t), authz.Batch{Queries: []authz.Query{permission("x", "ann"), attributes("1", "ann")}}); err != nil {
		t.Error(err)
	} else {
		for _, answer := range foreign.Answers {
			wantFault(t, answer.Err, misconfigured)
		}
	}
	if e.ValidateQuery(authz.Query{Kind: authz.QueryAttributes + 1}) == nil {
		t.Error("a query of an unknown kind is valid")
	}
	if len(b.got) != requests {
		t.Errorf("LumoAuth was asked %d times", len(b.got)-requests)
	}
}

func TestEveryFaultOfTheNativeEndpoints(t *testing.T) {
	for kind, text := range map[string]string{
		"permissions": `{"user_id": "ann", "results": {"documents.edit": true}}`,
		"attributes":  `{"user_id": "ann", "results": [{"allowed": true}]}`,
	} {
		for _, fault := range httpapitest.Faults(text, "http://127.0.0.1:1/") {
			t.Run("row 61: "+kind+", "+fault.Name, func(t *testing.T) {
				e := engine(t, serve(t, fault.Answer), native["native"], func(c *lumoauth.Config) { c.Timeout = 500 * time.Millisecond })
				ask, q := e.CheckPermissions, permission("documents.edit", "ann")
				if kind == "attributes" {
					ask, q = e.EvaluateAttributes, attributes("1", "ann")
				}
				result, err := ask(deadline(t), authz.Batch{Queries: []authz.Query{q}})
				wantFault(t, err, fault.Kind)
				wantNoGrant(t, result)
			})
		}
	}
}

// Row 61: the limit of attributes is one of its own, and no API is asked while it said
// to come back later.
func TestRateLimitsOfTheAPIs(t *testing.T) {
	for spent, want := range map[string]map[string]bool{
		"permissions": {"permissions": true, "relations": true, "attributes": false},
		"attributes":  {"permissions": false, "relations": false, "attributes": true},
	} {
		t.Run("row 61: "+spent, func(t *testing.T) {
			decides := authztest.NewEngine("document:1#viewer@user:ann")
			decides.Grant(authztest.Permission{Subject: "user:ann", Name: "documents.edit"})
			decides.SetPolicy(func(authz.Query) authz.Answer { return authz.Answer{Effect: authz.EffectAllowed} })
			config := lumoauthtest.Config{Organization: "acme", Engine: decides, APIKeys: []string{"fake-key"}}
			if spent == "permissions" {
				config.CheckLimit = 2
			} else {
				config.AttributesLimit = 2
			}
			var mu sync.Mutex
			requests := map[string]int{}
			lumo := lumoauthtest.New(config)
			front := serve(t, func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				requests[r.URL.Path]++
				mu.Unlock()
				lumo.ServeHTTP(w, r)
			})
			e := at(t, front.URL, native["native"])
			ask := map[string]func() error{
				"permissions": func() error {
					_, err := e.CheckPermissions(deadline(t), authz.Batch{Queries: []authz.Query{permission("documents.edit", "ann")}})

					return err
				},
				"relations": func() error { _, err := e.Check(deadline(t), batch("1")); return err },
				"attributes": func() error {
					_, err := e.EvaluateAttributes(deadline(t), authz.Batch{Queries: []authz.Query{attributes("1", "ann")}})

					return err
				},
			}
			for range 10 {
				_ = ask[spent]()
			}
			for name, limited := range want {
				err := ask[name]()
				var fault *authz.EngineError
				if limited != (errors.As(err, &fault) && fault.RetryAfter > 0) || !limited && err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			path := map[string]string{"permissions": "/api/v1/authz/check-bulk", "attributes": "/orgs/acme/api/v1/abac/check-bulk"}[spent]
			if requests[path] != 3 {
				t.Errorf("%d requests to %s, want 3", requests[path], path)
			}
		})
	}
}

func TestNewRefusesPaths(t *testing.T) {
	for name, edit := range map[string]func(*lumoauth.Config){
		"a permissions path that climbs":    func(c *lumoauth.Config) { c.PermissionsPath = "/a/../b" },
		"an attributes path that is a host": func(c *lumoauth.Config) { c.AttributesPath = "//evil.example.com/x" },
		"no organization for attributes":    func(c *lumoauth.Config) { c.Organization, c.CheckPath, c.NativeAttributes = "", "/check", true },
		"a resource without an id":          func(c *lumoauth.Config) { c.PermissionResource.Type = "organization" },
	} {
		config := lumoauth.Config{Organization: "acme", TokenSource: token("x")}
		edit(&config)
		if e, err := lumoauth.New(config); err == nil || e != nil {
			t.Errorf("%s: New = %v, %v", name, e, err)
		}
	}
	for name, config := range map[string]lumoauth.Config{
		"paths without an organization": {TokenSource: token("x"), CheckPath: "/check", AttributesPath: "/abac", NativeAttributes: true},
		"no paths for attributes":       {TokenSource: token("x"), CheckPath: "/check", NativePermissions: true},
	} {
		if _, err := lumoauth.New(config); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Row 68: through an authorizer, answers about our own service are our fault and never
// the caller's grant or denial, and another condition may still grant.
func TestServerThatIgnoresTheSubjectBehindARule(t *testing.T) {
	decides := authztest.NewEngine("document:1#viewer@user:ann")
	decides.Grant(authztest.Permission{Subject: "service:docs", Name: "documents.edit"})
	lumo := lumoauthtest.New(lumoauthtest.Config{Organization: "acme", Engine: decides, Judged: lumoauthtest.JudgeBearer})
	e := engine(t, serve(t, lumo.ServeHTTP), native["native"], func(c *lumoauth.Config) {
		c.TokenSource = token(lumo.Issue("service:docs", lumoauthtest.ScopeCheck))
	})
	permission := &authzv1.Permission{Name: "documents.edit"}
	authorizer, err := authz.New(authz.Config{
		Engine: e, Subjects: authz.Subjects{User: "user:{$sub}"}, Issuers: authz.Issuers{authztest.Issuer},
		Rules: []authz.MethodRule{{
			Selector: "grpc.health.v1.Health/Check", Rule: &authzv1.Rule{Policy: &authzv1.Rule_Permission{Permission: permission}},
		}, {
			Selector: "grpc.health.v1.Health/List", Rule: &authzv1.Rule{Policy: &authzv1.Rule_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: []*authzv1.Condition{
				{Condition: &authzv1.Condition_Permission{Permission: permission}},
				{Condition: &authzv1.Condition_Check{Check: &authzv1.Check{Object: "document:1", Relation: "viewer"}}},
			}}}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, who string
		want        authz.Reason
	}{
		{"Check", "ann", authz.ReasonMisconfigured},
		{"Check", "bob", authz.ReasonMisconfigured},
		{"List", "ann", ""},
		{"List", "bob", authz.ReasonMisconfigured},
	} {
		_, err := authorizer.Authorize(deadline(t), "/grpc.health.v1.Health/"+c.method, authztest.User(c.who), &grpc_health_v1.HealthCheckRequest{})
		var refused *authz.Error
		if errors.As(err, &refused) != (c.want != "") || c.want != "" && refused.Reason != c.want {
			t.Errorf("row 68: %s of %s: %v, want %q", c.method, c.who, err, c.want)
		}
	}
}
