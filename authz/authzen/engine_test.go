package authzen_test

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
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/oauth2"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authzen"
	"github.com/usher-auth/usher/authz/internal/httpapi/httpapitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)

	return server
}

func engine(t *testing.T, server *httptest.Server, edit ...func(*authzen.Config)) *authzen.Engine {
	t.Helper()
	config := authzen.Config{BaseURL: server.URL}
	for _, f := range edit {
		f(&config)
	}
	e, err := authzen.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })

	return e
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)

	return ctx
}

func query(id string) authz.Query {
	return authz.Query{Object: authz.Object{Type: "document", ID: id}, Relation: "viewer", Subject: authz.Subject{Type: "user", ID: "ann"}}
}

func batch(n int) authz.Batch {
	var b authz.Batch
	for i := range n {
		b.Queries = append(b.Queries, query(fmt.Sprint(i)))
	}

	return b
}

func wantFault(t *testing.T, err error, kind authz.EngineErrorKind) *authz.EngineError {
	t.Helper()
	var fault *authz.EngineError
	if !errors.As(err, &fault) {
		t.Fatalf("err = %v, want an *authz.EngineError", err)
	}
	if fault.Kind != kind {
		t.Errorf("kind = %v, want %v", fault.Kind, kind)
	}
	if strings.Contains(fmt.Sprintf("%v %+v", err, err), httpapitest.Secret) {
		t.Errorf("the body shows in %v", err)
	}

	return fault
}

func wantNoGrant(t *testing.T, r authz.Result) {
	t.Helper()
	for i, a := range r.Answers {
		if a.Effect == authz.EffectAllowed {
			t.Errorf("answer %d grants", i)
		}
	}
}

func TestEveryFaultOfTheFront(t *testing.T) {
	var strayed atomic.Int64
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { strayed.Add(1) })
	for n, grant := range map[int]string{
		1: `{"decision": true}`,
		2: `{"evaluations": [{"decision": true}, {"decision": true}]}`,
	} {
		for _, fault := range httpapitest.Faults(grant, elsewhere.URL) {
			t.Run(fmt.Sprintf("row 61: %s, %d queries", fault.Name, n), func(t *testing.T) {
				e := engine(t, serve(t, fault.Answer), func(c *authzen.Config) { c.Timeout = time.Second })
				result, err := e.Check(deadline(t), batch(n))
				if got := wantFault(t, err, fault.Kind); got.RetryAfter != fault.RetryAfter {
					t.Errorf("retry after %v, want %v", got.RetryAfter, fault.RetryAfter)
				}
				wantNoGrant(t, result)
			})
		}
	}
	if n := strayed.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

