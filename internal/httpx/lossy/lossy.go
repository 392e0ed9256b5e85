// Package lossy is an HTTP server for tests whose connections serve one request
// each and are lost with the second one, as when a server's idle timeout ends
// just as a client sends. Nothing in the first answer announces it.
package lossy

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
)

// Moment is when a connection is lost.
type Moment uint8

const (
	// FirstBytes is when the first bytes of the second request arrive: nothing
	// reads it, and the connection is reset.
	FirstBytes Moment = iota
	// Answer is when the second request has been dealt with: its answer is lost
	// and the connection is closed.
	Answer
)

// NewServer starts a server on loopback. The caller closes it.
func NewServer(moment Moment, h http.Handler) *httptest.Server {
	s := Unstarted(moment, h)
	s.Start()
	return s
}

// Unstarted makes a server that is still to be started, such as with TLS, which
// hides from the server what the first bytes of a request are.
func Unstarted(moment Moment, h http.Handler) *httptest.Server {
	if moment == FirstBytes {
		s := httptest.NewUnstartedServer(h)
		s.Listener = listener{s.Listener}
		return s
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(connectionKey{}).(*connection)
		if !ok || c.requests.Add(1) == 1 {
			h.ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		_ = c.Close()
	}))
	s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connectionKey{}, &connection{Conn: c})
	}
	return s
}

type connectionKey struct{}

// connection counts its requests.
type connection struct {
	net.Conn

	requests atomic.Int32
}

// listener accepts connections that end at the first bytes after the first
// answer.
type listener struct{ net.Listener }

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &once{Conn: c}, nil
}

// once is a connection for one request.
type once struct {
	net.Conn

	answered atomic.Bool
}

// Write implements net.Conn.
func (o *once) Write(p []byte) (int, error) {
	o.answered.Store(true)
	return o.Conn.Write(p)
}

// Read implements net.Conn.
func (o *once) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	if n > 0 && o.answered.Load() {
		_ = o.Close() // what wasn't read makes it a reset
		return 0, io.EOF
	}
	return n, err
}
