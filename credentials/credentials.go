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
// grpc.WithPerRPCCredentials and grpc.PerRPCCredentials; [Credentials.DialOptions]
// does more. It is safe for concurrent use. Whoever made it by New closes it.
type Credentials struct {
	g *group
	s *source
}

var _ grpccredentials.PerRPCCredentials = (*Credentials)(nil)

// New checks the configuration, all of it at once, and returns credentials. It
// does no I/O: the first token is fetched by the first call that needs one, or
// by Ready.
func New(cfg Config) (*Credentials, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	client, err := authn.Client(cfg.Auth, cfg.HTTPClient)
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

// For returns credentials for another target: a field that is left out stays as
// it is here, and a list that is empty but not nil asks for none. They share
// client authentication, backoff and Close with all others of the same New; each
// target has its own token. The same target asked for twice shares one token. A
// target can't be given up before Close, so it must not come from a caller's
// input.
//
// An invalid target is reported by Ready and by every call.
func (c *Credentials) For(t Target) *Credentials {
	return &Credentials{g: c.g, s: c.g.source(t.or(c.s.target))}
}

// Token returns the current token, or waits for one as a call does. The
// returned value is the caller's own.
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

// renewed waits a while for the refresh that Invalidate began.
func (c *Credentials) renewed(ctx context.Context, tok *token) {
	ctx, cancel := context.WithTimeout(ctx, invalidateWait)
	defer cancel()
	c.s.next(ctx, tok)
}

// TokenSource is a view for libraries that want one; it waits within ctx. It
// needs no oauth2.ReuseTokenSource around it, which would hold on to a token
// that was invalidated.
func (c *Credentials) TokenSource(ctx context.Context) oauth2.TokenSource {
	return tokenSource(func() (*oauth2.Token, error) { return c.Token(ctx) })
}

type tokenSource func() (*oauth2.Token, error)

// Token implements oauth2.TokenSource.
func (f tokenSource) Token() (*oauth2.Token, error) { return f() }

// Ready waits until there is a token, for warming up before the first call and
// for health checks. It is about one target: call it on what [Credentials.For]
// returned, or it fetches a token for no target at all. While one is in use it returns nil at once, whatever the
// state of the token endpoint. For an endpoint that was never reached it waits
// as long as ctx allows; without a deadline it returns the first failure.
func (c *Credentials) Ready(ctx context.Context) error {
	if tok := c.s.current.Load(); tok != nil {
		tok.touch()
		return nil
	}
	_, err := c.s.get(ctx, math.MaxInt64)
	return err
}

// Invalidate says that a token is known to be bad, if it is the one in use; for
// another one it does nothing. The next one is fetched at once, but at most once
// in 30 s, and in 2 min while the tokens that this brings are bad, too. Calls go
// on with the old token until there is a newer one; Token waits for the newer one,
// for at most 2 s.
func (c *Credentials) Invalidate(token string) {
	c.s.refused(token, ReasonCaller)
}

// Close stops all refreshing, releases every waiting call, waits until no
// goroutine is left, and ends all credentials of the same New. Calls after it
// get CANCELED. It may be called more than once; it always returns nil. A
// [clientauth.Secret] or a transport that ignores its context keeps it waiting.
func (c *Credentials) Close() error {
	c.g.close()
	return nil
}
