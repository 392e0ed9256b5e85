// The quickstart's rules on LumoAuth. By default the program runs against a local
// server that implements LumoAuth's documented contract in front of OpenFGA. With
// three variables it runs against the real one:
//
//	LUMOAUTH_ORG=acme LUMOAUTH_CLIENT_ID=… LUMOAUTH_CLIENT_SECRET=… go run ./lumoauth
//
// The client needs the authz:check scope, and the organization's relations those
// of package documents. Copy engine.go: the rest runs it here.
package main

import (
	"context"
	"errors"
	"log"
	"os"

	"github.com/usher-auth/usher/authz/lumoauth"
	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/examples/engines/documents"
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

	engine, closeEngine, err := newEngine(base, org, clientID, secret)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeEngine()) }()

	return documents.Decide(ctx, os.Stdout, engine)
}
