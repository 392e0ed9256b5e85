package lumoauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/oauth2"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/httpapi/httpapitest"
	"github.com/usher-auth/usher/authz/lumoauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// token is a source of one token.
type token string

func (t token) Token(context.Context) (*oauth2.Token, error) {
	return &oauth2.Token{AccessToken: string(t)}, nil
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)

	return server
}

func engine(t *testing.T, server *httptest.Server, edit ...func(*lumoauth.Config)) *lumoauth.Engine {
	t.Helper()
	config := lumoauth.Config{BaseURL: server.URL, Organization: "acme", TokenSource: token("fake-token")}
	for _, f := range edit {
		f(&config)
	}
	e, err := lumoauth.New(config)
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

func batch(ids ...string) authz.Batch {
	var b authz.Batch
	for _, id := range ids {
		b.Queries = append(b.Queries, query(id))
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
	for _, secret := range []string{httpapitest.Secret, "fake-token", "fake-key"} {
		if strings.Contains(fmt.Sprintf("%v %+v", err, err), secret) {
			t.Errorf("%q shows in %v", secret, err)
		}
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

const grant = `{"allowed": true, "object": "document:1", "relation": "viewer", "subject": "user:ann"}`

func TestEveryFaultOfTheFront(t *testing.T) {
	var strayed atomic.Int64
	elsewhere := serve(t, func(w http.ResponseWriter, _ *http.Request) { strayed.Add(1); _, _ = w.Write([]byte(grant)) })
	for _, fault := range httpapitest.Faults(grant, elsewhere.URL) {
		t.Run("row 61: "+fault.Name, func(t *testing.T) {
			for _, ids := range [][]string{{"1"}, {"1", "2", "3"}} {
				e := engine(t, serve(t, fault.Answer), func(c *lumoauth.Config) { c.Timeout = time.Second })
				result, err := e.Check(deadline(t), batch(ids...))
				if got := wantFault(t, err, fault.Kind); got.RetryAfter > fault.RetryAfter || fault.RetryAfter-got.RetryAfter > 2*time.Second {
					t.Errorf("retry after %v, want %v", got.RetryAfter, fault.RetryAfter)
				}
				wantNoGrant(t, result)
			}
		})
	}
	if n := strayed.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}

	t.Run("row 61: down", func(t *testing.T) {
		server := httptest.NewServer(http.NotFoundHandler())
		server.Close()
		result, err := engine(t, server).Check(deadline(t), batch("1"))
		wantFault(t, err, authz.EngineUnavailable)
		wantNoGrant(t, result)
	})
	t.Run("row 61: the caller's own deadline is the caller's", func(t *testing.T) {
		e := engine(t, serve(t, func(_ http.ResponseWriter, r *http.Request) { httpapitest.Hang(r) }))
		ctx, cancel := context.WithTimeout(deadline(t), 20*time.Millisecond)
		defer cancel()
		_, err := e.Check(ctx, batch("1"))
		var fault *authz.EngineError
		if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &fault) {
			t.Errorf("err = %v, want the context's own", err)
		}
	})
}

func TestOnlyTrueAllows(t *testing.T) {
	for name, text := range map[string]string{
		"allowed missing":                            `{"object": "document:1"}`,
		"allowed null":                               `{"allowed": null}`,
		`allowed "true"`:                             `{"allowed": "true"}`,
		"allowed 1":                                  `{"allowed": 1}`,
		"allowed an object":                          `{"allowed": {"allowed": true}}`,
		"allowed a list":                             `{"allowed": [true]}`,
		"Allowed, by another case":                   `{"Allowed": true}`,
		"ALLOWED, by another case":                   `{"ALLOWED": true}`,
		"allowed twice, true last":                   `{"allowed": false, "allowed": true}`,
		"allowed twice, true first":                  `{"allowed": true, "allowed": false}`,
		"allowed twice by an escape":                 `{"allowed": false, "\u0061llowed": true}`,
		"decision instead of allowed":                `{"decision": true}`,
		"another object":                             `{"allowed": true, "object": "document:2", "relation": "viewer", "subject": "user:ann"}`,
		"another relation":                           `{"allowed": true, "relation": "owner"}`,
		"another subject":                            `{"allowed": true, "subject": "user:bob"}`,
		"an object that is no string":                `{"allowed": true, "object": 1}`,
		"another user, by the name of older servers": `{"allowed": true, "user": "user:bob"}`,
		"a subject and another user":                 `{"allowed": true, "subject": "user:ann", "user": "user:bob"}`,
		"a subject that is null":                     `{"allowed": true, "subject": null}`,
		"a subject as an object":                     `{"allowed": true, "subject": {"type": "user", "id": "ann"}}`,
		"a userset of the subject":                   `{"allowed": true, "subject": "user:ann#member"}`,
		"a status of failure":                        `{"allowed": true, "status": 500}`,
	} {
		t.Run("row 59: "+name, func(t *testing.T) {
			result, err := engine(t, serve(t, httpapitest.Body(text))).Check(deadline(t), batch("1"))
			wantFault(t, err, authz.EngineUnavailable)
			wantNoGrant(t, result)
		})
	}
	for text, want := range map[string]authz.Effect{
		grant:                               authz.EffectAllowed,
		`{"allowed": true, "unknown": [1]}`: authz.EffectAllowed,
		`{"allowed": false}`:                authz.EffectDenied,
		`{"allowed": true, "error": null}`:  authz.EffectAllowed,
		`{"allowed": true, "error": false}`: authz.EffectAllowed,
		`{"allowed": true, "status": 200}`:  authz.EffectAllowed,
		`{"allowed": true, "user": "user:ann", "subject": "user:ann"}`: authz.EffectAllowed,
		strings.ReplaceAll(grant, " ", "\n"):                           authz.EffectAllowed,
	} {
		result, err := engine(t, serve(t, httpapitest.Body(text))).Check(deadline(t), batch("1"))
		if err != nil || result.Answers[0].Effect != want {
			t.Errorf("%s: %+v, %v", text, result, err)
		}
	}
}

// Row 59: an error in an answer with status 200 is no denial, whatever else the answer
// has.
func TestErrorUnder200(t *testing.T) {
	for text, kind := range map[string]authz.EngineErrorKind{
		`{"allowed": false, "error": "upstream-secret"}`:                                       authz.EngineUnavailable,
		`{"allowed": false, "error": true, "status": 400, "code": "ZANZIBAR_CHECK_FAILED"}`:    authz.EngineMisconfigured,
		`{"allowed": true, "error": true, "status": 403, "code": "insufficient_permissions"}`:  authz.EngineRefused,
		`{"error": true, "message": "upstream-secret", "status": 500, "code": "CHECK_FAILED"}`: authz.EngineUnavailable,
		`{"error": true, "message": "upstream-secret", "status": 200}`:                         authz.EngineUnavailable,
	} {
		t.Run("row 59: "+text, func(t *testing.T) {
			for _, edit := range []func(*lumoauth.Config){func(*lumoauth.Config) {}, func(c *lumoauth.Config) { c.UserField = true }} {
				result, err := engine(t, serve(t, httpapitest.Body(text)), edit).Check(deadline(t), batch("1"))
				wantFault(t, err, kind)
				wantNoGrant(t, result)
			}
		})
	}
}

func TestRetryAfterIsObeyed(t *testing.T) {
	var requests atomic.Int64
	e := engine(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	for range 50 {
		_, err := e.Check(deadline(t), batch("1"))
		if fault := wantFault(t, err, authz.EngineUnavailable); fault.RetryAfter <= 28*time.Second || fault.RetryAfter > 30*time.Second {
			t.Errorf("retry after %v", fault.RetryAfter)
		}
	}
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// of is a batch of one query of a user.
func of(who, id string) authz.Batch {
	q := query(id)
	q.Subject.ID = who

	return authz.Batch{Queries: []authz.Query{q}}
}

// A 429 for one caller's queries stops only that caller's, for half a minute at most;
// once several callers in a row got one, all wait.
func TestTooManyRequestsOfOneCaller(t *testing.T) {
	var requests, everybody atomic.Int64
	e := engine(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		var body map[string]string
		_ = json.NewDecoder(r.Body).Decode(&body)
		if body["subject"] == "user:mallory" || everybody.Load() > 0 {
			w.Header().Set("Retry-After", "300")
			w.WriteHeader(http.StatusTooManyRequests)

			return
		}
		_, _ = w.Write([]byte(`{"allowed": true}`))
	}))
	for i := range 20 {
		_, err := e.Check(deadline(t), of("mallory", fmt.Sprint(i)))
		if fault := wantFault(t, err, authz.EngineUnavailable); fault.RetryAfter > 30*time.Second || fault.RetryAfter < 25*time.Second {
			t.Errorf("row 61: retry after %v, want 30 s at most", fault.RetryAfter)
		}
		if result, err := e.Check(deadline(t), of("alice", fmt.Sprint(i))); err != nil || result.Answers[0].Effect != authz.EffectAllowed {
			t.Fatalf("row 61: another caller got %+v, %v", result, err)
		}
	}
	if n := requests.Load(); n != 21 {
		t.Errorf("row 61: %d requests, want 1 and 20", n)
	}
	everybody.Store(1)
	for i := range 100 {
		_, err := e.Check(deadline(t), of(fmt.Sprint("u", i), "1"))
		wantFault(t, err, authz.EngineUnavailable)
	}
	if n := requests.Load(); n != 21+3 {
		t.Errorf("row 61: %d requests of a hundred callers to a server that tells all to wait, want 3", n-21)
	}
}

// What gives no time to wait stops nothing: the next request is asked.
func TestRefusalsWithoutATimeStopNothing(t *testing.T) {
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusInternalServerError, http.StatusBadRequest, http.StatusFound} {
		t.Run(fmt.Sprint("row 61: ", status), func(t *testing.T) {
			var requests atomic.Int64
			e := engine(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
					w.Header().Set("Retry-After", "300") // of no meaning here
				}
				if requests.Add(1) <= 10 {
					w.WriteHeader(status)

					return
				}
				_, _ = w.Write([]byte(grant))
			}))
			for range 10 {
				if _, err := e.Check(deadline(t), batch("1")); err == nil {
					t.Error("row 61: granted")
				}
			}
			if result, err := e.Check(deadline(t), batch("1")); err != nil || result.Answers[0].Effect != authz.EffectAllowed {
				t.Errorf("row 61: it answers again: %+v, %v", result, err)
			}
		})
	}
}

