package interceptor_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/schema"
	"github.com/usher-auth/usher/credentials/credentialstest"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
)

// modeled is a world whose engine tells its schema, and whose verifier can be asked
// whether it is ready.
type modeled struct {
	*world

	types      []schema.Type
	unreadable error
	ready      func(context.Context) error
}

func (m *modeled) ReadSchema(context.Context) (*schema.Schema, error) {
	if m.unreadable != nil {
		return nil, m.unreadable
	}

	return schema.New("test", m.types, nil)
}

func (m *modeled) Ready(ctx context.Context) error { return m.ready(ctx) }

// readied is a server of the test service's rules with the engine and the verifier.
func readied(t *testing.T, engine authz.Engine, verifier verify.Verifier, r rules) (*interceptor.Interceptor, *grpc.Server) {
	t.Helper()
	auth := newInterceptor(t, newWorld(t), setupConfig{rules: r, config: func(p *parts) { p.Verifier, p.authz.Engine = verifier, engine }})
	server := grpc.NewServer(auth.ServerOptions()...)
	testpb.RegisterTestServiceServer(server, &testpb.TestPingService{})

	return auth, server
}

func people() []schema.Type {
	subjects := []schema.Subject{{Type: "user"}, {Type: "service"}}

	return []schema.Type{{Name: "user"}, {Name: "service"}, {Name: "document", Relations: []schema.Relation{
		{Name: "viewer", Expression: schema.Direct{Subjects: subjects}},
	}}}
}

func TestReadyReportsAllProblemsAtOnce(t *testing.T) {
	keys := errors.New("the keys can't be fetched")
	engine := &modeled{world: newWorld(t), types: people(), ready: func(context.Context) error { return nil }}
	verifier := &modeled{world: newWorld(t), ready: func(context.Context) error { return keys }}
	typo := rules{"PingEmpty": authenticated(), "Ping": check("documnt:{value}"), "PingError": check("document:{value}"), "PingStream": check("document:{value}"), "PingClientStream": check("document:{value}")}
	auth, server := readied(t, engine, verifier, typo)
	err := auth.Ready(t.Context(), server)
	if !errors.Is(err, keys) {
		t.Error("the verifier's error is lost:", err)
	}
	for _, want := range []string{"PingList", "the method has no rule", `no type "documnt"`, `write "document"`, "the verifier isn't ready"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if joined, ok := err.(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) != 3 {
		t.Errorf("not three problems: %v", err)
	}
	if auth, server := readied(t, engine, engine, byValue()); auth.Ready(t.Context(), server) != nil {
		t.Error(auth.Ready(t.Context(), server))
	}
}

func TestReadyMayBeCalledUntilAnOutageIsOver(t *testing.T) {
	engine := &modeled{world: newWorld(t), types: people(), ready: func(context.Context) error { return nil }, unreadable: errors.New("down")}
	auth, server := readied(t, engine, engine.world, byValue())
	if err := auth.Ready(t.Context(), server); !errors.As(err, new(*authz.EngineError)) || errors.As(err, new(*authz.RuleError)) {
		t.Error(err)
	}
	engine.unreadable = nil
	if err := auth.Ready(t.Context(), server); err != nil {
		t.Error(err)
	}
}

func TestReadyOfAServerWithoutServices(t *testing.T) {
	keys := errors.New("the keys can't be fetched")
	verifier := &modeled{world: newWorld(t), ready: func(context.Context) error { return keys }}
	auth, _ := readied(t, newWorld(t), verifier, byValue())
	if err := auth.Ready(t.Context(), grpc.NewServer()); !errors.Is(err, keys) || !strings.Contains(err.Error(), "no service") {
		t.Error(err)
	}
}

func TestReadyContainsAVerifier(t *testing.T) {
	var none *verify.Error
	for name, ready := range map[string]func(context.Context) error{
		"a panic": func(context.Context) error { panic("secret") },
		"the end of its goroutine": func(context.Context) error {
			runtime.Goexit()

			return nil
		},
		"a nil pointer for an error": func(context.Context) error { return none },
	} {
		t.Run(name, func(t *testing.T) {
			auth, server := readied(t, newWorld(t), &modeled{world: newWorld(t), ready: ready}, byValue())
			if err := auth.Ready(t.Context(), server); err == nil || strings.Contains(err.Error(), "secret") {
				t.Error(err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		auth, server := readied(t, newWorld(t), &modeled{world: newWorld(t), ready: func(context.Context) error {
			<-release // ignores its context

			return nil
		}}, byValue())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := auth.Ready(ctx, server); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		close(release)
	})
}

// The verifier of package verify fetches its keys.
func TestReadyAsksARealVerifier(t *testing.T) {
	issuerOf := credentialstest.NewIssuer(t, credentialstest.Config{})
	verifier, err := verify.NewJWT(verify.JWTConfig{Issuer: issuerOf.URL(), IssuerName: issuer, Audiences: []string{"a"}, HTTPClient: issuerOf.Client()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = verifier.Close() }()
	auth, server := readied(t, newWorld(t), verifier, byValue())
	if err := auth.Ready(t.Context(), server); err != nil {
		t.Error(err)
	}
	gone := credentialstest.NewIssuer(t, credentialstest.Config{})
	other, err := verify.NewJWT(verify.JWTConfig{Issuer: gone.URL() + "/nobody", IssuerName: issuer, Audiences: []string{"a"}, HTTPClient: gone.Client()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	auth, server = readied(t, newWorld(t), other, byValue())
	if err := auth.Ready(t.Context(), server); !errors.As(err, new(*verify.Error)) {
		t.Error(err)
	}
}

func TestPolicyIsTheAuthorizers(t *testing.T) {
	auth := newInterceptor(t, newWorld(t), setupConfig{rules: byValue()})
	policy := auth.Policy().Only(service + "Ping")
	if len(policy.Methods) != 1 || policy.Methods[0].Rule.GetCheck().GetObject() != "document:{value}" || policy.Subjects.User != "user:{$sub}" {
		t.Error(policy)
	}
}
