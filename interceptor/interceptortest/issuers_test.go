package interceptortest_test

import (
	"context"
	"testing"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/interceptor/interceptortest"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// Equal subs of two issuers are two callers, and a third issuer's sub is none.
func TestServerOfTwoIssuers(t *testing.T) {
	cfg := config()
	cfg.Authz.Issuers = authz.Issuers{authztest.Issuer, "partner"}
	cfg.Authz.Subjects = authz.Subjects{User: "user:{$issuer}/{$sub}", Service: "service:{$issuer}/{$client_id}"}
	cfg.Tuples = []string{"document:1#viewer@user:test/alice"}
	srv := interceptortest.New(t, cfg)
	for issuer, want := range map[string]codes.Code{
		authztest.Issuer: codes.OK, "partner": codes.PermissionDenied, "stranger": codes.PermissionDenied,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		conn := srv.As(authztest.User("alice", authztest.Claims{"iss": issuer}))
		if _, err := testpb.NewTestServiceClient(conn).Ping(ctx, &testpb.PingRequest{Value: "1"}); status.Code(err) != want {
			t.Errorf("%s: %v, want %v", issuer, err, want)
		}
	}
}

// A server whose issuers have subjects of their own, and rules that name issuers, is
// tested as it is.
func TestServerOfIssuersWithTheirOwnSubjects(t *testing.T) {
	cfg := config()
	cfg.Authz.Issuers = authz.Issuers{"main", "partner"}
	cfg.Authz.IssuerSubjects = map[string]authz.Subjects{"main": {User: "user:{$sub}"}, "partner": {User: "partner:{$sub}"}}
	cfg.Authz.Rules = []authz.MethodRule{
		{Selector: "testing.testpb.v1.TestService/*", Rule: &authzv1.Rule{
			Policy: &authzv1.Rule_Check{Check: &authzv1.Check{Object: "document:1", Relation: "viewer"}},
		}},
		{Selector: "testing.testpb.v1.TestService/PingError", Rule: &authzv1.Rule{
			Policy:      &authzv1.Rule_Check{Check: &authzv1.Check{Object: "document:1", Relation: "viewer"}},
			AccessToken: &authzv1.AccessToken{Issuers: []string{"main"}},
		}},
	}
	cfg.Tuples = []string{"document:1#viewer@partner:alice"}
	srv := interceptortest.New(t, cfg)
	for name, want := range map[string]codes.Code{"main": codes.PermissionDenied, "partner": codes.OK} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		client := testpb.NewTestServiceClient(srv.As(authztest.User("alice", authztest.Claims{"iss": name})))
		if _, err := client.Ping(ctx, &testpb.PingRequest{Value: "1"}); status.Code(err) != want {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		_, err := client.PingError(ctx, &testpb.PingErrorRequest{Value: "1"})
		decided := srv.Decisions()
		reason := decided[len(decided)-1].Reason
		if want := map[string]authz.Reason{"main": authz.ReasonRelationDenied, "partner": authz.ReasonIssuerDenied}[name]; reason != want {
			t.Errorf("%s: %v, %q, want %q", name, err, reason, want)
		}
	}
}
