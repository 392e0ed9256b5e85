package credentials

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

var epoch = time.Unix(1_700_000_000, 0)

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

// The rows are about a server; these are about corners of reading it.
func TestReadToken(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"names are compared exactly":   {200, `{"Access_Token":"abc"}`, "credentials: the access_token is missing or empty (HTTP 200)"},
		"the exact name wins":          {200, `{"access_token":"abc","ACCESS_TOKEN":"x y"}`, ""},
		"201 is a success":             {201, `{"access_token":"abc"}`, ""},
		"1xx is no answer":             {101, ``, "credentials: the token endpoint gave no final answer (HTTP 101)"},
		"nesting elsewhere is skipped": {200, `{"x":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `,"access_token":"abc"}`, ""},
		"too deep is no JSON":          {200, `{"x":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `,"access_token":"abc"}`, "credentials: the token endpoint's answer is not a JSON object (HTTP 200)"},
		"a member twice further in":    {200, `{"x":{"y":1,"y":2},"access_token":"abc"}`, "credentials: the token endpoint's answer is not a JSON object (HTTP 200)"},
		"invalid UTF-8":                {200, "{\"x\":\"\xff\",\"access_token\":\"abc\"}", "credentials: the token endpoint's answer is not a JSON object (HTTP 200)"},
		"a byte order mark":            {200, "\ufeff{\"access_token\":\"abc\"}", "credentials: the token endpoint's answer is not a JSON object (HTTP 200)"},
		"a scalar":                     {200, `"abc"`, "credentials: the token endpoint's answer is not a JSON object (HTTP 200)"},
		"cut":                          {200, `{"access_token":"abc"`, "credentials: the token endpoint's answer is not a JSON object (HTTP 200)"},
		"an empty error is none":       {200, `{"access_token":"abc","error":""}`, ""},
		"a null error is none":         {200, `{"access_token":"abc","error":null}`, ""},
		"an error object":              {200, `{"access_token":"abc","error":{}}`, "credentials: the token endpoint answered an error that is not OAuth's (HTTP 200)"},
		"slow_down":                    {400, `{"error":"slow_down"}`, "credentials: the token endpoint is unavailable: slow_down (HTTP 400)"},
	} {
		t.Run(name, func(t *testing.T) {
			_, failed := readToken(answer(c.status, c.body), defaultLifetime, epoch)
			got := ""
			if failed != nil {
				got = failed.err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// A RetrieveError holds the body. The reader keeps one from ever being made; if
// a later library makes one nevertheless, it must not come out.
func TestRetrieveErrorIsNeverKept(t *testing.T) {
	f := failureOf(&oauth2.RetrieveError{Body: []byte("not-a-secret"), ErrorDescription: "not-a-secret"})
	var retrieve *oauth2.RetrieveError
	if errors.As(f.err, &retrieve) || strings.Contains(f.err.Error(), "secret") {
		t.Fatal(f.err)
	}
}

func TestBackoffIsBounded(t *testing.T) {
	for _, slow := range []bool{false, true} {
		low, high := backoffBase*8/10, backoffMax
		if slow {
			low, high = probeBase*8/10, probeMax
		}
		for n := range 200 {
			if d := pauseAfter(n, slow); d < low || d > high {
				t.Errorf("pauseAfter(%d, %v) is %v", n, slow, d)
			}
		}
	}
	if d := pauseAfter(1, true); d < probeBase {
		t.Error(d)
	}
}
