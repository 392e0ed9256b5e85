package engines

import (
	"context"
	"errors"
	"strings"

	"github.com/usher-auth/usher/authz/authzen"
	"github.com/usher-auth/usher/authz/lumoauth"
)

// apiKey returns the source of an X-API-Key, nil if the environment has none.
func (t *target) apiKey() (func(context.Context) (string, error), error) {
	key := secret{value: t.config.Getenv(APIKeyVariable)}
	if key.value == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	if _, err := key.read(); err != nil {
		return nil, err
	}

	return func(context.Context) (string, error) { return key.read() }, nil
}

// base returns the URL of an HTTP engine.
func (t *target) base(path string) string {
	scheme := "https"
	if t.plain {
		scheme = "http"
	}

	return scheme + "://" + t.url.Host + path
}

func openAuthZEN(t *target) (*Opened, error) {
	if err := t.only(); err != nil {
		return nil, err
	}
	config := authzen.Config{BaseURL: strings.TrimSuffix(t.base(t.url.Path), "/"), InsecureHTTP: t.plain, Timeout: t.config.Timeout}
	key, err := t.apiKey()
	if err != nil {
		return nil, err
	}
	token, found, err := t.secret()
	if err != nil {
		return nil, err
	}
	config.APIKey = key
	if found {
		config.TokenSource = token
	}
	engine, err := authzen.New(config)
	if err != nil {
		return nil, err
	}

	return &Opened{Engine: engine, close: engine.Close}, nil
}

func openLumoAuth(t *target) (*Opened, error) {
	if err := t.only(); err != nil {
		return nil, err
	}
	config := lumoauth.Config{
		BaseURL: t.base(""), InsecureHTTP: t.plain, Organization: strings.Trim(t.url.Path, "/"), Timeout: t.config.Timeout,
	}
	key, err := t.apiKey()
	if err != nil {
		return nil, err
	}
	token, found, err := t.secret()
	switch {
	case err != nil:
		return nil, err
	case !found && key == nil:
		return nil, errors.New("set " + TokenVariable + ", " + TokenFileVariable + " or " + APIKeyVariable)
	case found:
		config.TokenSource = token
	}
	config.APIKey = key
	engine, err := lumoauth.New(config)
	if err != nil {
		return nil, err
	}

	return &Opened{Engine: engine, close: engine.Close}, nil
}
