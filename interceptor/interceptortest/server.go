package interceptortest

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
)

// bufferBytes is the size of the in-memory connection's buffers.
const bufferBytes = 256 << 10

// Config configures a [Server].
type Config struct {
	// Register registers the services under test. Required.
	Register func(grpc.ServiceRegistrar)
	// Tuples are the relations at the start, such as "document:1#viewer@user:alice".
	// Optional. A text that isn't a tuple fails the test.
	Tuples []string
	// Model defines which relations follow from others. Optional. Default: none do,
	// and every type and relation is known.
	Model authztest.Model
	// Authz is the authorizer's configuration: set it as in production. Optional.
	// Default: the subjects "user:{$sub}" and "service:{$client_id}" unless Subjects
	// or IssuerSubjects is set, and the one issuer [authztest.Issuer]. Name all issuers
	// that the service trusts in production, so that its rules are validated for the
	// same issuers. Tuples and Model make the engine: setting Engine fails the test.
	Authz authz.Config
	// Interceptor is the interceptor's configuration. Optional. The server has its
	// own verifier and authorizer: setting Verifier or Authorizer fails the test.
	Interceptor interceptor.Config
	// ServerOptions are options of the server, before those of the interceptor.
	// Optional.
	ServerOptions []grpc.ServerOption
}

// Server is a guarded server in memory. It is safe for concurrent use, and is
// stopped when its test ends.
type Server struct {
	tb       testing.TB
	engine   *authztest.Engine
	listener *bufconn.Listener
	server   *grpc.Server
	observer interceptor.Observer

	mu        sync.Mutex
	callers   map[string]caller
	decisions []interceptor.Decided
}

// caller is the principal whose token a connection sends.
type caller struct {
	of       *authztest.Principal
	verified *verify.Principal // nil: revoked
}

// New starts a server. It fails the test if the configuration is invalid, or if the
// rule of a registered method is missing or faulty.
func New(tb testing.TB, cfg Config) *Server {
	tb.Helper()
	switch {
	case cfg.Register == nil:
		tb.Fatal("interceptortest: Config.Register is required")
	case cfg.Authz.Engine != nil:
		tb.Fatal("interceptortest: Config.Authz has an Engine; say by Tuples and Model who may do what")
	case cfg.Interceptor.Verifier != nil || cfg.Interceptor.Authorizer != nil:
		tb.Fatal("interceptortest: Config.Interceptor has a Verifier or an Authorizer; those are the server's own")
	}
	s := &Server{
		tb: tb, engine: authztest.NewModelEngine(cfg.Model), listener: bufconn.Listen(bufferBytes),
		observer: cfg.Interceptor.Observer, callers: map[string]caller{},
	}
	s.Allow(cfg.Tuples...)
	auth, err := s.guard(cfg.Authz, cfg.Interceptor)
	if err != nil {
		tb.Fatal(err)
	}
	s.server = grpc.NewServer(append(slices.Clone(cfg.ServerOptions), auth.ServerOptions()...)...)
	cfg.Register(s.server)
	if err := auth.ValidateServer(s.server); err != nil {
		tb.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(s.listener) }()
	tb.Cleanup(func() {
		s.server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			tb.Errorf("interceptortest: the server ended: %v", err)
		}
	})

	return s
}

// guard returns the interceptor, with the server as its verifier and the server's
// engine.
func (s *Server) guard(rules authz.Config, guard interceptor.Config) (*interceptor.Interceptor, error) {
	rules.Engine = s.engine
	if rules.Subjects == (authz.Subjects{}) && rules.IssuerSubjects == nil {
		rules.Subjects = authz.Subjects{User: "user:{$sub}", Service: "service:{$client_id}"}
	}
	if rules.Issuers == nil {
		rules.Issuers = authz.Issuers{authztest.Issuer}
	}
	authorizer, err := authz.New(rules)
	if err != nil {
		return nil, err
	}
	guard.Verifier, guard.Authorizer = verify.VerifierFunc(s.verify), authorizer
	guard.Observer.Decided = s.decided

	return interceptor.New(guard)
}

// As returns a connection whose calls are made by the principal. It is closed when
// the test ends. Each connection has its own token, which expires after an hour, or
// at the principal's "exp" if it has that claim. See [Server.Revoke].
func (s *Server) As(p *authztest.Principal) *grpc.ClientConn {
	s.tb.Helper()

	return s.dial(s.listener, s.token(p))
}

