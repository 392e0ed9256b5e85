package clientauth

import (
	"context"
	"crypto/tls"
	"errors"

	"github.com/usher-auth/usher/credentials/internal/authn"
)

// CertificateSource supplies a client certificate at each TLS handshake.
type CertificateSource func(context.Context) (*tls.Certificate, error)

// CertificateFiles returns a source that reads a certificate chain and its key
// from PEM files, again at each handshake.
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
			return nil, &authn.Error{Text: "the client certificate can't be parsed", Err: err}
		}
		return &cert, nil
	}
}

// TLSClientAuth authenticates with a certificate at the TLS layer
// (tls_client_auth and self_signed_tls_client_auth, RFC 8705 §2). The form carries
// the client id alone. An HTTPClient configured beside it must have an
// *http.Transport or none; it is copied.
func TLSClientAuth(source CertificateSource) Method { return tlsClientAuth{source: source} }

type tlsClientAuth struct{ source CertificateSource }

func (t tlsClientAuth) Check(clientID string, _ authn.Endpoint) []error {
	var faults []error
	if t.source == nil {
		faults = append(faults, errors.New("the client certificate has no source: the CertificateSource is nil"))
	}
	if clientID == "" {
		faults = append(faults, authn.ErrNoClientID)
	}
	return faults
}

func (t tlsClientAuth) Prove(_ context.Context, clientID string, _ authn.Endpoint) (authn.Proof, error) {
	return authn.Proof{ClientID: clientID}, nil
}

// Certificate implements authn.Certifier: it answers a server's request for a certificate.
func (t tlsClientAuth) Certificate(req *tls.CertificateRequestInfo) (cert *tls.Certificate, err error) {
	defer func() {
		if r := recover(); r != nil {
			cert, err = nil, &authn.Error{Text: "the function that supplies the client certificate panicked"}
		}
	}()
	cert, err = t.source(req.Context())
	if err != nil {
		if known := (*authn.Error)(nil); errors.As(err, &known) {
			return nil, err
		}
		return nil, &authn.Error{Text: "the client certificate can't be read", Err: err}
	}
	if cert == nil {
		return nil, &authn.Error{Text: "the client certificate is missing"}
	}
	return cert, nil
}