func TestOnlyTrueAllows(t *testing.T) {
	const unavailable, misconfigured, refused = authz.EngineUnavailable, authz.EngineMisconfigured, authz.EngineRefused
	for _, c := range []struct {
		name, text string
		kind       authz.EngineErrorKind
	}{
		{"decision missing", `{"context": {}}`, unavailable},
		{"decision null", `{"decision": null}`, unavailable},
		{`decision "true"`, `{"decision": "true"}`, unavailable},
		{"decision 1", `{"decision": 1}`, unavailable},
		{"decision an object", `{"decision": {"decision": true}}`, unavailable},
		{"another case", `{"Decision": true}`, unavailable},
		{"a long s", `{"deciſion": true}`, unavailable},
		{"decision twice", `{"decision": false, "decision": true}`, unavailable},
		{"decision twice by an escape", `{"decision": false, "\u0064ecision": true}`, unavailable},
		{"allowed instead", `{"allowed": true}`, unavailable},
		{"a grant with an error", `{"decision": true, "context": {"error": {"status": 500}}}`, unavailable},
		{"an error beside a grant", `{"decision": true, "error": "upstream-secret"}`, unavailable},
		{"an error beside a denial", `{"decision": false, "error": {"status": 403}}`, refused},
		{"about another subject", `{"decision": true, "subject": {"type": "user", "id": "bob"}}`, unavailable},
		{"about another type of subject", `{"decision": true, "subject": {"type": "team", "id": "ann"}}`, unavailable},
		{"about a subject that is text", `{"decision": true, "subject": "user:ann"}`, unavailable},
		{"about a subject without an id", `{"decision": true, "subject": {"type": "user"}}`, unavailable},
		{"about another resource", `{"decision": true, "resource": {"type": "document", "id": "1"}}`, unavailable},
		{"about another action", `{"decision": true, "action": {"name": "owner"}}`, unavailable},
		{"a context that is no object", `{"decision": true, "context": "x"}`, unavailable},
		{"an error that is no denial: 404", `{"decision": false, "context": {"error": {"status": 404, "message": "upstream-secret"}}}`, misconfigured},
		{"an error that is no denial: 403 as text", `{"decision": false, "context": {"error": {"status": "403"}}}`, refused},
		{"an error that is no denial: 500", `{"decision": false, "context": {"error": {"status": 500}}}`, unavailable},
		{"an error without a status", `{"decision": false, "context": {"error": "upstream-secret"}}`, unavailable},
		{"an error with an absurd status", `{"decision": false, "context": {"error": {"status": 1e99}}}`, unavailable},
	} {
		for name, text := range map[string]string{
			"alone":      c.text,
			"in a batch": `{"evaluations": [` + c.text + `, {"decision": false}]}`,
		} {
			t.Run("row 59: "+c.name+", "+name, func(t *testing.T) {
				n := 1
				if name != "alone" {
					n = 2
				}
				result, err := engine(t, serve(t, httpapitest.Body(text))).Check(deadline(t), batch(n))
				if err == nil {
					err = result.Answers[0].Err
				}
				wantFault(t, err, c.kind)
				wantNoGrant(t, result)
			})
		}
	}
	const about = `{"decision": true, "subject": {"type": "user", "id": "ann", "properties": {}}, "resource": {"type": "document", "id": "0"}, "action": {"name": "viewer"}}`
	if result, err := engine(t, serve(t, httpapitest.Body(about))).Check(deadline(t), batch(1)); err != nil || result.Answers[0].Effect != authz.EffectAllowed {
		t.Errorf("row 59: an answer about what was asked: %+v, %v", result, err)
	}
	for name, text := range map[string]string{
		"answers in another order":    `{"evaluations": [{"decision": true, "resource": {"type": "document", "id": "1"}}, {"decision": false, "resource": {"type": "document", "id": "0"}}]}`,
		"an error beside the answers": `{"evaluations": [{"decision": true}, {"decision": true}], "error": "upstream-secret"}`,
		"a short answer":              `{"evaluations": [{"decision": true}]}`,
		"a long answer":               `{"evaluations": [{"decision": true}, {"decision": true}, {"decision": true}]}`,
		"no answers":                  `{"evaluations": []}`,
		"a single decision":           `{"decision": true}`,
		"answers as an object":        `{"evaluations": {"0": {"decision": true}, "1": {"decision": true}}}`,
		"an answer that is true":      `{"evaluations": [true, true]}`,
		"an answer that is null":      `{"evaluations": [{"decision": true}, null]}`,
		"a list within":               `{"evaluations": [[{"decision": true}], {"decision": true}]}`,
		"the evaluations twice":       `{"evaluations": [{"decision": false},{"decision": false}], "evaluations": [{"decision": true},{"decision": true}]}`,
		"one answer spoils the other": `{"evaluations": [{"decision": true}, {}]}`,
	} {
		t.Run("row 59: "+name, func(t *testing.T) {
			result, err := engine(t, serve(t, httpapitest.Body(text))).Check(deadline(t), batch(2))
			wantFault(t, err, authz.EngineUnavailable)
			wantNoGrant(t, result)
		})
	}
}

// A source of credentials that panics while the engine is discovered, which its
// callers share, is an error and doesn't end the program.
func TestPanicDuringDiscovery(t *testing.T) {
	e := engine(t, serve(t, http.NotFound), func(c *authzen.Config) {
		c.Discover, c.APIKey = true, func(context.Context) (string, error) { panic(httpapitest.Secret) }
	})
	for range 2 {
		_, err := e.Check(deadline(t), batch(1))
		wantFault(t, err, authz.EngineMisconfigured)
	}
}

// pdp decides evaluations as AuthZEN 1.0 says: it allows even ids.
type pdp struct {
	mu       sync.Mutex
	requests map[string]int
	bodies   []map[string]any
	sizes    []int
	header   http.Header
}

func (p *pdp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, _ := io.ReadAll(r.Body)
	var body map[string]any
	_ = json.Unmarshal(data, &body)
	p.mu.Lock()
	if p.requests == nil {
		p.requests = map[string]int{}
	}
	p.requests[r.URL.Path]++
	p.bodies, p.header = append(p.bodies, body), r.Header
	p.mu.Unlock()
	if r.URL.Path == "/.well-known/authzen-configuration" || r.URL.Path == "/stores/1/.well-known/authzen-configuration" {
		http.NotFound(w, r)

		return
	}
	items, many := body["evaluations"].([]any)
	if !many {
		_ = json.NewEncoder(w).Encode(decide(body))

		return
	}
	p.mu.Lock()
	p.sizes = append(p.sizes, len(items))
	p.mu.Unlock()
	out := make([]any, len(items))
	for i, item := range items {
		out[i] = decide(item.(map[string]any))
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"evaluations": out})
}

