// Package authserver is a real OAuth 2.0 authorization server on a loopback
// port: go-oidc with the client_credentials grant, at+jwt (RFC 9068) and opaque
// access tokens, a key set that can be rotated, introspection, revocation, and
// client authentication by secret, by key and by certificate. It is for demos
// and tests: its clients are fixed at start and its state lives in memory.
//
//	server, err := authserver.New(authserver.Config{
//		Certificate: certificate,
//		Resources:   []string{"https://docs.internal"},
//		Clients:     []authserver.Client{{ID: "reader", Secret: secret}},
//	})
//	defer server.Close()
//	fmt.Println(server.Issuer(), server.TokenURL())
package authserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"maps"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/luikyv/go-oidc/pkg/goidc"
	"github.com/luikyv/go-oidc/pkg/provider"

	"github.com/usher-auth/usher/examples/quickstart/demo/internal/outage"
)

const (
	defaultTokenLifetime = 5 * time.Minute
	defaultKeyPrefix     = "key"
	readHeaderTimeout    = 10 * time.Second
	shutdownTimeout      = 5 * time.Second
)

// Config is how the server is made.
type Config struct {
	// Certificate is the server's, for 127.0.0.1. Required.
	Certificate tls.Certificate
	// ClientCAs verify the certificates of clients that authenticate by one.
	// Optional.
	ClientCAs *x509.CertPool
	// Resources are the audiences that clients may ask for (RFC 8707). A token
	// has an "aud" only when its request named a resource. Required.
	Resources []string
	// Scopes may be asked for by every client. Optional.
	Scopes []string
	// Clients may ask for tokens. Required.
	Clients []Client
	// TokenLifetime is how long access tokens live. Default 5 minutes.
	TokenLifetime time.Duration
	// Algorithm signs the tokens: ES256 (the default), RS256 or PS256.
	Algorithm string
	// Address is where the server listens, such as "127.0.0.1:8443": a server
	// that is started again is the same issuer only at the same address.
	// Default: a free loopback port.
	Address string
	// KeyPrefix begins the kids of the signing keys, which are numbered from 1.
	// Default "key". A server that is started again has new keys; with the same
	// prefix they have the kids of the old ones.
	KeyPrefix string
}

// Server is a running authorization server. Safe for concurrent use.
type Server struct {
	issuer   string
	keys     *keyRing
	provider *provider.Provider
	http     *http.Server
	listener *outage.Listener
	served   chan error
	tokens   atomic.Int64
}

// New starts a server.
func New(cfg Config) (*Server, error) {
	if len(cfg.Resources) == 0 || len(cfg.Clients) == 0 {
		return nil, errors.New("authserver: Resources and Clients are required")
	}
	if cfg.TokenLifetime == 0 {
		cfg.TokenLifetime = defaultTokenLifetime
	}
	if cfg.Algorithm == "" {
		cfg.Algorithm = string(goidc.SigAlgES256)
	}
	if cfg.KeyPrefix == "" {
		cfg.KeyPrefix = defaultKeyPrefix
	}
	listener, err := outage.Listen(cfg.Address)
	if err != nil {
		return nil, err
	}
	s := &Server{
		issuer:   "https://" + listener.Addr().String(),
		keys:     &keyRing{algorithm: goidc.SignatureAlgorithm(cfg.Algorithm), prefix: cfg.KeyPrefix},
		listener: listener,
		served:   make(chan error, 1),
	}
	if err := s.configure(cfg); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	go func() { s.served <- s.http.ServeTLS(listener, "", "") }()
	return s, nil
}

func (s *Server) configure(cfg Config) error {
	if _, err := s.keys.rotate(); err != nil {
		return err
	}
	keep := newStore(retention(cfg))
	options, err := s.options(cfg, keep)
	if err != nil {
		return err
	}
	s.provider, err = provider.New(provider.Config{
		Issuer:      s.issuer,
		Manager:     keep,
		JWKS:        s.keys.jwks,
		IDTokenAlgs: []goidc.SignatureAlgorithm{s.keys.algorithm},
	}, options...)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	s.provider.RegisterRoutes(mux)
	s.http = &http.Server{
		Handler:           withCertificate(s.counted(mux)),
		ReadHeaderTimeout: readHeaderTimeout,
		ErrorLog:          log.New(io.Discard, "", 0), // resets are this server's daily work
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{cfg.Certificate},
			ClientCAs:    cfg.ClientCAs,
			ClientAuth:   tls.VerifyClientCertIfGiven,
			MinVersion:   tls.VersionTLS12,
		},
	}
	return nil
}

