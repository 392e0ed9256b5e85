package verify

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/credentials/credentialstest"
	"github.com/usher-auth/usher/internal/quote"
)

const metadataAt = credentialstest.MetadataEndpoint

// The keys can be had, only the document that says where they are can't.
func TestMetadataOutageWithKeysThere(t *testing.T) {
	for name, fault := range map[string]credentialstest.Fault{
		"503": credentialstest.Status(503, ""), "HTML": credentialstest.HTML(200), "hanging": credentialstest.Hang(),
	} {
		t.Run("row 31 "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told, fetched atomic.Int64
				issuer, v := memoryIssuer(t, func(c *JWTConfig) {
					c.JWKSURL = ""
					c.Observer.KeysFetched = func(e KeysFetched) {
						fetched.Add(1)
						if e.Err == nil && e.MetadataErr != nil {
							told.Add(1)
						}
					}
				})
				accept(t, v, issuer.Mint(nil), "warm")
				issuer.Script(metadataAt, credentialstest.Always(fault))
				before := issuer.Requests(metadataAt)
				time.Sleep(2 * defaultMaxStale)
				synctest.Wait()
				accept(t, v, issuer.Mint(nil), "row 31: the keys are fresh")
				issuer.Rotate()
				start := time.Now()
				accept(t, v, issuer.Mint(nil), "row 33: a new key")
				if d := time.Since(start); d > defaultFetchTimeout {
					t.Errorf("row 31: the fetch took %v", d)
				}
				if n := issuer.Requests(metadataAt) - before; n < 48 || n > 2*24*13 {
					t.Errorf("row 31: %d requests for metadata in two days", n)
				}
				if told.Load() == 0 || told.Load() > fetched.Load() {
					t.Errorf("row 31: %d of %d fetches told that the metadata can't be read", told.Load(), fetched.Load())
				}
			})
		})
	}
}

func TestMetadataOfAnotherIssuerDontFallBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t, func(c *JWTConfig) { c.JWKSURL = "" })
		accept(t, v, issuer.Mint(nil), "warm")
		issuer.Script(metadataAt, credentialstest.Always(credentialstest.Alter(object{"issuer": "https://evil.test"})))
		time.Sleep(defaultMaxStale + 2*time.Hour)
		refuse(t, v, issuer.Mint(nil), "row 34: the issuer says that the keys are another's", misconfiguredHere)
	})
}

func TestKeysThatMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey("k1", EdDSA)
		srv := newKeyServer(key)
		var moved, metadataDown atomic.Bool
		srv.setAnswer(func(r *http.Request) *http.Response {
			at := "/jwks"
			if moved.Load() {
				at = "/new"
			}
			switch {
			case r.URL.Path == "/.well-known/openid-configuration" && metadataDown.Load():
				return answer(503, "")
			case r.URL.Path == "/.well-known/openid-configuration":
				return answer(200, jsonOf(object{"issuer": testIssuer, "jwks_uri": testIssuer + at}))
			case r.URL.Path != at:
				return answer(404, "")
			default:
				return answer(200, jsonOf(object{"keys": []any{key.jwk()}}))
			}
		})
		cfg := srv.config()
		cfg.JWKSURL = ""
		v := newJWT(t, cfg)
		accept(t, v, key.token(numbered()), "warm")
		moved.Store(true)
		metadataDown.Store(true)
		time.Sleep(2 * time.Hour)
		metadataDown.Store(false)
		time.Sleep(2 * maxBackoff)
		v.keys.mu.Lock()
		err := v.keys.lastErr
		v.keys.mu.Unlock()
		if err != nil {
			t.Fatalf("the new address is not found: %v", err)
		}
	})
}