func decide(item map[string]any) map[string]any {
	resource, _ := item["resource"].(map[string]any)
	id, _ := resource["id"].(string)

	return map[string]any{"decision": strings.HasSuffix(id, "0") || strings.HasSuffix(id, "2"), "context": map[string]any{"reason": "even"}}
}

func TestChunks(t *testing.T) {
	for name, c := range map[string]struct {
		edit     func(*authzen.Config)
		requests map[string]int
	}{
		"by evaluations":       {func(*authzen.Config) {}, map[string]int{"/access/v1/evaluations": 3}},
		"by a size of its own": {func(c *authzen.Config) { c.BatchSize = 7 }, map[string]int{"/access/v1/evaluations": 15}},
		"one by one":           {func(c *authzen.Config) { c.SingleOnly = true }, map[string]int{"/access/v1/evaluation": 101}},
		"at other paths":       {func(c *authzen.Config) { c.EvaluationsPath = "/x/y" }, map[string]int{"/x/y": 3}},
		"under a base path":    {func(c *authzen.Config) { c.BaseURL += "/stores/1/" }, map[string]int{"/stores/1/access/v1/evaluations": 3}},
	} {
		t.Run("row 58: "+name, func(t *testing.T) {
			p := &pdp{}
			result, err := engine(t, serve(t, p.ServeHTTP), c.edit).Check(deadline(t), batch(101))
			if err != nil {
				t.Fatal(err)
			}
			for i, a := range result.Answers {
				if (a.Effect == authz.EffectAllowed) != (i%10 == 0 || i%10 == 2) || a.Err != nil {
					t.Fatalf("answer %d = %+v", i, a)
				}
			}
			if !reflect.DeepEqual(p.requests, c.requests) {
				t.Errorf("requests = %v, want %v", p.requests, c.requests)
			}
		})
	}
	t.Run("an empty batch asks nothing", func(t *testing.T) {
		p := &pdp{}
		result, err := engine(t, serve(t, p.ServeHTTP)).Check(deadline(t), authz.Batch{})
		if err != nil || len(result.Answers) != 0 || len(p.requests) != 0 {
			t.Errorf("%+v, %v", result, err)
		}
	})
	t.Run("a batch that is refused whole asks nothing", func(t *testing.T) {
		p := &pdp{}
		b := batch(2)
		b.Queries[0].Object.ID, b.Queries[1].Object.ID = "*", "1:2"
		result, err := engine(t, serve(t, p.ServeHTTP)).Check(deadline(t), b)
		if err != nil || len(p.requests) != 0 {
			t.Errorf("%v, %v", err, p.requests)
		}
		for _, a := range result.Answers {
			wantFault(t, a.Err, authz.EngineBadRequest)
		}
	})
	t.Run("a refused query leaves the others their places", func(t *testing.T) {
		p := &pdp{}
		b := batch(5)
		b.Queries[1].Object.ID = "*"
		result, err := engine(t, serve(t, p.ServeHTTP)).Check(deadline(t), b)
		if err != nil {
			t.Fatal(err)
		}
		want := []authz.Effect{authz.EffectAllowed, authz.EffectUnknown, authz.EffectAllowed, authz.EffectDenied, authz.EffectDenied}
		for i, a := range result.Answers {
			if a.Effect != want[i] {
				t.Errorf("answer %d = %+v, want %v", i, a, want[i])
			}
		}
	})
}