// Queries of one caller that hang leave places for the others'.
func TestHangingQueriesOfOneCaller(t *testing.T) {
	var hanging atomic.Int64
	e := engine(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		var body map[string]string
		_ = json.NewDecoder(r.Body).Decode(&body)
		if body["subject"] == "user:mallory" {
			hanging.Add(1)
			httpapitest.Hang(r)

			return
		}
		_, _ = w.Write([]byte(`{"allowed": true}`))
	}), func(c *lumoauth.Config) { c.Parallelism = 4 })
	ctx, cancel := context.WithCancel(deadline(t))
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() { _, _ = e.Check(ctx, of("mallory", fmt.Sprint(i))) })
	}
	for hanging.Load() < 2 && ctx.Err() == nil {
		runtime.Gosched()
	}
	for i := range 20 {
		if result, err := e.Check(ctx, of("alice", fmt.Sprint(i))); err != nil || result.Answers[0].Effect != authz.EffectAllowed {
			t.Errorf("row 61: another caller got %+v, %v", result, err)
		}
	}
	if n := hanging.Load(); n != 2 {
		t.Errorf("row 61: %d of 4 places for one caller", n)
	}
	cancel()
	group.Wait()
}

// verdicts allows the documents named and counts what it is asked.
type verdicts struct {
	allow []string

	mu   sync.Mutex
	got  []map[string]string
	last http.Header

	running, most atomic.Int64
}

