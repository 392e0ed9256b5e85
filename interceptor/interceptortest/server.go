package interceptortest

import (
	"context"
	"errors"
	"net"
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

// Config says what to serve, and under which rules.
type Config struct {
	// Register registers the services under test. Required.
	Register func(grpc.ServiceRegistrar)
	// Tuples say who is related to what, as in "document:1#viewer@user:alice".
	// Optional.
	Tuples []string
	// Model says which relations follow from others. Optional. Default: none do,
	// and every type and relation is known.
	Model authztest.Model
	// Subjects says who the callers are in tuples. Optional. Default:
	// "user:{$sub}" and "service:{$client_id}", unless IssuerSubjects is set.
	Subjects authz.Subjects
	// IssuerSubjects are the subjects of the issuers that have their own, by short
	// name. Optional.
	IssuerSubjects map[string]authz.Subjects
	// Issuers are the short names of the issuers whose principals call. Optional.
	// Default: [IssuerName] alone. Name all that the server under test trusts, so
	// that rules are held to what they are held to there.
	Issuers []string
	// Rules are rules in code. Optional.
	Rules []authz.MethodRule
	// Resolver gives the services whose rules are compiled. Optional. Default:
	// every service linked into the test.
	Resolver authz.Resolver
	// Options are further options of the interceptor. Optional.
	Options []interceptor.Option
	// ServerOptions are options of the server that stand before the
	// interceptor's. Optional.
	ServerOptions []grpc.ServerOption
	// Observer is told what the interceptor does. Optional.
	Observer interceptor.Observer
	// AuthzObserver is told what happens in authz. Optional.
	AuthzObserver authz.Observer
}

// Server is a guarded server in memory. It is safe for concurrent use, and is
// closed when its test ends.
type Server struct {
	tb       testing.TB
	engine   *authztest.Engine
	listener *bufconn.Listener
	observer interceptor.Observer

	mu        sync.Mutex
	callers   map[string]*verify.Principal
	decisions []interceptor.Decided
}

// New starts a server. A rule that is missing or faulty on a registered method
// fails the test.
func New(tb testing.TB, cfg Config) *Server {
	tb.Helper()
	if cfg.Register == nil {
		tb.Fatal("interceptortest: Config.Register is required")
	}
	if cfg.Subjects == (authz.Subjects{}) && cfg.IssuerSubjects == nil {
		cfg.Subjects = authz.Subjects{User: "user:{$sub}", Service: "service:{$client_id}"}
	}
	if len(cfg.Issuers) == 0 {
		cfg.Issuers = []string{IssuerName}
	}
	s := &Server{
		tb: tb, engine: authztest.NewModelEngine(cfg.Model), listener: bufconn.Listen(bufferBytes),
		observer: cfg.Observer, callers: map[string]*verify.Principal{},
	}
	s.Allow(cfg.Tuples...)
	observer := cfg.Observer
	observer.Decided = s.decided
	auth, err := interceptor.New(interceptor.Config{
		Verifier: verify.VerifierFunc(s.verify), Engine: s.engine, Subjects: cfg.Subjects, IssuerSubjects: cfg.IssuerSubjects, Issuers: cfg.Issuers,
		Rules: cfg.Rules, Resolver: cfg.Resolver, Observer: observer, AuthzObserver: cfg.AuthzObserver,
	}, cfg.Options...)
	if err != nil {
		tb.Fatal(err)
	}
	server := grpc.NewServer(append(slices.Clone(cfg.ServerOptions), auth.ServerOptions()...)...)
	cfg.Register(server)
	if err := auth.ValidateServer(server); err != nil {
		tb.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.listener) }()
	tb.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			tb.Errorf("interceptortest: the server ended: %v", err)
		}
	})

	return s
}

// As returns a connection whose calls are made by the principal. It is closed
// when the test ends. Each connection has a token of its own, see [Server.Revoke].
func (s *Server) As(p *verify.Principal) *grpc.ClientConn {
	s.tb.Helper()
	s.mu.Lock()
	token := "test-token-" + strconv.Itoa(len(s.callers))
	s.callers[token] = p
	s.mu.Unlock()

	return s.dial(grpc.WithPerRPCCredentials(bearer(token)))
}

// Anonymous returns a connection whose calls carry no credential.
func (s *Server) Anonymous() *grpc.ClientConn {
	s.tb.Helper()

	return s.dial()
}

func (s *Server) dial(options ...grpc.DialOption) *grpc.ClientConn {
	s.tb.Helper()
	conn, err := grpc.NewClient("passthrough:///interceptortest", append(options,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return s.listener.DialContext(ctx) }),
	)...)
	if err != nil {
		s.tb.Fatal(err)
	}
	s.tb.Cleanup(func() { _ = conn.Close() })

	return conn
}

// Allow adds tuples, as in "document:1#viewer@user:alice". A text that isn't a
// tuple fails the test.
func (s *Server) Allow(tuples ...string) { s.tuples(s.engine.Write, tuples) }

// Deny takes tuples away.
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
func (s *Server) Revoke(p *verify.Principal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, caller := range s.callers {
		if caller == p {
			s.callers[token] = nil
		}
	}
}

// Engine returns the engine, to make it fail or to see what it was asked.
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
	p := s.callers[token]
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

// bearer is a token as a caller's credentials.
type bearer string

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials: there is no
// wire in memory.
func (bearer) RequireTransportSecurity() bool { return false }
