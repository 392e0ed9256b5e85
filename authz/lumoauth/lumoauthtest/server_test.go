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

const (
	permissionPath     = "/api/v1/authz/check"
	permissionBulkPath = "/api/v1/authz/check-bulk"
	attributesPath     = "/orgs/acme/api/v1/abac/check"
	attributesBulkPath = "/orgs/acme/api/v1/abac/check-bulk"
)

// decider is an engine with a permission and a policy of user:ann.
func decider() *authztest.Engine {
	engine := authztest.NewEngine()
	engine.Grant(authztest.Permission{Subject: "user:ann", Name: "documents.edit"})
	engine.SetPolicy(func(q authz.Query) authz.Answer {
		if q.Subject.ID == "ann" && q.Relation == "read" && q.Context["network"] == "office" && q.Properties.Resource["draft"] == true {
			return authz.Answer{Effect: authz.EffectAllowed, Context: map[string]any{"reason": "policy 7"}}
		}

		return authz.Answer{Effect: authz.EffectDenied}
	})

	return engine
}

func TestPermissionsAndAttributes(t *testing.T) {
	const check = `"resourceType": "document", "resourceId": "1", "action": "read", "context": {"resource": {"draft": true}, "environment": {"network": "office"}}`
	for _, c := range []struct {
		name, path, body string
		judged           lumoauthtest.Judged
		bearer, want     string
	}{
		{"of the bearer", permissionPath, `{"permission": "documents.edit"}`, 0, "user:ann", `{"allowed":true,"permission":"documents.edit","user_id":"ann"}`},
		{"of another bearer", permissionPath, `{"permission": "documents.edit"}`, 0, "user:bob", `{"allowed":false,"permission":"documents.edit","user_id":"bob"}`},
		{"of another, by user_id", permissionPath, `{"permission": "documents.edit", "user_id": "ann"}`, 0, "service:x", `{"allowed":true,"permission":"documents.edit","user_id":"ann"}`},
		{"of another, by subject", permissionPath, `{"permission": "documents.edit", "subject": {"type": "service", "id": "y"}}`, 0, "service:x", `{"allowed":false,"permission":"documents.edit","subject":{"id":"y","type":"service"}}`},
		{"without a permission", permissionPath, `{}`, 0, "user:ann", `{"code":"MISSING_FIELDS","error":true,"message":"permission is required","status":400}`},
		{"in bulk", permissionBulkPath, `{"permissions": ["documents.edit", "documents.read"], "user_id": "ann"}`, 0, "service:x", `{"results":{"documents.edit":true,"documents.read":false},"user_id":"ann"}`},
		{"in bulk, none", permissionBulkPath, `{"permissions": []}`, 0, "user:ann", `{"code":"INVALID_REQUEST","error":true,"message":"from 1 to 100 questions","status":400}`},
		{"in bulk, ignoring the subject", permissionBulkPath, `{"permissions": ["documents.edit"], "user_id": "bob"}`, lumoauthtest.JudgeBearer, "user:ann", `{"results":{"documents.edit":true},"user_id":"ann"}`},
		{"in bulk, ignoring and not naming it", permissionBulkPath, `{"permissions": ["documents.edit"], "user_id": "bob"}`, lumoauthtest.JudgeBearerUnnamed, "user:ann", `{"results":{"documents.edit":true}}`},
		{"in bulk, not naming it", permissionBulkPath, `{"permissions": ["documents.edit"], "user_id": "ann"}`, lumoauthtest.JudgeUnnamed, "service:x", `{"results":{"documents.edit":true}}`},
		{"in bulk, naming another", permissionBulkPath, `{"permissions": ["documents.edit"], "user_id": "ann"}`, lumoauthtest.JudgeNamingAnother, "service:x", `{"results":{"documents.edit":true},"user_id":"ann-another"}`},
		{"attributes", attributesPath, `{` + check + `, "user_id": "ann"}`, 0, "service:x", `{"allowed":true,"matchedPolicies":[],"reason":"a policy allows it","user_id":"ann"}`},
		{"attributes without a type", attributesPath, `{"action": "read"}`, 0, "user:ann", `{"code":"MISSING_FIELDS","error":true,"message":"resourceType and action are required","status":400}`},
		{
			"attributes in bulk", attributesBulkPath, `{"requests": [{` + check + `}, {"resourceType": "document", "action": "read", "environment": {"network": "office"}}], "user_id": "ann"}`, 0, "service:x",
			`{"results":[{"allowed":true,"matchedPolicies":[],"reason":"a policy allows it"},{"allowed":false,"matchedPolicies":[],"reason":"no policy allows it"}],"user_id":"ann"}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			lumo, base := server(t, func(config *lumoauthtest.Config) { config.Engine, config.Judged = decider(), c.judged })
			_, _, object := post(t, base+c.path, "application/json", c.body, map[string]string{"Authorization": "Bearer " + lumo.Issue(c.bearer, lumoauthtest.ScopeCheck)})
			if got, _ := json.Marshal(object); string(got) != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	t.Run("about another needs the scope", func(t *testing.T) {
		lumo, base := server(t, func(config *lumoauthtest.Config) { config.Engine = decider() })
		for path, body := range map[string]string{
			permissionBulkPath: `{"permissions": ["documents.edit"], "user_id": "ann"}`, attributesBulkPath: `{"requests": [{` + check + `}], "user_id": "ann"}`,
		} {
			if status, _, _ := post(t, base+path, "application/json", body, map[string]string{"Authorization": "Bearer " + lumo.Issue("user:bob")}); status != http.StatusForbidden {
				t.Errorf("%s: %d", path, status)
			}
		}
	})
	t.Run("evaluations have properties, and a context in their answers", func(t *testing.T) {
		_, base := server(t, func(config *lumoauthtest.Config) {
			config.Engine, config.EvaluationKind = decider(), func(string) authz.QueryKind { return authz.QueryAttributes }
		})
		_, _, object := post(t, base+"/api/v1/authz/v1/evaluation", "application/json",
			`{"subject": {"type": "user", "id": "ann"}, "action": {"name": "read"}, "resource": {"type": "document", "id": "1", "properties": {"draft": true}}, "context": {"network": "office"}}`,
			map[string]string{"X-Api-Key": "fake-key"})
		if got, _ := json.Marshal(object); string(got) != `{"context":{"reason":"policy 7"},"decision":true}` {
			t.Errorf("%s", got)
		}
	})
	t.Run("an engine without them is a 400", func(t *testing.T) {
		_, base := server(t, func(config *lumoauthtest.Config) {
			config.Engine = authz.EngineFunc(func(context.Context, authz.Batch) (authz.Result, error) { return authz.Result{}, nil })
		})
		if status, _, _ := post(t, base+permissionPath, "application/json", `{"permission": "x"}`, map[string]string{"X-Api-Key": "fake-key"}); status != http.StatusBadRequest {
			t.Errorf("status %d", status)
		}
	})
	t.Run("attributes have a limit of their own", func(t *testing.T) {
		_, base := server(t, func(config *lumoauthtest.Config) {
			config.Engine, config.CheckLimit, config.AttributesLimit = decider(), 1, 2
		})
		key := map[string]string{"X-Api-Key": "fake-key"}
		for i, want := range []int{200, 200, 429} {
			if status, _, _ := post(t, base+attributesPath, "application/json", `{`+check+`}`, key); status != want {
				t.Errorf("attributes %d: %d, want %d", i, status, want)
			}
		}
		for i, want := range []int{200, 429} {
			if status, _, _ := post(t, base+permissionPath, "application/json", `{"permission": "x"}`, key); status != want {
				t.Errorf("permissions %d: %d, want %d", i, status, want)
			}
		}
	})
}