func (v *verdicts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if now := v.running.Add(1); now > v.most.Load() {
		v.most.Store(now)
	}
	defer v.running.Add(-1)
	var body map[string]string
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		w.WriteHeader(http.StatusBadRequest)

		return
	}
	v.mu.Lock()
	v.got, v.last = append(v.got, body), r.Header
	v.mu.Unlock()
	_ = json.NewEncoder(w).Encode(map[string]any{"allowed": slices.Contains(v.allow, body["object"]), "object": body["object"]})
}

func TestManyQueries(t *testing.T) {
	v := &verdicts{allow: []string{"document:3", "document:5"}}
	e := engine(t, serve(t, v.ServeHTTP), func(c *lumoauth.Config) { c.Parallelism = 2 })
	result, err := e.Check(deadline(t), batch("1", "3", "1:2", "3", "5", "1", "3"))
	if err != nil {
		t.Fatal(err)
	}
	want := []authz.Effect{authz.EffectDenied, authz.EffectAllowed, authz.EffectUnknown, authz.EffectAllowed, authz.EffectAllowed, authz.EffectDenied, authz.EffectAllowed}
	for i, a := range result.Answers {
		if a.Effect != want[i] {
			t.Errorf("answer %d = %+v, want %v", i, a, want[i])
		}
	}
	wantFault(t, result.Answers[2].Err, authz.EngineBadRequest)
	if len(v.got) != 3 {
		t.Errorf("%d requests for 3 distinct queries", len(v.got))
	}
	if n := v.most.Load(); n > 2 {
		t.Errorf("%d requests side by side, want at most 2", n)
	}

	t.Run("row 61: what fails spoils only its own queries", func(t *testing.T) {
		e := engine(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			var body map[string]string
			_ = json.NewDecoder(r.Body).Decode(&body)
			if body["object"] == "document:2" {
				w.WriteHeader(http.StatusInternalServerError)

				return
			}
			_, _ = w.Write([]byte(`{"allowed": true}`))
		}))
		result, err := e.Check(deadline(t), batch("1", "2", "3"))
		if err != nil {
			t.Fatal(err)
		}
		wantFault(t, result.Answers[1].Err, authz.EngineUnavailable)
		if result.Answers[0].Effect != authz.EffectAllowed || result.Answers[2].Effect != authz.EffectAllowed {
			t.Errorf("answers = %+v", result.Answers)
		}
	})
	t.Run("the bound holds over all callers", func(t *testing.T) {
		v := &verdicts{}
		e := engine(t, serve(t, v.ServeHTTP), func(c *lumoauth.Config) { c.Parallelism = 3 })
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() { _, _ = e.Check(deadline(t), batch("1", "2", "3", "4")) })
		}
		group.Wait()
		if n := v.most.Load(); n > 3 {
			t.Errorf("%d requests side by side, want at most 3", n)
		}
	})
	t.Run("an empty batch asks nothing", func(t *testing.T) {
		v := &verdicts{}
		result, err := engine(t, serve(t, v.ServeHTTP)).Check(deadline(t), authz.Batch{})
		if err != nil || len(result.Answers) != 0 || len(v.got) != 0 {
			t.Errorf("%+v, %v, %d requests", result, err, len(v.got))
		}
	})
}

