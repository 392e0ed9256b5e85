package clientauth

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"time"

	"github.com/usher-auth/usher/internal/httpx"
)

// CertificateSource supplies a client certificate at each TLS handshake.
type CertificateSource func(context.Context) (*tls.Certificate, error)

// CertificateFiles is a certificate chain and its key in PEM files, read again
// at each handshake.
func CertificateFiles(certPath, keyPath string) CertificateSource {
	return func(context.Context) (*tls.Certificate, error) {
		chain, err := readFile(certPath)
		if err != nil {
			return nil, err
		}
		key, err := readFile(keyPath)
		if err != nil {
			return nil, err
		}
		cert, err := tls.X509KeyPair(chain, key)
		if err != nil {
			return nil, &Error{Text: "the client certificate can't be parsed", Err: err}
		}
		return &cert, nil
	}
}

// TLSClientAuth authenticates with a certificate at the TLS layer, issued by a
// trusted authority or self-signed (RFC 8705 §2). The form carries the client
// id alone. Requests must go through a [Client].
func TLSClientAuth(source CertificateSource) Method { return tlsClientAuth{source: source} }

type tlsClientAuth struct{ source CertificateSource }

func (t tlsClientAuth) check(clientID string, _ Endpoint) error {
	if t.source == nil {
		return errors.New("the client certificate has no source")
	}
	if clientID == "" {
		return errNoClientID
	}
	return nil
}

func (t tlsClientAuth) prove(_ context.Context, clientID string, _ Endpoint) (Proof, error) {
	return Proof{ClientID: clientID}, nil
}

// certificate answers a server's request for a certificate.
func (t tlsClientAuth) certificate(req *tls.CertificateRequestInfo) (cert *tls.Certificate, err error) {
	defer func() {
		if r := recover(); r != nil {
			cert, err = nil, &Error{Text: "the function that supplies the client certificate panicked"}
		}
	}()
	cert, err = t.source(req.Context())
	if err != nil {
		if known := (*Error)(nil); errors.As(err, &known) {
			return nil, err
		}
		return nil, &Error{Text: "the client certificate can't be read", Err: err}
	}
	if cert == nil {
		return nil, &Error{Text: "the client certificate is missing"}
	}
	return cert, nil
}

// UsesTLS reports whether m authenticates at the TLS layer, where a server may
// publish other endpoints for it (RFC 8705 §5).
func UsesTLS(m Method) bool {
	_, ok := m.(tlsClientAuth)
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
	method, ok := m.(tlsClientAuth)
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
	transport.TLSClientConfig.GetClientCertificate = method.certificate
	client.Transport = transport
	return client, nil
}
