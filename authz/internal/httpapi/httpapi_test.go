package httpapi_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/httpapi"
)

func TestDecodeObject(t *testing.T) {
	got, err := httpapi.DecodeObject([]byte(` {"a": [1, {"b": null}], "c": "\u0064", "A": 1e400} `))
	want := map[string]any{"a": []any{json.Number("1"), map[string]any{"b": nil}}, "c": "d", "A": json.Number("1e400")}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, text := range []string{``, `null`, `1`, `"a"`, `[]`, `{`, `}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1}{}`, `{"a":1} x`, `{"a":1,"a":1}`, `{"a":{"b":1,"\u0062":2}}`, "{\"a\":\"\xff\"}", `{a:1}`, `{"a":[1}`, `{"a":NaN}`} {
		if got, err := httpapi.DecodeObject([]byte(text)); err == nil {
			t.Errorf("%q was accepted as %v", text, got)
		}
	}
}

// FuzzDecodeObject holds the strict decoder to the standard library's: what it
// accepts, the library accepts, and means the same.
func FuzzDecodeObject(f *testing.F) {
	for _, seed := range []string{`{}`, `{"decision": true}`, `{"a": [1, 2.5e3, "x", null, {"b": {}}]}`, `{"a":1,"a":2}`, `{"\u0061":1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := httpapi.DecodeObject(data)
		if err != nil {
			return
		}
		if !json.Valid(data) {
			t.Fatalf("%q is not JSON", data)
		}
		again, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		back, err := httpapi.DecodeObject(again)
		if err != nil || !reflect.DeepEqual(back, got) {
			t.Fatalf("%q came back as %v, %v", data, back, err)
		}
	})
}

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
