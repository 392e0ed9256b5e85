package credentials_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/credentialstest"
)

// startIssuer is an authorization server with one client, for the examples.
func startIssuer() *credentialstest.Issuer {
	issuer, err := credentialstest.Start(credentialstest.Config{})
	if err != nil {
		panic(err)
	}
	issuer.AddClient(credentialstest.Client{ID: "docs-sync", Secret: "not-a-secret"})
	return issuer
}

// A client dials with tokens that are fetched, kept fresh and attached to every
// call.
func Example() {
	issuer := startIssuer()
	defer issuer.Close()

	creds, err := credentials.New(credentials.Config{
		TokenURL:       issuer.TokenURL(),
		ClientID:       "docs-sync",
		Auth:           clientauth.SecretBasic(clientauth.Constant("not-a-secret")),
		LocalPlaintext: true,
	})
	if err != nil {
		panic(err)
	}
	defer creds.Close()

	docs := creds.For(credentials.Target{Resources: []string{"https://docs.internal"}})
	conn, err := grpc.NewClient("localhost:50051", append(docs.DialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()))...) // in earnest: TLS
	if err != nil {
		panic(err)
	}
	defer conn.Close()

	fmt.Println(docs.Ready(context.Background())) // optional: warms up before the first call
	// Output: <nil>
}

// New checks everything at once, without asking anyone.
func ExampleNew() {
	_, err := credentials.New(credentials.Config{TokenURL: "http://auth.example.com/token", Scopes: []string{"read docs"}})
	fmt.Println(err)
	// Output:
	// credentials: TokenURL: plain http is refused off loopback: the secret would travel in the clear (see InsecureTokenURL)
	// credentials: Auth: no client authentication was chosen: use a method of credentials/clientauth: SecretBasic, SecretPost, PrivateKeyJWT, AssertionFile or TLSClientAuth
	// credentials: Auth: the client id is empty: set ClientID, which only clientauth.AssertionFile can do without
	// credentials: the scope in Scopes[0] is empty or has a character that scopes can't have (RFC 6749 §3.3)
}

// The token endpoint can be discovered from the issuer.
func ExampleNew_discovery() {
	issuer := startIssuer()
	defer issuer.Close()
	creds, err := credentials.New(credentials.Config{
		Issuer:   issuer.URL(),
		ClientID: "docs-sync",
		Auth:     clientauth.SecretBasic(clientauth.Constant("not-a-secret")),
	})
	if err != nil {
		panic(err)
	}
	defer creds.Close()
	fmt.Println(creds.Ready(context.Background()))
	// Output: <nil>
}

func newExample(issuer *credentialstest.Issuer, auth clientauth.Method) *credentials.Credentials {
	creds, err := credentials.New(credentials.Config{TokenURL: issuer.TokenURL(), ClientID: "docs-sync", Auth: auth})
	if err != nil {
		panic(err)
	}
	return creds
}

// Each target gets a token of its own; client authentication, backoff and Close
// are shared.
func ExampleCredentials_For() {
	issuer := startIssuer()
	defer issuer.Close()
	creds := newExample(issuer, clientauth.SecretBasic(clientauth.Constant("not-a-secret")))
	defer creds.Close()

	docs := creds.For(credentials.Target{Resources: []string{"https://docs.internal"}, Scopes: []string{"docs.read"}})
	mail := creds.For(credentials.Target{Audience: "mail"})
	fmt.Println(docs.Ready(context.Background()), mail.Ready(context.Background()))
	for _, request := range issuer.Received(credentialstest.TokenEndpoint) {
		fmt.Printf("scope=%q resource=%q audience=%q\n", request.Form.Get("scope"), request.Form.Get("resource"), request.Form.Get("audience"))
	}
	// Output:
	// <nil> <nil>
	// scope="docs.read" resource="https://docs.internal" audience=""
	// scope="" resource="" audience="mail"
}

// A token for something else than gRPC.
func ExampleCredentials_Token() {
	issuer := startIssuer()
	defer issuer.Close()
	creds := newExample(issuer, clientauth.SecretBasic(clientauth.Constant("not-a-secret")))
	defer creds.Close()

	tok, err := creds.Token(context.Background())
	fmt.Println(tok.Type(), tok.Valid(), err)
	// Output: Bearer true <nil>
}

