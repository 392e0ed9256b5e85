package credentials

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestDescribe(t *testing.T) {
	const secret = "not-a-secret.example"
	dial := func(err error) error {
		return &url.Error{Op: "Post", URL: "https://" + secret, Err: &net.OpError{Op: "dial", Net: "tcp", Err: err}}
	}
	for want, err := range map[string]error{
		"did not answer in time":        fmt.Errorf("%s: %w", secret, context.DeadlineExceeded),
		"was canceled":                  fmt.Errorf("%s: %w", secret, context.Canceled),
		"could not be resolved":         dial(&net.DNSError{Name: secret, Err: "no such host"}),
		"refused the connection":        dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)),
		"reset the connection":          &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)},
		"certificate is not trusted":    dial(x509.UnknownAuthorityError{}),
		"the TLS handshake":             dial(tls.RecordHeaderError{Msg: secret}),
		"could not be reached":          errors.New(secret),
		"authorization server's certif": dial(x509.HostnameError{Host: secret, Certificate: &x509.Certificate{}}),
	} {
		f := failureOf(err)
		if got := f.err.Error(); !strings.Contains(got, want) || strings.Contains(got, secret) {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
		if f.err.Kind != KindUnavailable || !f.wide || f.err.Unwrap() == nil {
			t.Errorf("%v: %+v", err, f)
		}
	}
}
