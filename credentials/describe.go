package credentials

import (
	"errors"
	"net"

	"github.com/usher-auth/usher/internal/httpx"
)

// describe returns a constant text for what kept a request from being answered.
// The error's own text may name hosts and addresses; it is available by Unwrap
// only.
func describe(err error) string {
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) {
		return "the authorization server's name could not be resolved" // in time or not
	}
	switch httpx.FaultOf(err) {
	case httpx.TimedOut, httpx.TimedOutConnecting:
		return "the authorization server did not answer in time"
	case httpx.Canceled:
		return "the request to the authorization server was canceled"
	case httpx.Refused:
		return "the authorization server refused the connection"
	case httpx.Reset:
		return "the authorization server reset the connection"
	case httpx.CertificateAuthority, httpx.CertificateHost, httpx.CertificateTime, httpx.CertificateInvalid:
		return "the authorization server's certificate is not trusted"
	case httpx.NotTLS, httpx.Handshake:
		return "the TLS handshake with the authorization server failed"
	default:
		return "the authorization server could not be reached"
	}
}
