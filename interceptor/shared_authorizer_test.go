package interceptor_test

import (
	"context"
	"testing"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/interceptor"
)

// Two interceptors with verifiers of their own share an authorizer and its cache:
// each caller is who its own verifier says.
func TestTwoInterceptorsShareAnAuthorizer(t *testing.T) {
	one, two := newWorld(t), newWorld(t)
	two.setToken(aliceToken, principal(t, "bob", time.Hour)) // the same token is another's there
	authorizer, err := authz.New(authz.Config{
		Engine: one, Rules: byValue().methodRules(), Issuers: authz.Issuers{issuer},
		Subjects: authz.Subjects{User: "user:{$sub}", Service: "service:{$client_id}"},
		Cache:    authz.CacheConfig{Size: 100, TTL: time.Hour},
	})
	if err != nil {
		t.Fatal(err)
	}
	guard := func(w *world) grpc.UnaryServerInterceptor {
		auth, err := interceptor.New(interceptor.Config{Verifier: w, Authorizer: authorizer})
		if err != nil {
			t.Fatal(err)
		}

		return auth.Unary
	}
	guards := map[codes.Code]grpc.UnaryServerInterceptor{codes.OK: guard(one), codes.PermissionDenied: guard(two)}
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+aliceToken))
	for range 3 {
		for want, unary := range guards {
			_, err := unary(ctx, &testpb.PingRequest{Value: "1"}, &grpc.UnaryServerInfo{FullMethod: "/" + service + "Ping"},
				func(context.Context, any) (any, error) { return &testpb.PingResponse{}, nil })
			wantCode(t, err, want)
		}
	}
	if _, asked := one.counts(); asked != 2 {
		t.Errorf("asked %d times, want once for each caller", asked)
	}
	if verified, _ := two.counts(); verified != 3 {
		t.Errorf("verified %d times", verified)
	}
}
