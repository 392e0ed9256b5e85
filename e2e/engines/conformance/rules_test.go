package conformance

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authzen"
	"github.com/usher-auth/usher/authz/authztest"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// Rules are decided by OpenFGA's conditions and relations, through its AuthZEN
// endpoints: the caller's claim and the request decide, and what OpenFGA can't evaluate
// is no denial and no grant.
func TestRulesByAuthZEN(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	engine := throughOpenFGA(t, authztest.MustTuples(
		"document:1#view@user:alice[by_subject]", "document:1#view@user:carol[by_subject]", "document:2#view@user:bob",
		"platform:main#documents.edit@user:alice",
	), func(c *authzen.Config) { c.PermissionResource = authz.Object{Type: "platform", ID: "main"} })
	authorizer, err := authz.New(authz.Config{
		Engine: engine, Subjects: authz.Subjects{User: "user:{$sub}"}, Issuers: authz.Issuers{authztest.Issuer},
		Rules: []authz.MethodRule{{
			Selector: "grpc.health.v1.Health/Check",
			Rule: &authzv1.Rule{Policy: &authzv1.Rule_Attributes{Attributes: &authzv1.Attributes{
				Action: "view", Resource: "document:{service}",
				SubjectProperties: []*authzv1.ContextValue{{Name: "department", Value: "{$claim.department}"}},
			}}},
		}, {
			Selector: "grpc.health.v1.Health/List",
			Rule:     &authzv1.Rule{Policy: &authzv1.Rule_Permission{Permission: &authzv1.Permission{Name: "documents.edit"}}},
		}, {
			Selector: "grpc.health.v1.Health/Watch",
			Rule:     &authzv1.Rule{Policy: &authzv1.Rule_Permission{Permission: &authzv1.Permission{Name: "documents.unknown"}}},
		}},
	})
	fatal(t, err)
	caller := func(name, department string) authz.Principal {
		return authztest.User(name, authztest.Claims{"department": department})
	}
	for _, c := range []struct {
		name      string
		method    string
		principal authz.Principal
		document  string
		want      authz.Reason
	}{
		{"the condition holds", "Check", caller("alice", "engineering"), "1", ""},
		{"the condition doesn't hold", "Check", caller("alice", "sales"), "1", authz.ReasonRelationDenied},
		{"it holds for another", "Check", caller("carol", "engineering"), "1", ""},
		{"no tuple", "Check", caller("bob", "engineering"), "1", authz.ReasonRelationDenied},
		{"no condition", "Check", caller("bob", "sales"), "2", ""},
		{"an object that can't be named", "Check", caller("alice", "engineering"), "1#view", authz.ReasonObjectMissing},
		{"a permission", "List", caller("alice", "sales"), "", ""},
		{"a permission of another's", "List", caller("bob", "sales"), "", authz.ReasonRelationDenied},
		{"row 62: an unknown permission", "Watch", caller("alice", "sales"), "", authz.ReasonMisconfigured},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := authorizer.Authorize(ctx, "/grpc.health.v1.Health/"+c.method, c.principal, &grpc_health_v1.HealthCheckRequest{Service: c.document})
			var refused *authz.Error
			if errors.As(err, &refused) != (c.want != "") || c.want != "" && refused.Reason != c.want {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}
