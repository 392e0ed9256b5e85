package e2e

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"net"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	grpccredentials "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/reflection"

	"github.com/usher-auth/usher/examples/quickstart/demo/authserver"
	"github.com/usher-auth/usher/examples/quickstart/demo/engine"
	"github.com/usher-auth/usher/examples/quickstart/demo/pki"
	"github.com/usher-auth/usher/examples/quickstart/documents"
	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
)

// TestMain looks for leaked goroutines, except those that the engines' libraries
// start when they are linked.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

const (
	audience    = "https://docs.internal"
	testTimeout = 3 * time.Minute
	// serverID is the document service's own name at the authorization server,
	// with which it introspects.
	serverID = "documents"
)

// client is a service that calls: how it authenticates, and what its tokens are.
type client struct {
	id     string
	method string // "client_secret_basic", "private_key_jwt" or "tls_client_auth"
	opaque bool
	secret string
	key    *ecdsa.PrivateKey
	cert   tls.Certificate
}

// system is a whole chain on loopback.
type system struct {
	t        *testing.T
	ctx      context.Context
	ca       *pki.Authority
	cert     tls.Certificate
	issuer   *authserver.Server
	engine   *engine.Server
	http     *http.Client
	clients  map[string]*client
	docsKey  *ecdsa.PrivateKey
	lifetime time.Duration
	fetched  fetches
}

// newSystem starts an authorization server, which knows the clients, and an
// engine.
func newSystem(t *testing.T, lifetime time.Duration, clients ...*client) *system {
	t.Helper()
	return newSystemFor(t, testTimeout, lifetime, clients...)
}

// newSystemFor is newSystem for a test that may take longer.
func newSystemFor(t *testing.T, limit, lifetime time.Duration, clients ...*client) *system {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	s := &system{t: t, ctx: ctx, clients: map[string]*client{}, lifetime: lifetime}
	s.ca = must(pki.New())(t)
	s.cert = must(s.ca.Server())(t)
	s.docsKey = newKey(t)
	registered := []authserver.Client{{ID: serverID, PublicKey: s.docsKey.Public(), Introspects: true}}
	for _, c := range clients {
		registered = append(registered, s.register(c))
	}
	s.issuer = must(authserver.New(authserver.Config{
		Certificate: s.cert, ClientCAs: s.ca.Pool(), Resources: []string{audience},
		Clients: registered, TokenLifetime: lifetime,
	}))(t)
	s.cleanup(s.issuer.Close)
	s.engine = must(engine.Start(ctx))(t)
	s.cleanup(s.engine.Close)
	s.http = s.newHTTPClient()
	return s
}

// register makes what the client authenticates with and tells the server of it.
func (s *system) register(c *client) authserver.Client {
	s.t.Helper()
	s.clients[c.id] = c
	known := authserver.Client{ID: c.id, Opaque: c.opaque}
	switch c.method {
	case "client_secret_basic":
		c.secret = rand.Text()
		known.Secret = c.secret
	case "private_key_jwt":
		c.key = newKey(s.t)
		known.PublicKey = c.key.Public()
	case "tls_client_auth":
		c.cert = must(s.ca.Client(c.id))(s.t)
		known.TLSSubject = "CN=" + c.id
	default:
		s.t.Fatalf("no such method: %q", c.method)
	}
	return known
}

func (s *system) newHTTPClient() *http.Client {
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: s.ca.Pool(), MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost: 64, // as many as there are callers under load
	}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

func (s *system) cleanup(f func() error) {
	s.t.Cleanup(func() {
		if err := f(); err != nil {
			s.t.Error(err)
		}
	})
}

// guardOptions varies the guarded server.
type guardOptions struct {
	engine  authz.Engine // default: an OpenFGA adapter on the system's engine
	graph   graph        // default: the system's engine
	cache   authz.CacheConfig
	breaker authz.BreakerConfig
	timeout time.Duration // of one request to the engine

	rules    []authz.MethodRule // beside reflection's
	register func(*grpc.Server) // services beside the document service
}

