package credentials_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/credentials"
)

// byHost sends requests to one of several issuers in memory.
type byHost map[string]http.RoundTripper

func (b byHost) RoundTrip(r *http.Request) (*http.Response, error) {
	return b[r.URL.Host].RoundTrip(r)
}

func TestNewValidatesEverythingWithoutIO(t *testing.T) {
	secret := credentials.SecretBasic(credentials.Constant(clientSecret))
	valid := credentials.Config{TokenURL: "https://auth.test/token", ClientID: "a", Auth: secret}
	with := func(change func(*credentials.Config)) credentials.Config {
		c := valid
		change(&c)
		return c
	}
	insecure := []credentials.Option{credentials.InsecureTokenURL()}
	for name, c := range map[string]struct {
		cfg  credentials.Config
		opts []credentials.Option
		want string // "" means accepted
	}{
		"complete":                     {valid, nil, ""},
		"nothing":                      {credentials.Config{}, nil, "TokenURL and Issuer"},
		"no client id":                 {with(func(c *credentials.Config) { c.ClientID = "" }), nil, "client id is empty"},
		"no authentication":            {with(func(c *credentials.Config) { c.Auth = nil }), nil, "no client authentication"},
		"secret without a source":      {with(func(c *credentials.Config) { c.Auth = credentials.SecretPost(nil) }), nil, "no source"},
		"two client ids":               {with(func(c *credentials.Config) { c.ClientIDFrom = credentials.Env("X") }), nil, "exclude each other"},
		"plain http":                   {with(func(c *credentials.Config) { c.TokenURL = "http://auth.test/token" }), nil, "plain http is refused"},
		"plain http, insecure":         {with(func(c *credentials.Config) { c.TokenURL = "http://auth.test/token" }), insecure, ""},
		"plain http on loopback":       {with(func(c *credentials.Config) { c.TokenURL = "http://127.0.0.1:8080/token" }), nil, ""},
		"plain http on IPv6 loopback":  {with(func(c *credentials.Config) { c.TokenURL = "http://[::1]/token" }), nil, ""},
		"plain http on localhost":      {with(func(c *credentials.Config) { c.TokenURL = "http://localhost/token" }), nil, ""},
		"a name that begins with 127.": {with(func(c *credentials.Config) { c.TokenURL = "http://127.0.0.1.evil.test/token" }), nil, "plain http is refused"},
		"a name that ends so":          {with(func(c *credentials.Config) { c.TokenURL = "http://evil.localhost/token" }), nil, "plain http is refused"},
		"password in the URL":          {with(func(c *credentials.Config) { c.TokenURL = "https://a:not-a-secret@auth.test/" }), nil, "user or a password"},
		"fragment":                     {with(func(c *credentials.Config) { c.TokenURL = "https://auth.test/#f" }), nil, "fragment"},
		"relative":                     {with(func(c *credentials.Config) { c.TokenURL = "/token" }), nil, "absolute"},
		"no URL at all":                {with(func(c *credentials.Config) { c.TokenURL = "https://auth.test/%zz" }), nil, "not a URL"},
		"file":                         {with(func(c *credentials.Config) { c.TokenURL = "file://host/etc/passwd" }), nil, "must be https"},
		"metadata without issuer":      {with(func(c *credentials.Config) { c.TokenURL, c.MetadataURL = "", "https://auth.test/m" }), nil, "needs Issuer"},
		"metadata and token URL":       {with(func(c *credentials.Config) { c.MetadataURL, c.Issuer = "https://auth.test/m", "https://auth.test" }), nil, "exclude each other"},
		"issuer alone":                 {with(func(c *credentials.Config) { c.TokenURL, c.Issuer = "", "https://auth.test" }), nil, ""},
		"issuer by plain http":         {with(func(c *credentials.Config) { c.TokenURL, c.Issuer = "", "http://auth.test" }), nil, "plain http"},
		"scope with a space":           {with(func(c *credentials.Config) { c.Scopes = []string{"a b"} }), nil, "scope"},
		"empty scope":                  {with(func(c *credentials.Config) { c.Scopes = []string{""} }), nil, "scope"},
		"relative resource":            {with(func(c *credentials.Config) { c.Resource = []string{"docs"} }), nil, "resource"},
		"own parameter":                {with(func(c *credentials.Config) { c.Params = url.Values{"grant_type": {"password"}} }), nil, "grant_type"},
		"own parameter in capitals":    {with(func(c *credentials.Config) { c.Params = url.Values{"Client_Secret": {"x"}} }), nil, "Client_Secret"},
		"negative timeout":             {with(func(c *credentials.Config) { c.FetchTimeout = -1 }), nil, "FetchTimeout"},
		"a default lifetime too long":  {with(func(c *credentials.Config) { c.DefaultLifetime = 31 * 24 * time.Hour }), nil, "DefaultLifetime"},
		"assertion file, no id":        {with(func(c *credentials.Config) { c.ClientID, c.Auth = "", credentials.AssertionFile("/x") }), nil, ""},
		"assertion file without path":  {with(func(c *credentials.Config) { c.Auth = credentials.AssertionFile("") }), nil, "no path"},
		"certificate without source":   {with(func(c *credentials.Config) { c.Auth = credentials.TLSClientAuth(nil) }), nil, "no source"},
		"certificate, odd transport": {with(func(c *credentials.Config) {
			c.Auth = credentials.TLSClientAuth(credentials.CertificateFiles("/x", "/y"))
			c.HTTPClient = &http.Client{Transport: byHost{}}
		}), nil, "*http.Transport"},
		"key without source": {with(func(c *credentials.Config) { c.Auth = credentials.PrivateKeyJWT(credentials.PrivateKey{}) }), nil, "no key"},
		"key for unknown issuer": {with(func(c *credentials.Config) {
			c.Auth = credentials.PrivateKeyJWT(credentials.PrivateKey{Key: credentials.KeyFile("/x")})
		}), nil, "AudienceTokenURL"},
		"key with HS256": {with(func(c *credentials.Config) {
			c.Issuer = "https://auth.test"
			c.Auth = credentials.PrivateKeyJWT(credentials.PrivateKey{Key: credentials.KeyFile("/x"), Algorithm: "HS256"})
		}), nil, "HS256"},
	} {
		t.Run(name, func(t *testing.T) {
			creds, err := credentials.New(c.cfg, c.opts...)
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
		if n := strings.Count(err.Error(), "credentials: "); n != 4 {
			t.Fatal(err)
		}
	})
}

func TestForSharesWhatIsTheSame(t *testing.T) {
	bubble(t, "six audiences, one client, one Close", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, func(c *credentials.Config) { c.Scopes = []string{"read"} })
		seen := map[string]bool{}
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			resource := credentials.Resource("https://" + name + ".test")
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
		value(t, creds.For(credentials.Scopes("write"), credentials.Audience("g")))
		last = i.Received(token)[6].Form
		if last.Get("scope") != "write" || last.Get("audience") != "g" || last.Has("resource") {
			t.Fatal(last)
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
