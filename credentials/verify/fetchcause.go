package verify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
)

// maxQuoted bounds a foreign value in the text of a cause, in bytes before
// quoting.
const maxQuoted = 128

// quoted quotes a value that an answer or a configuration holds, bounded, for
// the text of a cause.
func quoted(value string) string {
	if len(value) > maxQuoted {
		return strconv.QuoteToASCII(value[:maxQuoted]) + "..."
	}
	return strconv.QuoteToASCII(value)
}

// quotedAll quotes each of some values.
func quotedAll(values []string) []string {
	all := make([]string, len(values))
	for i, value := range values {
		all[i] = quoted(value)
	}
	return all
}

// place names an address for the text of a cause: without user information,
// query and fragment, which can hold secrets.
func place(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "an address that is no URL"
	}
	return quoted((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String())
}

// transportCause says how a request failed that got no answer. The text of the
// error itself is not used: it can hold the whole URL, and bytes of the peer.
func transportCause(err error) string {
	var (
		timeout     net.Error
		op          *net.OpError
		dns         *net.DNSError
		authority   x509.UnknownAuthorityError
		hostname    x509.HostnameError
		certificate x509.CertificateInvalidError
		chain       *tls.CertificateVerificationError
		alert       tls.AlertError
		record      tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		if errors.As(err, &op) && op.Op == "dial" {
			return "timed out while connecting"
		}
		return "timed out"
	case errors.As(err, &dns):
		if dns.IsNotFound {
			return "no such host"
		}
		return "the host's name can't be resolved"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to the host"
	case errors.As(err, &authority):
		return "its certificate is of an unknown authority"
	case errors.As(err, &hostname):
		return "its certificate is for another host"
	case errors.As(err, &certificate) && certificate.Reason == x509.Expired:
		return "its certificate has expired or isn't valid yet"
	case errors.As(err, &certificate), errors.As(err, &chain):
		return "its certificate is not valid"
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return "it doesn't speak TLS"
	case errors.As(err, &alert):
		return "the TLS handshake failed"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed before an answer"
	default:
		return "no answer"
	}
}
