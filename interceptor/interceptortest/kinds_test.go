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

// The server's engine answers permissions and attributes, too, without settings.
func TestPermissionsAndAttributes(t *testing.T) {
	cfg := config()
	cfg.Authz.Rules = []authz.MethodRule{{
		Selector: "testing.testpb.v1.TestService/*",
		Rule: &authzv1.Rule{Policy: &authzv1.Rule_Permission{
			Permission: &authzv1.Permission{Name: "documents.list"},
		}},
	}, {
		Selector: "testing.testpb.v1.TestService/Ping",
		Rule: &authzv1.Rule{Policy: &authzv1.Rule_Attributes{
			Attributes: &authzv1.Attributes{
				Action: "edit", Resource: "document:{value}",
				ResourceProperties: []*authzv1.ContextValue{{Name: "sleep", Value: "{sleep_time_ms}"}},
			},
		}},
	}}
	srv := interceptortest.New(t, cfg)
	srv.Engine().Grant(authztest.Permission{Subject: "user:alice", Name: "documents.list"})
	srv.Engine().SetPolicy(func(q authz.Query) authz.Answer {
		if q.Subject.ID == "bob" && q.Object.ID == "1" && q.Properties.Resource["sleep"] == int64(0) {
			return authz.Answer{Effect: authz.EffectAllowed}
		}

		return authz.Answer{Effect: authz.EffectDenied, Context: map[string]any{"reason": "not bob's"}}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for who, want := range map[string]struct{ empty, ping, sleepy codes.Code }{
		"alice": {codes.OK, codes.PermissionDenied, codes.PermissionDenied},
		"bob":   {codes.PermissionDenied, codes.OK, codes.PermissionDenied},
	} {
		client := testpb.NewTestServiceClient(srv.As(authztest.User(who)))
		_, err := client.PingEmpty(ctx, &testpb.PingEmptyRequest{})
		if got := status.Code(err); got != want.empty {
			t.Errorf("%s lists: %v, want %v", who, got, want.empty)
		}
		_, err = client.Ping(ctx, &testpb.PingRequest{Value: "1"})
		if got := status.Code(err); got != want.ping {
			t.Errorf("%s edits: %v, want %v", who, got, want.ping)
		}
		_, err = client.Ping(ctx, &testpb.PingRequest{Value: "1", SleepTimeMs: 1})
		if got := status.Code(err); got != want.sleepy {
			t.Errorf("%s edits what isn't to be: %v, want %v", who, got, want.sleepy)
		}
	}
}
