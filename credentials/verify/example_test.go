package verify_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/credentialstest"
	"github.com/usher-auth/usher/credentials/verify"
)

// exampleIssuer stands for a real authorization server.
func exampleIssuer() *credentialstest.Issuer { return exampleIssuerAt("") }

func exampleIssuerAt(url string) *credentialstest.Issuer {
	issuer, err := credentialstest.Start(credentialstest.Config{InMemory: true, URL: url})
	if err != nil {
		panic(err)
	}
	issuer.AddClient(credentialstest.Client{ID: "docs", Secret: "not-a-secret"})
	return issuer
}

func ExampleNewJWT() {
	issuer := exampleIssuer()
	defer issuer.Close()

	verifier, err := verify.NewJWT(verify.JWTConfig{
		Issuer:     issuer.URL(),
		Audiences:  []string{"https://docs.internal"},
		HTTPClient: issuer.Client(), // a real issuer needs none
	})
	if err != nil {
		panic(err)
	}
	defer verifier.Close()

	token := issuer.Mint(map[string]any{"aud": "https://docs.internal", "sub": "alice", "client_id": "web", "scope": "docs.read"})
	principal, err := verifier.Verify(context.Background(), token, verify.Requirements{})
	if err != nil {
		panic(err)
	}
	fmt.Println(principal.Subject(), principal.IsUser(), principal.HasScope("docs.read"))
	// Output: alice true true
}

// An outage is told from a bad token by the error's kind.
func ExampleError() {
	issuer := exampleIssuer()
	defer issuer.Close()
	verifier, err := verify.NewJWT(verify.JWTConfig{Issuer: issuer.URL(), Audiences: []string{"https://docs.internal"}, HTTPClient: issuer.Client()})
	if err != nil {
		panic(err)
	}
	defer verifier.Close()

	report := func(token string) {
		_, err := verifier.Verify(context.Background(), token, verify.Requirements{})
		var e *verify.Error
		if errors.As(err, &e) {
			fmt.Println(e.Kind, e.Expired)
		}
	}
	report(issuer.Mint(map[string]any{"aud": "https://other.internal"}))
	issuer.Down()
	report(issuer.Mint(map[string]any{"aud": "https://docs.internal"}))
	// Output:
	// credential fault false
	// dependency fault false
}

func ExampleNewIntrospection() {
	issuer := exampleIssuer()
	defer issuer.Close()

	verifier, err := verify.NewIntrospection(verify.IntrospectionConfig{
		URL:        issuer.IntrospectURL(),
		Issuer:     issuer.URL(),
		ClientID:   "docs",
		Auth:       clientauth.SecretBasic(clientauth.Constant("not-a-secret")),
		Audiences:  []string{"https://docs.internal"},
		HTTPClient: issuer.Client(),
	})
	if err != nil {
		panic(err)
	}
	defer verifier.Close()

	token := issuer.MintOpaque(map[string]any{"aud": "https://docs.internal"})
	principal, err := verifier.Verify(context.Background(), token, verify.Requirements{})
	fmt.Println(principal.ClientID(), principal.IsService(), err)
	// Output: client-a true <nil>
}

func ExampleNewHybrid() {
	issuer := exampleIssuer()
	defer issuer.Close()
	jwt, err := verify.NewJWT(verify.JWTConfig{Issuer: issuer.URL(), Audiences: []string{"https://docs.internal"}, HTTPClient: issuer.Client()})
	if err != nil {
		panic(err)
	}
	introspection, err := verify.NewIntrospection(verify.IntrospectionConfig{
		URL: issuer.IntrospectURL(), Issuer: issuer.URL(), ClientID: "docs", Auth: clientauth.SecretBasic(clientauth.Constant("not-a-secret")),
		Audiences: []string{"https://docs.internal"}, HTTPClient: issuer.Client(),
	})
	if err != nil {
		panic(err)
	}
	verifier, err := verify.NewHybrid(verify.HybridConfig{JWT: jwt, Introspection: introspection})
	if err != nil {
		panic(err)
	}
	defer verifier.Close() // closes both

	token := issuer.Mint(map[string]any{"aud": "https://docs.internal"})
	issuer.Revoke(token)
	_, err = verifier.Verify(context.Background(), token, verify.Requirements{})
	fmt.Println("locally:", err)
	_, err = verifier.Verify(context.Background(), token, verify.Requirements{Validation: verify.ValidationIntrospect})
	fmt.Println("introspected:", err)
	// Output:
	// locally: <nil>
	// introspected: verify: the token is not valid
}

