package httpx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestIsolatedFollowsNothingAndKeepsNothing(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		var reached atomic.Int32
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			reached.Add(1)
			if _, err := r.Cookie("a"); err == nil {
				t.Error("a cookie came back")
			}
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
			http.Redirect(w, r, "/again", status)
		}))
		jar, _ := cookiejar.New(nil)
		base := &http.Client{Transport: NewTransport(1), Jar: jar, Timeout: time.Hour}
		client := Isolated(base)
		for range 2 {
			resp, err := client.PostForm(srv.URL, url.Values{"client_secret": {"not-a-secret"}})
			if err != nil {
				t.Fatal(err)
			}
			Discard(resp)
			if resp.StatusCode != status {
				t.Error(resp.StatusCode)
			}
		}
		if reached.Load() != 2 || client.Timeout != 0 || base.CheckRedirect != nil || base.Jar == nil {
			t.Error(reached.Load(), client, base)
		}
		client.CloseIdleConnections()
		srv.Close()
	}
	if Isolated(nil).Transport != nil {
		t.Error("a transport out of nothing")
	}
}

func TestTransportBoundsTheHeader(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X", strings.Repeat("x", 2*maxHeaderBytes))
	}))
	defer srv.Close()
	client := &http.Client{Transport: NewTransport(1)}
	defer client.CloseIdleConnections()
	resp, err := client.Get(srv.URL)
	if err == nil {
		Discard(resp)
		t.Error("a header above the limit was read")
	}
}

func TestRead(t *testing.T) {
	for text, want := range map[string]error{"": nil, "12345678": nil, "123456789": ErrTooLarge} {
		if got, err := Read(strings.NewReader(text), 8); !errors.Is(err, want) || err == nil && string(got) != text {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	broken := io.MultiReader(strings.NewReader("1"), errReader{})
	if got, err := Read(broken, 8); err == nil || got != nil || errors.Is(err, ErrTooLarge) {
		t.Errorf("%q, %v", got, err)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestFaultOf(t *testing.T) {
	const secret = "not-a-secret.example"
	dial := func(err error) error {
		return &url.Error{Op: "Post", URL: "https://" + secret, Err: &net.OpError{Op: "dial", Net: "tcp", Err: err}}
	}
	read := func(errno syscall.Errno) error {
		return &net.OpError{Op: "read", Err: os.NewSyscallError("read", errno)}
	}
	cert := func(err error) error {
		return &url.Error{URL: secret, Err: &tls.CertificateVerificationError{Err: err}}
	}
	for name, c := range map[string]struct {
		err  error
		want Fault
	}{
		"nothing known":        {errors.New(secret), NoAnswer},
		"canceled":             {fmt.Errorf("%s: %w", secret, context.Canceled), Canceled},
		"a deadline":           {fmt.Errorf("%s: %w", secret, context.DeadlineExceeded), TimedOut},
		"a deadline of the OS": {dial(os.ErrDeadlineExceeded), TimedOutConnecting},
		"a slow name":          {&net.DNSError{Name: secret, IsTimeout: true}, TimedOut},
		"no such name":         {dial(&net.DNSError{Name: secret, IsNotFound: true}), NoSuchHost},
		"a name server's word": {dial(&net.DNSError{Name: secret}), Unresolved},
		"refused":              {dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), Refused},
		"reset":                {read(syscall.ECONNRESET), Reset},
		"a broken pipe":        {read(syscall.EPIPE), Reset},
		"no route":             {dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), NoRoute},
		"no network":           {dial(os.NewSyscallError("connect", syscall.ENETUNREACH)), NoRoute},
		"an authority":         {cert(x509.UnknownAuthorityError{}), CertificateAuthority},
		"another host":         {cert(x509.HostnameError{Host: secret, Certificate: &x509.Certificate{}}), CertificateHost},
		"expired":              {cert(x509.CertificateInvalidError{Reason: x509.Expired}), CertificateTime},
		"invalid":              {cert(x509.CertificateInvalidError{Reason: x509.TooManyIntermediates}), CertificateInvalid},
		"another fault of it":  {cert(errors.New(secret)), CertificateInvalid},
		"no TLS":               {dial(tls.RecordHeaderError{Msg: secret}), NotTLS},
		"http to https":        {&url.Error{URL: secret, Err: http.ErrSchemeMismatch}, NotTLS},
		"an alert":             {dial(tls.AlertError(40)), Handshake},
		"the end":              {&url.Error{URL: secret, Err: io.EOF}, Closed},
		"half an answer":       {io.ErrUnexpectedEOF, Closed},
	} {
		t.Run(name, func(t *testing.T) {
			if got := FaultOf(c.err); got != c.want || strings.Contains(got.String(), secret) || got.String() == "" {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
	if Fault(200).String() != NoAnswer.String() {
		t.Error(Fault(200))
	}
}
