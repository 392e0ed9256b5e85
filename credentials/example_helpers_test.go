package credentials_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/credentialstest"
)

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

// showAuth fetches a token and prints where the client's proof was.
func showAuth(auth credentials.Auth) {
	issuer := startIssuer()
	defer issuer.Close()
	issuer.AddClient(credentialstest.Client{
		ID: "docs-sync", Secret: "not-a-secret", Keys: []crypto.PublicKey{exampleKey.Public()}, Assertion: exampleAssertion,
	})
	creds := newExample(issuer, auth)
	defer creds.Close()
	err := creds.Ready(context.Background())
	got := issuer.Received(credentialstest.TokenEndpoint)[0]
	fmt.Printf("%v header: %v, form: %v\n", err, got.Header.Get("Authorization") != "", slices.Sorted(maps.Keys(got.Form)))
}