func TestRequest(t *testing.T) {
	userset := query("1")
	userset.Subject = authz.Subject{Type: "team", ID: "eng", Relation: "member"}
	for _, c := range []struct {
		name          string
		edit          func(*lumoauth.Config)
		header, value string
		member        string
	}{
		{"bearer", func(*lumoauth.Config) {}, "Authorization", "Bearer fake-token", "subject"},
		{"API key", func(c *lumoauth.Config) {
			c.TokenSource, c.APIKey = nil, func(context.Context) (string, error) { return "fake-key", nil }
		}, "X-Api-Key", "fake-key", "subject"},
		{"older servers", func(c *lumoauth.Config) { c.UserField = true }, "Authorization", "Bearer fake-token", "user"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := &verdicts{}
			e := engine(t, serve(t, v.ServeHTTP), c.edit)
			if _, err := e.Check(deadline(t), authz.Batch{Queries: []authz.Query{userset}}); err != nil {
				t.Fatal(err)
			}
			if v.last.Get(c.header) != c.value || (v.last.Get("Authorization") != "") == (v.last.Get("X-Api-Key") != "") {
				t.Errorf("header = %v", v.last)
			}
			if got := v.got[0]; got[c.member] != "team:eng#member" || got["object"] != "document:1" || got["relation"] != "viewer" || len(got) != 3 {
				t.Errorf("body = %v", got)
			}
		})
	}
}

