package credentials_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/clientauth"
)

// byHost sends requests to one of several issuers in memory.
type byHost map[string]http.RoundTripper

func (b byHost) RoundTrip(r *http.Request) (*http.Response, error) {
	return b[r.URL.Host].RoundTrip(r)
}

func TestNewValidatesEverythingWithoutIO(t *testing.T) {
	secret := clientauth.SecretBasic(clientauth.Constant(clientSecret))
	valid := credentials.Config{TokenURL: "https://auth.test/token", ClientID: "a", Auth: secret}
	with := func(change func(*credentials.Config)) credentials.Config {
		c := valid
		change(&c)
		return c
	}
	for name, c := range map[string]struct {
		cfg  credentials.Config
		want string // "" means accepted
	}{
		"complete":                     {valid, ""},
		"nothing":                      {credentials.Config{}, "TokenURL and Issuer"},
		"issuer with a space":          {with(func(c *credentials.Config) { c.Issuer = "a b" }), "Issuer"},
		"no authentication, in words":  {with(func(c *credentials.Config) { c.Auth = nil }), "credentials: Auth: no client authentication was chosen: use a method of credentials/clientauth"},
		"no client id":                 {with(func(c *credentials.Config) { c.ClientID = "" }), "client id is empty"},
		"no authentication":            {with(func(c *credentials.Config) { c.Auth = nil }), "no client authentication"},
		"secret without a source":      {with(func(c *credentials.Config) { c.Auth = clientauth.SecretPost(nil) }), "no source"},
		"two client ids":               {with(func(c *credentials.Config) { c.ClientIDFrom = clientauth.Env("X") }), "exclude each other"},
		"plain http":                   {with(func(c *credentials.Config) { c.TokenURL = "http://auth.test/token" }), "plain http is refused"},
		"plain http, insecure":         {with(func(c *credentials.Config) { c.TokenURL, c.InsecureTokenURL = "http://auth.test/token", true }), ""},
		"plain http on loopback":       {with(func(c *credentials.Config) { c.TokenURL = "http://127.0.0.1:8080/token" }), ""},
		"plain http on IPv6 loopback":  {with(func(c *credentials.Config) { c.TokenURL = "http://[::1]/token" }), ""},
		"plain http on localhost":      {with(func(c *credentials.Config) { c.TokenURL = "http://localhost/token" }), ""},
		"a name that begins with 127.": {with(func(c *credentials.Config) { c.TokenURL = "http://127.0.0.1.evil.test/token" }), "plain http is refused"},
		"a name that ends so":          {with(func(c *credentials.Config) { c.TokenURL = "http://evil.localhost/token" }), "plain http is refused"},
		"password in the URL":          {with(func(c *credentials.Config) { c.TokenURL = "https://a:not-a-secret@auth.test/" }), "user or a password"},
		"fragment":                     {with(func(c *credentials.Config) { c.TokenURL = "https://auth.test/#f" }), "fragment"},
		"relative":                     {with(func(c *credentials.Config) { c.TokenURL = "/token" }), "absolute"},
		"no URL at all":                {with(func(c *credentials.Config) { c.TokenURL = "https://auth.test/%zz" }), "not a URL"},
		"file":                         {with(func(c *credentials.Config) { c.TokenURL = "file://host/etc/passwd" }), "must be https"},
		"metadata without issuer":      {with(func(c *credentials.Config) { c.TokenURL, c.MetadataURL = "", "https://auth.test/m" }), "needs Issuer"},
		"metadata and token URL":       {with(func(c *credentials.Config) { c.MetadataURL, c.Issuer = "https://auth.test/m", "https://auth.test" }), "exclude each other"},
		"issuer alone":                 {with(func(c *credentials.Config) { c.TokenURL, c.Issuer = "", "https://auth.test" }), ""},
		"issuer by plain http":         {with(func(c *credentials.Config) { c.TokenURL, c.Issuer = "", "http://auth.test" }), "plain http"},
		"scope with a space":           {with(func(c *credentials.Config) { c.Scopes = []string{"a b"} }), "scope"},
		"empty scope":                  {with(func(c *credentials.Config) { c.Scopes = []string{""} }), "scope"},
		"relative resource":            {with(func(c *credentials.Config) { c.Resources = []string{"docs"} }), "resource"},
		"own parameter":                {with(func(c *credentials.Config) { c.Params = url.Values{"grant_type": {"password"}} }), "grant_type"},
		"own parameter in capitals":    {with(func(c *credentials.Config) { c.Params = url.Values{"Client_Secret": {"x"}} }), "Client_Secret"},
		"negative timeout":             {with(func(c *credentials.Config) { c.FetchTimeout = -1 }), "FetchTimeout"},
		"a default lifetime too long":  {with(func(c *credentials.Config) { c.DefaultLifetime = 31 * 24 * time.Hour }), "DefaultLifetime"},
		"assertion file, no id":        {with(func(c *credentials.Config) { c.ClientID, c.Auth = "", clientauth.AssertionFile("/x") }), ""},
		"assertion file without path":  {with(func(c *credentials.Config) { c.Auth = clientauth.AssertionFile("") }), "no path"},
		"certificate without source":   {with(func(c *credentials.Config) { c.Auth = clientauth.TLSClientAuth(nil) }), "no source"},
		"certificate, odd transport": {with(func(c *credentials.Config) {
			c.Auth = clientauth.TLSClientAuth(clientauth.CertificateFiles("/x", "/y"))
			c.HTTPClient = &http.Client{Transport: byHost{}}
		}), "*http.Transport"},
		"key without source": {with(func(c *credentials.Config) { c.Auth = clientauth.PrivateKeyJWT(clientauth.PrivateKey{}) }), "no key"},
		"key for unknown issuer": {with(func(c *credentials.Config) {
			c.Auth = clientauth.PrivateKeyJWT(clientauth.PrivateKey{Key: clientauth.KeyFile("/x")})
		}), "AudienceTokenURL"},
		"key with HS256": {with(func(c *credentials.Config) {
			c.Issuer = "https://auth.test"
			c.Auth = clientauth.PrivateKeyJWT(clientauth.PrivateKey{Key: clientauth.KeyFile("/x"), Algorithm: "HS256"})
		}), "HS256"},
	} {
		t.Run(name, func(t *testing.T) {
			creds, err := credentials.New(c.cfg)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				_ = creds.Close()
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), clientSecret) {
				t.Fatalf("error is %v, want one about %q", err, c.want)
			}
		})
	}
	t.Run("all faults come at once", func(t *testing.T) {
		_, err := credentials.New(credentials.Config{TokenURL: "http://auth.test", Scopes: []string{""}, FetchTimeout: -1})
		if n := strings.Count(err.Error(), "credentials: "); n != 5 {
			t.Fatal(err)
		}
		_, err = credentials.New(credentials.Config{
			TokenURL: "https://auth.test/token", Issuer: "https://auth.test/a b", Scopes: []string{"a", ""}, Audience: "\x00", Resources: []string{"docs"},
			Auth: clientauth.PrivateKeyJWT(clientauth.PrivateKey{Algorithm: "none", Audience: 9}), HTTPClient: &http.Client{Transport: byHost{}},
		})
		for _, want := range []string{
			"Issuer: an issuer must not have white space", "Scopes[1]", "Audience has", "Resources[0]",
			"set PrivateKey.Key\n", "set ClientID", "set PrivateKey.Audience", "set PrivateKey.Algorithm",
		} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("nothing of %q in %v", want, err)
			}
		}
	})
}

