package authzen_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authzen"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/internal/httpapi/httpapitest"
	"github.com/usher-auth/usher/authz/lumoauth/lumoauthtest"
)

// behind returns an engine that asks a server which decides by another engine, whose
// evaluations are of one kind.
func behind(tb testing.TB, decides authz.Engine, kind authz.QueryKind, edit func(*authzen.Config)) *authzen.Engine {
	tb.Helper()
	front := httptest.NewServer(lumoauthtest.New(lumoauthtest.Config{
		Organization: "acme", Engine: decides, APIKeys: []string{"fake-key"},
		EvaluationKind: func(string) authz.QueryKind { return kind },
	}))
	tb.Cleanup(front.Close)

	return at(tb, front.URL, edit)
}

func at(tb testing.TB, url string, edit func(*authzen.Config)) *authzen.Engine {
	tb.Helper()
	config := authzen.Config{
		BaseURL: url, EvaluationPath: "/api/v1/authz/v1/evaluation", EvaluationsPath: "/api/v1/authz/v1/evaluations",
		APIKey:             func(context.Context) (string, error) { return "fake-key", nil },
		PermissionResource: authz.Object{Type: "platform", ID: "main"},
	}
	if edit != nil {
		edit(&config)
	}
	e, err := authzen.New(config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = e.Close() })

	return e
}

// hanging is the URL of a server that reads requests and never answers.
func hanging(tb testing.TB) string {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	tb.Cleanup(server.Close)

	return server.URL
}

// variants are the ways in which the suites are run.
var variants = map[string]func(*authzen.Config){
	"evaluations": nil,
	"one by one":  func(c *authzen.Config) { c.EvaluationsPath, c.SingleOnly = "", true },
}

func TestPermissionSuite(t *testing.T) {
	for name, edit := range variants {
		t.Run(name, func(t *testing.T) {
			authztest.PermissionSuite{
				New: func(tb testing.TB, grants ...authztest.Permission) authz.PermissionEngine {
					tb.Helper()
					decides := authztest.NewEngine()
					decides.Grant(grants...)

					return behind(tb, decides, authz.QueryPermission, edit)
				},
				Hanging: func(tb testing.TB) authz.PermissionEngine { tb.Helper(); return at(tb, hanging(tb), edit) },
			}.Run(t)
		})
	}
	t.Run("without a resource for permissions", func(t *testing.T) {
		authztest.PermissionSuite{
			New: func(tb testing.TB, grants ...authztest.Permission) authz.PermissionEngine {
				tb.Helper()
				decides := authztest.NewEngine()
				decides.Grant(grants...)

				return behind(tb, decides, authz.QueryPermission, func(c *authzen.Config) { c.PermissionResource = authz.Object{} })
			},
			Lacks: authztest.PermissionLacks{NoObject: true},
		}.Run(t)
	})
}

func TestAttributeSuite(t *testing.T) {
	for name, edit := range variants {
		t.Run(name, func(t *testing.T) {
			authztest.AttributeSuite{
				New: func(tb testing.TB, tuples ...authztest.Tuple) authz.AttributeEngine {
					tb.Helper()
					decides := authztest.NewEngine()
					decides.SetPolicy(authztest.SuitePolicy(tuples...))

					return behind(tb, decides, authz.QueryAttributes, edit)
				},
				Hanging: func(tb testing.TB) authz.AttributeEngine { tb.Helper(); return at(tb, hanging(tb), edit) },
			}.Run(t)
		})
	}
}

// methods are the engine's methods with a query of each one's kind.
func methods(e *authzen.Engine) map[authz.QueryKind]func(context.Context, authz.Batch) (authz.Result, error) {
	return map[authz.QueryKind]func(context.Context, authz.Batch) (authz.Result, error){
		authz.QueryRelation: e.Check, authz.QueryPermission: e.CheckPermissions, authz.QueryAttributes: e.EvaluateAttributes,
	}
}

// of is a batch of queries of a kind.
func of(kind authz.QueryKind, n int) authz.Batch {
	b := batch(n)
	for i := range b.Queries {
		b.Queries[i].Kind = kind
	}

	return b
}

func TestQueriesOfAnotherKindAreNeverAsked(t *testing.T) {
	p := &pdp{}
	e := engine(t, serve(t, p.ServeHTTP))
	for kind, ask := range methods(e) {
		for other := range authz.QueryAttributes + 2 {
			if other == kind {
				continue
			}
			for _, n := range []int{1, 3} {
				result, err := ask(deadline(t), of(other, n))
				if err != nil {
					t.Fatal(err)
				}
				for _, answer := range result.Answers {
					wantFault(t, answer.Err, authz.EngineMisconfigured)
				}
			}
		}
	}
	if len(p.requests) != 0 {
		t.Errorf("the server was asked: %v", p.requests)
	}
}