// renewing gives another token once one was refused.
type renewing struct {
	mu      sync.Mutex
	n       int
	refused []string
}

func (r *renewing) Token(context.Context) (*oauth2.Token, error) {
	r.mu.Lock()
	defer r.mu.Unlock()

	return &oauth2.Token{AccessToken: fmt.Sprintf("fake-token-%d", r.n)}, nil
}

func (r *renewing) Invalidate(token string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = append(r.refused, token)
	r.n++
}

func TestRefusedTokenIsReplacedOnce(t *testing.T) {
	var requests atomic.Int64
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.Header.Get("Authorization") != "Bearer fake-token-1" {
			w.WriteHeader(http.StatusUnauthorized)

			return
		}
		_, _ = w.Write([]byte(grant))
	})
	source := &renewing{}
	e := engine(t, server, func(c *lumoauth.Config) { c.TokenSource = source })
	result, err := e.Check(deadline(t), batch("1"))
	if err != nil || result.Answers[0].Effect != authz.EffectAllowed {
		t.Fatalf("%+v, %v", result, err)
	}
	if requests.Load() != 2 || len(source.refused) != 1 || source.refused[0] != "fake-token-0" {
		t.Errorf("%d requests, refused %q", requests.Load(), source.refused)
	}

	t.Run("and a second refusal stands", func(t *testing.T) {
		var requests atomic.Int64
		e := engine(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
			requests.Add(1)
			w.WriteHeader(http.StatusUnauthorized)
		}), func(c *lumoauth.Config) { c.TokenSource = &renewing{} })
		_, err := e.Check(deadline(t), batch("1"))
		wantFault(t, err, authz.EngineRefused)
		if requests.Load() != 2 {
			t.Errorf("%d requests, want 2", requests.Load())
		}
	})
}

type failing struct{ err error }

func (f failing) Token(context.Context) (*oauth2.Token, error) { return nil, f.err }

func TestCredentialsThatFail(t *testing.T) {
	var requests atomic.Int64
	server := serve(t, func(http.ResponseWriter, *http.Request) { requests.Add(1) })
	cause := errors.New("it says " + httpapitest.Secret)
	for name, edit := range map[string]func(*lumoauth.Config){
		"a source that fails":    func(c *lumoauth.Config) { c.TokenSource = failing{cause} },
		"a token with a newline": func(c *lumoauth.Config) { c.TokenSource = token("fake-token\r\nX-Evil: 1") },
		"an empty token":         func(c *lumoauth.Config) { c.TokenSource = token("") },
		"a token of 20 KiB":      func(c *lumoauth.Config) { c.TokenSource = token(strings.Repeat("x", 20<<10)) },
		"a key that fails": func(c *lumoauth.Config) {
			c.TokenSource, c.APIKey = nil, func(context.Context) (string, error) { return "", cause }
		},
		"a key with a newline": func(c *lumoauth.Config) {
			c.TokenSource, c.APIKey = nil, func(context.Context) (string, error) { return "fake-key\n", nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := engine(t, server, edit).Check(deadline(t), batch("1"))
			wantFault(t, err, authz.EngineRefused)
		})
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests without credentials", n)
	}
}

