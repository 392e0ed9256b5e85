package authn

import (
	"crypto/tls"
	"errors"
	"net/http"
	"time"

	"github.com/usher-auth/usher/internal/httpx"
)

// Certifier is a [Method] that authenticates at the TLS layer (RFC 8705).
type Certifier interface {
	Method

	// Certificate answers a server's request for a certificate.
	Certificate(req *tls.CertificateRequestInfo) (*tls.Certificate, error)
}

// UsesTLS reports whether m authenticates at the TLS layer, where a server may
// publish other endpoints for it (RFC 8705 §5).
func UsesTLS(m Method) bool {
	_, ok := m.(Certifier)
	return ok
}

const (
	// clientTimeout bounds a request whose context doesn't.
	clientTimeout = 30 * time.Second
	// idleConnections is few: refreshes are minutes apart.
	idleConnections = 2
)

// Client makes the HTTP client for requests that m authenticates: base with
// redirects and cookies off and a time limit set, plus m's client certificate
// where it has one. A nil base means a client of its own, which honours the
// proxy variables of the environment.
//
// The transport of base is shared, not copied, except for a client certificate:
// then it must be an *http.Transport (or nil), and connections aren't kept
// alive, so that a rotated certificate is shown at the next request.
func Client(m Method, base *http.Client) (*http.Client, error) {
	client := httpx.Isolated(base)
	client.Timeout = clientTimeout
	if base != nil && base.Timeout > 0 {
		client.Timeout = base.Timeout
	}
	if client.Transport == nil {
		client.Transport = httpx.NewTransport(idleConnections)
	}
	method, ok := m.(Certifier)
	if !ok {
		return client, nil
	}
	transport, ok := client.Transport.(*http.Transport)
	if !ok {
		return nil, errors.New("a client certificate needs an HTTP client whose transport is an *http.Transport")
	}
	transport = transport.Clone()
	transport.DisableKeepAlives = true
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	transport.TLSClientConfig.Certificates = nil
	transport.TLSClientConfig.GetClientCertificate = method.Certificate
	client.Transport = transport
	return client, nil
}
