package interceptor_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"maps"
	"math/big"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// Every test's calls end long before this; it only turns a hang into a failure.
const testDeadline = 20 * time.Second

// issuer is whose tokens the tests' principals have.
const issuer = "https://issuer.example"

const (
	aliceToken = "alice-token"
	bobToken   = "bob-token"
)

// world is what a test's server believes: who a token stands for, and who is
// related to what. Everything may change while calls run.
type world struct {
	mu         sync.Mutex
	principals map[string]*verify.Principal
	verifyErr  error
	grants     map[string]bool // "document:1#viewer@user:alice"
	engineErr  error
	verified   int
	asked      int
	seen       []verify.Requirements
	events     []interceptor.Decided
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{principals: map[string]*verify.Principal{}, grants: map[string]bool{}}
	w.principals[aliceToken] = principal(t, "alice", time.Hour)
	w.principals[bobToken] = principal(t, "bob", time.Hour)
	w.allow("document:1#viewer@user:alice")

	return w
}

func principal(t testing.TB, sub string, life time.Duration, more ...map[string]any) *verify.Principal {
	t.Helper()
	claims := map[string]any{
		"iss": issuer, "sub": sub, "client_id": "app", "aud": "docs",
		"iat": time.Now().Unix(), "exp": time.Now().Add(life).Unix(), "scope": "read write",
	}
	for _, m := range more {
		maps.Copy(claims, m)
	}
	p, err := verify.NewPrincipal(verify.PrincipalConfig{Claims: claims})
	if err != nil {
		t.Fatal(err)
	}

	return p
}

func (w *world) allow(tuple string)  { w.set(tuple, true) }
func (w *world) revoke(tuple string) { w.set(tuple, false) }

func (w *world) set(tuple string, allowed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.grants[tuple] = allowed
}

func (w *world) failEngine(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.engineErr = err
}

func (w *world) failVerifier(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.verifyErr = err
}

func (w *world) setToken(token string, p *verify.Principal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p == nil {
		delete(w.principals, token)

		return
	}
	w.principals[token] = p
}

func (w *world) counts() (verified, asked int) {
	w.mu.Lock()
	defer w.mu.Unlock()

	return w.verified, w.asked
}

func (w *world) decided() []interceptor.Decided {
	w.mu.Lock()
	defer w.mu.Unlock()

	return slices.Clone(w.events)
}

// Verify implements verify.Verifier.
func (w *world) Verify(_ context.Context, token string, req verify.Requirements) (*verify.Principal, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.verified++
	w.seen = append(w.seen, req)
	if w.verifyErr != nil {
		return nil, w.verifyErr
	}
	p, ok := w.principals[token]
	if !ok {
		return nil, &verify.Error{Kind: verify.CredentialFault, Err: errors.New("no such token")}
	}

	return p, nil
}

// Check implements authz.Engine.
func (w *world) Check(_ context.Context, batch authz.Batch) (authz.Result, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if w.engineErr != nil {
		return authz.Result{}, w.engineErr
	}
	answers := make([]authz.Answer, len(batch.Queries))
	for i, q := range batch.Queries {
		answers[i].Effect = authz.EffectDenied
		if w.grants[q.Object.String()+"#"+q.Relation+"@"+q.Subject.String()] {
			answers[i].Effect = authz.EffectAllowed
		}
	}

	return authz.Result{Answers: answers}, nil
}

// rules for the methods of go-grpc-middleware's test service.
type rules map[string]*authzv1.Rule

const service = "testing.testpb.v1.TestService/"

func check(object string) *authzv1.Rule {
	return &authzv1.Rule{Policy: &authzv1.Rule_Check{Check: &authzv1.Check{Object: object, Relation: "viewer"}}}
}

func authenticated() *authzv1.Rule {
	return &authzv1.Rule{Policy: &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}}}
}

func public() *authzv1.Rule {
	return &authzv1.Rule{Policy: &authzv1.Rule_Public{Public: &authzv1.Public{}}}
}

func handlerDecides() *authzv1.Rule {
	return &authzv1.Rule{Policy: &authzv1.Rule_Handler{Handler: &authzv1.Handler{}}}
}

// byValue is the rule of most tests: each method reads the message's value, but
// for PingEmpty, which has none.
func byValue() rules {
	return rules{
		"PingEmpty": authenticated(),
		"Ping":      check("document:{value}"), "PingError": check("document:{value}"),
		"PingList": check("document:{value}"), "PingStream": check("document:{value}"),
		"PingClientStream": check("document:{value}"),
	}
}

func (r rules) methodRules() []authz.MethodRule {
	var out []authz.MethodRule
	for name, rule := range r {
		out = append(out, authz.MethodRule{Selector: service + name, Rule: rule})
	}

	return out
}

// setup is a guarded server and how to reach it.
type setup struct {
	*world
	testpb.TestServiceClient

	auth   *interceptor.Interceptor
	server *grpc.Server
	conn   *grpc.ClientConn
}

type setupConfig struct {
	rules    rules
	impl     testpb.TestServiceServer
	config   func(*parts)
	inMemory bool // bufconn: for synctest
	before   []grpc.ServerOption
	after    []grpc.ServerOption
	mutual   bool // a client certificate, too
}

// parts are an interceptor's configuration and its authorizer's.
type parts struct {
	interceptor.Config

	authz authz.Config
}

