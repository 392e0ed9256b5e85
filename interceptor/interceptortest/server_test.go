package interceptortest_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor/interceptortest"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

func config() interceptortest.Config {
	return interceptortest.Config{
		Register: func(s grpc.ServiceRegistrar) { testpb.RegisterTestServiceServer(s, &testpb.TestPingService{}) },
		Tuples:   []string{"document:1#viewer@user:alice", "document:1#viewer@service:indexer"},
		Authz: authz.Config{Rules: []authz.MethodRule{{
			Selector: "testing.testpb.v1.TestService/*",
			Rule:     &authzv1.Rule{Policy: &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}}},
		}, {
			Selector: "testing.testpb.v1.TestService/Ping",
			Rule: &authzv1.Rule{Policy: &authzv1.Rule_Check{
				Check: &authzv1.Check{Object: "document:{value}", Relation: "viewer"},
			}},
		}}},
	}
}

func TestServer(t *testing.T) {
	srv := interceptortest.New(t, config())
	alice, bob := authztest.User("alice"), authztest.User("bob", authztest.Claims{"scope": "read"})
	ping := func(conn *grpc.ClientConn) codes.Code {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := testpb.NewTestServiceClient(conn).Ping(ctx, &testpb.PingRequest{Value: "1"})

		return status.Code(err)
	}
	for name, test := range map[string]struct {
		conn *grpc.ClientConn
		want codes.Code
	}{
		"a user with the tuple":    {srv.As(alice), codes.OK},
		"a service with the tuple": {srv.As(authztest.Service("indexer")), codes.OK},
		"a user without":           {srv.As(bob), codes.PermissionDenied},
		"nobody":                   {srv.Anonymous(), codes.Unauthenticated},
		"an expired token":         {srv.As(authztest.User("alice", authztest.Claims{"exp": time.Now().Add(-time.Minute)})), codes.Unauthenticated},
	} {
		if got := ping(test.conn); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	srv.Allow("document:1#viewer@user:bob")
	srv.Deny("document:1#viewer@user:alice")
	if got := ping(srv.As(bob)); got != codes.OK {
		t.Errorf("after Allow: %v", got)
	}
	if got := ping(srv.As(alice)); got != codes.PermissionDenied {
		t.Errorf("after Deny: %v", got)
	}
	conn := srv.As(bob)
	srv.Revoke(bob)
	if got := ping(conn); got != codes.Unauthenticated {
		t.Errorf("after Revoke: %v", got)
	}
	if n := len(srv.Decisions()); n != 8 {
		t.Errorf("%d decisions, want 8", n)
	}
	if n := len(srv.Engine().Asked()); n != 5 {
		t.Errorf("the engine was asked %d times, want 5", n)
	}
}

func TestServerInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := interceptortest.New(t, config())
		alice := authztest.User("alice", authztest.Claims{"exp": time.Now().Add(time.Minute)})
		stream, err := testpb.NewTestServiceClient(srv.As(alice)).PingStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := stream.Recv(); status.Code(err) != codes.Unauthenticated {
			t.Error(err)
		}
		if life := time.Since(began); life != time.Minute {
			t.Errorf("the stream lived %v", life)
		}
	})
}

// greeter is a handler that wants to know who calls.
type greeter struct{ testpb.TestPingService }

func (greeter) Ping(ctx context.Context, _ *testpb.PingRequest) (*testpb.PingResponse, error) {
	caller, _ := verify.FromContext(ctx)

	return &testpb.PingResponse{Value: "hello, " + caller.Subject()}, nil
}

func Example() {
	// In a test, t is the *testing.T.
	run(func(t testing.TB) {
		cfg := config()
		cfg.Register = func(s grpc.ServiceRegistrar) { testpb.RegisterTestServiceServer(s, &greeter{}) }
		srv := interceptortest.New(t, cfg)
		alice := testpb.NewTestServiceClient(srv.As(authztest.User("alice")))
		bob := testpb.NewTestServiceClient(srv.As(authztest.User("bob")))

		reply, _ := alice.Ping(t.Context(), &testpb.PingRequest{Value: "1"})
		fmt.Println(reply.GetValue())
		_, err := bob.Ping(t.Context(), &testpb.PingRequest{Value: "1"})
		fmt.Println(status.Code(err))
	})
	// Output:
	// hello, alice
	// PermissionDenied
}
