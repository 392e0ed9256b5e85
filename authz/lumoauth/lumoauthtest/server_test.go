package lumoauthtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/oauth2"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/lumoauth"
	"github.com/usher-auth/usher/authz/lumoauth/lumoauthtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	checkPath = "/orgs/acme/api/v1/zanzibar/check"
	body      = `{"object": "document:1", "relation": "viewer", "subject": "user:ann"}`
)

func server(t *testing.T, edit func(*lumoauthtest.Config)) (*lumoauthtest.Server, string) {
	t.Helper()
	config := lumoauthtest.Config{
		Organization: "acme", Engine: authztest.NewEngine("document:1#viewer@user:ann"),
		Clients: []lumoauthtest.Client{{ID: "docs", Secret: "not-a-secret", Scopes: []string{lumoauthtest.ScopeCheck}}},
		APIKeys: []string{"fake-key"},
	}
	if edit != nil {
		edit(&config)
	}
	lumo := lumoauthtest.New(config)
	front := httptest.NewServer(lumo)
	t.Cleanup(front.Close)

	return lumo, front.URL
}

func post(t *testing.T, url, contentType, text string, header map[string]string) (int, http.Header, map[string]any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var object map[string]any
	_ = json.NewDecoder(response.Body).Decode(&object)

	return response.StatusCode, response.Header, object
}

func TestContract(t *testing.T) {
	lumo, base := server(t, nil)
	ann, bob, asker := "Bearer "+lumo.Issue("user:ann"), "Bearer "+lumo.Issue("user:bob"), "Bearer "+lumo.Issue("service:x", lumoauthtest.ScopeCheck)
	gone := lumo.Issue("user:ann")
	lumo.Revoke(gone)
	for _, c := range []struct {
		name, path, body string
		header           map[string]string
		status           int
		code             string
	}{
		{"no credentials", checkPath, body, nil, 401, "unauthorized"},
		{"a revoked token", checkPath, body, map[string]string{"Authorization": "Bearer " + gone}, 401, "unauthorized"},
		{"a token and a key", checkPath, body, map[string]string{"Authorization": ann, "X-Api-Key": "fake-key"}, 400, "INVALID_REQUEST"},
		{"one's own subject needs no scope", checkPath, body, map[string]string{"Authorization": ann}, 200, ""},
		{"another's subject needs it", checkPath, body, map[string]string{"Authorization": bob}, 403, "insufficient_permissions"},
		{"with the scope", checkPath, body, map[string]string{"Authorization": asker}, 200, ""},
		{"by key", checkPath, body, map[string]string{"X-Api-Key": "fake-key"}, 200, ""},
		{"by a wrong key", checkPath, body, map[string]string{"X-Api-Key": "fake"}, 401, "unauthorized"},
		{"the other path", "/api/v1/authz/zanzibar/check", body, map[string]string{"X-Api-Key": "fake-key"}, 200, ""},
		{"missing fields", checkPath, `{"object": "document:1"}`, map[string]string{"X-Api-Key": "fake-key"}, 400, "MISSING_FIELDS"},
		{"a bad format", checkPath, `{"object": "document", "relation": "viewer", "user": "user:ann"}`, map[string]string{"X-Api-Key": "fake-key"}, 400, "ZANZIBAR_CHECK_FAILED"},
		{"no JSON", checkPath, `x`, map[string]string{"X-Api-Key": "fake-key"}, 400, "INVALID_REQUEST"},
		{"another organization", "/orgs/other/api/v1/zanzibar/check", body, map[string]string{"X-Api-Key": "fake-key"}, 404, ""},
		{"an evaluation without the scope", "/api/v1/authz/v1/evaluation", `{}`, map[string]string{"Authorization": ann}, 403, "insufficient_permissions"},
		{"an evaluation without its parts", "/api/v1/authz/v1/evaluation", `{}`, map[string]string{"X-Api-Key": "fake-key"}, 400, "MISSING_FIELDS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, _, object := post(t, base+c.path, "application/json", c.body, c.header)
			code, _ := object["code"].(string)
			if status != c.status || code != c.code {
				t.Errorf("%d %v, want %d %s", status, object, c.status, c.code)
			}
			if status == 200 && object["allowed"] != true {
				t.Errorf("answer = %v", object)
			}
		})
	}
	t.Run("evaluations take defaults, keep the order and report errors apart", func(t *testing.T) {
		_, _, object := post(t, base+"/api/v1/authz/v1/evaluations", "application/json",
			`{"subject": {"type": "user", "id": "ann"}, "action": {"name": "viewer"},
			"evaluations": [{"resource": {"type": "document", "id": "2"}}, {"resource": {"type": "document", "id": "1"}}, {}]}`,
			map[string]string{"X-Api-Key": "fake-key"})
		if got := fmt.Sprint(object["evaluations"]); !strings.HasPrefix(got, "[map[decision:false] map[decision:true] map[context:map[error:") {
			t.Errorf("evaluations = %s", got)
		}
	})
	t.Run("the token endpoint", func(t *testing.T) {
		for secret, want := range map[string]int{"not-a-secret": 200, "wrong": 401} {
			form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"docs"}, "client_secret": {secret}}
			status, _, object := post(t, base+"/orgs/acme/api/v1/oauth/token", "application/x-www-form-urlencoded", form.Encode(), nil)
			if status != want || (status == 200) != (object["access_token"] != nil) {
				t.Errorf("%q: %d %v", secret, status, object["error"])
			}
		}
	})
}

