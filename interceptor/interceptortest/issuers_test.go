package interceptortest_test

import (
	"context"
	"testing"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/interceptor/interceptortest"
)

// Equal subs of two issuers are two callers, and a third issuer's is nobody's.
func TestServerOfTwoIssuers(t *testing.T) {
	cfg := config()
	cfg.Issuers = []string{interceptortest.IssuerName, "partner"}
	cfg.Subjects = authz.Subjects{User: "user:{$issuer}/{$sub}", Service: "service:{$issuer}/{$client_id}"}
	cfg.Tuples = []string{"document:1#viewer@user:test/alice"}
	srv := interceptortest.New(t, cfg)
	for issuer, want := range map[string]codes.Code{
		interceptortest.Issuer: codes.OK, "partner": codes.PermissionDenied, "stranger": codes.PermissionDenied,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		conn := srv.As(interceptortest.User("alice", interceptortest.With("iss", issuer)))
		if _, err := testpb.NewTestServiceClient(conn).Ping(ctx, &testpb.PingRequest{Value: "1"}); status.Code(err) != want {
			t.Errorf("%s: %v, want %v", issuer, err, want)
		}
	}
}
