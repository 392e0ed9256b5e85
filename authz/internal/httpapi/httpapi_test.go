package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/httpapi"
)

func TestBaseURL(t *testing.T) {
	for raw, want := range map[string]string{
		"https://pdp.example.com":          "https://pdp.example.com",
		"https://pdp.example.com/":         "https://pdp.example.com",
		"https://pdp.example.com/stores/1": "https://pdp.example.com/stores/1",
		"http://127.0.0.1:8080":            "http://127.0.0.1:8080",
		"http://localhost:8080/":           "http://localhost:8080",
		"http://[::1]:8080":                "http://[::1]:8080",
		"http://10.0.0.1":                  "",
		"http://localhost.example.com":     "",
		"http://127.0.0.1.example.com":     "",
		"HTTPS:opaque":                     "",
		"pdp.example.com":                  "",
		"https://a@pdp.example.com":        "",
		"https://pdp.example.com/?":        "",
		"https://pdp.example.com/#x":       "",
		"":                                 "",
	} {
		if got, err := httpapi.BaseURL("x", raw, false); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", raw, got, err)
		}
	}
	if _, err := httpapi.BaseURL("x", "http://10.0.0.1", true); err != nil {
		t.Error(err)
	}
}

// A text that is no absolute URL isn't shown, since it may contain a secret.
func TestBaseURLFaultsKeepSecrets(t *testing.T) {
	for _, raw := range []string{
		"not-a-secret@pdp.example.com", "u:not-a-secret@pdp.example.com", "//u:not-a-secret@pdp.example.com", "https:not-a-secret@pdp.example.com",
		"https://u:not-a-secret@pdp.example.com", "http://10.0.0.1/?key=not-a-secret", "https://pdp.example.com/?key=not-a-secret",
		"https://pdp.example.com/#not-a-secret", "https://pdp.example.com:not-a-secret/",
	} {
		if _, err := httpapi.BaseURL("x", raw, false); err == nil || strings.Contains(err.Error(), "not-a-secret") {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

func TestSameOrigin(t *testing.T) {
	for endpoint, want := range map[string]bool{
		"https://pdp.example.com/x":         true,
		"https://pdp.example.com:444/x":     false,
		"http://pdp.example.com/x":          false,
		"https://pdp.example.com.evil.com/": false,
		"https://u@pdp.example.com/x":       false,
		"/x":                                false,
		"//pdp.example.com/x":               false,
		"":                                  false,
	} {
		if got := httpapi.SameOrigin("https://pdp.example.com/stores/1", endpoint); got != want {
			t.Errorf("%q: %v", endpoint, got)
		}
	}
}

func TestStatusOf(t *testing.T) {
	for _, v := range []any{json.Number("404"), "404"} {
		if got := httpapi.StatusOf(v); got != 404 {
			t.Errorf("%v: %d", v, got)
		}
	}
	for _, v := range []any{nil, true, json.Number("4e2"), json.Number("99"), json.Number("600"), json.Number("1e99"), "x", 404} {
		if got := httpapi.StatusOf(v); got != 0 {
			t.Errorf("%v: %d", v, got)
		}
	}
	if httpapi.KindOf(302) != authz.EngineUnavailable || httpapi.KindOf(501) != authz.EngineMisconfigured || httpapi.KindOf(418) != authz.EngineMisconfigured {
		t.Error("a status of another kind")
	}
}
