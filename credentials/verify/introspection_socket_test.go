package verify

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/credentialstest"
)

// socketIntrospection asks a handler over a socket, with a transport of its own.
func socketIntrospection(t *testing.T, handler http.HandlerFunc, change ...func(*IntrospectionConfig)) (*Introspection, *connections) {
	t.Helper()
	conns := &connections{}
	srv := httptest.NewUnstartedServer(handler)
	srv.Config.ConnState = conns.note
	srv.Start()
	t.Cleanup(srv.Close)
	cfg := IntrospectionConfig{
		URL: srv.URL + "/introspect", Issuer: srv.URL, ClientID: testClient, Timeout: 20 * time.Second,
		Auth: clientauth.SecretBasic(clientauth.Constant(testSecret)), Audiences: []string{credentialstest.DefaultAudience},
	}
	for _, f := range change {
		f(&cfg)
	}
	in, err := NewIntrospection(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	return in, conns
}

// connections counts a server's connections.
type connections struct {
	mu      sync.Mutex
	opened  int
	open    map[net.Conn]bool
	changed chan struct{}
}

func (c *connections) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open, c.changed = map[net.Conn]bool{}, make(chan struct{})
	}
	switch state {
	case http.StateNew:
		c.opened++
		c.open[conn] = true
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
	case http.StateActive, http.StateIdle:
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// awaitNone waits until no connection is open.
func (c *connections) awaitNone(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // well before they end by being idle
	defer cancel()
	for {
		c.mu.Lock()
		n, changed := len(c.open), c.changed
		c.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("%d connections stay open", n)
		}
	}
}

const activeAnswer = `{"active":true,"sub":"alice","client_id":"web","aud":"` + credentialstest.DefaultAudience + `"}`

func TestIntrospectionCloseClosesItsConnections(t *testing.T) {
	in, conns := socketIntrospection(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, activeAnswer) })
	accept(t, in, "opaque", "before Close")
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	conns.awaitNone(t)
}

// Somebody else's transport keeps its connections.
func TestIntrospectionCloseLeavesOtherTransportsAlone(t *testing.T) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	in, conns := socketIntrospection(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, activeAnswer) },
		func(c *IntrospectionConfig) { c.HTTPClient = &http.Client{Transport: transport} })
	accept(t, in, "opaque", "before Close")
	in.Close()
	second, err := NewIntrospection(IntrospectionConfig{
		URL: in.endpoint.URL, Issuer: in.id.issuer, ClientID: testClient, Auth: in.auth, Audiences: in.audiences,
		HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	accept(t, second, "opaque", "on the same connection")
	conns.mu.Lock()
	defer conns.mu.Unlock()
	if conns.opened != 1 || transport.MaxIdleConnsPerHost != 0 {
		t.Errorf("%d connections; the transport was changed: %t", conns.opened, transport.MaxIdleConnsPerHost != 0)
	}
}

// wave holds requests until all of them have arrived.
type wave struct {
	missing atomic.Int64
	all     chan struct{}
}

func newWave(n int) *wave {
	w := &wave{all: make(chan struct{})}
	w.missing.Store(int64(n))
	return w
}

func (w *wave) arrive(ctx context.Context) {
	if w.missing.Add(-1) == 0 {
		close(w.all)
	}
	select {
	case <-w.all:
	case <-ctx.Done():
	}
}

// As many connections as requests at once are kept: each wave of requests goes
// over those of the first.
func TestIntrospectionKeepsItsConnections(t *testing.T) {
	const concurrent, waves = 24, 10
	var current atomic.Pointer[wave]
	in, conns := socketIntrospection(t, func(w http.ResponseWriter, r *http.Request) {
		current.Load().arrive(r.Context())
		_, _ = io.WriteString(w, activeAnswer)
	}, func(c *IntrospectionConfig) { c.MaxConcurrent = concurrent * 4 / 3 })
	for i := range waves {
		var calls sync.WaitGroup
		current.Store(newWave(concurrent))
		for j := range concurrent {
			calls.Go(func() {
				if _, err := in.Verify(testContext(t), "t-"+strconv.Itoa(i)+"-"+strconv.Itoa(j), Requirements{}); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
	}
	conns.mu.Lock()
	defer conns.mu.Unlock()
	// A connection that has just been used may not be back yet.
	if conns.opened > 2*concurrent {
		t.Errorf("%d connections for %d requests at once, %d waves", conns.opened, concurrent, waves)
	}
}

func gzipped(size int) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, `{"active":true,"padding":"`)
	_, _ = io.Copy(w, io.LimitReader(zeros{}, int64(size)))
	_, _ = io.WriteString(w, `"}`)
	_ = w.Close()
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// Answers that don't end, or that grow: bounded in time and size, and nothing of
// them is a verdict.
func TestHostileAnswersOverASocket(t *testing.T) {
	bomb := gzipped(4 << 20)
	for name, handler := range map[string]http.HandlerFunc{
		"a gzip bomb": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb)
		},
		"chunks without end": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"active":true,"x":"`)
			for r.Context().Err() == nil {
				if _, err := w.Write(bytes.Repeat([]byte("x"), 4<<10)); err != nil {
					return
				}
			}
		},
		"an error without end": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":"unsupported_token_type","x":"`)
			for r.Context().Err() == nil {
				if _, err := w.Write(bytes.Repeat([]byte("x"), 4<<10)); err != nil {
					return
				}
			}
		},
		"an error that dribbles": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":"unsupported_token_type"`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
		"huge headers": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Padding", strings.Repeat("x", 1<<20))
			_, _ = io.WriteString(w, activeAnswer)
		},
		"a promise of more": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, activeAnswer)
		},
		"a signed answer": func(w http.ResponseWriter, _ *http.Request) { // RFC 9701, which was not asked for
			w.Header().Set("Content-Type", "application/token-introspection+jwt")
			_, _ = io.WriteString(w, "eyJhbGciOiJFUzI1NiJ9."+b64([]byte(activeAnswer))+".AA")
		},
	} {
		t.Run("row 38: "+name, func(t *testing.T) {
			in, _ := socketIntrospection(t, handler, func(c *IntrospectionConfig) { c.Timeout = time.Second })
			if e := refuse(t, in, strings.Repeat("t", defaultMaxTokenBytes), name, unavailableNow); strings.Contains(e.Err.Error(), "xxx") {
				t.Errorf("row 38: the cause quotes the answer: %.100q", e.Err)
			}
		})
	}
}

func TestGzipIsRead(t *testing.T) {
	in, _ := socketIntrospection(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			t.Error("gzip is not asked for")
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, activeAnswer)
		_ = z.Close()
	})
	accept(t, in, "opaque", "gzip")
}

// A body whose reader fails in the ways that only a transport's code can.
type oddBody struct{ fail func() }

func (o oddBody) Read([]byte) (int, error) { o.fail(); return 0, io.EOF }
func (oddBody) Close() error               { return nil }

type oddTransport struct{ fail func() }

func (o oddTransport) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: oddBody(o)}, nil
}

func TestBodyThatPanics(t *testing.T) {
	_, in := memoryIntrospection(t, func(c *IntrospectionConfig) {
		c.MaxConcurrent = 1
		c.HTTPClient = &http.Client{Transport: oddTransport{func() { panic(testSecret) }}}
	})
	for i := range 3 { // the one slot is given back
		e := refuse(t, in, "t"+strconv.Itoa(i), "row 38", unavailableNow)
		if e.RetryAfter <= 0 || strings.Contains(e.Err.Error(), testSecret) {
			t.Errorf("row 38: RetryAfter %v, %v", e.RetryAfter, e.Err)
		}
	}
}
