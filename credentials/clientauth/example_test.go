package clientauth_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/credentialstest"
)

// A secret in a file is read at each fetch: when it changes, nothing needs to
// be restarted.
func ExampleFile() {
	issuer := startIssuer()
	defer issuer.Close()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "client-secret")
	if err := os.WriteFile(path, []byte("not-a-secret\n"), 0o600); err != nil {
		panic(err)
	}

	creds := newExample(issuer, clientauth.SecretBasic(clientauth.File(path)))
	defer creds.Close()
	fmt.Println(creds.Ready(context.Background()))
	// Output: <nil>
}

func ExampleEnv() {
	issuer := startIssuer()
	defer issuer.Close()
	os.Setenv("DOCS_SYNC_SECRET", "not-a-secret")
	defer os.Unsetenv("DOCS_SYNC_SECRET")

	creds := newExample(issuer, clientauth.SecretPost(clientauth.Env("DOCS_SYNC_SECRET")))
	defer creds.Close()
	fmt.Println(creds.Ready(context.Background()))
	// Output: <nil>
}

func ExampleConstant() {
	secret, err := clientauth.Constant("not-a-secret")(context.Background())
	fmt.Println(secret, err)
	// Output: not-a-secret <nil>
}

func ExampleSecretBasic() {
	showAuth(clientauth.SecretBasic(clientauth.Constant("not-a-secret")))
	// Output: <nil> header: true, form: [grant_type]
}

func ExampleSecretPost() {
	showAuth(clientauth.SecretPost(clientauth.Constant("not-a-secret")))
	// Output: <nil> header: false, form: [client_id client_secret grant_type]
}

// The client signs a short-lived assertion for each fetch.
func ExamplePrivateKeyJWT() {
	showAuth(clientauth.PrivateKeyJWT(clientauth.PrivateKey{
		Key:      clientauth.Signer(exampleKey), // or KeyFile, which is read at each fetch
		KeyID:    "2026-01",
		Audience: clientauth.AudienceTokenURL,
	}))
	// Output: <nil> header: false, form: [client_assertion client_assertion_type client_id grant_type]
}

func ExampleKeyFile() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "key.pem")
	writeExampleKey(path)
	showAuth(clientauth.PrivateKeyJWT(clientauth.PrivateKey{Key: clientauth.KeyFile(path), Audience: clientauth.AudienceTokenURL}))
	// Output: <nil> header: false, form: [client_assertion client_assertion_type client_id grant_type]
}

func ExampleSigner() {
	key, err := clientauth.Signer(exampleKey)(context.Background())
	fmt.Println(key == exampleKey, err)
	// Output: true <nil>
}

// A workload identity token that the platform mounts and renews.
func ExampleAssertionFile() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "token")
	if err := os.WriteFile(path, []byte(exampleAssertion), 0o600); err != nil {
		panic(err)
	}
	showAuth(clientauth.AssertionFile(path))
	// Output: <nil> header: false, form: [client_assertion client_assertion_type client_id grant_type]
}

// The client shows a certificate at the TLS layer.
func ExampleTLSClientAuth() {
	_, err := credentials.New(credentials.Config{
		TokenURL: "https://auth.example.com/token",
		ClientID: "docs-sync",
		Auth:     clientauth.TLSClientAuth(clientauth.CertificateFiles("/var/run/tls/tls.crt", "/var/run/tls/tls.key")),
	})
	fmt.Println(err) // the files are read at each handshake
	// Output: <nil>
}

func ExampleCertificateFiles() {
	_, err := clientauth.CertificateFiles("/nowhere/tls.crt", "/nowhere/tls.key")(context.Background())
	fmt.Println(err)
	// Output: a configured file does not exist
}

// exampleAssertion stands for a token of the platform.
const exampleAssertion = "eyJhbGciOiJub25lIn0.e30.bm90LWEtc2VjcmV0"

var exampleKey = func() crypto.Signer {
	key, err := credentialstest.NewKey("ES256")
	if err != nil {
		panic(err)
	}
	return key
}()

func writeExampleKey(path string) {
	der, err := x509.MarshalPKCS8PrivateKey(exampleKey)
	if err != nil {
		panic(err)
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		panic(err)
	}
}

// startIssuer is an authorization server with one client.
func startIssuer() *credentialstest.Issuer {
	issuer, err := credentialstest.Start(credentialstest.Config{})
	if err != nil {
		panic(err)
	}
	issuer.AddClient(credentialstest.Client{
		ID: "docs-sync", Secret: "not-a-secret", Keys: []crypto.PublicKey{exampleKey.Public()}, Assertion: exampleAssertion,
	})
	return issuer
}

func newExample(issuer *credentialstest.Issuer, auth clientauth.Method) *credentials.Credentials {
	creds, err := credentials.New(credentials.Config{TokenURL: issuer.TokenURL(), ClientID: "docs-sync", Auth: auth})
	if err != nil {
		panic(err)
	}
	return creds
}

// showAuth fetches a token and prints where the client's proof was.
func showAuth(auth clientauth.Method) {
	issuer := startIssuer()
	defer issuer.Close()
	creds := newExample(issuer, auth)
	defer creds.Close()
	err := creds.Ready(context.Background())
	got := issuer.Received(credentialstest.TokenEndpoint)[0]
	fmt.Printf("%v header: %v, form: %v\n", err, got.Header.Get("Authorization") != "", slices.Sorted(maps.Keys(got.Form)))
}