func TestRequest(t *testing.T) {
	p := &pdp{}
	e := engine(t, serve(t, p.ServeHTTP), func(c *authzen.Config) {
		c.APIKey = func(context.Context) (string, error) { return "fake-key", nil }
		c.Header = http.Header{"Openfga-Authorization-Model-Id": {"01ARZ3NDEKTSV4RRFFQ69G5FAV"}}
		c.Properties = func(q authz.Query) authzen.Properties {
			return authzen.Properties{Subject: map[string]any{"of": q.Subject.Type}, Action: map[string]any{"n": 1}, Resource: map[string]any{"r": true}}
		}
	})
	q := query("0")
	q.Context = map[string]any{"ip": "192.0.2.1"}
	if _, err := e.Check(deadline(t), authz.Batch{Queries: []authz.Query{q}}); err != nil {
		t.Fatal(err)
	}
	one := map[string]any{
		"subject":  map[string]any{"type": "user", "id": "ann", "properties": map[string]any{"of": "user"}},
		"action":   map[string]any{"name": "viewer", "properties": map[string]any{"n": 1.0}},
		"resource": map[string]any{"type": "document", "id": "0", "properties": map[string]any{"r": true}},
		"context":  map[string]any{"ip": "192.0.2.1"},
	}
	if !reflect.DeepEqual(p.bodies[0], one) {
		t.Errorf("body = %v", p.bodies[0])
	}
	if p.header.Get("X-Api-Key") != "fake-key" || p.header.Get("Openfga-Authorization-Model-Id") == "" || p.header.Get("Authorization") != "" {
		t.Errorf("header = %v", p.header)
	}
	if _, err := e.Check(deadline(t), authz.Batch{Queries: []authz.Query{q, q}}); err != nil {
		t.Fatal(err)
	}
	many := map[string]any{"evaluations": []any{one, one}, "options": map[string]any{"evaluations_semantic": "execute_all"}}
	if !reflect.DeepEqual(p.bodies[1], many) {
		t.Errorf("body = %v", p.bodies[1])
	}
}

func TestRefusedBeforeItIsAsked(t *testing.T) {
	p := &pdp{}
	e := engine(t, serve(t, p.ServeHTTP))
	for name, c := range map[string]struct {
		edit func(*authz.Query)
		kind authz.EngineErrorKind
	}{
		"an empty object id":         {func(q *authz.Query) { q.Object.ID = "" }, authz.EngineBadRequest},
		"a wildcard object":          {func(q *authz.Query) { q.Object.ID = "*" }, authz.EngineBadRequest},
		"a userset in an object id":  {func(q *authz.Query) { q.Object.ID = "1#viewer" }, authz.EngineBadRequest},
		"an object of 1025 bytes":    {func(q *authz.Query) { q.Object.ID = strings.Repeat("x", 1025) }, authz.EngineBadRequest},
		"a wildcard subject":         {func(q *authz.Query) { q.Subject.ID = "*" }, authz.EngineBadSubject},
		"a userset in a subject id":  {func(q *authz.Query) { q.Subject.ID = "eng#member" }, authz.EngineBadSubject},
		"a userset":                  {func(q *authz.Query) { q.Subject.Relation = "member" }, authz.EngineMisconfigured},
		"context of an unknown type": {func(q *authz.Query) { q.Context = map[string]any{"c": make(chan int)} }, authz.EngineMisconfigured},
	} {
		t.Run("row 55: "+name, func(t *testing.T) {
			q := query("0")
			c.edit(&q)
			result, err := e.Check(deadline(t), authz.Batch{Queries: []authz.Query{q}})
			if err != nil {
				t.Fatal(err)
			}
			wantFault(t, result.Answers[0].Err, c.kind)
		})
	}
	_, err := e.Check(deadline(t), authz.Batch{Queries: []authz.Query{query("0")}, Consistency: authz.Consistency{Mode: authz.ModeAtLeastAsFresh, Revision: "x"}})
	wantFault(t, err, authz.EngineMisconfigured)
	if len(p.requests) != 0 {
		t.Errorf("the server was asked: %v", p.requests)
	}
}