func ExampleNewMultiIssuer() {
	staff, partners := exampleIssuerAt("https://staff.test"), exampleIssuerAt("https://partners.test")
	defer staff.Close()
	defer partners.Close()

	of := func(issuer *credentialstest.Issuer, name string) *verify.JWT {
		v, err := verify.NewJWT(verify.JWTConfig{
			Issuer: issuer.URL(), IssuerName: name, Audiences: []string{"https://docs.internal"}, HTTPClient: issuer.Client(),
		})
		if err != nil {
			panic(err)
		}
		return v
	}
	verifier, err := verify.NewMultiIssuer(of(staff, "staff"), of(partners, "partners"))
	if err != nil {
		panic(err)
	}
	defer verifier.Close() // closes both

	token := partners.Mint(map[string]any{"aud": "https://docs.internal"})
	principal, err := verifier.Verify(context.Background(), token, verify.Requirements{})
	fmt.Println(principal.IssuerName(), err)
	// Output: partners <nil>
}

func ExampleNewPrincipal() {
	principal, err := verify.NewPrincipal(verify.PrincipalConfig{Claims: map[string]any{"sub": "alice", "client_id": "web", "tenant": map[string]any{"id": "acme"}}})
	if err != nil {
		panic(err)
	}
	ctx := verify.NewContext(context.Background(), principal)

	// In the handler:
	caller, ok := verify.FromContext(ctx)
	tenant, _ := caller.Claim("tenant", "id")
	fmt.Println(caller.Subject(), tenant, ok)
	// Output: alice acme true
}

func ExampleKeycloak() {
	profile := verify.Keycloak()
	profile.Roles = append(profile.Roles, verify.Path{"resource_access", "docs", "roles"}) // the client's own roles too
	verifier, err := verify.NewJWT(verify.JWTConfig{
		Issuer:     "https://sso.example.com/realms/demo",
		IssuerName: "keycloak",
		Audiences:  []string{"docs"},
		Profile:    profile,
	})
	if err != nil {
		panic(err)
	}
	defer verifier.Close()
	fmt.Println(verifier.IssuerNames())
	// Output: [keycloak]
}

func ExampleProfile() {
	// An issuer that writes typ JWT, and says in "kind" whose token it is.
	profile := verify.Profile{
		Name:        "acme",
		Types:       []string{"JWT"},
		AccessToken: []verify.Evidence{{{Claim: verify.Path{"https://acme.example/use"}, Test: verify.Equals, Values: []string{"api"}}}},
		ClientID:    []verify.Path{{"app"}},
		Service:     []verify.Evidence{{{Claim: verify.Path{"kind"}, Test: verify.Equals, Values: []string{"machine"}}}},
		User:        []verify.Evidence{{{Claim: verify.Path{"kind"}, Test: verify.Equals, Values: []string{"human"}}}},
	}
	verifier, err := verify.NewJWT(verify.JWTConfig{Issuer: "https://auth.acme.example", Audiences: []string{"docs"}, Profile: profile})
	if err != nil {
		panic(err)
	}
	fmt.Println(verifier.Close())
	// Output: <nil>
}

func ExampleNewPrincipal_customVerifier() {
	// A verifier of API keys, which it has looked up itself.
	var verifier verify.Verifier = verify.VerifierFunc(func(_ context.Context, token string, _ verify.Requirements) (*verify.Principal, error) {
		if token != "key-of-the-indexer" {
			return nil, &verify.Error{Kind: verify.CredentialFault}
		}
		return verify.NewPrincipal(verify.PrincipalConfig{
			Claims:     map[string]any{"iss": "https://keys.acme.example", "sub": "indexer"},
			IssuerName: "keys", Kind: verify.KindService, ValidUntil: time.Now().Add(time.Minute),
		})
	})
	principal, err := verifier.Verify(context.Background(), "key-of-the-indexer", verify.Requirements{})
	fmt.Println(principal, err)
	// Output: service sub="indexer" client="" issuer="keys" <nil>
}