func TestForSharesWhatIsTheSame(t *testing.T) {
	bubble(t, "six audiences, one client, one Close", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, func(c *credentials.Config) { c.Scopes = []string{"read"} })
		seen := map[string]bool{}
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			resource := credentials.Target{Resources: []string{"https://" + name + ".test"}}
			tok := value(t, creds.For(resource))
			if again := value(t, creds.For(resource)); again != tok || seen[tok] {
				t.Fatal("the same target has two tokens, or two share one")
			}
			seen[tok] = true
		}
		if n := i.Requests(token); n != 6 {
			t.Fatal(n)
		}
		last := i.Received(token)[5].Form
		if last.Get("scope") != "read" || last.Get("resource") != "https://f.test" {
			t.Fatal(last)
		}
		value(t, creds.For(credentials.Target{Scopes: []string{"write"}, Audience: "g"}))
		last = i.Received(token)[6].Form
		if last.Get("scope") != "write" || last.Get("audience") != "g" || last.Has("resource") {
			t.Fatal(last)
		}
	})
	bubble(t, "nil keeps a list, an empty one asks for none", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, func(c *credentials.Config) {
			c.Scopes, c.Resources, c.Audience = []string{"read"}, []string{"https://a.test"}, "a"
		})
		for n, c := range []struct {
			target                    credentials.Target
			scope, resource, audience string
		}{
			{credentials.Target{}, "read", "https://a.test", "a"},
			{credentials.Target{Scopes: []string{}}, "", "https://a.test", "a"},
			{credentials.Target{Resources: []string{}, Audience: "b"}, "read", "", "b"},
		} {
			value(t, creds.For(c.target))
			if got := i.Received(token)[n].Form; got.Get("scope") != c.scope || got.Get("resource") != c.resource || got.Get("audience") != c.audience {
				t.Errorf("%+v: %v", c.target, got)
			}
		}
		targets := []string{"https://b.test"}
		b := creds.For(credentials.Target{Resources: targets})
		targets[0] = "https://evil.test"
		value(t, b)
		if got := i.Received(token)[3].Form.Get("resource"); got != "https://b.test" {
			t.Error(got)
		}
	})
	bubble(t, "what the caller hands in may be changed afterwards", func(t *testing.T) {
		i := newIssuer(t)
		scopes, params := []string{"read"}, url.Values{"organization": {"acme"}}
		creds := newCreds(t, i, func(c *credentials.Config) { c.Scopes, c.Params = scopes, params })
		scopes[0], params["organization"][0] = "admin", "evil"
		value(t, creds)
		if got := i.Received(token)[0].Form; got.Get("scope") != "read" || got.Get("organization") != "acme" {
			t.Fatal(got)
		}
	})
}

func TestTokenSource(t *testing.T) {
	bubble(t, "a view of the same token, with its expiry", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, nil)
		tok, err := creds.TokenSource(context.Background()).Token()
		if err != nil {
			t.Fatal(err)
		}
		if tok.AccessToken != value(t, creds) || tok.Type() != "Bearer" || time.Until(tok.Expiry) != time.Hour || !tok.Valid() {
			t.Fatal(tok)
		}
		tok.AccessToken = "changed"
		if value(t, creds) == "changed" {
			t.Fatal("the token is shared with its caller")
		}
	})
}
