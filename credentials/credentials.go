package credentials

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"slices"
	"time"

	"golang.org/x/oauth2"
	grpccredentials "google.golang.org/grpc/credentials"

	"github.com/usher-auth/usher/credentials/internal/authn"
)

// Credentials attaches a service token to every call of a gRPC client. It
// implements PerRPCCredentials of google.golang.org/grpc/credentials, for
// grpc.WithPerRPCCredentials and grpc.PerRPCCredentials;
// [Credentials.DialOptions] does more. It is safe for concurrent use. The
// caller of [New] must close it.
type Credentials struct {
	g *group
	s *source
}

var _ grpccredentials.PerRPCCredentials = (*Credentials)(nil)

// New validates the configuration and returns credentials, or an error that
// lists all faults. It does no I/O: the first token is fetched by the first
// call that needs one, or by Ready.
func New(cfg Config) (*Credentials, error) {
	client, err := cfg.validate()
	if err != nil {
		return nil, err
	}
	timeout := cmp.Or(cfg.FetchTimeout, defaultFetchTimeout)
	if cfg.HTTPClient != nil && cfg.HTTPClient.Timeout > 0 {
		timeout = min(timeout, cfg.HTTPClient.Timeout)
	}
	// Every request runs on a context with that timeout. The client's own would
	// leave a goroutine behind when a transport panics.
	client.Timeout = 0
	g := &group{
		client:          client,
		ownClient:       cfg.HTTPClient == nil || cfg.HTTPClient.Transport == nil || authn.UsesTLS(cfg.Auth),
		auth:            cfg.Auth,
		clientID:        cfg.ClientID,
		clientIDFrom:    cfg.ClientIDFrom,
		params:          cloneParams(cfg.Params),
		fetchTimeout:    timeout,
		defaultLifetime: cmp.Or(cfg.DefaultLifetime, defaultLifetime),
		transport:       newTransportPolicy(&cfg),
		observer:        cfg.Observer,
		wall:            func() time.Time { return time.Now().Round(0) },
		sources:         make(map[string]*source),
	}
	g.locator = newLocator(&cfg, client)
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return &Credentials{g: g, s: g.source(cfg.target().or(Target{}))}, nil
}

func newLocator(cfg *Config, client *http.Client) locator {
	if cfg.TokenURL != "" {
		return fixed{authn.Endpoint{URL: cfg.TokenURL, Issuer: cfg.Issuer}}
	}
	return &discovery{
		client:       client,
		issuer:       cfg.Issuer,
		metadataURL:  cfg.MetadataURL,
		insecureHTTP: cfg.InsecureTokenURL,
		mtls:         authn.UsesTLS(cfg.Auth),
		wall:         func() time.Time { return time.Now().Round(0) },
	}
}

func cloneParams(params map[string][]string) map[string][]string {
	out := make(map[string][]string, len(params))
	for name, values := range params {
		out[name] = slices.Clone(values)
	}
	return out
}

// For returns credentials for another target: an unset field keeps the value
// that it has in c, and a list that is empty but not nil requests none. They
// share client authentication, backoff and Close with all others of the same
// New; each target has its own token. Asking for the same target twice shares
// one token. A target is kept until Close, so it must not come from a caller's
// input.
//
// An invalid target is reported by Ready and by every call.
func (c *Credentials) For(t Target) *Credentials {
	return &Credentials{g: c.g, s: c.g.source(t.or(c.s.target))}
}

// Token returns the current token, or waits for one as a call does. The caller
// may modify the returned value.
func (c *Credentials) Token(ctx context.Context) (*oauth2.Token, error) {
	tok, err := c.token(ctx)
	if err != nil {
		return nil, err
	}
	return &oauth2.Token{
		AccessToken: tok.value,
		TokenType:   "Bearer",
		Expiry:      tok.expiresAt.Round(0),
	}, nil
}

func (c *Credentials) token(ctx context.Context) (*token, error) {
	tok := c.s.current.Load()
	if tok == nil {
		return c.s.get(ctx, startWait)
	}
	if tok.verdict.Load() == verdictCondemned {
		c.renewed(ctx, tok)
		if tok = c.s.current.Load(); tok == nil {
			return c.s.get(ctx, startWait)
		}
	}
	tok.touch()
	return tok, nil
}

// renewed waits up to invalidateWait for the refresh that Invalidate began.
func (c *Credentials) renewed(ctx context.Context, tok *token) {
	ctx, cancel := context.WithTimeout(ctx, invalidateWait)
	defer cancel()
	c.s.next(ctx, tok)
}

// TokenSource returns an oauth2.TokenSource for libraries that need one; its
// Token waits within ctx. Don't wrap it in oauth2.ReuseTokenSource, which would
// keep returning a token that was invalidated.
func (c *Credentials) TokenSource(ctx context.Context) oauth2.TokenSource {
	return tokenSource(func() (*oauth2.Token, error) { return c.Token(ctx) })
}

type tokenSource func() (*oauth2.Token, error)

// Token implements oauth2.TokenSource.
func (f tokenSource) Token() (*oauth2.Token, error) { return f() }

// Ready waits until there is a token, for warming up before the first call and
// for health checks. It concerns one target: call it on the value that
// [Credentials.For] returned, since otherwise it fetches a token for no target
// at all. While a token is in use it returns nil at once, whatever the state of
// the token endpoint. For an endpoint that was never reached it waits as long
// as ctx allows; without a deadline it returns the first failure.
func (c *Credentials) Ready(ctx context.Context) error {
	if tok := c.s.current.Load(); tok != nil {
		tok.touch()
		return nil
	}
	_, err := c.s.get(ctx, math.MaxInt64)
	return err
}

// Invalidate reports that a token is bad. It does nothing if that token isn't
// in use. The next token is fetched at once, but at most once in 30 s, and at
// most once in 2 min while the new tokens are found bad, too. Calls use the old
// token until there is a newer one; Token waits up to 2 s for the newer one.
func (c *Credentials) Invalidate(token string) {
	c.s.refused(token, ReasonCaller)
}

// Close stops all refreshing, releases every waiting call, waits until no
// goroutine is left, and ends all credentials of the same New. Calls made after
// it fail with CANCELED. It may be called more than once; it always returns
// nil. It waits for a [clientauth.Secret] or a transport that ignores its
// context.
func (c *Credentials) Close() error {
	c.g.close()
	return nil
}
