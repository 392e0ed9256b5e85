package interceptortest_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor/interceptortest"
)

// keeper is a handler that keeps who called.
type keeper struct {
	testpb.TestPingService

	caller *verify.Principal
}

func (k *keeper) PingEmpty(ctx context.Context, _ *testpb.PingEmptyRequest) (*testpb.PingEmptyResponse, error) {
	k.caller, _ = verify.FromContext(ctx)

	return &testpb.PingEmptyResponse{}, nil
}

// A principal is the same to a table of authztest and to a server, so that a row can
// become a server's test.
func TestPrincipalIsTheSameInATableAndOnAServer(t *testing.T) {
	for name, p := range map[string]*authztest.Principal{
		"a user":                       authztest.User("alice"),
		"a user with a client's name":  authztest.User("alice", authztest.Claims{"client_id": "alice"}),
		"a service":                    authztest.Service("indexer"),
		"a service with another's sub": authztest.Service("indexer", authztest.Claims{"sub": "svc-1"}),
		"scopes and claims": authztest.User("alice", authztest.Claims{
			"scope": "read write", "acr": "mfa", "auth_time": time.Now(), "org": map[string]any{"id": 7}, "groups": []string{"a"},
		}),
		"another issuer": authztest.User("alice", authztest.Claims{"iss": "main"}),
	} {
		t.Run(name, func(t *testing.T) {
			impl := &keeper{}
			cfg := config()
			cfg.Register = func(s grpc.ServiceRegistrar) { testpb.RegisterTestServiceServer(s, impl) }
			cfg.Authz.Issuers = authz.Issuers{p.IssuerName()}
			srv := interceptortest.New(t, cfg)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if _, err := testpb.NewTestServiceClient(srv.As(p)).PingEmpty(ctx, &testpb.PingEmptyRequest{}); err != nil {
				t.Fatal(err)
			}
			if got, want := read(impl.caller), read(p); !reflect.DeepEqual(got, want) {
				t.Errorf("the handler's principal is %v, the test's %v", got, want)
			}
		})
	}
}

// read is all that rules and handlers read of a principal.
func read(p authz.Principal) map[string]any {
	all := map[string]any{
		"issuer": p.Issuer(), "name": p.IssuerName(), "sub": p.Subject(), "client": p.ClientID(), "acr": p.ACR(), "at": p.AuthTime().Unix(),
		"service": p.IsService(), "user": p.IsUser(), "read": p.HasScope("read"), "write": p.HasScope("write"), "admin": p.HasScope("admin"),
	}
	for _, path := range [][]string{{"org", "id"}, {"org"}, {"groups"}, {"sub"}, {"scope"}, {"none"}} {
		all[path[0]+" claim"], _ = p.Claim(path...)
	}

	return all
}
