// The quickstart's rules on LumoAuth. By default the program runs against a local
// server that implements LumoAuth's documented contract in front of OpenFGA. With
// three variables it runs against the real one:
//
//	LUMOAUTH_ORG=acme LUMOAUTH_CLIENT_ID=… LUMOAUTH_CLIENT_SECRET=… go run ./lumoauth
//
// The client needs the authz:check scope, and the organization's relations those
// of package documents.
package main

import (
	"context"
	"errors"
	"log"
	"net/http/httptest"
	"os"

	"github.com/usher-auth/usher/authz/lumoauth"
	"github.com/usher-auth/usher/authz/lumoauth/lumoauthtest"
	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/examples/engines/documents"
	"github.com/usher-auth/usher/examples/engines/fgastore"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	base, org, clientID := lumoauth.DefaultBaseURL, os.Getenv("LUMOAUTH_ORG"), os.Getenv("LUMOAUTH_CLIENT_ID")
	secret := clientauth.Env("LUMOAUTH_CLIENT_SECRET")
	if org == "" {
		local, stop, err := startLocal(ctx)
		if err != nil {
			return err
		}
		defer stop()
		base, org, clientID, secret = local, "acme", "docs", clientauth.Constant("not-a-secret")
	}

	// The process shares one token: LumoAuth allows 30 token requests a minute.
	creds, err := credentials.New(credentials.Config{
		TokenURL: base + "/orgs/" + org + "/api/v1/oauth/token",
		ClientID: clientID,
		Auth:     clientauth.SecretBasic(secret),
		Scopes:   []string{"authz:check"},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, creds.Close()) }()
	engine, err := lumoauth.New(lumoauth.Config{BaseURL: base, Organization: org, TokenSource: creds})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()

	return documents.Decide(ctx, os.Stdout, engine)
}

// startLocal runs the contract server, with the rate limits of the real one.
func startLocal(ctx context.Context) (url string, stop func(), err error) {
	store, err := fgastore.Start(ctx)
	if err != nil {
		return "", nil, err
	}
	behind, err := openfga.New(openfga.Config{Client: openfga.Embedded(store.Server), StoreID: store.ID, ModelID: store.ModelID})
	if err != nil {
		return "", nil, err
	}
	server := httptest.NewServer(lumoauthtest.New(lumoauthtest.Config{
		Organization: "acme", Engine: behind,
		Clients:    []lumoauthtest.Client{{ID: "docs", Secret: "not-a-secret", Scopes: []string{lumoauthtest.ScopeCheck}}},
		CheckLimit: 100, TokenLimit: 30,
	}))

	return server.URL, func() { server.Close(); store.Server.Close() }, nil
}
