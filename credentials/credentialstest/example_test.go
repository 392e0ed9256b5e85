package credentialstest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/usher-auth/usher/credentials/credentialstest"
)

// status is what an endpoint answers to a GET.
func status(i *credentialstest.Issuer, url string) int {
	resp, err := i.Client().Get(url)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// In a test NewIssuer does the same and closes by itself.
func ExampleStart() {
	issuer, err := credentialstest.Start(credentialstest.Config{})
	if err != nil {
		panic(err)
	}
	defer issuer.Close()
	issuer.AddClient(credentialstest.Client{ID: "docs-sync", Secret: "not-a-secret"})

	resp, err := issuer.Client().Post(issuer.TokenURL(), "application/x-www-form-urlencoded",
		strings.NewReader("grant_type=client_credentials&client_id=docs-sync&client_secret=not-a-secret"))
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, issuer.Requests(credentialstest.TokenEndpoint))
	// Output: 200 1
}

// Faults are used up one for each request; then the endpoint answers again.
func ExampleIssuer_Script() {
	issuer, err := credentialstest.Start(credentialstest.Config{InMemory: true})
	if err != nil {
		panic(err)
	}
	defer issuer.Close()
	issuer.Script(credentialstest.JWKSEndpoint, credentialstest.Status(http.StatusServiceUnavailable, "5"), credentialstest.HTML(200))
	fmt.Println(status(issuer, issuer.JWKSURL()), status(issuer, issuer.JWKSURL()), status(issuer, issuer.JWKSURL()))
	issuer.Script(credentialstest.JWKSEndpoint, credentialstest.Always(credentialstest.Status(500, "")))
	fmt.Println(status(issuer, issuer.JWKSURL()), status(issuer, issuer.JWKSURL()))
	issuer.Heal(credentialstest.JWKSEndpoint)
	fmt.Println(status(issuer, issuer.JWKSURL()))
	// Output:
	// 503 200 200
	// 500 500
	// 200
}

// Tokens of any content, for tests of what must be refused.
func ExampleIssuer_Mint() {
	issuer, err := credentialstest.Start(credentialstest.Config{InMemory: true, Algorithm: "EdDSA"})
	if err != nil {
		panic(err)
	}
	defer issuer.Close()
	valid := issuer.Mint(nil)
	noExpiry := issuer.Mint(map[string]any{"exp": nil})
	noType := issuer.MintWith(credentialstest.MintConfig{Header: map[string]any{"typ": nil}})
	fmt.Println(strings.Count(valid, "."), strings.Count(noExpiry, "."), strings.Count(noType, "."))
	// Output: 2 2 2
}

// A new key signs at once; the old one stays published until it is withdrawn.
func ExampleIssuer_Rotate() {
	issuer, err := credentialstest.Start(credentialstest.Config{InMemory: true})
	if err != nil {
		panic(err)
	}
	defer issuer.Close()
	old := issuer.KeyID()
	fmt.Println(old, issuer.Rotate())
	issuer.Withdraw(old)
	// Output: key-1 key-2
}