// AsFrom is [Server.As] with a connection from an address, which rules read as
// peer.ip. To test a server with [interceptor.Config.TrustedProxies], connect from a
// proxy's address and send the header. The address of other connections is unknown. An
// address that isn't valid fails the test.
func (s *Server) AsFrom(p *authztest.Principal, address netip.Addr) *grpc.ClientConn {
	s.tb.Helper()
	if !address.IsValid() {
		s.tb.Fatal("interceptortest: AsFrom: the address isn't valid")
	}

	return s.dial(s.listenFor(address), s.token(p))
}

// token returns a dial option that sends a new token of the principal.
func (s *Server) token(p *authztest.Principal) grpc.DialOption {
	s.tb.Helper()
	verified, err := verified(p)
	if err != nil {
		s.tb.Fatal(err)
	}
	s.mu.Lock()
	token := "test-token-" + strconv.Itoa(len(s.callers))
	s.callers[token] = caller{p, verified}
	s.mu.Unlock()

	return grpc.WithPerRPCCredentials(bearer(token))
}

// Anonymous returns a connection whose calls carry no credential.
func (s *Server) Anonymous() *grpc.ClientConn {
	s.tb.Helper()

	return s.dial(s.listener)
}

func (s *Server) dial(listener *bufconn.Listener, options ...grpc.DialOption) *grpc.ClientConn {
	s.tb.Helper()
	conn, err := grpc.NewClient("passthrough:///interceptortest", append(options,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
	)...)
	if err != nil {
		s.tb.Fatal(err)
	}
	s.tb.Cleanup(func() { _ = conn.Close() })

	return conn
}

// Allow adds tuples, such as "document:1#viewer@user:alice". A text that isn't a
// tuple fails the test.
func (s *Server) Allow(tuples ...string) { s.tuples(s.engine.Write, tuples) }

// Deny removes tuples. A text that isn't a tuple fails the test.
func (s *Server) Deny(tuples ...string) { s.tuples(s.engine.Delete, tuples) }

func (s *Server) tuples(change func(context.Context, ...authztest.Tuple) (authz.Revision, error), texts []string) {
	s.tb.Helper()
	for _, text := range texts {
		tuple, err := authztest.ParseTuple(text)
		if err != nil {
			s.tb.Fatal(err)
		}
		if _, err := change(s.tb.Context(), tuple); err != nil {
			s.tb.Fatal(err)
		}
	}
}

// Revoke makes every token of the principal invalid: its calls are
// UNAUTHENTICATED from now on.
func (s *Server) Revoke(p *authztest.Principal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, c := range s.callers {
		if c.of == p {
			c.verified = nil
			s.callers[token] = c
		}
	}
}

// Engine returns the engine, to grant permissions, to set the policy of attributes, to
// make it fail or to inspect its queries.
func (s *Server) Engine() *authztest.Engine { return s.engine }

// Decisions returns the verdicts so far, the oldest first.
func (s *Server) Decisions() []interceptor.Decided {
	s.mu.Lock()
	defer s.mu.Unlock()

	return slices.Clone(s.decisions)
}

func (s *Server) decided(ctx context.Context, event interceptor.Decided) {
	s.mu.Lock()
	s.decisions = append(s.decisions, event)
	s.mu.Unlock()
	if s.observer.Decided != nil {
		s.observer.Decided(ctx, event)
	}
}

func (s *Server) verify(_ context.Context, token string, _ verify.Requirements) (*verify.Principal, error) {
	s.mu.Lock()
	p := s.callers[token].verified
	s.mu.Unlock()
	switch {
	case p == nil:
		return nil, &verify.Error{Kind: verify.CredentialFault}
	case !time.Now().Before(p.ValidUntil()):
		return nil, &verify.Error{Kind: verify.CredentialFault, Expired: true}
	default:
		return p, nil
	}
}

// defaultLife is how long a token lives if its principal has no "exp".
const defaultLife = time.Hour

// verified returns the principal as a verifier would return it.
func verified(p *authztest.Principal) (*verify.Principal, error) {
	now := time.Now()
	claims := map[string]any{"aud": authztest.Issuer, "iat": now.Unix(), "exp": now.Add(defaultLife).Unix()}
	maps.Copy(claims, p.Claims())
	kind := verify.KindUser
	if p.IsService() {
		kind = verify.KindService
	}

	return verify.NewPrincipal(verify.PrincipalConfig{Claims: claims, Kind: kind})
}

// bearer is a token that implements credentials.PerRPCCredentials.
type bearer string

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials. The connection
// is in memory, so it needs none.
func (bearer) RequireTransportSecurity() bool { return false }
