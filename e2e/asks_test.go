package e2e

import (
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/usher-auth/usher/authz"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// TestRuleAsksForIntrospection has one method whose rule wants the authorization
// server asked, beside those that are content with the signature: a revoked JWT
// is of no use for the one, at once, and for the others until it expires.
func TestRuleAsksForIntrospection(t *testing.T) {
	s := newSystem(t, 5*time.Minute, &client{id: "editor", method: "private_key_jwt"})
	s.allow("editor")
	target := s.guard(s.newHybrid(), guardOptions{
		rules: []authz.MethodRule{{
			Selector: "grpc.health.v1.Health/*",
			Rule: &authzv1.Rule{
				Policy:      &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}},
				AccessToken: &authzv1.AccessToken{Validation: authzv1.Validation_VALIDATION_INTROSPECT},
			},
		}},
		register: func(server *grpc.Server) { healthv1.RegisterHealthServer(server, health.NewServer()) },
	})
	good, revoked := s.token("editor"), s.token("editor")
	if good == revoked {
		t.Fatal("one token: this would show nothing")
	}
	if err := s.issuer.Revoke(s.ctx, revoked); err != nil {
		t.Fatal(err)
	}
	check := func(token string) error {
		conn := must(grpc.NewClient(target, s.transport(nil), grpc.WithPerRPCCredentials(fixed(token))))(t)
		s.cleanup(conn.Close)
		_, err := healthv1.NewHealthClient(conn).Check(s.ctx, &healthv1.HealthCheckRequest{})
		return err
	}
	expect(t, check(good), granted)
	expect(t, check(revoked), invalid)
	expect(t, kinds["unary"](s.ctx, s.dialWith(target, good).client), granted)
	expect(t, kinds["unary"](s.ctx, s.dialWith(target, revoked).client), granted)
}
