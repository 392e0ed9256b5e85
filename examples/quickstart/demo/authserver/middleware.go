package authserver

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
)

const tokenPath = "/token"

// counted counts the requests to the token endpoint.
func (s *Server) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == tokenPath {
			s.tokens.Add(1)
		}
		next.ServeHTTP(w, r)
	})
}

type certificateKey struct{}

var errNoCertificate = errors.New("authserver: the client has no certificate")

// withCertificate hands the client's certificate, which crypto/tls has verified,
// to go-oidc, which asks for it by context.
func withCertificate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			r = r.WithContext(context.WithValue(r.Context(), certificateKey{}, r.TLS.PeerCertificates[0]))
		}
		next.ServeHTTP(w, r)
	})
}

func certificateFrom(ctx context.Context) (*x509.Certificate, error) {
	certificate, ok := ctx.Value(certificateKey{}).(*x509.Certificate)
	if !ok {
		return nil, errNoCertificate
	}
	return certificate, nil
}
