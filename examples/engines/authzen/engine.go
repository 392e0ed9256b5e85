package main

import "github.com/usher-auth/usher/authz/authzen"

// newEngine returns an engine that asks the policy decision point at a URL. The
// caller must close it.
func newEngine(url string) (*authzen.Engine, error) {
	return authzen.New(authzen.Config{
		BaseURL: url,
		// TokenSource: creds, or APIKey: clientauth.File("…")
	})
}
