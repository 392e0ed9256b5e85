package clientauth

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/usher-auth/usher/credentials/internal/authn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var endpoint = authn.Endpoint{URL: "https://auth.test/introspect", Issuer: "https://auth.test"}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestApply(t *testing.T) {
	path := filepath.Join(t.TempDir(), "assertion")
	if err := os.WriteFile(path, []byte("a.b.c\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	for name, c := range map[string]struct {
		method Method
		header string
		form   string
	}{
		"basic": {SecretBasic(Constant("not a:secret")), "Basic YSthJTNBYjpub3QrYSUzQXNlY3JldA==", "token=t"},
		"post":  {SecretPost(Constant("not a:secret")), "", "client_id=a+a%3Ab&client_secret=not+a%3Asecret&token=t"},
		"file":  {AssertionFile(path), "", "client_assertion=a.b.c&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_id=a+a%3Ab&token=t"},
		"tls":   {TLSClientAuth(CertificateFiles("/x", "/y")), "", "client_id=a+a%3Ab&token=t"},
	} {
		t.Run(name, func(t *testing.T) {
			form, header := url.Values{"token": {"t"}}, http.Header{}
			if err := authn.Apply(context.Background(), c.method, "a a:b", endpoint, form, header); err != nil {
				t.Fatal(err)
			}
			if header.Get("Authorization") != c.header || form.Encode() != c.form {
				t.Errorf("header %q, form %q", header.Get("Authorization"), form.Encode())
			}
		})
	}
	t.Run("private key", func(t *testing.T) {
		for audience, want := range map[Audience]string{AudienceIssuer: endpoint.Issuer, AudienceTokenURL: endpoint.URL} {
			form := url.Values{}
			if err := authn.Apply(context.Background(), PrivateKeyJWT(PrivateKey{Key: Signer(key), Audience: audience}), "a", endpoint, form, http.Header{}); err != nil {
				t.Fatal(err)
			}
			if _, err := jwt.Parse(form.Get("client_assertion"), func(*jwt.Token) (any, error) { return key.Public(), nil }, jwt.WithAudience(want), jwt.WithValidMethods([]string{"ES256"})); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("an error touches nothing", func(t *testing.T) {
		for name, m := range map[string]Method{
			"nil":      nil,
			"no file":  AssertionFile(filepath.Join(t.TempDir(), "none")),
			"refused":  SecretPost(func(context.Context) (string, error) { return "", errors.New("not-a-secret") }),
			"panic":    SecretBasic(func(context.Context) (string, error) { panic("not-a-secret") }),
			"nil func": SecretBasic(nil),
		} {
			form, header := url.Values{}, http.Header{}
			err := authn.Apply(context.Background(), m, "a", endpoint, form, header)
			var known *authn.Error
			if !errors.As(err, &known) || len(form) != 0 || len(header) != 0 || strings.Contains(err.Error(), "not-a-secret") {
				t.Errorf("%s: %v %v %v", name, err, form, header)
			}
		}
	})
}

// oddSigner is a signer whose signatures are wrong.
type oddSigner struct {
	crypto.Signer

	out []byte
	err error
}

func (o oddSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return o.out, o.err }

func TestKeysThatCannotSign(t *testing.T) {
	p256 := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	der := func(r, s *big.Int) []byte { return must(asn1.Marshal(struct{ R, S *big.Int }{r, s})) }
	huge := new(big.Int).Lsh(big.NewInt(1), 300)
	for name, c := range map[string]struct {
		key crypto.Signer
		alg string
	}{
		"none":                  {nil, ""},
		"RSA below 2048 bits":   {must(rsa.GenerateKey(rand.Reader, 1024)), ""},
		"P-384":                 {must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), ""},
		"EC key for RS256":      {p256, rs256},
		"Ed25519 key for ES256": {ed25519.NewKeyFromSeed(make([]byte, 32)), es256},
		"RSA key for EdDSA":     {must(rsa.GenerateKey(rand.Reader, 2048)), edDSA},
		"signer fails":          {oddSigner{p256, nil, errors.New("not-a-secret")}, ""},
		"signature is no ASN.1": {oddSigner{p256, []byte("x"), nil}, ""},
		"r is zero":             {oddSigner{p256, der(big.NewInt(0), big.NewInt(1)), nil}, ""},
		"s is negative":         {oddSigner{p256, der(big.NewInt(1), big.NewInt(-1)), nil}, ""},
		"r is too large":        {oddSigner{p256, der(huge, big.NewInt(1)), nil}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := authn.Prove(context.Background(), PrivateKeyJWT(PrivateKey{Key: Signer(c.key), Algorithm: c.alg}), "a", endpoint)
			var known *authn.Error
			if !errors.As(err, &known) || strings.Contains(err.Error(), "not-a-secret") {
				t.Fatal(err)
			}
		})
	}
}

func TestKeyFile(t *testing.T) {
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	ecKey := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	path := filepath.Join(t.TempDir(), "key.pem")
	for name, c := range map[string]struct {
		content string
		ok      bool
	}{
		"PKCS #8":             {block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(rsaKey))), true},
		"PKCS #1":             {block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), true},
		"SEC 1":               {block("EC PARAMETERS", []byte("x")) + block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(ecKey))), true},
		"a public key":        {block("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(rsaKey.Public()))), false},
		"a damaged key":       {block("PRIVATE KEY", []byte("x")), false},
		"a key for agreement": {block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(must(ecdh.X25519().GenerateKey(rand.Reader))))), false},
		"empty":               {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if key, err := KeyFile(path)(context.Background()); (err == nil) != c.ok || (key != nil) != c.ok {
				t.Fatal(key, err)
			}
		})
	}
}

func TestFilesThatBlockAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := File(path)(context.Background()); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Fatal(err)
	}
}

func TestClient(t *testing.T) {
	t.Run("redirects are off, cookies are dropped, there is a time limit", func(t *testing.T) {
		var reached atomic.Int32
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			reached.Add(1)
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
			http.Redirect(w, r, "/again", http.StatusTemporaryRedirect)
		}))
		defer srv.Close()
		client := must(authn.Client(SecretBasic(Constant("x")), nil))
		defer client.CloseIdleConnections()
		resp, err := client.PostForm(srv.URL, url.Values{"client_secret": {"not-a-secret"}})
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 307 || reached.Load() != 1 || client.Jar != nil || client.Timeout != 30*time.Second {
			t.Fatal(resp.StatusCode, reached.Load(), client.Timeout)
		}
	})
	t.Run("the caller's client is left as it is", func(t *testing.T) {
		base := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{ServerName: "a", MinVersion: tls.VersionTLS13}}, Timeout: time.Second}
		client := must(authn.Client(TLSClientAuth(CertificateFiles("/x", "/y")), base))
		own, kept := client.Transport.(*http.Transport), base.Transport.(*http.Transport)
		if own == kept || kept.TLSClientConfig.GetClientCertificate != nil || kept.DisableKeepAlives {
			t.Error("the caller's transport was changed")
		}
		if own.TLSClientConfig.ServerName != "a" || own.TLSClientConfig.GetClientCertificate == nil || client.Timeout != time.Second || base.CheckRedirect != nil {
			t.Error("the copy is not complete")
		}
	})
	t.Run("a certificate source that fails or panics", func(t *testing.T) {
		for name, source := range map[string]CertificateSource{
			"error": func(context.Context) (*tls.Certificate, error) { return nil, errors.New("not-a-secret") },
			"none":  func(context.Context) (*tls.Certificate, error) { return nil, nil },
			"panic": func(context.Context) (*tls.Certificate, error) { panic("not-a-secret") },
			"files": CertificateFiles("/nowhere/a", "/nowhere/b"),
		} {
			cert, err := tlsClientAuth{source}.Certificate(&tls.CertificateRequestInfo{})
			var known *authn.Error
			if cert != nil || !errors.As(err, &known) || strings.Contains(err.Error(), "not-a-secret") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestCheck(t *testing.T) {
	key := Signer(ed25519.NewKeyFromSeed(make([]byte, 32)))
	for name, c := range map[string]struct {
		method Method
		id     string
		ep     authn.Endpoint
		ok     bool
	}{
		"complete":             {SecretBasic(Constant("x")), "a", endpoint, true},
		"none":                 {nil, "a", endpoint, false},
		"no id":                {SecretPost(Constant("x")), "", endpoint, false},
		"assertion needs none": {AssertionFile("/x"), "", endpoint, true},
		"issuer unknown":       {PrivateKeyJWT(PrivateKey{Key: key}), "a", authn.Endpoint{URL: endpoint.URL}, false},
		"by URL":               {PrivateKeyJWT(PrivateKey{Key: key, Audience: AudienceTokenURL}), "a", authn.Endpoint{URL: endpoint.URL}, true},
		"odd audience":         {PrivateKeyJWT(PrivateKey{Key: key, Audience: 7}), "a", endpoint, false},
		"odd algorithm":        {PrivateKeyJWT(PrivateKey{Key: key, Algorithm: "none"}), "a", endpoint, false},
		"certificate, no id":   {TLSClientAuth(CertificateFiles("/x", "/y")), "", endpoint, false},
	} {
		if err := errors.Join(authn.Check(c.method, c.id, c.ep)...); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
