package lumoauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/internal/httpapi/httpapitest"
	"github.com/usher-auth/usher/authz/lumoauth"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// asked is an authorizer whose rule takes the subject from the request, and the
// call of it.
func asked(t *testing.T, e authz.Engine) func(ctx context.Context, who, subject string) error {
	t.Helper()
	authorizer, err := authz.New(authz.Config{
		Engine: e, Subjects: authz.Subjects{User: "user:{$sub}"}, Issuers: authz.Issuers{authztest.User("x").IssuerName()},
		Timeout: time.Second,
		Breaker: authz.BreakerConfig{Disabled: true}, // it counts by the caller already
		Rules: []authz.MethodRule{{Selector: "grpc.health.v1.Health/Check", Rule: &authzv1.Rule{Policy: &authzv1.Rule_Check{Check: &authzv1.Check{
			Object: "document:1", Relation: "viewer", Subject: "user:{service}",
		}}}}},
	})
	if err != nil {
		t.Fatal(err)
	}

	return func(ctx context.Context, who, subject string) error {
		_, err := authorizer.Authorize(ctx, "/grpc.health.v1.Health/Check", authztest.User(who), &grpc_health_v1.HealthCheckRequest{Service: subject})

		return err
	}
}

// One caller that names other subjects in its requests has no more places for it,
// and what it is told to wait for keeps none of them waiting.
func TestOneCallerWithManySubjects(t *testing.T) {
	var hanging, throttled atomic.Int64
	h := func(w http.ResponseWriter, r *http.Request) {
		var body map[string]string
		_ = json.NewDecoder(r.Body).Decode(&body)
		switch {
		case strings.HasPrefix(body["subject"], "user:slow"):
			hanging.Add(1)
			httpapitest.Hang(r)
		case throttled.Load() > 0:
			throttled.Add(-1)
			w.Header().Set("Retry-After", "300")
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			_, _ = w.Write([]byte(`{"allowed": true}`))
		}
	}
	t.Run("row 61: that hang", func(t *testing.T) {
		call := asked(t, engine(t, serve(t, h), func(c *lumoauth.Config) { c.Parallelism = 4 }))
		ctx, cancel := context.WithCancel(deadline(t))
		var group sync.WaitGroup
		for i := range 50 {
			group.Go(func() { _ = call(ctx, "mallory", fmt.Sprint("slow", i)) })
		}
		for hanging.Load() < 2 && ctx.Err() == nil {
			runtime.Gosched()
		}
		for range 10 {
			if err := call(ctx, "alice", "alice"); err != nil {
				t.Errorf("row 61: another caller got %v", err)
			}
		}
		cancel()
		group.Wait()
	})
	t.Run("row 61: that are told to wait", func(t *testing.T) {
		call := asked(t, engine(t, serve(t, h)))
		throttled.Store(3)
		for _, subject := range []string{"alice", "bob", "carol"} {
			var refused *authz.Error
			if err := call(deadline(t), "mallory", subject); !errors.As(err, &refused) || refused.Reason != authz.ReasonEngineUnavailable {
				t.Fatalf("row 61: %v", err)
			}
		}
		throttled.Store(0)
		for _, who := range []string{"alice", "dave"} {
			if err := call(deadline(t), who, who); err != nil {
				t.Errorf("row 61: %s got %v", who, err)
			}
		}
	})
}
