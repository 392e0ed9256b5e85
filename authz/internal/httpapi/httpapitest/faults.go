// Package httpapitest has handlers that answer an HTTP engine's requests with
// every fault that adapters must handle.
package httpapitest

import (
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/usher-auth/usher/authz"
)

// Secret is part of every faulty body and must appear in no error.
const Secret = "upstream-secret"

// Fault is one faulty answer and the error that the adapter must return for it.
type Fault struct {
	Name       string
	Answer     http.HandlerFunc
	Kind       authz.EngineErrorKind
	RetryAfter time.Duration
}

// Faults lists the faults of transport, status and JSON. grant is the body
// that would allow, so that every fault is that of a server that allows; elsewhere
// is the target of redirects.
func Faults(grant, elsewhere string) []Fault {
	faults := []Fault{
		{Name: "the connection closes", Answer: hijack("")},
		{Name: "the answer is no HTTP", Answer: hijack(Secret + "\r\n\r\n")},
		{Name: "the body breaks off", Answer: hijack("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + grant)},
		{Name: "the answer hangs", Answer: func(_ http.ResponseWriter, r *http.Request) { Hang(r) }},
		{Name: "the body hangs", Answer: func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(grant[:len(grant)-1]))
			_ = http.NewResponseController(w).Flush()
			Hang(r)
		}},
		{Name: "a body above the limit", Answer: body(http.StatusOK, grant[:len(grant)-1]+strings.Repeat(" ", 2<<20)+"}")},
		{Name: "204", Answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }},
		{Name: "201", Answer: body(http.StatusCreated, grant)},
		{Name: "401", Answer: body(http.StatusUnauthorized, grant), Kind: authz.EngineRefused},
		{Name: "403", Answer: body(http.StatusForbidden, grant), Kind: authz.EngineRefused},
		{Name: "400", Answer: body(http.StatusBadRequest, grant), Kind: authz.EngineMisconfigured},
		{Name: "404", Answer: body(http.StatusNotFound, grant), Kind: authz.EngineMisconfigured},
		{Name: "500", Answer: body(http.StatusInternalServerError, grant)},
		{Name: "502", Answer: body(http.StatusBadGateway, "<html>"+Secret)},
		{Name: "429 without a delay", Answer: body(http.StatusTooManyRequests, grant)},
		{Name: "429 with seconds", Answer: retryAfter(http.StatusTooManyRequests, "7"), RetryAfter: 7 * time.Second},
		{Name: "503 with seconds", Answer: retryAfter(http.StatusServiceUnavailable, "7"), RetryAfter: 7 * time.Second},
		{Name: "429 with a delay of years", Answer: retryAfter(http.StatusTooManyRequests, "99999999"), RetryAfter: 30 * time.Second},
		{Name: "500 with seconds", Answer: retryAfter(http.StatusInternalServerError, "7")},
		{Name: "302 with seconds", Answer: retryAfter(http.StatusFound, "7")},
		{Name: "429 with a negative delay", Answer: retryAfter(http.StatusTooManyRequests, "-1")},
		{Name: "429 with a delay that is no delay", Answer: retryAfter(http.StatusTooManyRequests, Secret)},
		{Name: "429 with a date gone by", Answer: retryAfter(http.StatusTooManyRequests, "Mon, 02 Jan 2006 15:04:05 GMT")},
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		faults = append(faults, Fault{Name: "a redirect: " + http.StatusText(status), Answer: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere, status)
		}})
	}
	for name, text := range map[string]string{
		"HTML":                      "<html>" + Secret + "</html>",
		"an empty body":             "",
		"null":                      "null",
		"true":                      "true",
		"an array":                  "[" + grant + "]",
		"text after the object":     grant + Secret,
		"two objects":               grant + grant,
		"half an object":            grant[:len(grant)-1],
		"a byte order mark":         "\ufeff" + grant,
		"invalid UTF-8":             grant[:len(grant)-1] + ",\"x\":\"\xff\"}",
		"a member twice, elsewhere": grant[:len(grant)-1] + `,"x":{"y":1,"y":2}}`,
		"nesting without end":       grant[:len(grant)-1] + `,"x":` + strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000) + "}",
		"an empty object":           "{}",
		"an error beside the grant": with(grant, `"error":"`+Secret+`"`),
		"an error object":           with(grant, `"error":{"message":"`+Secret+`"}`),
		"an error that is true":     with(grant, `"error":true,"message":"`+Secret+`"`),
		"an error of no text":       with(grant, `"error":""`),
		"an error that is zero":     with(grant, `"error":0`),
		"errors beside the grant":   with(grant, `"errors":[{"message":"`+Secret+`"}]`),
		"an error and no verdict":   `{"error":true,"message":"` + Secret + `","code":"CHECK_FAILED"}`,
		"an error object alone":     `{"error":{"message":"` + Secret + `"}}`,
	} {
		faults = append(faults, Fault{Name: "200 with " + name, Answer: body(http.StatusOK, text)})
	}

	return faults
}

// with returns the grant with one more member.
func with(grant, member string) string { return grant[:len(grant)-1] + "," + member + "}" }

// Hang waits until the client has closed the connection. A server notices that only once the
// request's body is read.
func Hang(r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// Body answers with a status and a text, of any content.
func Body(text string) http.HandlerFunc { return body(http.StatusOK, text) }

func body(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	}
}

func retryAfter(status int, value string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", value)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(Secret))
	}
}

// hijack writes raw bytes to the connection and closes it.
func hijack(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = conn.Write([]byte(text))
		_ = conn.Close()
	}
}
