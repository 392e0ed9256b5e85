package httpx

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// Send calls attempt, which makes one request of client's under the context that
// it is given and returns the client's error as it is. It calls it once more if
// the server may have ended the connection for being idle just as the request
// was sent: it had served another request before, and was lost before a byte of
// the answer. A server can't announce that, and net/http repeats only requests
// that it knows to be idempotent.
//
// It is for requests that may be repeated, such as those for a token, a verdict
// or a decision. Client authentication may be good for one use only, and a body
// is read once: attempt makes both anew. Its context is for that one request: what
// else it asks, such as for a token or a secret, it asks under a context of its own,
// or those requests would be taken for client's.
//
// The second attempt is the last. It doesn't use a connection that has been idle
// for longer than the one that was lost: those of the client's are closed.
func Send(ctx context.Context, client *http.Client, attempt func(context.Context) error) error {
	var c connection
	err := attempt(httptrace.WithClientTrace(ctx, c.trace()))
	if err == nil || ctx.Err() != nil || !c.lost(err) {
		return err
	}
	client.CloseIdleConnections()
	return attempt(ctx)
}

// connection is what becomes known of the connection of a request. The hooks run
// on goroutines of the transport's.
type connection struct {
	reused, shared, answered atomic.Bool
}

func (c *connection) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) {
			secure, ok := got.Conn.(interface{ ConnectionState() tls.ConnectionState })
			c.shared.Store(ok && secure.ConnectionState().NegotiatedProtocol == "h2")
			c.reused.Store(got.Reused)
		},
		GotFirstResponseByte: func() { c.answered.Store(true) },
	}
}

// lost reports whether a request that ended in err was lost with a connection
// that had served others.
func (c *connection) lost(err error) bool {
	if !c.reused.Load() || c.answered.Load() {
		return false
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return false
	}
	if !c.shared.Load() {
		return true // with HTTP/1.1 what ends a request before its answer ends the connection
	}
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &op)
}
