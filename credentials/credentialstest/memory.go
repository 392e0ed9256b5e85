package credentialstest

import (
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// memoryURL is the issuer's name when there is no socket: https, so that it is
// accepted where plain http would not be.
const memoryURL = "https://issuer.test"

// memory carries requests to the handler without a socket.
type memory struct {
	handler http.Handler
	off     atomic.Bool
	work    sync.WaitGroup
}

func (m *memory) down()     { m.off.Store(true) }
func (m *memory) up() error { m.off.Store(false); return nil }
func (m *memory) stop()     { m.off.Store(true); m.work.Wait() }

// RoundTrip implements http.RoundTripper.
func (m *memory) RoundTrip(req *http.Request) (*http.Response, error) {
	if m.off.Load() {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	body := req.Body
	if body == nil {
		body = http.NoBody
	}
	in := req.Clone(req.Context())
	in.Body = body
	in.RequestURI = req.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:1"
	reader, writer := io.Pipe()
	w := &memoryWriter{header: http.Header{}, pipe: writer, ready: make(chan struct{})}
	m.work.Go(func() {
		defer func() { _ = body.Close() }()
		err := serve(m.handler, w, in)
		if err == nil {
			// A client that left reads no answer, whatever was written.
			err = req.Context().Err()
		}
		w.finish(err)
	})
	select {
	case <-w.ready:
	case <-req.Context().Done():
		_ = reader.CloseWithError(req.Context().Err())
		return nil, req.Context().Err()
	}
	if w.failed != nil {
		return nil, w.failed
	}
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: reader, ContentLength: -1, Request: req,
	}, nil
}

// serve runs the handler; one that aborts has cut the connection.
func serve(h http.Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler { //nolint:errorlint // net/http compares the panic's value, too
				panic(p)
			}
			err = io.ErrUnexpectedEOF
		}
	}()
	h.ServeHTTP(w, r)
	return nil
}

// memoryWriter hands the answer to the client as it is written.
type memoryWriter struct {
	header http.Header
	pipe   *io.PipeWriter
	once   sync.Once
	ready  chan struct{}

	// Set before ready is closed.
	status int
	sent   http.Header
	failed error
}

func (w *memoryWriter) Header() http.Header { return w.header }

func (w *memoryWriter) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.ready)
	})
}

func (w *memoryWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.pipe.Write(b)
}

// Flush implements http.Flusher: nothing is held back.
func (w *memoryWriter) Flush() { w.WriteHeader(http.StatusOK) }

// finish ends the answer.
func (w *memoryWriter) finish(err error) {
	w.once.Do(func() {
		w.status, w.sent, w.failed = http.StatusOK, w.header.Clone(), err
		close(w.ready)
	})
	_ = w.pipe.CloseWithError(err) // nil means EOF
}
