package credentials

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"syscall"
)

// describe says in constant words what kept a request from being answered. The
// error's own text may name hosts and addresses; it stays in Unwrap.
func describe(err error) string {
	var (
		dns       *net.DNSError
		untrusted x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		alert     tls.AlertError
		record    tls.RecordHeaderError
		timeout   net.Error
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "the authorization server did not answer in time"
	case errors.Is(err, context.Canceled):
		return "the request to the authorization server was canceled"
	case errors.As(err, &dns):
		return "the authorization server's name could not be resolved"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the authorization server refused the connection"
	case errors.Is(err, syscall.ECONNRESET):
		return "the authorization server reset the connection"
	case errors.As(err, &untrusted), errors.As(err, &name), errors.As(err, &invalid), errors.As(err, &verify):
		return "the authorization server's certificate is not trusted"
	case errors.As(err, &alert), errors.As(err, &record):
		return "the TLS handshake with the authorization server failed"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "the authorization server did not answer in time"
	}
	return "the authorization server could not be reached"
}