func (s *Server) options(cfg Config, keep *store) ([]provider.Option, error) {
	clients := make([]*goidc.Client, 0, len(cfg.Clients))
	for _, c := range cfg.Clients {
		registered, err := c.register(cfg.Scopes)
		if err != nil {
			return nil, err
		}
		clients = append(clients, registered)
	}
	scopes := make([]goidc.Scope, 0, len(cfg.Scopes))
	for _, scope := range cfg.Scopes {
		scopes = append(scopes, goidc.NewScope(scope))
	}
	mayIntrospect := func(_ context.Context, c *goidc.Client, _ goidc.TokenInfo) bool {
		return slices.ContainsFunc(cfg.Clients, func(known Client) bool { return known.ID == c.ID && known.Introspects })
	}
	everyClient := func(context.Context, *goidc.Client) bool { return true }
	return []provider.Option{
		provider.WithClientCredentialsGrant(),
		provider.WithStaticClients(clients...),
		provider.WithScopes(scopes...),
		provider.WithResourceIndicators(cfg.Resources),
		provider.WithSecretBasicAuthn(),
		provider.WithPrivateKeyJWTAuthn(goidc.SigAlgES256, goidc.SigAlgRS256, goidc.SigAlgPS256),
		provider.WithJTIConsumer(keep.consumeJTI),
		provider.WithTLSAuthn(),
		provider.WithMTLS(
			provider.MTLSConfig{Host: s.issuer, ClientCert: certificateFrom},
			provider.WithMTLSTokenBinding(),
		),
		provider.WithTokenOptions(tokenOptions(cfg), provider.WithOpaqueTokens(keep)),
		provider.WithTokenClaims(func(_ context.Context, token *goidc.Token, _ *goidc.Grant) map[string]any {
			for _, known := range cfg.Clients {
				if known.ID == token.ClientID {
					return maps.Clone(known.Claims)
				}
			}
			return nil
		}),
		provider.WithTokenIntrospection(mayIntrospect),
		provider.WithTokenRevocation(everyClient, provider.WithTokenRevocationRevokeGrantOnAccessToken()),
	}, nil
}

// tokenOptions chooses the form and lifetime of a client's tokens.
func tokenOptions(cfg Config) goidc.TokenOptionsFunc {
	return func(_ context.Context, _ *goidc.Grant, c *goidc.Client) goidc.TokenOptions {
		lifetime, opaque := cfg.TokenLifetime, false
		for _, known := range cfg.Clients {
			if known.ID == c.ID {
				opaque = known.Opaque
				if known.TokenLifetime != 0 {
					lifetime = known.TokenLifetime
				}
			}
		}
		seconds := int(lifetime / time.Second)
		if opaque {
			return goidc.NewOpaqueTokenOptions(seconds)
		}
		return goidc.NewJWTTokenOptions(goidc.SignatureAlgorithm(cfg.Algorithm), seconds)
	}
}

// retention is how long grants are kept: past the end of every token.
func retention(cfg Config) time.Duration {
	longest := cfg.TokenLifetime
	for _, c := range cfg.Clients {
		longest = max(longest, c.TokenLifetime)
	}
	return longest + time.Minute
}

// Issuer is the "iss" of its tokens.
func (s *Server) Issuer() string { return s.issuer }

// TokenURL is the token endpoint.
func (s *Server) TokenURL() string { return s.issuer + tokenPath }

// JWKSURL is where the keys are published.
func (s *Server) JWKSURL() string { return s.issuer + "/jwks" }

// IntrospectionURL is the introspection endpoint (RFC 7662).
func (s *Server) IntrospectionURL() string { return s.issuer + "/introspect" }

// MetadataURL is the OpenID Connect discovery document.
func (s *Server) MetadataURL() string { return s.issuer + "/.well-known/openid-configuration" }

// TokenRequests is how many requests the token endpoint has had.
func (s *Server) TokenRequests() int { return int(s.tokens.Load()) }

// Rotate signs with a new key from now on and returns its kid; the earlier keys
// stay published.
func (s *Server) Rotate() (kid string, err error) { return s.keys.rotate() }

// Withdraw stops publishing a key.
func (s *Server) Withdraw(kid string) { s.keys.withdraw(kid) }

// Revoke revokes an access token: introspection calls it inactive from now on.
func (s *Server) Revoke(ctx context.Context, token string) error {
	return s.provider.RevokeToken(ctx, token)
}

// Down takes the server off the network until Up.
func (s *Server) Down() { s.listener.Down() }

// Up puts it back.
func (s *Server) Up() { s.listener.Up() }

// Close stops the server and waits for its requests to end.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
