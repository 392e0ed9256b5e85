package httpapi_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/httpapi"
	"github.com/usher-auth/usher/internal/httpx"
	"github.com/usher-auth/usher/internal/httpx/lossy"
)

var ann = authz.Subject{Type: "user", ID: "ann"}

// engineServer answers {} to a check and records the requests.
func engineServer(t *testing.T, requests *atomic.Int32) http.HandlerFunc {
	t.Helper()
	return func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != `{"a":"b"}` || r.Header.Get("X-API-Key") != "k" {
			t.Errorf("%q, %v, %v", body, err, r.Header)
		}
		if r.Header.Get("Idempotency-Key") != "" || r.Header.Get("X-Idempotency-Key") != "" {
			t.Error("an idempotency key, which engines may store")
		}
		_, _ = io.WriteString(w, "{}")
	}
}

func newClient(t *testing.T, own *http.Client) *httpapi.Client {
	t.Helper()
	c, err := httpapi.New(httpapi.Config{
		Name: "x", HTTPClient: own, Timeout: 10 * time.Second,
		APIKey: func(context.Context) (string, error) { return "k", nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestIdleConnectionsThatTheServerEndsLoseNoCheck(t *testing.T) {
	for name, moment := range map[string]lossy.Moment{"reset": lossy.FirstBytes, "closed": lossy.Answer} {
		for client, own := range map[string]bool{"own": true, "the user's": false} {
			t.Run(name+", "+client+" client", func(t *testing.T) {
				var requests atomic.Int32
				srv := lossy.NewServer(moment, engineServer(t, &requests))
				defer srv.Close()
				var users *http.Client
				if !own {
					users = &http.Client{Transport: httpx.NewTransport(4)}
					defer users.CloseIdleConnections()
				}
				c := newClient(t, users)
				for i := range 8 {
					if _, err := c.Post(t.Context(), srv.URL, ann, map[string]string{"a": "b"}); err != nil {
						t.Fatalf("check %d: %v", i, err)
					}
				}
			})
		}
	}
}

// A request that the server itself breaks off is repeated at most once, and not at
// all if its connection served no other request.
func TestRequestsAreRepeatedOnceAtMost(t *testing.T) {
	var requests atomic.Int32
	answer := engineServer(t, &requests)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(w, r)
		if requests.Load() > 1 {
			panic(http.ErrAbortHandler)
		}
	}))
	defer srv.Close()
	c := newClient(t, nil)
	body := json.RawMessage(`{"a":"b"}`)
	if _, err := c.Post(t.Context(), srv.URL, ann, body); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Post(t.Context(), srv.URL, ann, body); err == nil || requests.Load() != 3 {
		t.Errorf("%d requests, %v", requests.Load()-1, err)
	}
	if _, err := c.Post(t.Context(), srv.URL, ann, body); err == nil || requests.Load() != 4 {
		t.Errorf("%d requests, %v", requests.Load()-3, err)
	}
}
