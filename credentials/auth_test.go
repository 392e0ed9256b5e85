package credentials_test

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"google.golang.org/grpc/codes"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/credentialstest"
)

// write puts a file into place as a secret's mount does: whole or not at all.
func write(t testing.TB, path, content string) {
	t.Helper()
	next := path + ".next"
	if err := os.WriteFile(next, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

func keyPEM(t testing.TB, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func newKey(t testing.TB, alg string) crypto.Signer {
	t.Helper()
	key, err := credentialstest.NewKey(alg)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestSharedSecretAuthentication(t *testing.T) {
	bubble(t, "each way sends the secret where it belongs and nowhere else", func(t *testing.T) {
		for name, auth := range map[string]func(clientauth.Secret) clientauth.Method{"basic": clientauth.SecretBasic, "post": clientauth.SecretPost} {
			i := newIssuer(t)
			i.AddClient(credentialstest.Client{ID: "a b:c/ü", Secret: "not a:secret&+%ü"})
			creds := newCreds(t, i, func(c *credentials.Config) {
				c.ClientID, c.Auth = "a b:c/ü", auth(clientauth.Constant("not a:secret&+%ü"))
				c.Scopes, c.Audience, c.Resources = []string{"read", "write"}, "aud", []string{"https://a.test", "https://b.test"}
				c.Params = url.Values{"organization": {"acme"}}
			})
			if err := creds.Ready(within(t, time.Minute)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got := i.Received(token)[0]
			if basic := got.Header.Get("Authorization") != ""; basic != (name == "basic") || got.Form.Has("client_secret") != (name == "post") || got.Form.Has("client_id") != (name == "post") {
				t.Errorf("%s: %v %v", name, got.Header, got.Form)
			}
			if got.Form.Get("grant_type") != "client_credentials" || got.Form.Get("scope") != "read write" || got.Form.Get("audience") != "aud" ||
				strings.Join(got.Form["resource"], " ") != "https://a.test https://b.test" || got.Form.Get("organization") != "acme" {
				t.Errorf("%s: %v", name, got.Form)
			}
		}
	})
	bubble(t, "a rejected way is not followed by another", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, func(c *credentials.Config) { c.Auth = clientauth.SecretBasic(clientauth.Constant("wrong")) })
		wantError(t, creds.Ready(within(t, time.Minute)), credentials.KindRejected, codes.Unauthenticated)
		if got := i.Received(token); len(got) != 1 || got[0].Header.Get("Authorization") == "" {
			t.Fatal(got)
		}
	})
}

func TestSecretsThatRotate(t *testing.T) {
	bubble(t, "file: a rotated secret is used at the next fetch, one final newline is trimmed", func(t *testing.T) {
		dir := t.TempDir()
		idPath, secretPath := filepath.Join(dir, "id"), filepath.Join(dir, "secret")
		i := newIssuerWith(t, credentialstest.Config{Lifetime: time.Minute})
		creds := newCreds(t, i, func(c *credentials.Config) {
			c.ClientID, c.ClientIDFrom = "", clientauth.File(idPath)
			c.Auth = clientauth.SecretPost(clientauth.File(secretPath))
		})
		for n, newline := range []string{"", "\n", "\r\n"} {
			id, secret := "client-"+string(rune('a'+n)), "not-a-secret-"+string(rune('a'+n))
			i.AddClient(credentialstest.Client{ID: id, Secret: secret})
			write(t, idPath, id+newline)
			write(t, secretPath, secret+newline)
			value(t, creds)
			time.Sleep(2 * time.Minute)
			value(t, creds)
			got := i.Received(token)
			last := got[len(got)-1].Form
			if last.Get("client_id") != id || last.Get("client_secret") != secret {
				t.Fatal(last)
			}
		}
		i.AddClient(credentialstest.Client{ID: "two", Secret: "not-a-secret\n "})
		write(t, idPath, "two")
		write(t, secretPath, "not-a-secret\n \n") // the rest belongs to the secret
		time.Sleep(2 * time.Minute)
		value(t, creds)
	})
	bubble(t, "environment", func(t *testing.T) {
		t.Setenv("USHER_TEST_SECRET", clientSecret)
		creds := newCreds(t, newIssuer(t), func(c *credentials.Config) { c.Auth = clientauth.SecretBasic(clientauth.Env("USHER_TEST_SECRET")) })
		value(t, creds)
	})
	dir := t.TempDir()
	write(t, filepath.Join(dir, "empty"), "\n")
	write(t, filepath.Join(dir, "large"), strings.Repeat("x", 65<<10))
	for name, secret := range map[string]clientauth.Secret{
		"no such file":   clientauth.File(filepath.Join(dir, "none")),
		"a directory":    clientauth.File(dir),
		"an empty file":  clientauth.File(filepath.Join(dir, "empty")),
		"a large file":   clientauth.File(filepath.Join(dir, "large")),
		"no variable":    clientauth.Env("USHER_TEST_NONE"),
		"an empty value": clientauth.Constant(""),
	} {
		bubble(t, "a secret that isn't there sends nothing: "+name, func(t *testing.T) {
			i := newIssuer(t)
			creds := newCreds(t, i, func(c *credentials.Config) { c.Auth = clientauth.SecretBasic(secret) })
			err := creds.Ready(within(t, time.Minute))
			wantError(t, err, credentials.KindMisconfigured, codes.Internal)
			if i.Requests(token) != 0 || strings.Contains(err.Error(), dir) {
				t.Fatal(i.Requests(token), err)
			}
		})
	}
}

func TestPrivateKeyJWT(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		key := newKey(t, alg)
		bubble(t, alg+": accepted, fresh each time, and valid by another library's judgement", func(t *testing.T) {
			i := newIssuerWith(t, credentialstest.Config{Lifetime: time.Minute})
			i.AddClient(credentialstest.Client{ID: "signer", Keys: []crypto.PublicKey{key.Public()}})
			for name, audience := range map[string]clientauth.Audience{i.URL(): clientauth.AudienceIssuer, i.TokenURL(): clientauth.AudienceTokenURL} {
				creds := newCreds(t, i, func(c *credentials.Config) {
					c.ClientID, c.Issuer = "signer", i.URL()
					c.Auth = clientauth.PrivateKeyJWT(clientauth.PrivateKey{Key: clientauth.Signer(key), KeyID: "k1", Algorithm: alg, Audience: audience})
				})
				before := i.Requests(token)
				value(t, creds)
				time.Sleep(2 * time.Minute)
				value(t, creds)
				seen := map[string]bool{}
				for _, got := range i.Received(token)[before:] {
					claims := jwt.MapClaims{}
					parsed, err := jwt.ParseWithClaims(got.Form.Get("client_assertion"), claims, func(*jwt.Token) (any, error) { return key.Public(), nil },
						jwt.WithValidMethods([]string{alg}), jwt.WithAudience(name), jwt.WithIssuer("signer"), jwt.WithSubject("signer"), jwt.WithTimeFunc(func() time.Time { return got.At }), jwt.WithIssuedAt(), jwt.WithExpirationRequired())
					if err != nil {
						t.Fatal(err)
					}
					exp, _ := claims.GetExpirationTime()
					jti, _ := claims["jti"].(string)
					if parsed.Header["kid"] != "k1" || exp.Sub(got.At) > time.Minute || len(jti) < 20 || seen[jti] {
						t.Fatal(parsed.Header, claims)
					}
					seen[jti] = true
				}
				if len(seen) < 2 {
					t.Fatal(len(seen))
				}
				_ = creds.Close()
			}
		})
	}
	bubble(t, "a key file that changes is used at the next fetch; the algorithm follows the key", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "key.pem")
		i := newIssuerWith(t, credentialstest.Config{Lifetime: time.Minute})
		creds := newCreds(t, i, func(c *credentials.Config) {
			c.ClientID = "signer"
			c.Auth = clientauth.PrivateKeyJWT(clientauth.PrivateKey{Key: clientauth.KeyFile(path), Audience: clientauth.AudienceTokenURL})
		})
		for _, alg := range []string{"ES256", "EdDSA"} {
			key := newKey(t, alg)
			i.AddClient(credentialstest.Client{ID: "signer", Keys: []crypto.PublicKey{key.Public()}})
			write(t, path, keyPEM(t, key))
			value(t, creds)
			time.Sleep(2 * time.Minute)
		}
		value(t, creds)
	})
	for name, key := range map[string]clientauth.PrivateKey{
		"P-384 key":     {Key: clientauth.Signer(newKey(t, "ES384"))},
		"wrong alg":     {Key: clientauth.Signer(newKey(t, "EdDSA")), Algorithm: "ES256"},
		"no key":        {Key: clientauth.Signer(nil)},
		"no such file":  {Key: clientauth.KeyFile(filepath.Join(t.TempDir(), "none"))},
		"no PEM inside": {Key: clientauth.KeyFile(os.Args[0])},
	} {
		bubble(t, "a key that can't sign sends nothing: "+name, func(t *testing.T) {
			i := newIssuer(t)
			key.Audience = clientauth.AudienceTokenURL
			creds := newCreds(t, i, func(c *credentials.Config) { c.Auth = clientauth.PrivateKeyJWT(key) })
			wantError(t, creds.Ready(within(t, time.Minute)), credentials.KindMisconfigured, codes.Internal)
			if n := i.Requests(token); n != 0 {
				t.Fatal(n)
			}
		})
	}
}

