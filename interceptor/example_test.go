package interceptor_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// exampleConfig replaces a real verifier and engine.
func exampleConfig() interceptor.Config {
	authorizer, err := authz.New(authz.Config{
		Issuers:  authz.Issuers{"https://issuer.example"}, // a function can't say whose tokens it accepts
		Engine:   authztest.NewEngine("document:1#viewer@user:alice"),
		Subjects: authz.Subjects{User: "user:{$sub}", Service: "service:{$client_id}"},
		Rules: []authz.MethodRule{{
			Selector: "testing.testpb.v1.TestService/Ping",
			Rule: &authzv1.Rule{Policy: &authzv1.Rule_Check{
				Check: &authzv1.Check{Object: "document:{value}", Relation: "viewer"},
			}},
		}},
	})
	if err != nil {
		fmt.Println(err)
	}

	return interceptor.Config{
		Authorizer: authorizer,
		Verifier: verify.VerifierFunc(func(_ context.Context, token string, _ verify.Requirements) (*verify.Principal, error) {
			return verify.NewPrincipal(verify.PrincipalConfig{Claims: map[string]any{
				"iss": "https://issuer.example", "sub": token, "client_id": "app", "exp": time.Now().Add(time.Hour).Unix(),
			}})
		}),
	}
}

// callExample serves srv in memory and calls Ping with a token.
func callExample(srv *grpc.Server, token string) error {
	listener := bufconn.Listen(1 << 16)
	go func() { _ = srv.Serve(listener) }()
	defer srv.Stop()
	conn, err := grpc.NewClient("passthrough:///example", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+token)
	reply, err := testpb.NewTestServiceClient(conn).Ping(ctx, &testpb.PingRequest{Value: "1"})
	if err == nil {
		fmt.Println("document", reply.GetValue())
	}

	return err
}

// A server adds one value, and finds out at start what its rules lack.
func ExampleNew() {
	auth, err := interceptor.New(exampleConfig())
	if err != nil {
		fmt.Println(err)

		return
	}
	srv := grpc.NewServer(auth.ServerOptions()...)
	testpb.RegisterTestServiceServer(srv, &testpb.TestPingService{})
	if err := callExample(srv, "alice"); err != nil {
		fmt.Println(err)
	}
	_, err = interceptor.New(interceptor.Config{})
	fmt.Println(err)
	// Output:
	// document 1
	// interceptor: Config.Verifier is required
	// interceptor: Config.Authorizer is required; authz.New makes it
}

// What a refused caller sees: constant text, a stable reason, nothing else.
func ExampleInterceptor_ServerOptions() {
	auth, err := interceptor.New(exampleConfig())
	if err != nil {
		fmt.Println(err)

		return
	}
	for _, token := range []string{"alice", "bob"} {
		srv := grpc.NewServer(auth.ServerOptions()...)
		testpb.RegisterTestServiceServer(srv, &testpb.TestPingService{})
		if err := callExample(srv, token); err != nil {
			st := status.Convert(err)
			info, _ := st.Details()[0].(*errdetails.ErrorInfo)
			fmt.Println(st.Code(), "-", st.Message(), "-", info.GetReason())
		}
	}
	// Output:
	// document 1
	// PermissionDenied - the caller may not do this - RELATION_DENIED
}

// Each fault of each registered method's rule comes at once.
func ExampleInterceptor_ValidateServer() {
	auth, err := interceptor.New(exampleConfig())
	if err != nil {
		fmt.Println(err)

		return
	}
	srv := grpc.NewServer(auth.ServerOptions()...)
	testpb.RegisterTestServiceServer(srv, &testpb.TestPingService{})
	err = auth.ValidateServer(srv)
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		fmt.Println(len(joined.Unwrap()), "faults")
	}
	// Output:
	// 5 faults
}

// Observers learn what callers may not.
func ExampleObserver() {
	cfg := exampleConfig()
	cfg.Observer.Decided = func(_ context.Context, d interceptor.Decided) {
		fmt.Println(d.Method, d.Principal.Subject(), d.Reason, "-", d.Decision.Checks()[0].Query)
	}
	auth, err := interceptor.New(cfg)
	if err != nil {
		fmt.Println(err)

		return
	}
	srv := grpc.NewServer(auth.ServerOptions()...)
	testpb.RegisterTestServiceServer(srv, &testpb.TestPingService{})
	_ = callExample(srv, "bob")
	// Output:
	// /testing.testpb.v1.TestService/Ping bob RELATION_DENIED - document:1#viewer@user:bob
}
