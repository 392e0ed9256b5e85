package authn

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/usher-auth/usher/credentials/internal/lossy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// sender sends through Send and counts attempts.
type sender struct {
	client   *http.Client
	url      string
	attempts atomic.Int32
}

func newSender(t *testing.T, srv *httptest.Server) *sender {
	t.Helper()
	s := &sender{client: must(Client(nil, nil)), url: srv.URL}
	if srv.TLS != nil {
		s.client = srv.Client()
	}
	t.Cleanup(func() { s.client.CloseIdleConnections(); srv.Close() })
	return s
}

func (s *sender) send(ctx context.Context) error {
	return Send(ctx, s.client, func(ctx context.Context) error {
		s.attempts.Add(1)
		req := must(http.NewRequestWithContext(ctx, http.MethodPost, s.url, strings.NewReader("token=t")))
		res, err := s.client.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, res.Body)
		return err
	})
}

// first makes a connection that the next request will find idle.
func (s *sender) first(t *testing.T) {
	t.Helper()
	if err := s.send(t.Context()); err != nil || s.attempts.Swap(0) != 1 {
		t.Fatal(err)
	}
}

var ok = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, "{}")
})

func TestSendOnceMore(t *testing.T) {
	plain := func(m lossy.Moment) *httptest.Server { return lossy.NewServer(m, ok) }
	overTLS := func(h2 bool) *httptest.Server {
		srv := lossy.Unstarted(lossy.Answer, ok)
		srv.EnableHTTP2 = h2
		srv.StartTLS()
		return srv
	}
	for name, start := range map[string]func() *httptest.Server{
		"reset":  func() *httptest.Server { return plain(lossy.FirstBytes) },
		"closed": func() *httptest.Server { return plain(lossy.Answer) },
		"TLS":    func() *httptest.Server { return overTLS(false) },
		"HTTP/2": func() *httptest.Server { return overTLS(true) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSender(t, start())
			s.first(t)
			if err := s.send(t.Context()); err != nil || s.attempts.Load() != 2 {
				t.Errorf("%v after %d attempts", err, s.attempts.Load())
			}
		})
	}
	// What ended one connection has ended those that have been idle for longer.
	t.Run("all idle connections", func(t *testing.T) {
		const connections = 8
		var arrived sync.WaitGroup
		arrived.Add(connections)
		var waves atomic.Int32
		s := newSender(t, lossy.NewServer(lossy.FirstBytes, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if waves.Add(1) <= connections {
				arrived.Done()
				arrived.Wait()
			}
			ok(w, r)
		})))
		s.client.Transport.(*http.Transport).MaxIdleConnsPerHost = connections
		var calls sync.WaitGroup
		for range connections {
			calls.Go(func() {
				if err := s.send(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		s.attempts.Store(0)
		if err := s.send(t.Context()); err != nil || s.attempts.Load() != 2 {
			t.Errorf("%v after %d attempts", err, s.attempts.Load())
		}
	})
}

// faulty answers the first request, and does something else to the others.
func faulty(next http.HandlerFunc) http.HandlerFunc {
	var requests atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			ok(w, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		next(w, r)
	}
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func abort(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestSendNoMore(t *testing.T) {
	for name, c := range map[string]struct {
		next   http.HandlerFunc
		h2     bool
		change func(*sender)
		fresh  bool // the request that fails is the first on its connection
		want   int32
	}{
		"lost again":                        {next: abort, want: 2},
		"a connection that served no other": {next: abort, fresh: true, want: 1},
		"a byte of an answer": {next: func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, "H")
				conn.Close()
			}
		}, want: 1},
		"half an answer": {next: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "{}")
			_ = http.NewResponseController(w).Flush()
			abort(nil, nil)
		}, want: 1},
		"no answer in time": {next: hang, want: 1, change: func(s *sender) {
			s.client.Transport.(*http.Transport).ResponseHeaderTimeout = 20 * time.Millisecond
		}},
		"HTTP/2: one stream":        {next: abort, h2: true, want: 1},
		"HTTP/2: no answer in time": {next: hang, h2: true, want: 1, change: func(s *sender) { s.client.Timeout = 20 * time.Millisecond }},
	} {
		t.Run(name, func(t *testing.T) {
			var srv *httptest.Server
			if c.h2 {
				srv = httptest.NewUnstartedServer(faulty(c.next))
				srv.EnableHTTP2 = true
				srv.StartTLS()
			} else {
				srv = httptest.NewServer(faulty(c.next))
			}
			s := newSender(t, srv)
			s.first(t)
			if c.change != nil {
				c.change(s)
			}
			if c.fresh {
				s.client.CloseIdleConnections()
			}
			if err := s.send(t.Context()); err == nil || s.attempts.Load() != c.want {
				t.Errorf("%d attempts, want %d; %v", s.attempts.Load(), c.want, err)
			}
		})
	}
	t.Run("the end of the context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := newSender(t, httptest.NewServer(faulty(func(w http.ResponseWriter, r *http.Request) { cancel(); abort(w, r) })))
		s.first(t)
		if err := s.send(ctx); err == nil || s.attempts.Load() != 1 {
			t.Errorf("%d attempts; %v", s.attempts.Load(), err)
		}
	})
	t.Run("no connection", func(t *testing.T) {
		srv := httptest.NewServer(ok)
		s := newSender(t, srv)
		s.first(t)
		srv.Close()
		var op *net.OpError
		if err := s.send(t.Context()); !errors.As(err, &op) || op.Op != "dial" || s.attempts.Load() > 2 {
			t.Errorf("%d attempts; %v", s.attempts.Load(), err)
		}
	})
}