// A view for libraries that want an oauth2.TokenSource.
func ExampleCredentials_TokenSource() {
	issuer := startIssuer()
	defer issuer.Close()
	creds := newExample(issuer, clientauth.SecretPost(clientauth.Constant("not-a-secret")))
	defer creds.Close()

	source := creds.TokenSource(context.Background())
	first, _ := source.Token()
	second, _ := source.Token()
	fmt.Println(first.AccessToken == second.AccessToken, issuer.Requests(credentialstest.TokenEndpoint))
	// Output: true 1
}

// A health check learns why there is no token.
func ExampleCredentials_Ready() {
	issuer := startIssuer()
	defer issuer.Close()
	creds := newExample(issuer, clientauth.SecretBasic(clientauth.Constant("an old secret")))
	defer creds.Close()

	err := creds.Ready(context.Background())
	fmt.Println(err)
	var e *credentials.Error
	if errors.As(err, &e) {
		fmt.Println(e.Kind, e.Code, e.GRPCStatus().Code())
	}
	// Output:
	// credentials: the token endpoint rejected the client: invalid_client (HTTP 401)
	// rejected invalid_client Unauthenticated
}

// A token that is known to be revoked is dropped before its expiry.
func ExampleCredentials_Invalidate() {
	issuer := startIssuer()
	defer issuer.Close()
	creds := newExample(issuer, clientauth.SecretBasic(clientauth.Constant("not-a-secret")))
	defer creds.Close()

	old, _ := creds.Token(context.Background())
	creds.Invalidate(old.AccessToken)
	next, _ := creds.Token(context.Background())
	fmt.Println(old.AccessToken != next.AccessToken)
	// Output: true
}

// One call carries another token, such as a user's that is passed on.
func ExampleWithToken() {
	ctx := credentials.WithToken(context.Background(), "the-users-token")
	_ = ctx // response, err := client.GetDocument(ctx, request)
	fmt.Println("this call only")
	// Output: this call only
}

func ExampleCredentials_DialOptions() {
	issuer := startIssuer()
	defer issuer.Close()
	creds := newExample(issuer, clientauth.SecretBasic(clientauth.Constant("not-a-secret")))
	defer creds.Close()

	// Without TLS and without an option that allows it, gRPC says no.
	_, err := grpc.NewClient("localhost:50051", append(creds.DialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	fmt.Println(err != nil)
	// Output: true
}

// Tests and sidecars on the same machine: only loopback, unix sockets and
// bufconn may go without TLS.
func ExampleConfig_localPlaintext() {
	creds, err := credentials.New(credentials.Config{
		TokenURL: "https://auth.example.com/token", ClientID: "docs-sync",
		Auth:           clientauth.SecretBasic(clientauth.Env("DOCS_SYNC_SECRET")),
		LocalPlaintext: true,
	})
	fmt.Println(creds.RequireTransportSecurity(), err)
	// Output: false <nil>
}

// A mesh whose sidecars add TLS: only the named authorities may go without.
func ExampleConfig_insecureMeshPlaintext() {
	creds, err := credentials.New(credentials.Config{
		TokenURL: "https://auth.example.com/token", ClientID: "docs-sync",
		Auth:                  clientauth.SecretBasic(clientauth.Env("DOCS_SYNC_SECRET")),
		InsecureMeshPlaintext: []string{"docs.prod.svc.cluster.local:8080"},
	})
	fmt.Println(creds.RequireTransportSecurity(), err)
	// Output: false <nil>
}

func ExampleConfig_insecureTokenURL() {
	_, err := credentials.New(credentials.Config{
		TokenURL: "http://auth.internal/token", ClientID: "docs-sync",
		Auth:             clientauth.SecretBasic(clientauth.Env("DOCS_SYNC_SECRET")),
		InsecureTokenURL: true,
	})
	fmt.Println(err)
	// Output: <nil>
}

func ExampleObserver() {
	issuer := startIssuer()
	defer issuer.Close()
	issuer.Script(credentialstest.TokenEndpoint, credentialstest.Status(503, "30"))
	creds, err := credentials.New(credentials.Config{
		TokenURL: issuer.TokenURL(), ClientID: "docs-sync",
		Auth: clientauth.SecretBasic(clientauth.Constant("not-a-secret")),
		Observer: credentials.Observer{
			FetchEnded: func(e credentials.FetchEnded) {
				var failed *credentials.Error
				if errors.As(e.Err, &failed) {
					fmt.Println(failed.Kind, failed.HTTPStatus, failed.RetryAfter.Round(time.Second))
				}
			},
		},
	})
	if err != nil {
		panic(err)
	}
	_ = creds.Ready(context.Background())
	_ = creds.Close() // no event comes after it
	// Output: unavailable 503 30s
}