func TestEveryFaultOfTheFrontForEachKind(t *testing.T) {
	for _, fault := range httpapitest.Faults(`{"decision": true}`, "http://127.0.0.1:1/") {
		for _, kind := range []authz.QueryKind{authz.QueryPermission, authz.QueryAttributes} {
			t.Run(fmt.Sprintf("row 61: %s, %s", fault.Name, kind), func(t *testing.T) {
				e := engine(t, serve(t, fault.Answer), func(c *authzen.Config) { c.Timeout = 500 * time.Millisecond })
				result, err := methods(e)[kind](deadline(t), of(kind, 1))
				wantFault(t, err, fault.Kind)
				wantNoGrant(t, result)
			})
		}
	}
}

func TestAnswerAboutAnotherSubject(t *testing.T) {
	for kind, text := range map[authz.QueryKind]string{
		authz.QueryPermission: `{"decision": true, "subject": {"type": "service", "id": "usher"}}`,
		authz.QueryAttributes: `{"decision": true, "action": {"name": "viewer"}, "subject": {"type": "user", "id": "bob"}}`,
		authz.QueryRelation:   `{"decision": true, "subject": {"type": "user"}}`,
	} {
		t.Run("row 68: "+kind.String(), func(t *testing.T) {
			result, err := methods(engine(t, serve(t, httpapitest.Body(text))))[kind](deadline(t), of(kind, 1))
			wantFault(t, err, authz.EngineUnavailable)
			wantNoGrant(t, result)
		})
	}
}

func TestPermissionOnNoObject(t *testing.T) {
	q := authz.Query{Kind: authz.QueryPermission, Relation: "documents:edit", Subject: authz.Subject{Type: "user", ID: "ann"}}
	ask := authz.Batch{Queries: []authz.Query{q}}
	t.Run("is on the configured resource", func(t *testing.T) {
		p := &pdp{}
		e := engine(t, serve(t, p.ServeHTTP), func(c *authzen.Config) { c.PermissionResource = authz.Object{Type: "platform", ID: "0"} })
		result, err := e.CheckPermissions(deadline(t), ask)
		if err != nil || result.Answers[0].Effect != authz.EffectAllowed {
			t.Fatalf("%+v, %v", result, err)
		}
		want := map[string]any{
			"subject": map[string]any{"type": "user", "id": "ann"}, "action": map[string]any{"name": "documents:edit"},
			"resource": map[string]any{"type": "platform", "id": "0"},
		}
		if !reflect.DeepEqual(p.bodies[0], want) {
			t.Errorf("body = %v", p.bodies[0])
		}
	})
	t.Run("is a misconfiguration without one, that names the settings", func(t *testing.T) {
		p := &pdp{}
		e := engine(t, serve(t, p.ServeHTTP))
		result, err := e.CheckPermissions(deadline(t), ask)
		if err != nil {
			t.Fatal(err)
		}
		fault := wantFault(t, result.Answers[0].Err, authz.EngineMisconfigured)
		for _, word := range []string{`"documents:edit"`, "PermissionResource", "on in the rule"} {
			if !strings.Contains(fault.Error(), word) {
				t.Errorf("%q isn't in %v", word, fault)
			}
		}
		if e.ValidateQuery(q) == nil || len(p.requests) != 0 {
			t.Errorf("it was asked: %v", p.requests)
		}
	})
	for name, on := range map[string]authz.Object{"no id": {Type: "platform"}, "no type": {ID: "main"}, "a wildcard": {Type: "platform", ID: "*"}} {
		t.Run("New refuses "+name, func(t *testing.T) {
			if e, err := authzen.New(authzen.Config{BaseURL: "https://pdp.example.com", PermissionResource: on}); err == nil {
				t.Errorf("New = %v", e)
			}
		})
	}
}