func TestCausesSayWhatWasAskedAndHowItFailed(t *testing.T) {
	dial := func(err error) error {
		return &url.Error{Op: "Get", URL: "https://user:hunter2@issuer.test/jwks?key=hunter2", Err: &net.OpError{Op: "dial", Net: "tcp", Err: err}}
	}
	for want, err := range map[string]error{
		"connection refused":                             dial(syscall.ECONNREFUSED),
		"connection reset":                               dial(syscall.ECONNRESET),
		"no route to the host":                           dial(syscall.EHOSTUNREACH),
		"no such host":                                   dial(&net.DNSError{IsNotFound: true, Name: "hunter2"}),
		"the host's name can't be resolved":              dial(&net.DNSError{Name: "hunter2"}),
		"timed out while connecting":                     dial(&net.DNSError{IsTimeout: true}),
		"its certificate is of an unknown authority":     dial(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}),
		"its certificate is for another host":            dial(x509.HostnameError{Certificate: &x509.Certificate{}, Host: "hunter2"}),
		"its certificate has expired or isn't valid yet": dial(x509.CertificateInvalidError{Reason: x509.Expired}),
		"its certificate is not valid":                   dial(x509.CertificateInvalidError{Reason: x509.NotAuthorizedToSign}),
		"the TLS handshake failed":                       dial(tls.AlertError(40)),
		"it doesn't speak TLS":                           dial(tls.RecordHeaderError{Msg: "hunter2"}),
		"the connection was closed before an answer":     dial(io.ErrUnexpectedEOF),
		"no answer": dial(errors.New("hunter2")),
	} {
		cfg := newKeyServer().config()
		cfg.JWKSURL = testIssuer + "/jwks?key=hunter2"
		cfg.HTTPClient = &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, err })}
		got := newJWT(t, cfg).Ready(t.Context())
		text := fmt.Sprint(got)
		if !strings.HasSuffix(text, `key set at "https://issuer.test/jwks": `+want) || strings.Contains(text, "hunter2") {
			t.Errorf("%s: got %q", want, text)
		}
	}
	for want, answered := range map[string]*http.Response{
		`metadata at "https://issuer.test/.well-known/openid-configuration": HTTP status 503`: answer(503, "hunter2"),
		`metadata at "https://issuer.test/.well-known/openid-configuration": malformed`:       answer(200, "hunter2"),
		`issuer is "https://issuer.test/" (unverified), but JWTConfig.Issuer is "https://issuer.test": they must be equal byte by byte, a trailing slash included`: answer(200,
			jsonOf(object{"issuer": testIssuer + "/", "jwks_uri": testIssuer + "/jwks"})),
		`jwks_uri is "http://issuer.test/jwks" (unverified): not https`: answer(200,
			jsonOf(object{"issuer": testIssuer, "jwks_uri": "http://a:hunter2@issuer.test/jwks?hunter2"})),
	} {
		cfg := newKeyServer().config()
		cfg.JWKSURL = ""
		cfg.HTTPClient = &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return answered, nil })}
		text := fmt.Sprint(newJWT(t, cfg).Ready(t.Context()))
		if !strings.Contains(text, want) || strings.Contains(text, "hunter2") {
			t.Errorf("got %q, want %q in it", text, want)
		}
	}
	long := "https://issuer.test/" + strings.Repeat("\x00", 4096)
	if shown := place("https://issuer.test/" + strings.Repeat("p", 4096)); len(shown) > 400 {
		t.Errorf("an address of 4 KiB is shown in %d bytes", len(shown))
	}
	if shown := quoted(long); len(shown) > 4*quote.Max+16 || strings.Contains(shown, "\x00") {
		t.Errorf("a value is shown in %d bytes", len(shown))
	}
	srv := newKeyServer()
	srv.publishRaw(object{"kty": "oct"}, object{})
	if text := fmt.Sprint(newJWT(t, srv.config()).Ready(t.Context())); !strings.HasSuffix(text, `key set at "https://issuer.test/jwks": no key that could be used, of 2`) {
		t.Errorf("got %q", text)
	}
}