// build makes the authorizer, and the interceptor with it.
func (p parts) build() (*interceptor.Interceptor, error) {
	authorizer, err := authz.New(p.authz)
	if err != nil {
		return nil, err
	}
	p.Authorizer = authorizer

	return interceptor.New(p.Config)
}

// newInterceptor returns an interceptor that asks the world.
func newInterceptor(t testing.TB, w *world, cfg setupConfig) *interceptor.Interceptor {
	t.Helper()
	c := parts{
		Config: interceptor.Config{
			Verifier: w,
			Observer: interceptor.Observer{Decided: func(_ context.Context, d interceptor.Decided) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.events = append(w.events, d)
			}},
		},
		authz: authz.Config{
			Engine: w, Rules: cfg.rules.methodRules(), Issuers: authz.Issuers{issuer},
			Subjects: authz.Subjects{User: "user:{$sub}", Service: "service:{$client_id}"},
		},
	}
	if cfg.config != nil {
		cfg.config(&c)
	}
	auth, err := c.build()
	if err != nil {
		t.Fatal(err)
	}

	return auth
}

// start runs a guarded server over TLS on loopback, or in memory.
func start(t testing.TB, w *world, cfg setupConfig) *setup {
	t.Helper()
	if !cfg.inMemory {
		current := goleak.IgnoreCurrent()
		t.Cleanup(func() { goleak.VerifyNone(t, current) })
	}
	if cfg.impl == nil {
		cfg.impl = &testpb.TestPingService{}
	}
	s := &setup{world: w, auth: newInterceptor(t, w, cfg)}
	options := append(slices.Clone(cfg.before), s.auth.ServerOptions()...)
	options = append(options, cfg.after...)
	var listener net.Listener
	dial := []grpc.DialOption{grpc.WithDisableServiceConfig()}
	target := "passthrough:///in-memory"
	if cfg.inMemory {
		pipe := bufconn.Listen(1 << 16)
		listener = pipe
		dial = append(dial, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }))
	} else {
		serverTLS, clientTLS := transportCredentials(t, cfg.mutual)
		tcp, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listener, target = tcp, tcp.Addr().String()
		options = append(options, grpc.Creds(serverTLS))
		dial = append(dial, grpc.WithTransportCredentials(clientTLS))
	}
	s.server = grpc.NewServer(options...)
	testpb.RegisterTestServiceServer(s.server, cfg.impl)
	if err := s.auth.ValidateServer(s.server); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(listener) }()
	conn, err := grpc.NewClient(target, dial...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		s.server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("Serve: %v", err)
		}
	})
	s.conn, s.TestServiceClient = conn, testpb.NewTestServiceClient(conn)

	return s
}

func transportCredentials(t testing.TB, mutual bool) (server, client credentials.TransportCredentials) {
	t.Helper()
	certificate := newCertificate(t)
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Leaf)
	serverConfig := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}
	clientConfig := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}
	if mutual {
		own := newCertificate(t)
		serverConfig.ClientAuth, serverConfig.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		serverConfig.ClientCAs.AddCert(own.Leaf)
		clientConfig.Certificates = []tls.Certificate{own}
	}

	return credentials.NewTLS(serverConfig), credentials.NewTLS(clientConfig)
}

// newCertificate makes a self-signed certificate.
func newCertificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}

	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// as returns a context that calls with the token.
func as(t testing.TB, token string) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testDeadline)
	t.Cleanup(cancel)

	return withAuthorization(ctx, "Bearer "+token)
}

func anonymous(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testDeadline)
	t.Cleanup(cancel)

	return ctx
}

func withAuthorization(ctx context.Context, values ...string) context.Context {
	var pairs []string
	for _, value := range values {
		pairs = append(pairs, "authorization", value)
	}

	return metadata.AppendToOutgoingContext(ctx, pairs...)
}

// wantStatus checks what a caller learns: the code, and the reason of the
// ErrorInfo, "" for none.
func wantStatus(t testing.TB, err error, code codes.Code, reason authz.Reason) *status.Status {
	t.Helper()
	st := status.Convert(err)
	if st.Code() != code {
		t.Fatalf("code %v, want %v (%v)", st.Code(), code, err)
	}
	if got := reasonOf(st); got != string(reason) {
		t.Fatalf("reason %q, want %q (%v)", got, reason, err)
	}

	return st
}

func reasonOf(st *status.Status) string {
	if info := detail[*errdetails.ErrorInfo](st); info != nil {
		return info.GetReason()
	}

	return ""
}

// detail returns the first detail of a type, or the zero value.
func detail[T any](st *status.Status) T {
	var none T
	for _, d := range st.Details() {
		if found, ok := d.(T); ok {
			return found
		}
	}

	return none
}

func subjectIs(ctx context.Context, want string) error {
	p, ok := verify.FromContext(ctx)
	if !ok || p.Subject() != want {
		return errors.New("the context doesn't say who calls")
	}

	return nil
}

func wantCode(t testing.TB, err error, code codes.Code) {
	t.Helper()
	if status.Code(err) != code {
		t.Fatalf("%v, want %v", err, code)
	}
}

// recovering are the options of a server whose handlers may panic.
func recovering() []grpc.ServerOption {
	recovered := recovery.WithRecoveryHandler(func(any) error { return status.Error(codes.Aborted, "recovered") })

	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(recovery.UnaryServerInterceptor(recovered)),
		grpc.ChainStreamInterceptor(recovery.StreamServerInterceptor(recovered)),
	}
}
