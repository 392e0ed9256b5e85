package httpx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
)

// Fault is why a request got no answer. Its text is constant: that of the error
// itself can hold the whole URL, and bytes of the peer.
type Fault uint8

// The faults.
const (
	NoAnswer Fault = iota
	Canceled
	TimedOut
	TimedOutConnecting
	NoSuchHost
	Unresolved
	Refused
	Reset
	NoRoute
	CertificateAuthority
	CertificateHost
	CertificateTime
	CertificateInvalid
	NotTLS
	Handshake
	Closed
)

var faultTexts = [...]string{
	NoAnswer:             "no answer",
	Canceled:             "canceled",
	TimedOut:             "timed out",
	TimedOutConnecting:   "timed out while connecting",
	NoSuchHost:           "no such host",
	Unresolved:           "the host's name can't be resolved",
	Refused:              "connection refused",
	Reset:                "connection reset",
	NoRoute:              "no route to the host",
	CertificateAuthority: "its certificate is of an unknown authority",
	CertificateHost:      "its certificate is for another host",
	CertificateTime:      "its certificate has expired or isn't valid yet",
	CertificateInvalid:   "its certificate is not valid",
	NotTLS:               "it doesn't speak TLS",
	Handshake:            "the TLS handshake failed",
	Closed:               "the connection was closed before an answer",
}

// String returns the constant text.
func (f Fault) String() string {
	if int(f) >= len(faultTexts) {
		return faultTexts[NoAnswer]
	}
	return faultTexts[f]
}

// FaultOf classifies the error of an HTTP client by its type.
func FaultOf(err error) Fault {
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
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		if errors.As(err, &op) && op.Op == "dial" {
			return TimedOutConnecting
		}
		return TimedOut
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.As(err, &dns):
		if dns.IsNotFound {
			return NoSuchHost
		}
		return Unresolved
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Reset
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return NoRoute
	case errors.As(err, &authority):
		return CertificateAuthority
	case errors.As(err, &hostname):
		return CertificateHost
	case errors.As(err, &certificate) && certificate.Reason == x509.Expired:
		return CertificateTime
	case errors.As(err, &certificate), errors.As(err, &chain):
		return CertificateInvalid
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return NotTLS
	case errors.As(err, &alert):
		return Handshake
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Closed
	default:
		return NoAnswer
	}
}