// guard starts the document service behind usher and returns its address.
func (s *system) guard(verifier verify.Verifier, opts guardOptions) string {
	s.t.Helper()
	if opts.engine == nil {
		opts.engine = s.openFGA().engine
	}
	if opts.graph == nil {
		opts.graph = s.engine
	}
	issuers, _ := verifier.(authz.IssuerNamer)
	authorizer := must(authz.New(authz.Config{
		Engine:   opts.engine,
		Issuers:  issuers,
		Subjects: authz.Subjects{Service: "service:{$client_id}", User: "user:{$sub}"},
		Rules:    append(opts.rules, authz.Reflection()),
		Cache:    opts.cache,
		Breaker:  opts.breaker,
		Timeout:  opts.timeout,
	}))(s.t)
	guard := must(interceptor.New(interceptor.Config{Verifier: verifier, Authorizer: authorizer}))(s.t)
	server := grpc.NewServer(append(guard.ServerOptions(), grpc.Creds(grpccredentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{s.cert},
		ClientCAs:    s.ca.Pool(),
		ClientAuth:   tls.VerifyClientCertIfGiven, // tokens may be bound to the caller's certificate
		MinVersion:   tls.VersionTLS12,
	})))...)
	docsv1.RegisterDocumentServiceServer(server, documents.New(relations{opts.graph}))
	reflection.Register(server)
	if opts.register != nil {
		opts.register(server)
	}
	if err := guard.ValidateServer(server); err != nil {
		s.t.Fatal(err)
	}
	listener := must(net.Listen("tcp", "127.0.0.1:0"))(s.t)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	s.t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			s.t.Error(err)
		}
	})
	return listener.Addr().String()
}

// credentials makes a client's automatic tokens.
func (s *system) credentials(id string) *credentials.Credentials {
	s.t.Helper()
	c := s.clients[id]
	creds := must(credentials.New(credentials.Config{
		Issuer: s.issuer.Issuer(), TokenURL: s.issuer.TokenURL(), ClientID: id, Auth: c.auth(),
		Resources: []string{audience}, HTTPClient: s.http, Observer: s.fetched.observer(id),
	}))(s.t)
	s.cleanup(creds.Close)
	return creds
}

func (c *client) auth() clientauth.Method {
	switch c.method {
	case "private_key_jwt":
		return keyAuth(c.id, c.key)
	case "tls_client_auth":
		return clientauth.TLSClientAuth(func(context.Context) (*tls.Certificate, error) { return &c.cert, nil })
	default:
		return clientauth.SecretBasic(clientauth.Constant(c.secret))
	}
}

func keyAuth(id string, key crypto.Signer) clientauth.Method {
	return clientauth.PrivateKeyJWT(clientauth.PrivateKey{Key: clientauth.Signer(key), KeyID: id})
}

// transport is TLS as the client does it: with its certificate, if it has one.
func (s *system) transport(c *client) grpc.DialOption {
	cfg := &tls.Config{RootCAs: s.ca.Pool(), MinVersion: tls.VersionTLS12}
	if c != nil && c.cert.PrivateKey != nil {
		cfg.Certificates = []tls.Certificate{c.cert}
	}
	return grpc.WithTransportCredentials(grpccredentials.NewTLS(cfg))
}

// dial connects a client to a guarded server.
func (s *system) dial(id, target string) docsv1.DocumentServiceClient {
	s.t.Helper()
	return s.connect(target, append(s.credentials(id).DialOptions(), s.transport(s.clients[id]))...)
}

func (s *system) connect(target string, opts ...grpc.DialOption) docsv1.DocumentServiceClient {
	s.t.Helper()
	conn := must(grpc.NewClient(target, opts...))(s.t)
	s.cleanup(conn.Close)
	return docsv1.NewDocumentServiceClient(conn)
}

// relations lets the document service tell the engine where documents lie.
type relations struct{ graph graph }

func (r relations) Place(ctx context.Context, documentID, folderID string) error {
	return r.graph.Write(ctx, engine.Tuple{User: "folder:" + folderID, Relation: "parent", Object: "document:" + documentID})
}

func (r relations) Remove(ctx context.Context, documentID, folderID string) error {
	return r.graph.Delete(ctx, engine.Tuple{User: "folder:" + folderID, Relation: "parent", Object: "document:" + documentID})
}

// allow makes clients editors of the handbook.
func (s *system) allow(ids ...string) {
	s.t.Helper()
	for _, id := range ids {
		if err := s.engine.Write(s.ctx, editorOf("handbook", id)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// disallow takes that back.
func (s *system) disallow(id string) {
	s.t.Helper()
	if err := s.engine.Delete(s.ctx, editorOf("handbook", id)); err != nil {
		s.t.Fatal(err)
	}
}

func editorOf(folder, id string) engine.Tuple {
	return engine.Tuple{User: "service:" + id, Relation: "editor", Object: "folder:" + folder}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
}

// must fails the test on an error: must(f())(t).
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// closer is what owns something in the background.
type closer interface{ Close() error }

func (s *system) own(c closer) { s.cleanup(c.Close) }