func TestRefusedBeforeItIsAsked(t *testing.T) {
	v := &verdicts{}
	e := engine(t, serve(t, v.ServeHTTP))
	for name, c := range map[string]struct {
		edit func(*authz.Query)
		kind authz.EngineErrorKind
	}{
		"an empty object id":          {func(q *authz.Query) { q.Object.ID = "" }, authz.EngineBadRequest},
		"a wildcard object":           {func(q *authz.Query) { q.Object.ID = "*" }, authz.EngineBadRequest},
		"a userset in an object id":   {func(q *authz.Query) { q.Object.ID = "1#viewer" }, authz.EngineBadRequest},
		"a space in an object id":     {func(q *authz.Query) { q.Object.ID = "1 2" }, authz.EngineBadRequest},
		"a no-break space":            {func(q *authz.Query) { q.Object.ID = "1\u00a02" }, authz.EngineBadRequest},
		"an object id of 513 bytes":   {func(q *authz.Query) { q.Object.ID = strings.Repeat("x", 513) }, authz.EngineBadRequest},
		"a wildcard subject":          {func(q *authz.Query) { q.Subject.ID = "*" }, authz.EngineBadSubject},
		"a userset in a subject id":   {func(q *authz.Query) { q.Subject.ID = "eng#member" }, authz.EngineBadSubject},
		"invalid UTF-8 in a subject":  {func(q *authz.Query) { q.Subject.ID = "\xff" }, authz.EngineBadSubject},
		"a colon in a relation":       {func(q *authz.Query) { q.Relation = "a:b" }, authz.EngineMisconfigured},
		"an empty type":               {func(q *authz.Query) { q.Subject.Type = "" }, authz.EngineMisconfigured},
		"a hash in a userset":         {func(q *authz.Query) { q.Subject.Relation = "a#b" }, authz.EngineMisconfigured},
		"context in a relation check": {func(q *authz.Query) { q.Context = map[string]any{"a": 1} }, authz.EngineMisconfigured},
	} {
		t.Run("row 55: "+name, func(t *testing.T) {
			q := query("1")
			c.edit(&q)
			result, err := e.Check(deadline(t), authz.Batch{Queries: []authz.Query{q}})
			if err != nil {
				t.Fatal(err)
			}
			wantFault(t, result.Answers[0].Err, c.kind)
			wantNoGrant(t, result)
		})
	}
	if len(v.got) != 0 {
		t.Errorf("LumoAuth was asked %d times", len(v.got))
	}
	if _, err := e.Check(deadline(t), authz.Batch{Queries: []authz.Query{query("1")}, Consistency: authz.Consistency{Mode: authz.ModeFullyConsistent}}); err == nil {
		t.Error("fully consistent was accepted")
	}
}

func TestNewReportsAllFaultsAtOnce(t *testing.T) {
	_, err := lumoauth.New(lumoauth.Config{
		BaseURL: "lumo.example.com", Evaluations: true, EvaluationPath: "x", BatchSize: -1, Parallelism: -1, Timeout: -1,
	})
	for _, want := range []string{
		"lumoauth: set exactly one",
		"lumoauth: BaseURL: not an absolute URL",
		"lumoauth: Organization or CheckPath",
		"EvaluationPath",
		"BatchSize -1",
		"Parallelism -1",
		"Timeout",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing of %q in %v", want, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for name, config := range map[string]lumoauth.Config{
		"no credentials":          {Organization: "acme"},
		"a token and a key":       {Organization: "acme", TokenSource: token("x"), APIKey: func(context.Context) (string, error) { return "", nil }},
		"no organization":         {TokenSource: token("x")},
		"a slash in it":           {TokenSource: token("x"), Organization: "a/b"},
		"dots in it":              {TokenSource: token("x"), Organization: ".."},
		"plain http elsewhere":    {TokenSource: token("x"), Organization: "acme", BaseURL: "http://lumo.example.com"},
		"a URL with a user":       {TokenSource: token("x"), Organization: "acme", BaseURL: "https://u:p@lumo.example.com"},
		"a URL with a query":      {TokenSource: token("x"), Organization: "acme", BaseURL: "https://lumo.example.com?a=b"},
		"a URL without a host":    {TokenSource: token("x"), Organization: "acme", BaseURL: "https:///x"},
		"another scheme":          {TokenSource: token("x"), Organization: "acme", BaseURL: "ftp://lumo.example.com"},
		"a path that climbs":      {TokenSource: token("x"), CheckPath: "/a/../b"},
		"a path that is a host":   {TokenSource: token("x"), CheckPath: "//evil.example.com/x"},
		"a negative timeout":      {TokenSource: token("x"), Organization: "acme", Timeout: -1},
		"a negative bound":        {TokenSource: token("x"), Organization: "acme", Parallelism: -1},
		"evaluations by a number": {TokenSource: token("x"), Organization: "acme", Evaluations: true, BatchSize: 5000},
	} {
		t.Run(name, func(t *testing.T) {
			if e, err := lumoauth.New(config); err == nil || e != nil {
				t.Errorf("New = %v, %v", e, err)
			}
		})
	}
}
