package main

import (
	"context"
	"net/http/httptest"

	"github.com/usher-auth/usher/authz/lumoauth/lumoauthtest"
	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/examples/engines/fgastore"
)

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
