// Package httpx implements the rules of all HTTP requests that usher makes: no
// redirect is followed and no cookie kept, a server's answer is bounded, a
// request that is lost with an old connection is sent once more, and no part of
// a URL or of an answer is in an error's text.
package httpx

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	dialTimeout = 10 * time.Second
	// idleTimeout closes connections before common load balancers do (60 s).
	idleTimeout = 30 * time.Second
	// maxHeaderBytes bounds the header of an answer.
	maxHeaderBytes = 64 << 10
)

// Isolated returns a client on the transport of base, which may be nil, that
// follows no redirect: one would take a secret or a token to whatever server the
// answer names. It keeps no cookie and has no timeout of its own: a request is
// bounded by its context.
func Isolated(base *http.Client) *http.Client {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if base != nil {
		client.Transport = base.Transport
	}
	return client
}

// NewTransport returns a transport that keeps up to idle connections to a host
// for its next requests. It honours the proxy variables of the environment.
func NewTransport(idle int) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    idle,
		IdleConnTimeout:        idleTimeout,
		TLSHandshakeTimeout:    dialTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
	}
}

// ErrTooLarge is the error of [Read] for an answer above its limit.
var ErrTooLarge = errors.New("the answer is too large")

// Read reads all of body, at most limit bytes. Any error other than
// [ErrTooLarge] means that the answer broke off.
func Read(body io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, ErrTooLarge
	}
	return data, nil
}

// Discard reads a little of what is left of an answer, so that its connection
// can be used again, and closes it.
func Discard(response *http.Response) {
	_, _ = io.CopyN(io.Discard, response.Body, maxHeaderBytes)
	_ = response.Body.Close()
}