type token string

func (t token) Token(context.Context) (*oauth2.Token, error) {
	return &oauth2.Token{AccessToken: string(t)}, nil
}

func TestRateLimitIsObeyed(t *testing.T) {
	const limit = 5
	lumo, _ := server(t, func(c *lumoauthtest.Config) { c.CheckLimit = limit })
	var requests atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		lumo.ServeHTTP(w, r)
	}))
	defer front.Close()
	engine, err := lumoauth.New(lumoauth.Config{BaseURL: front.URL, Organization: "acme", TokenSource: token(lumo.Issue("service:x", lumoauthtest.ScopeCheck))})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = engine.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	query := authz.Query{Object: authz.Object{Type: "document", ID: "1"}, Relation: "viewer", Subject: authz.Subject{Type: "user", ID: "ann"}}
	answered, refused := 0, 0
	for range 50 {
		result, err := engine.Check(ctx, authz.Batch{Queries: []authz.Query{query}})
		var fault *authz.EngineError
		switch {
		case err == nil && result.Answers[0].Effect == authz.EffectAllowed:
			answered++
		case errors.As(err, &fault) && fault.Kind == authz.EngineUnavailable && fault.RetryAfter > 0:
			refused++
		default:
			t.Fatalf("%+v, %v", result, err)
		}
	}
	if answered != limit || refused != 50-limit {
		t.Errorf("%d answered, %d refused", answered, refused)
	}
	if n := requests.Load(); n != limit+1 {
		t.Errorf("%d requests, want %d: the one over the limit says when to come back", n, limit+1)
	}
}

func TestInjectedFaults(t *testing.T) {
	lumo, base := server(t, nil)
	lumo.Inject(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }, nil)
	for _, want := range []int{http.StatusTeapot, 200, 200} {
		if status, _, _ := post(t, base+checkPath, "application/json", body, map[string]string{"X-Api-Key": "fake-key"}); status != want {
			t.Errorf("status %d, want %d", status, want)
		}
	}
}

func ExampleNew() {
	lumo := lumoauthtest.New(lumoauthtest.Config{
		Organization: "acme",
		Engine:       authztest.NewEngine("document:1#viewer@user:ann"),
		APIKeys:      []string{"fake-key"},
	})
	request := httptest.NewRequest(http.MethodPost, checkPath, strings.NewReader(body))
	request.Header.Set("X-Api-Key", "fake-key")
	answer := httptest.NewRecorder()
	lumo.ServeHTTP(answer, request)
	fmt.Print(answer.Code, " ", answer.Body)
	// Output: 200 {"allowed":true,"object":"document:1","relation":"viewer","subject":"user:ann"}
}
