package httpapi_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/usher-auth/usher/authz/internal/httpapi"
	"github.com/usher-auth/usher/internal/httpx/lossy"
)

// asking is a token source that requests each token from a server, in the call's
// context.
type asking struct {
	url   string
	asked atomic.Int32
}

func (a *asking) Token(ctx context.Context) (*oauth2.Token, error) {
	a.asked.Add(1)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, strings.NewReader("grant"))
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
		return nil, errors.New("refused")
	}

	return &oauth2.Token{AccessToken: "t"}, nil
}

func sourced(t *testing.T, source httpapi.TokenSource) *httpapi.Client {
	t.Helper()
	c, err := httpapi.New(httpapi.Config{Name: "x", TokenSource: source, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); http.DefaultClient.CloseIdleConnections() })
	return c
}

// Requests of a token source aren't requests to the engine: an answer to one doesn't
// prevent a check from being repeated, and a failure of one doesn't repeat a check.
func TestRequestsOfTheTokenSourceAreNotTheEngines(t *testing.T) {
	engine := lossy.NewServer(lossy.Answer, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	defer engine.Close()
	var broken atomic.Bool
	tokens := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if broken.Load() {
			panic(http.ErrAbortHandler)
		}
	}))
	defer tokens.Close()
	source := &asking{url: tokens.URL}
	c := sourced(t, source)
	for i := range 4 {
		if _, err := c.Post(t.Context(), engine.URL, ann, struct{}{}); err != nil {
			t.Fatalf("check %d: %v", i, err)
		}
	}
	broken.Store(true)
	source.asked.Store(0)
	if _, err := c.Post(t.Context(), engine.URL, ann, struct{}{}); err == nil || source.asked.Load() != 1 {
		t.Errorf("a broken source was asked %d times: %v", source.asked.Load(), err)
	}
}