func TestDiscovery(t *testing.T) {
	var requests atomic.Int64
	var document func(base string) string
	p := &pdp{}
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/authzen-configuration" {
			p.ServeHTTP(w, r)

			return
		}
		requests.Add(1)
		_, _ = w.Write([]byte(document("http://" + r.Host)))
	})
	discover := func(c *authzen.Config) { c.Discover = true }

	t.Run("is done once by many callers", func(t *testing.T) {
		document = func(base string) string {
			return `{"policy_decision_point": "` + base + `", "access_evaluation_endpoint": "` + base + `/one", "access_evaluations_endpoint": "` + base + `/many"}`
		}
		e := engine(t, server, discover)
		var group sync.WaitGroup
		for range 32 {
			group.Go(func() {
				if result, err := e.Check(deadline(t), batch(2)); err != nil || result.Answers[0].Effect != authz.EffectAllowed {
					t.Errorf("%+v, %v", result, err)
				}
			})
		}
		group.Wait()
		if requests.Load() != 1 || p.requests["/many"] != 32 {
			t.Errorf("%d discoveries, %v", requests.Load(), p.requests)
		}
	})
	t.Run("without an evaluations endpoint asks one by one", func(t *testing.T) {
		document = func(base string) string {
			return `{"policy_decision_point": "` + base + `", "access_evaluation_endpoint": "` + base + `/single"}`
		}
		if _, err := engine(t, server, discover).Check(deadline(t), batch(3)); err != nil || p.requests["/single"] != 3 {
			t.Errorf("%v, %v", err, p.requests)
		}
	})
	for name, text := range map[string]func(base string) string{
		"another policy_decision_point": func(base string) string {
			return `{"policy_decision_point": "` + base + `/", "access_evaluation_endpoint": "` + base + `/one"}`
		},
		"no policy_decision_point": func(base string) string { return `{"access_evaluation_endpoint": "` + base + `/one"}` },
		"an endpoint elsewhere": func(base string) string {
			return `{"policy_decision_point": "` + base + `", "access_evaluation_endpoint": "https://evil.example.com/one"}`
		},
		"an endpoint with a user": func(base string) string {
			return `{"policy_decision_point": "` + base + `", "access_evaluation_endpoint": "` + strings.Replace(base, "://", "://u:p@", 1) + `/one"}`
		},
		"many elsewhere": func(base string) string {
			return `{"policy_decision_point": "` + base + `", "access_evaluation_endpoint": "` + base + `/one", "access_evaluations_endpoint": "https://evil.example.com/"}`
		},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			document = text
			e := engine(t, server, discover)
			wantFault(t, e.Ready(deadline(t)), authz.EngineMisconfigured)
			_, err := e.Check(deadline(t), batch(1))
			wantFault(t, err, authz.EngineMisconfigured)
		})
	}
	t.Run("that fails is tried again", func(t *testing.T) {
		document = func(string) string { return "<html>" }
		e := engine(t, server, discover)
		wantFault(t, e.Ready(deadline(t)), authz.EngineUnavailable)
		document = func(base string) string {
			return `{"policy_decision_point": "` + base + `", "access_evaluation_endpoint": "` + base + `/one"}`
		}
		if err := e.Ready(deadline(t)); err != nil {
			t.Error(err)
		}
	})
}

func TestNewReportsAllFaultsAtOnce(t *testing.T) {
	_, err := authzen.New(authzen.Config{
		Discover: true, EvaluationPath: "x", EvaluationsPath: "y", BatchSize: -1, Parallelism: -1, Timeout: -1,
		Header:      http.Header{"Authorization": {"Bearer x"}, "X-A": {"a\nb"}},
		TokenSource: noTokens{}, APIKey: func(context.Context) (string, error) { return "", nil },
	})
	for _, want := range []string{
		"authzen: BaseURL: the URL is empty",
		"authzen: Discover",
		"authzen: EvaluationPath",
		"authzen: EvaluationsPath",
		"authzen: BatchSize -1",
		"authzen: Parallelism -1",
		"authzen: Timeout",
		"authzen: Header must not",
		"authzen: Header \"X-A\"",
		"authzen: TokenSource and APIKey",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing of %q in %v", want, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for name, config := range map[string]authzen.Config{
		"no URL":                   {},
		"plain http elsewhere":     {BaseURL: "http://pdp.example.com"},
		"discovery and paths":      {BaseURL: "https://pdp.example.com", Discover: true, EvaluationPath: "/x"},
		"a token and a key":        {BaseURL: "https://pdp.example.com", TokenSource: noTokens{}, APIKey: func(context.Context) (string, error) { return "", nil }},
		"credentials in a header":  {BaseURL: "https://pdp.example.com", Header: http.Header{"authorization": {"Bearer x"}}},
		"a header with a newline":  {BaseURL: "https://pdp.example.com", Header: http.Header{"X-A": {"a\nb"}}},
		"a batch size below zero":  {BaseURL: "https://pdp.example.com", BatchSize: -1},
		"a path without its slash": {BaseURL: "https://pdp.example.com", EvaluationPath: "x"},
	} {
		t.Run(name, func(t *testing.T) {
			if e, err := authzen.New(config); err == nil || e != nil {
				t.Errorf("New = %v, %v", e, err)
			}
		})
	}
	if _, err := authzen.New(authzen.Config{BaseURL: "http://pdp.example.com", InsecureHTTP: true}); err != nil {
		t.Error(err)
	}
}

type noTokens struct{}

func (noTokens) Token(context.Context) (*oauth2.Token, error) { return nil, errors.New("none") }
