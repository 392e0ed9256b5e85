package credentials_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/credentialstest"
)

func TestDiscovery(t *testing.T) {
	const oidc, oauth = credentialstest.MetadataEndpoint, credentialstest.OAuthMetadataEndpoint
	discovering := func(c *credentials.Config) { c.Issuer, c.TokenURL = c.TokenURL[:len(c.TokenURL)-len("/token")], "" }
	bubble(t, "by OpenID Connect, read once an hour", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, discovering)
		for range 20 {
			value(t, creds)
			time.Sleep(30 * time.Minute)
		}
		if n, o := i.Requests(oidc), i.Requests(oauth); n < 6 || n > 11 || o != 0 {
			t.Fatal(n, o)
		}
	})
	bubble(t, "by RFC 8414 where there is no OpenID Connect", func(t *testing.T) {
		i := newIssuer(t)
		i.Script(oidc, credentialstest.Always(credentialstest.Status(404, "")))
		value(t, newCreds(t, i, discovering))
		if n, o := i.Requests(oidc), i.Requests(oauth); n != 1 || o != 1 {
			t.Fatal(n, o)
		}
	})
	bubble(t, "from an explicit metadata URL", func(t *testing.T) {
		i := newIssuer(t)
		value(t, newCreds(t, i, func(c *credentials.Config) { discovering(c); c.MetadataURL = i.URL() + string(oauth) }))
		if n, o := i.Requests(oidc), i.Requests(oauth); n != 0 || o != 1 {
			t.Fatal(n, o)
		}
	})
	for name, c := range map[string]struct {
		fault credentialstest.Fault
		kind  credentials.ErrorKind
		code  codes.Code
	}{
		"another issuer":           {credentialstest.Alter(map[string]any{"issuer": "https://evil.test"}), credentials.KindMisconfigured, codes.Internal},
		"issuer with a slash more": {credentialstest.Alter(map[string]any{"issuer": "https://issuer.test/"}), credentials.KindMisconfigured, codes.Internal},
		"issuer in capitals":       {credentialstest.Alter(map[string]any{"issuer": "https://ISSUER.test"}), credentials.KindMisconfigured, codes.Internal},
		"no issuer":                {credentialstest.Alter(map[string]any{"issuer": nil}), credentials.KindMisconfigured, codes.Internal},
		"ISSUER instead of issuer": {credentialstest.Alter(map[string]any{"issuer": nil, "ISSUER": "https://issuer.test"}), credentials.KindMisconfigured, codes.Internal},
		"no token endpoint":        {credentialstest.Alter(map[string]any{"token_endpoint": nil}), credentials.KindMisconfigured, codes.Internal},
		"plain http":               {credentialstest.Alter(map[string]any{"token_endpoint": "http://issuer.test/token"}), credentials.KindMisconfigured, codes.Internal},
		"plain http on loopback":   {credentialstest.Alter(map[string]any{"token_endpoint": "http://127.0.0.1:9/token"}), credentials.KindMisconfigured, codes.Internal},
		"a user in the URL":        {credentialstest.Alter(map[string]any{"token_endpoint": "https://a:b@issuer.test/token"}), credentials.KindMisconfigured, codes.Internal},
		"a relative URL":           {credentialstest.Alter(map[string]any{"token_endpoint": "/token"}), credentials.KindMisconfigured, codes.Internal},
		"503":                      {credentialstest.Status(503, ""), credentials.KindUnavailable, codes.Unavailable},
		"redirect":                 {credentialstest.Redirect(302, "https://evil.test"), credentials.KindUnavailable, codes.Unavailable},
		"HTML":                     {credentialstest.HTML(200), credentials.KindMalformed, codes.Unavailable},
		"403":                      {credentialstest.HTML(403), credentials.KindMalformed, codes.Unavailable},
		"huge":                     {credentialstest.HugeBody(2 << 20), credentials.KindMalformed, codes.Unavailable},
	} {
		bubble(t, "no token is asked for: "+name, func(t *testing.T) {
			i := newIssuer(t)
			i.Script(oidc, c.fault)
			creds := newCreds(t, i, discovering)
			wantError(t, creds.Ready(context.Background()), c.kind, c.code)
			if n := i.Requests(token); n != 0 {
				t.Fatal(n)
			}
			time.Sleep(time.Minute)
			value(t, creds) // a fixed one recovers
		})
	}
	bubble(t, "an endpoint that moved is found after a failure", func(t *testing.T) {
		i, moved := newIssuer(t), newIssuerWith(t, credentialstest.Config{URL: "https://moved.test"})
		route := i.Client().Transport
		creds := newCreds(t, i, func(c *credentials.Config) {
			discovering(c)
			client := *c.HTTPClient
			client.Transport = byHost{"issuer.test": route, "moved.test": moved.Client().Transport}
			c.HTTPClient = &client
		})
		value(t, creds)
		i.Script(token, credentialstest.Always(credentialstest.Status(404, "")))
		i.Script(oidc, credentialstest.Always(credentialstest.Alter(map[string]any{"token_endpoint": moved.TokenURL()})))
		for range 120 {
			time.Sleep(time.Minute)
			value(t, creds)
		}
		if n := moved.Requests(token); n == 0 {
			t.Fatal("the new endpoint was never asked")
		}
	})
}
