package main

import (
	"errors"

	"github.com/usher-auth/usher/authz/lumoauth"
	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/clientauth"
)

// newEngine returns an engine that asks the LumoAuth at a URL, with tokens of its
// own client there, and a function that closes both. The client needs the
// authz:check scope.
func newEngine(url, organization, clientID string, secret clientauth.Secret) (*lumoauth.Engine, func() error, error) {
	// The process shares one token: LumoAuth allows 30 token requests a minute.
	creds, err := credentials.New(credentials.Config{
		TokenURL: url + "/orgs/" + organization + "/api/v1/oauth/token",
		ClientID: clientID,
		Auth:     clientauth.SecretBasic(secret),
		Scopes:   []string{"authz:check"},
	})
	if err != nil {
		return nil, nil, err
	}
	engine, err := lumoauth.New(lumoauth.Config{BaseURL: url, Organization: organization, TokenSource: creds})
	if err != nil {
		return nil, nil, errors.Join(err, creds.Close())
	}

	return engine, func() error { return errors.Join(engine.Close(), creds.Close()) }, nil
}