func TestNamesOfPermissionsAndActions(t *testing.T) {
	e := engine(t, serve(t, http.NotFound))
	for name, ok := range map[string]bool{
		"documents.edit": true, "documents:edit": true, "edit": true,
		"": false, "*": false, "documents.*": false, "documents:*": false, "a b": false, "a#b": false, "a\x00": false,
	} {
		for _, kind := range []authz.QueryKind{authz.QueryPermission, authz.QueryAttributes} {
			q := query("0")
			q.Kind, q.Relation = kind, name
			if err := e.ValidateQuery(q); (err == nil) != ok {
				t.Errorf("row 68: %s %q: %v", kind, name, err)
			} else if !ok {
				wantFault(t, err, authz.EngineMisconfigured)
			}
		}
	}
}

func TestProperties(t *testing.T) {
	q := query("0")
	q.Kind = authz.QueryAttributes
	q.Context = map[string]any{"at": "2026-01-02T03:04:05Z"}
	q.Properties = &authz.Properties{
		Subject: map[string]any{"department": "sales"}, Action: map[string]any{"dry_run": true},
		Resource: map[string]any{"size": int64(3), "tags": []any{"a"}},
	}
	ask := authz.Batch{Queries: []authz.Query{q}}
	t.Run("of the rule and of the Config are merged", func(t *testing.T) {
		p := &pdp{}
		configured := map[string]any{"tenant": "acme"}
		e := engine(t, serve(t, p.ServeHTTP), func(c *authzen.Config) {
			c.Properties = func(authz.Query) authzen.Properties { return authzen.Properties{Resource: configured} }
		})
		if result, err := e.EvaluateAttributes(deadline(t), ask); err != nil || result.Answers[0].Err != nil {
			t.Fatalf("%+v, %v", result, err)
		}
		want := map[string]any{
			"subject":  map[string]any{"type": "user", "id": "ann", "properties": map[string]any{"department": "sales"}},
			"action":   map[string]any{"name": "viewer", "properties": map[string]any{"dry_run": true}},
			"resource": map[string]any{"type": "document", "id": "0", "properties": map[string]any{"size": 3.0, "tags": []any{"a"}, "tenant": "acme"}},
			"context":  map[string]any{"at": "2026-01-02T03:04:05Z"},
		}
		if !reflect.DeepEqual(p.bodies[0], want) {
			t.Errorf("body = %v", p.bodies[0])
		}
		if len(configured) != 1 || len(q.Properties.Resource) != 2 {
			t.Errorf("maps were changed: %v, %v", configured, q.Properties.Resource)
		}
	})
	t.Run("row 69: that both give are refused", func(t *testing.T) {
		p := &pdp{}
		for part, given := range map[string]authzen.Properties{
			"subject":  {Subject: map[string]any{"department": "engineering"}},
			"action":   {Action: map[string]any{"dry_run": true}},
			"resource": {Resource: map[string]any{"size": 3}},
		} {
			e := engine(t, serve(t, p.ServeHTTP), func(c *authzen.Config) { c.Properties = func(authz.Query) authzen.Properties { return given } })
			result, err := e.EvaluateAttributes(deadline(t), ask)
			if err != nil {
				t.Fatal(err)
			}
			if fault := wantFault(t, result.Answers[0].Err, authz.EngineMisconfigured); !strings.Contains(fault.Error(), part) || strings.Contains(fault.Error(), "engineering") {
				t.Errorf("%s: %v", part, fault)
			}
		}
		if len(p.requests) != 0 {
			t.Errorf("the server was asked: %v", p.requests)
		}
	})
	t.Run("row 69: that JSON does not have are refused", func(t *testing.T) {
		p := &pdp{}
		e := engine(t, serve(t, p.ServeHTTP))
		var nan float64
		nan /= nan
		for name, value := range map[string]any{"NaN": nan, "a channel": make(chan int), "not UTF-8": "\xff"} {
			bad := q
			bad.Properties = &authz.Properties{Resource: map[string]any{"x": value}}
			result, err := e.EvaluateAttributes(deadline(t), authz.Batch{Queries: []authz.Query{bad, q}})
			if err != nil || result.Answers[1].Effect != authz.EffectAllowed {
				t.Fatalf("%s: %+v, %v", name, result, err)
			}
			wantFault(t, result.Answers[0].Err, authz.EngineMisconfigured)
		}
	})
}

