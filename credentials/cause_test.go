package credentials_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/credentialstest"
)

// The path of a file that can't be read is in the cause, and never in the text,
// which may become a remote caller's status.
func TestCauseOfAFileHasItsPath(t *testing.T) {
	for name, auth := range map[string]clientauth.Method{
		"a secret":     clientauth.SecretBasic(clientauth.File("/nowhere/a\nsecret")),
		"an assertion": clientauth.AssertionFile("/nowhere/a\nsecret"),
	} {
		creds, err := credentials.New(credentials.Config{TokenURL: "https://issuer.test/token", ClientID: "docs", Auth: auth})
		if err != nil {
			t.Fatal(err)
		}
		defer creds.Close()
		err = creds.Ready(t.Context())
		cause := errors.Unwrap(err)
		if cause == nil || !strings.Contains(cause.Error(), `a configured file does not exist: "/nowhere/a\nsecret"`) || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: cause %v", name, cause)
		}
		if strings.Contains(err.Error(), "nowhere") || strings.Contains(status.Convert(err).Message(), "nowhere") {
			t.Errorf("%s: the text is %v", name, err)
		}
	}
}

// What an operator needs is in the cause of an error, what a caller may read in
// its text.
func TestCausesSayWhatToSet(t *testing.T) {
	discovering := func(c *credentials.Config) { c.Issuer, c.TokenURL = strings.TrimSuffix(c.TokenURL, "/token"), "" }
	alter := func(member string, value any) credentialstest.Fault {
		return credentialstest.Alter(map[string]any{member: value})
	}
	const oidc, oauth = credentialstest.MetadataEndpoint, credentialstest.OAuthMetadataEndpoint
	for name, c := range map[string]struct {
		change func(*credentials.Config)
		at     credentialstest.Endpoint
		fault  credentialstest.Fault // nil: the port is closed
		text   string
		want   []string
		never  []string
	}{
		"an issuer with a slash more": {
			discovering, oidc, alter("issuer", "https://issuer.test/"), "credentials: the metadata names another issuer than the configured one",
			[]string{"GET https://issuer.test/.well-known/openid-configuration", `Config.Issuer is "https://issuer.test"`, `unverified issuer "https://issuer.test/"`, "trailing slash"},
			nil,
		},
		"another issuer": {
			discovering, oidc, alter("issuer", "https://evil.test"), "credentials: the metadata names another issuer than the configured one",
			[]string{`Config.Issuer is "https://issuer.test"`, `unverified issuer "https://evil.test"`},
			[]string{"slash"},
		},
		"a hostile issuer": {
			discovering, oidc, alter("issuer", "https://e\n\x1b[31m\""+strings.Repeat("x", 1<<16)), "",
			[]string{`unverified issuer "https://e\n\x1b[31m\"xxx`, `"...`},
			[]string{"\n", "\x1b", strings.Repeat("x", 129)},
		},
		"an issuer that is cut within a character": {
			discovering, oidc, alter("issuer", strings.Repeat("x", 127)+"€€"), "",
			[]string{strings.Repeat("x", 127)},
			[]string{"\ufffd", `\x`},
		},
		"no issuer": {
			discovering, oidc, alter("issuer", nil), "",
			[]string{`Config.Issuer is "https://issuer.test"`, "names none"},
			[]string{"unverified", "slash"},
		},
		"a token endpoint that can't be": {
			discovering, oidc, alter("token_endpoint", "http://mallory:not-a-password@issuer.test/token?not-a-query"), "credentials: the metadata names a token endpoint that is not an https URL",
			[]string{`unverified token_endpoint "http://issuer.test/token"`},
			[]string{"not-a-password", "not-a-query", "mallory"},
		},
		"a token endpoint that is no URL": {
			discovering, oidc, alter("token_endpoint", "https://mallory:not-a-password@issuer.test:port/"), "",
			[]string{"unverified token_endpoint"},
			[]string{"not-a-password", "mallory"},
		},
		"no token endpoint": {
			discovering, oidc, alter("token_endpoint", nil), "credentials: the metadata names no token endpoint",
			[]string{"GET https://issuer.test/.well-known/openid-configuration", "Config.TokenURL"},
			nil,
		},
		"no metadata in either place": {
			discovering, oidc, credentialstest.Status(404, ""), "credentials: the authorization server has no metadata (HTTP 404)",
			[]string{"GET https://issuer.test/.well-known/oauth-authorization-server", "HTTP 404"},
			nil,
		},
		"metadata that can't be reached": {
			discovering, oidc, nil, "credentials: the authorization server refused the connection",
			[]string{"GET https://issuer.test/.well-known/openid-configuration: ", "connection refused"},
			nil,
		},
		"a token endpoint that can't be reached": {
			func(c *credentials.Config) { c.TokenURL += "?tenant=not-a-query" }, token, nil, "credentials: the authorization server refused the connection",
			[]string{"POST https://issuer.test/token: ", "connection refused"},
			[]string{"not-a-query"},
		},
		"a token endpoint that is down": {
			nil, token, credentialstest.Status(503, ""), "credentials: the token endpoint is unavailable (HTTP 503)",
			[]string{"POST https://issuer.test/token: HTTP 503"},
			nil,
		},
		"a token endpoint that answers HTML": {
			nil, token, credentialstest.HTML(404), "",
			[]string{"POST https://issuer.test/token: HTTP 404"},
			[]string{"DOCTYPE", "page"},
		},
		"a client that is rejected": {
			nil, token, credentialstest.Error(401, "invalid_client"), "credentials: the token endpoint rejected the client: invalid_client (HTTP 401)",
			[]string{"POST https://issuer.test/token: HTTP 401", "Config.ClientID", "Config.Auth"},
			nil,
		},
		"a resource that isn't registered": {
			func(c *credentials.Config) { c.Resources = []string{"https://docs.internal"} }, token, credentialstest.Error(400, "invalid_target"), "",
			[]string{"Resources [\"https://docs.internal\"]"},
			nil,
		},
		"a scope that isn't allowed": {
			func(c *credentials.Config) { c.Scopes = []string{"read"} }, token, credentialstest.Error(400, "invalid_scope"), "",
			[]string{"Scopes [\"read\"]"},
			nil,
		},
	} {
		bubble(t, name, func(t *testing.T) {
			i := newIssuer(t)
			var told error
			creds := newCreds(t, i, func(cfg *credentials.Config) {
				cfg.Observer.FetchEnded = func(e credentials.FetchEnded) { told = e.Err }
				if c.change != nil {
					c.change(cfg)
				}
			})
			if c.fault == nil {
				i.Down()
			} else {
				i.Script(c.at, credentialstest.Always(c.fault))
				i.Script(oauth, credentialstest.Always(c.fault))
			}
			err := creds.Ready(context.Background())
			cause := errors.Unwrap(err)
			if cause == nil {
				t.Fatalf("nothing to unwrap in %v", err)
			}
			if c.text != "" && err.Error() != c.text {
				t.Errorf("the text is %q, want %q", err, c.text)
			}
			for _, want := range c.want {
				if !strings.Contains(cause.Error(), want) {
					t.Errorf("%q is missing from the cause %q", want, cause)
				}
			}
			for _, never := range c.never {
				if strings.Contains(cause.Error(), never) || strings.Contains(err.Error(), never) {
					t.Errorf("%q is in the cause %q", never, cause)
				}
			}
			noLeak(t, err)
			if len(cause.Error()) > 1024 {
				t.Errorf("the cause has %d bytes", len(cause.Error()))
			}
			if op := (*net.OpError)(nil); c.fault == nil && !errors.As(err, &op) {
				t.Error("the network's error is gone")
			}
			creds.Close()
			if told == nil || errors.Unwrap(told) == nil || errors.Unwrap(told).Error() != cause.Error() {
				t.Errorf("the observer was told %v", told)
			}
		})
	}
}
