package main

import (
	"context"
	"net/http"
	"os"

	"golang.org/x/oauth2"

	"github.com/usher-auth/usher/authz/authzen"
)

// newDecider asks OpenFGA's AuthZEN API by one model, with the key in OPENFGA_KEY if
// there is one. Another AuthZEN server needs no such header.
func newDecider(url, model string, transport *http.Transport) (*authzen.Engine, error) {
	cfg := authzen.Config{
		BaseURL:    url,
		HTTPClient: &http.Client{Transport: transport},
		Header:     http.Header{"Openfga-Authorization-Model-Id": {model}},
	}
	if key := os.Getenv("OPENFGA_KEY"); key != "" {
		cfg.TokenSource = presharedKey(key)
	}
	return authzen.New(cfg)
}

// presharedKey is a bearer token that doesn't change.
type presharedKey string

// Token implements authzen.TokenSource.
func (k presharedKey) Token(context.Context) (*oauth2.Token, error) {
	return &oauth2.Token{AccessToken: string(k)}, nil
}