// A server that takes what the first evaluation of a subject's id, or of a resource,
// says for all of them, as Cerbos 0.50 does, never mixes up the answers to a batch.
func TestServerThatEvaluatesBySubjectID(t *testing.T) {
	var most atomic.Int64
	front := serve(t, func(w http.ResponseWriter, r *http.Request) {
		type entity struct {
			Type       string         `json:"type"`
			ID         string         `json:"id"`
			Properties map[string]any `json:"properties"`
		}
		var body struct {
			Evaluations []struct {
				Subject  entity `json:"subject"`
				Resource entity `json:"resource"`
			} `json:"evaluations"`
		}
		_ = json.NewDecoder(r.Body).Decode(&body)
		most.Store(max(most.Load(), int64(len(body.Evaluations))))
		out := make([]map[string]any, len(body.Evaluations))
		subjects, resources := map[string]int{}, map[string]int{}
		for i, item := range body.Evaluations {
			if _, known := subjects[item.Subject.ID]; !known {
				subjects[item.Subject.ID] = i
			}
			if _, known := resources[item.Resource.ID]; !known {
				resources[item.Resource.ID] = i
			}
			subject, resource := body.Evaluations[subjects[item.Subject.ID]].Subject, body.Evaluations[resources[item.Resource.ID]].Resource
			out[i] = map[string]any{"decision": subject.Type == "user" && subject.Properties["department"] == nil && resource.Properties["draft"] == nil}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"evaluations": out})
	})
	b := of(authz.QueryAttributes, 40)
	allowed := make([]bool, len(b.Queries))
	for i := range b.Queries {
		q := &b.Queries[i]
		q.Object.ID = fmt.Sprint(i / 4)
		switch i % 4 {
		case 0:
			allowed[i] = true
		case 1:
			q.Subject.Type = "service"
		case 2:
			q.Properties = &authz.Properties{Subject: map[string]any{"department": "sales"}}
		case 3:
			q.Properties = &authz.Properties{Resource: map[string]any{"draft": true}}
		}
	}
	result, err := engine(t, front).EvaluateAttributes(deadline(t), b)
	if err != nil {
		t.Fatal(err)
	}
	for i, answer := range result.Answers {
		if answer.Err != nil || (answer.Effect == authz.EffectAllowed) != allowed[i] {
			t.Errorf("row 68: answer %d = %+v, want allowed %v", i, answer, allowed[i])
		}
	}
	if n := most.Load(); n != 10 {
		t.Errorf("%d evaluations in a request, want 10: those that differ in nothing share it", n)
	}
}

// What a server adds to its answer is kept for hooks, within bounds.
func TestAnswerContext(t *testing.T) {
	var text string
	e := engine(t, serve(t, func(w http.ResponseWriter, r *http.Request) { httpapitest.Body(text)(w, r) }))
	ask := func(kind authz.QueryKind) authz.Answer {
		result, err := methods(e)[kind](deadline(t), of(kind, 1))
		if err != nil || result.Answers[0].Err != nil {
			t.Fatalf("%+v, %v", result, err)
		}

		return result.Answers[0]
	}
	for _, decision := range []bool{true, false} {
		text = fmt.Sprintf(`{"decision": %v, "context": {"reason_admin": {"en": "policy 7"}, "n": 1}}`, decision)
		for kind := range methods(e) {
			got, _ := json.Marshal(ask(kind).Context)
			if want := `{"n":1,"reason_admin":{"en":"policy 7"}}`; string(got) != want {
				t.Errorf("%s: context = %s, want %s", kind, got, want)
			}
		}
	}
	for name, context := range map[string]string{
		"above 4 KiB": `{"reason": "` + strings.Repeat("x", 5000) + `"}`,
		"too deep":    strings.Repeat(`{"x":`, 20) + "1" + strings.Repeat("}", 20),
	} {
		text = `{"decision": true, "context": ` + context + `}`
		answer := ask(authz.QueryAttributes)
		if answer.Effect != authz.EffectAllowed || len(answer.Context) != 1 || answer.Context["usher_dropped"] == nil {
			t.Errorf("row 61: %s: %v", name, answer)
		}
	}
	text = `{"decision": true, "context": {}}`
	if got := ask(authz.QueryAttributes).Context; got != nil {
		t.Errorf("an empty context = %v", got)
	}
}

// One caller's 429 stops the kinds of the same server, which has one limit.
func TestRetryAfterIsObeyedByEachKind(t *testing.T) {
	var requests atomic.Int64
	e := engine(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	for range 5 {
		for kind, ask := range methods(e) {
			_, err := ask(deadline(t), of(kind, 1))
			if fault := wantFault(t, err, authz.EngineUnavailable); fault.RetryAfter <= 25*time.Second {
				t.Errorf("row 61: retry after %v", fault.RetryAfter)
			}
		}
	}
	if n := requests.Load(); n != 1 {
		t.Errorf("row 61: %d requests, want 1", n)
	}
}
