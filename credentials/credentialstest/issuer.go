package credentialstest

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Issuer is an authorization server. It is safe for concurrent use.
type Issuer struct {
	cfg    Config
	url    string
	client *http.Client
	server server

	// done is closed by Close and ends every hanging request.
	done  chan struct{}
	close sync.Once

	mu        sync.Mutex
	clients   map[string]Client
	keys      []*signingKey
	keySerial int
	tokens    map[string]*issued
	assertion map[string]time.Time // by jti, against replay
	serial    int
	endpoints map[Endpoint]*endpoint
}

// server is what carries requests to the issuer: a socket or a function.
type server interface {
	down()
	up() error
	stop()
}

// Endpoint names one of the issuer's endpoints.
type Endpoint string

// The endpoints of an issuer.
const (
	TokenEndpoint         Endpoint = "/token"
	JWKSEndpoint          Endpoint = "/jwks"
	IntrospectionEndpoint Endpoint = "/introspect"
	// MetadataEndpoint is the one of OpenID Connect Discovery.
	MetadataEndpoint Endpoint = "/.well-known/openid-configuration"
	// OAuthMetadataEndpoint is the one of RFC 8414.
	OAuthMetadataEndpoint Endpoint = "/.well-known/oauth-authorization-server"
)

// NewIssuer starts an issuer and closes it when the test ends. Inside
// testing/synctest it needs Config.InMemory.
func NewIssuer(tb testing.TB, cfg Config) *Issuer {
	tb.Helper()
	i, err := Start(cfg)
	if err != nil {
		tb.Fatalf("credentialstest: %v", err)
	}
	tb.Cleanup(i.Close)
	return i
}

// Start starts an issuer outside a test, such as in an example. The caller
// closes it.
func Start(cfg Config) (*Issuer, error) {
	if cfg.Algorithm == "" {
		cfg.Algorithm = "ES256"
	}
	if cfg.Lifetime == 0 {
		cfg.Lifetime = time.Hour
	}
	i := &Issuer{
		cfg:       cfg,
		done:      make(chan struct{}),
		clients:   make(map[string]Client),
		tokens:    make(map[string]*issued),
		assertion: make(map[string]time.Time),
		endpoints: make(map[Endpoint]*endpoint),
	}
	for _, name := range []Endpoint{TokenEndpoint, JWKSEndpoint, IntrospectionEndpoint, MetadataEndpoint, OAuthMetadataEndpoint} {
		i.endpoints[name] = &endpoint{arrived: make(chan struct{})}
	}
	if _, err := i.addKey(cfg.Algorithm); err != nil {
		return nil, err
	}
	if err := i.listen(); err != nil {
		return nil, err
	}
	return i, nil
}

// Close stops the issuer and ends the requests that hang. It may be called more
// than once.
func (i *Issuer) Close() {
	i.close.Do(func() {
		close(i.done)
		i.client.CloseIdleConnections()
		i.server.stop()
	})
}

// URL returns the issuer identifier that the metadata and the tokens have.
func (i *Issuer) URL() string { return i.url }

// TokenURL returns the URL of the token endpoint.
func (i *Issuer) TokenURL() string { return i.url + string(TokenEndpoint) }

// JWKSURL returns the URL of the keys.
func (i *Issuer) JWKSURL() string { return i.url + string(JWKSEndpoint) }

// IntrospectURL returns the URL of the introspection endpoint.
func (i *Issuer) IntrospectURL() string { return i.url + string(IntrospectionEndpoint) }

// MetadataURL returns the URL of the metadata of OpenID Connect Discovery.
func (i *Issuer) MetadataURL() string { return i.url + string(MetadataEndpoint) }

// Client returns an HTTP client that trusts the issuer's certificate and uses
// no proxy.
func (i *Issuer) Client() *http.Client { return i.client }

// Down makes the issuer unreachable: its port is closed, and connections are
// cut.
func (i *Issuer) Down() { i.server.down() }

// Up makes it reachable again at the same address. It panics when the port was
// taken in the meantime.
func (i *Issuer) Up() {
	if err := i.server.up(); err != nil {
		panic(fmt.Sprintf("credentialstest: %v", err))
	}
}

// ServeHTTP implements http.Handler, for tests that put the issuer behind a
// server of their own.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := Endpoint(r.URL.Path)
	e, ok := i.endpoints[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	fault := e.arrive(r)
	defer e.leave()
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { i.answer(name, w, r) })
	if fault == nil {
		answer(w, r)
		return
	}
	fault.serve(&exchange{w: w, r: r, done: i.done, answer: answer, issuer: i})
}

func (i *Issuer) answer(name Endpoint, w http.ResponseWriter, r *http.Request) {
	switch name {
	case TokenEndpoint:
		i.serveToken(w, r)
	case IntrospectionEndpoint:
		i.serveIntrospection(w, r)
	case JWKSEndpoint:
		i.serveKeys(w)
	case MetadataEndpoint, OAuthMetadataEndpoint:
		i.serveMetadata(w)
	}
}
