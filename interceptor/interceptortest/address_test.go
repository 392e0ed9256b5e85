package interceptortest_test

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/interceptor/interceptortest"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// A test chooses the address that a rule reads: its connection's, or one behind a
// trusted proxy. A bubble of synctest has such connections, too.
func TestServerSeesTheAddressOfAConnection(t *testing.T) {
	for name, run := range map[string]func(*testing.T, func(*testing.T)){
		"in real time": func(t *testing.T, f func(*testing.T)) { t.Helper(); f(t) },
		"in a bubble":  synctest.Test,
	} {
		t.Run(name, func(t *testing.T) { run(t, seesAddresses) })
	}
}

func seesAddresses(t *testing.T) {
	t.Helper()
	cfg := config()
	cfg.Authz.Rules = []authz.MethodRule{{
		Selector: "testing.testpb.v1.TestService/*",
		Rule: &authzv1.Rule{Policy: &authzv1.Rule_Check{Check: &authzv1.Check{
			Object: "document:1", Relation: "viewer", Context: []*authzv1.ContextValue{{Name: "ip", Value: "{$peer.ip}"}},
		}}},
	}}
	cfg.Interceptor.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	srv := interceptortest.New(t, cfg)
	alice := authztest.User("alice")
	for _, test := range []struct {
		conn *grpc.ClientConn
		want any
	}{
		{srv.AsFrom(alice, netip.MustParseAddr("192.0.2.1")), "192.0.2.1"},
		{srv.AsFrom(alice, netip.MustParseAddr("2001:db8::1")), "2001:db8::1"},
		{srv.AsFrom(alice, netip.MustParseAddr("10.0.0.1")), "203.0.113.9"},
		{srv.As(alice), nil},
	} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-forwarded-for", "203.0.113.9")
		if _, err := testpb.NewTestServiceClient(test.conn).Ping(ctx, &testpb.PingRequest{}); err != nil {
			t.Fatal(err)
		}
		asked := srv.Engine().Asked()
		last := asked[len(asked)-1]
		if got := last.Queries[0].Context["ip"]; got != test.want {
			t.Errorf("the engine was told %v, want %v", got, test.want)
		}
	}
}

func TestInvalidAddressFailsTheTest(t *testing.T) {
	defer func() {
		if failed, _ := recover().(fatal); failed != "interceptortest: AsFrom: the address isn't valid" {
			t.Errorf("failed with %q", failed)
		}
	}()
	tb := &fatalTB{}
	defer func() {
		for _, cleanup := range slices.Backward(tb.cleanups) {
			cleanup()
		}
	}()
	interceptortest.New(tb, config()).AsFrom(authztest.User("alice"), netip.Addr{})
}
