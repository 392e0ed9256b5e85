package fleet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	grpccredentials "google.golang.org/grpc/credentials"

	"github.com/usher-auth/usher/examples/quickstart/demo/pki"
	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
)

const (
	audience = "https://docs.internal"
	// testTimeout is for one world, installTimeout for the packages that come
	// before.
	testTimeout, installTimeout = 3 * time.Minute, 5 * time.Minute
)

// world is one test's servers and clients.
type world struct {
	t    *testing.T
	ctx  context.Context
	end  *time.Timer // of ctx
	ca   *pki.Authority
	cert tls.Certificate
	http *http.Client

	mu     sync.Mutex
	causes []string // of the last tokens that could not be verified
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	end := time.AfterFunc(testTimeout, cancel)
	t.Cleanup(func() {
		if !end.Stop() {
			t.Errorf("the test took longer than %s", testTimeout)
		}
		cancel()
	})
	w := &world{t: t, ctx: ctx, end: end, ca: must(pki.New())(t)}
	w.cert = must(w.ca.Server())(t)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: w.ca.Pool(), MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	w.http = &http.Client{Transport: transport, Timeout: 5 * time.Second}
	return w
}

// verified remembers causes, which callers aren't told.
func (w *world) verified(event verify.Verified) {
	var e *verify.Error
	if !errors.As(event.Err, &e) || e.Kind != verify.DependencyFault {
		return
	}
	const remembered = 10
	w.mu.Lock()
	defer w.mu.Unlock()
	w.causes = append(w.causes, fmt.Sprintf("%s: %v", time.Now().Format("05.000"), e.Err))
	w.causes = w.causes[max(0, len(w.causes)-remembered):]
}

func (w *world) lastCauses() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.causes)
}

func (w *world) cleanup(f func() error) {
	w.t.Cleanup(func() {
		if err := f(); err != nil {
			w.t.Error(err)
		}
	})
}

// documents is the document service, as far as these tests call it.
type documents struct {
	docsv1.UnimplementedDocumentServiceServer
}

func (documents) GetDocument(_ context.Context, request *docsv1.GetDocumentRequest) (*docsv1.GetDocumentResponse, error) {
	return &docsv1.GetDocumentResponse{Document: &docsv1.Document{Id: request.GetDocumentId()}}, nil
}

func (documents) GetServiceInfo(context.Context, *docsv1.GetServiceInfoRequest) (*docsv1.GetServiceInfoResponse, error) {
	return &docsv1.GetServiceInfoResponse{}, nil
}

// viewers is an engine to which these subjects may view the document.
func viewers(subjects ...string) *authztest.Engine {
	tuples := make([]string, 0, len(subjects))
	for _, s := range subjects {
		tuples = append(tuples, "document:onboarding#viewer@"+s)
	}
	return authztest.NewEngine(tuples...)
}

// guard starts the document service behind usher and returns its address.
func (w *world) guard(verifier verify.Verifier, engine authz.Engine, subjects authz.Subjects) string {
	w.t.Helper()
	issuers, _ := verifier.(authz.IssuerNamer)
	authorizer := must(authz.New(authz.Config{Engine: engine, Issuers: issuers, Subjects: subjects}))(w.t)
	guard := must(interceptor.New(interceptor.Config{Verifier: verifier, Authorizer: authorizer}))(w.t)
	server := grpc.NewServer(append(guard.ServerOptions(), grpc.Creds(grpccredentials.NewServerTLSFromCert(&w.cert)))...)
	docsv1.RegisterDocumentServiceServer(server, documents{})
	if err := guard.ValidateServer(server); err != nil {
		w.t.Fatal(err)
	}
	listener := must(net.Listen("tcp", "127.0.0.1:0"))(w.t)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	w.t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			w.t.Error(err)
		}
	})
	return listener.Addr().String()
}

// services is who a service is to the engine.
var services = authz.Subjects{Service: "service:{$client_id}"}

func (w *world) credentials(cfg credentials.Config) *credentials.Credentials {
	w.t.Helper()
	cfg.Resources, cfg.HTTPClient = []string{audience}, w.http
	creds := must(credentials.New(cfg))(w.t)
	w.cleanup(creds.Close)
	return creds
}

func (w *world) jwt(cfg verify.JWTConfig) *verify.JWT {
	w.t.Helper()
	cfg.HTTPClient, cfg.Observer.Verified = w.http, w.verified
	if cfg.Audiences == nil {
		cfg.Audiences = []string{audience}
	}
	v := must(verify.NewJWT(cfg))(w.t)
	w.cleanup(v.Close)
	return v
}

func (w *world) introspection(cfg verify.IntrospectionConfig) *verify.Introspection {
	w.t.Helper()
	cfg.HTTPClient, cfg.Audiences, cfg.Observer.Verified = w.http, []string{audience}, w.verified
	v := must(verify.NewIntrospection(cfg))(w.t)
	w.cleanup(v.Close)
	return v
}

func (w *world) hybrid(jwt *verify.JWT, introspection *verify.Introspection) *verify.Hybrid {
	w.t.Helper()
	return must(verify.NewHybrid(verify.HybridConfig{JWT: jwt, Introspection: introspection}))(w.t)
}

// dial connects to a guarded server. What the options lack is gRPC's default.
func (w *world) dial(target string, opts ...grpc.DialOption) docsv1.DocumentServiceClient {
	w.t.Helper()
	opts = append(opts, grpc.WithTransportCredentials(grpccredentials.NewTLS(&tls.Config{RootCAs: w.ca.Pool(), MinVersion: tls.VersionTLS12})))
	conn := must(grpc.NewClient(target, opts...))(w.t)
	w.cleanup(conn.Close)
	return docsv1.NewDocumentServiceClient(conn)
}

// fixed is one token.
type fixed string

func (f fixed) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(f)}, nil
}

func (f fixed) RequireTransportSecurity() bool { return true }

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
