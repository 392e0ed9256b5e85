package lumoauth_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/lumoauth"
	"github.com/usher-auth/usher/authz/lumoauth/lumoauthtest"
)

func trace(step *authz.Trace, indent string) string {
	if step == nil {
		return ""
	}
	var text strings.Builder
	text.WriteString(indent + step.String() + "\n")
	for _, within := range step.Steps {
		text.WriteString(trace(within, indent+"  "))
	}

	return text.String()
}

func TestExplainExpandsTheRelation(t *testing.T) {
	tuples := authztest.NewEngine("document:1#viewer@team:eng#member", "team:eng#member@user:ann")
	front := httptest.NewServer(lumoauthtest.New(lumoauthtest.Config{Organization: "acme", Engine: tuples, APIKeys: []string{"fake-key"}}))
	defer front.Close()
	e := engine(t, front, func(c *lumoauth.Config) {
		c.TokenSource, c.APIKey = nil, func(context.Context) (string, error) { return "fake-key", nil }
	})
	explanation, err := e.Explain(deadline(t), query("1"), authz.Consistency{})
	if err != nil || explanation.Answer.Effect != authz.EffectAllowed {
		t.Fatalf("%+v, %v", explanation, err)
	}
	got := trace(explanation.Trace, "")
	if !strings.HasPrefix(got, "document:1#viewer@user:ann allowed\n") || !strings.Contains(got, "userset: team:eng#member") {
		t.Errorf("trace\n%s", got)
	}
}

func TestExplainBoundsHostileExpansions(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200)
	for name, c := range map[string]struct {
		status     int
		body, want string
	}{
		"a failure":            {http.StatusForbidden, `{"error":"fake-upstream-secret"}`, "no expansion"},
		"not JSON":             {http.StatusOK, `<html>fake-upstream-secret`, "no expansion"},
		"nothing":              {http.StatusOK, `{}`, "an empty expansion"},
		"of another object":    {http.StatusOK, `{"object":"document:2","tree":{}}`, "it is about another object"},
		"deep":                 {http.StatusOK, `{"tree":` + deep + `}`, ""},
		"wide":                 {http.StatusOK, `{"tree":[` + strings.Repeat(`"user:x",`, 20_000) + `1]}`, "0: user:x"},
		"terminal's sequences": {http.StatusOK, `{"tree":"\u001b[2J"}`, "tree"},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if strings.HasSuffix(r.URL.Path, "/expand") {
					w.WriteHeader(c.status)
					_, _ = w.Write([]byte(c.body))

					return
				}
				_ = json.NewEncoder(w).Encode(map[string]any{"allowed": false})
			})
			explanation, err := engine(t, server).Explain(deadline(t), query("1"), authz.Consistency{})
			if err != nil || explanation.Answer.Effect != authz.EffectDenied {
				t.Fatalf("%+v, %v", explanation, err)
			}
			got := trace(explanation.Trace, "")
			if !strings.Contains(got, c.want) || strings.Contains(got, "fake-upstream-secret") || strings.Contains(got, "\x1b") || strings.Count(got, "\n") > authz.MaxTraceNodes {
				t.Errorf("trace\n%.1000s", got)
			}
		})
	}
}

func TestExplainOfAttributesHasTheReason(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"decision": false, "context": map[string]any{"reason": "after hours"}})
	})
	q := query("1")
	q.Kind = authz.QueryAttributes
	explanation, err := authz.Explain(deadline(t), engine(t, server), q, authz.Consistency{})
	if err != nil || explanation.Answer.Context["reason"] != "after hours" || explanation.Trace != nil {
		t.Errorf("%+v, %v", explanation, err)
	}
}