func TestAssertionFile(t *testing.T) {
	bubble(t, "the platform's token is re-read, and the client id is optional", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "token")
		i := newIssuerWith(t, credentialstest.Config{Lifetime: time.Minute})
		creds := newCreds(t, i, func(c *credentials.Config) { c.ClientID, c.Auth = "", clientauth.AssertionFile(path) })
		for _, assertion := range []string{"e30.e30.first", "e30.e30.second"} {
			i.AddClient(credentialstest.Client{ID: "pod", Assertion: assertion})
			write(t, path, assertion+"\n")
			value(t, creds)
			time.Sleep(2 * time.Minute)
			value(t, creds)
			got := i.Received(token)
			if last := got[len(got)-1].Form; last.Get("client_assertion") != assertion || last.Has("client_id") ||
				last.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
				t.Fatal(last)
			}
		}
		before := i.Requests(token)
		write(t, path, "half written")
		time.Sleep(5 * time.Minute)
		wantError(t, creds.Ready(within(t, time.Minute)), credentials.KindMisconfigured, codes.Internal)
		if n := i.Requests(token); n != before {
			t.Fatal("something that is no JWT was sent")
		}
	})
}

func TestTLSClientAuth(t *testing.T) {
	pair := func(dir string) (*x509.Certificate, string, string) {
		cert, err := credentialstest.NewCertificate("docs-sync")
		if err != nil {
			t.Fatal(err)
		}
		certPath, keyPath := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
		write(t, certPath, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})))
		write(t, keyPath, keyPEM(t, cert.PrivateKey.(crypto.Signer)))
		return cert.Leaf, certPath, keyPath
	}
	dir := t.TempDir()
	leaf, certPath, keyPath := pair(dir)
	i := credentialstest.NewIssuer(t, credentialstest.Config{TLS: true})
	i.AddClient(credentialstest.Client{ID: "mtls", Certificate: leaf})
	creds := newCreds(t, i, func(c *credentials.Config) {
		c.ClientID, c.Auth = "mtls", clientauth.TLSClientAuth(clientauth.CertificateFiles(certPath, keyPath))
	})
	first := value(t, creds)
	if got := i.Received(token)[0].Form; got.Get("client_id") != "mtls" || got.Has("client_secret") || got.Has("client_assertion") {
		t.Fatal(got)
	}
	// A rotated certificate is shown at the next fetch.
	leaf, _, _ = pair(dir)
	i.AddClient(credentialstest.Client{ID: "mtls", Certificate: leaf})
	creds.Invalidate(first)
	value(t, creds)
	// Where the metadata names an endpoint for certificates, that is the one.
	i.Script(credentialstest.MetadataEndpoint, credentialstest.Alter(map[string]any{
		"token_endpoint": "https://127.0.0.1:1/none", "mtls_endpoint_aliases": map[string]any{"token_endpoint": i.TokenURL()},
	}))
	value(t, newCreds(t, i, func(c *credentials.Config) {
		c.TokenURL, c.Issuer = "", i.URL()
		c.ClientID, c.Auth = "mtls", clientauth.TLSClientAuth(clientauth.CertificateFiles(certPath, keyPath))
	}))
	// A certificate that can't be had ends in an error of ours.
	bad := newCreds(t, i, func(c *credentials.Config) {
		c.ClientID, c.Auth = "mtls", clientauth.TLSClientAuth(clientauth.CertificateFiles(filepath.Join(dir, "none"), keyPath))
	})
	var e *credentials.Error
	if err := bad.Ready(within(t, 10*time.Second)); !errors.As(err, &e) || strings.Contains(err.Error(), dir) {
		t.Fatal(err)
	}
}
