package interceptortest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/interceptor/interceptortest"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// A call without a credential has the same reason in a table of authztest, whose
// rows have no principal, and on the wire.
func TestCallsWithoutACredentialHaveOneReason(t *testing.T) {
	const service = "testing.testpb.v1.TestService/"
	rules := []authz.MethodRule{
		{Selector: service + "*", Rule: &authzv1.Rule{Policy: &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}}}},
		{Selector: service + "Ping", Rule: &authzv1.Rule{Policy: &authzv1.Rule_Check{Check: &authzv1.Check{Object: "document:{value}", Relation: "viewer"}}}},
		{Selector: service + "PingError", Rule: &authzv1.Rule{Policy: &authzv1.Rule_Deny{Deny: &authzv1.Deny{}}}},
	}
	cfg := config()
	cfg.Authz.Rules = rules
	client := testpb.NewTestServiceClient(interceptortest.New(t, cfg).Anonymous())
	authorizer, err := authz.New(authz.Config{
		Engine: authztest.NewEngine(), Rules: rules, Issuers: authz.Issuers{authztest.Issuer},
		Subjects: authz.Subjects{User: "user:{$sub}", Service: "service:{$client_id}"},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for method, call := range map[string]func() error{
		"Ping":      func() error { _, err := client.Ping(ctx, &testpb.PingRequest{Value: "1"}); return err },
		"PingEmpty": func() error { _, err := client.PingEmpty(ctx, &testpb.PingEmptyRequest{}); return err },
		"PingError": func() error { _, err := client.PingError(ctx, &testpb.PingErrorRequest{}); return err },
	} {
		_, err := authorizer.Authorize(ctx, "/"+service+method, nil, &testpb.PingRequest{Value: "1"})
		var refused *authz.Error
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", method, err)

			continue
		}
		told := ""
		for _, detail := range status.Convert(call()).Details() {
			if info, ok := detail.(*errdetails.ErrorInfo); ok {
				told = info.GetReason()
			}
		}
		if told != string(refused.Reason) || refused.Reason != authz.ReasonTokenMissing {
			t.Errorf("%s: %s in a table, %s on the wire", method, refused.Reason, told)
		}
	}
}
