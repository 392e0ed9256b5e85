package credentials_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpccredentials "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/credentialstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	clientID     = "docs-sync"
	clientSecret = "not-a-secret"
	token        = credentialstest.TokenEndpoint
)

// bubble runs a test on a fake clock: nothing waits in real time.
func bubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// newIssuer is an issuer in memory that knows the client.
func newIssuer(t testing.TB) *credentialstest.Issuer {
	t.Helper()
	return newIssuerWith(t, credentialstest.Config{})
}

func newIssuerWith(t testing.TB, cfg credentialstest.Config) *credentialstest.Issuer {
	t.Helper()
	cfg.InMemory = true
	i := credentialstest.NewIssuer(t, cfg)
	i.AddClient(credentialstest.Client{ID: clientID, Secret: clientSecret, Opaque: true})
	return i
}

// newCreds are credentials for the issuer; change may alter their Config.
func newCreds(t testing.TB, i *credentialstest.Issuer, change func(*credentials.Config)) *credentials.Credentials {
	t.Helper()
	cfg := credentials.Config{
		TokenURL: i.TokenURL(), ClientID: clientID, HTTPClient: i.Client(),
		Auth: clientauth.SecretBasic(clientauth.Constant(clientSecret)),
	}
	if change != nil {
		change(&cfg)
	}
	c, err := credentials.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// localPlaintext lets a call go over a connection without TLS.
func localPlaintext(c *credentials.Config) { c.LocalPlaintext = true }

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// value is the access token that a call would carry.
func value(t testing.TB, c *credentials.Credentials) string {
	t.Helper()
	tok, err := c.Token(within(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return tok.AccessToken
}

// wantError checks kind and code and returns the error.
func wantError(t testing.TB, err error, kind credentials.ErrorKind, code codes.Code) *credentials.Error {
	t.Helper()
	var e *credentials.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %v (%T), want a *credentials.Error", err, err)
	}
	if e.Kind != kind || status.Code(err) != code {
		t.Fatalf("error is %v: kind %v, code %v; want %v, %v", err, e.Kind, status.Code(err), kind, code)
	}
	return e
}

// guarded is a gRPC server that records the tokens it gets and judges them.
type guarded struct {
	healthv1.UnimplementedHealthServer

	forgetful bool // for benchmarks

	mu      sync.Mutex
	seen    []string
	judge   func(token string) error
	handled int
	handler func() error
	silent  bool // streams end without a message
}

const invalidToken = `Bearer realm="docs", error="invalid_token", error_description="expired"`

// challenge refuses a call with a www-authenticate trailer.
type challenge string

func (c challenge) Error() string { return string(c) }

func (g *guarded) check(ctx context.Context, trailer func(metadata.MD)) error {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.forgetful {
		g.seen = append(g.seen, values...)
	}
	if len(values) != 1 {
		trailer(metadata.Pairs("www-authenticate", invalidToken)) // as some servers say
		return status.Errorf(codes.Unauthenticated, "%d values", len(values))
	}
	if g.judge == nil {
		return nil
	}
	err := g.judge(values[0][len("Bearer "):])
	if c := challenge(""); errors.As(err, &c) {
		trailer(metadata.Pairs("www-authenticate", string(c)))
		return status.Error(codes.Unauthenticated, "refused")
	}
	return err
}

func (g *guarded) tokens() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.seen...)
}

func (g *guarded) setJudge(f func(string) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.judge = f
}

func (g *guarded) handle() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.handled++
	if g.handler != nil {
		return g.handler()
	}
	return nil
}

func (g *guarded) Check(context.Context, *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	if err := g.handle(); err != nil {
		return nil, err
	}
	return &healthv1.HealthCheckResponse{Status: healthv1.HealthCheckResponse_SERVING}, nil
}

func (g *guarded) Watch(_ *healthv1.HealthCheckRequest, s healthv1.Health_WatchServer) error {
	if err := g.handle(); err != nil {
		return err
	}
	if g.silent {
		return nil
	}
	return s.Send(&healthv1.HealthCheckResponse{Status: healthv1.HealthCheckResponse_SERVING})
}

func (g *guarded) server(opts ...grpc.ServerOption) *grpc.Server {
	srv := grpc.NewServer(append(opts,
		grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if err := g.check(ctx, func(md metadata.MD) { _ = grpc.SetTrailer(ctx, md) }); err != nil {
				return nil, err
			}
			return next(ctx, req)
		}),
		grpc.StreamInterceptor(func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			if err := g.check(s.Context(), s.SetTrailer); err != nil {
				return err
			}
			return next(srv, s)
		}))...)
	healthv1.RegisterHealthServer(srv, g)
	return srv
}

// inProcess connects over bufconn, without TLS unless the options bring it.
func (g *guarded) inProcess(t testing.TB, opts ...grpc.DialOption) healthv1.HealthClient {
	t.Helper()
	lis := bufconn.Listen(64 << 10)
	srv := g.server()
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(lis)
	}()
	conn, err := grpc.NewClient("passthrough:///docs.test", append([]grpc.DialOption{
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		srv.Stop()
		<-served
	})
	return healthv1.NewHealthClient(conn)
}

// overTLS connects over loopback with TLS.
func (g *guarded) overTLS(t testing.TB, opts ...grpc.DialOption) healthv1.HealthClient {
	t.Helper()
	cert, err := credentialstest.NewCertificate("docs", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := g.server(grpc.Creds(grpccredentials.NewServerTLSFromCert(&cert)))
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(lis)
	}()
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	conn, err := grpc.NewClient(lis.Addr().String(), append([]grpc.DialOption{
		grpc.WithTransportCredentials(grpccredentials.NewTLS(&tls.Config{RootCAs: roots})),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		srv.Stop()
		<-served
	})
	return healthv1.NewHealthClient(conn)
}

func check(ctx context.Context, c healthv1.HealthClient, opts ...grpc.CallOption) error {
	_, err := c.Check(ctx, &healthv1.HealthCheckRequest{}, opts...)
	return err
}

// watch runs a stream to its end.
func watch(ctx context.Context, c healthv1.HealthClient) error {
	s, err := c.Watch(ctx, &healthv1.HealthCheckRequest{})
	for err == nil {
		_, err = s.Recv()
	}
	return err
}
