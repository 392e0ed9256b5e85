package engines

import (
	"net/http"

	"github.com/usher-auth/usher/authz/authzen"
	"github.com/usher-auth/usher/authz/cmd/internal/dial"
	"github.com/usher-auth/usher/authz/lumoauth"
)

func openAuthZEN(t *dial.Target, config Config) (*Opened, error) {
	at, err := t.HTTP(config.Getenv)
	if err != nil {
		return nil, err
	}
	engine, err := authzen.New(authzen.Config{
		BaseURL: at.BaseURL, InsecureHTTP: at.Insecure, TokenSource: at.TokenSource, APIKey: at.APIKey, Timeout: config.Timeout, HTTPClient: at.Client,
	})
	if err != nil {
		return nil, err
	}

	return &Opened{Engine: engine, close: closeHTTP(engine.Close, at.Client)}, nil
}

func openLumoAuth(t *dial.Target, config Config) (*Opened, error) {
	at, err := t.HTTP(config.Getenv)
	if err != nil {
		return nil, err
	}
	engine, err := lumoauth.New(lumoauth.Config{
		BaseURL: at.Origin, InsecureHTTP: at.Insecure, Organization: t.Organization, TokenSource: at.TokenSource, APIKey: at.APIKey,
		Timeout: config.Timeout, HTTPClient: at.Client,
	})
	if err != nil {
		return nil, err
	}

	return &Opened{Engine: engine, close: closeHTTP(engine.Close, at.Client)}, nil
}

// closeHTTP closes an engine, then the connections of its client.
func closeHTTP(engine func() error, client *http.Client) func() error {
	return func() error {
		defer client.CloseIdleConnections()

		return engine()
	}
}
