package authztest_test

import (
	"context"
	"net/netip"
	"testing"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// atOffice allows whatever is asked from one address.
type atOffice struct{}

func (atOffice) Check(_ context.Context, batch authz.Batch) (authz.Result, error) {
	result := authz.Result{Answers: make([]authz.Answer, len(batch.Queries))}
	for i, q := range batch.Queries {
		switch q.Context["ip"] {
		case "192.0.2.1":
			result.Answers[i].Effect = authz.EffectAllowed
		case nil:
			result.Answers[i] = authz.Answer{Effect: authz.EffectConditional, Missing: []string{"ip"}}
		default:
			result.Answers[i].Effect = authz.EffectDenied
		}
	}

	return result, nil
}

func TestTableOfAddresses(t *testing.T) {
	authorizer, err := authz.New(authz.Config{
		Engine: atOffice{}, Subjects: authz.Subjects{User: "user:{$sub}"}, Issuers: authz.Issuers{authztest.Issuer},
		Rules: []authz.MethodRule{{Selector: "grpc.health.v1.Health/*", Rule: &authzv1.Rule{Policy: &authzv1.Rule_Check{Check: &authzv1.Check{
			Object: "office:main", Relation: "member", Context: []*authzv1.ContextValue{{Name: "ip", Value: "{$peer.ip}"}},
		}}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	alice, request := authztest.User("alice"), &healthv1.HealthCheckRequest{}
	denied := authztest.Refused(authz.ReasonRelationDenied)
	authztest.Table{Authorizer: authorizer, Service: "grpc.health.v1.Health", Rows: []authztest.Row{
		{Name: "from the office", Principal: alice, Method: "Check", Request: request, PeerIP: netip.MustParseAddr("192.0.2.1"), Want: authztest.Allowed},
		{Name: "from the office, as IPv6 writes it", Principal: alice, Method: "Watch", Request: request, PeerIP: netip.MustParseAddr("::ffff:192.0.2.1"), Want: authztest.Allowed},
		{Name: "from elsewhere", Principal: alice, Method: "List", PeerIP: netip.MustParseAddr("192.0.2.2"), Want: denied},
		{Name: "from an unknown address", Principal: alice, Method: "Check", Request: request, Want: denied},
	}}.Run(t)
}
