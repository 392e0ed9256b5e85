package engine_test

import (
	"context"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/examples/quickstart/demo/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestModelSaysWhatTheDrawingSays(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server, err := engine.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	if server.Tuples() < 1000 {
		t.Errorf("%d relationships, want 1,000 or more", server.Tuples())
	}
	check := func(user, relation, object string) (bool, error) {
		answer, err := server.Client().Check(ctx, &openfgav1.CheckRequest{
			StoreId:  server.StoreID(),
			TupleKey: &openfgav1.CheckRequestTupleKey{User: user, Relation: relation, Object: object},
		})
		return answer.GetAllowed(), err
	}
	for _, c := range []struct {
		user, relation, object string
		want                   bool
	}{
		{"service:reader", "viewer", "document:onboarding", true},
		{"service:reader", "viewer", "document:vision", true},
		{"service:reader", "editor", "document:onboarding", false},
		{"service:reader", "viewer", "document:salaries", false},
		{"service:writer", "editor", "document:vision", true},
		{"service:writer", "owner", "document:scratch", true},
		{"service:writer", "owner", "document:onboarding", false},
		{"service:stranger", "viewer", "document:holidays", true},
		{"service:stranger", "viewer", "document:onboarding", false},
		{"user:reader", "viewer", "document:onboarding", false},
		{"user:olga", "owner", "document:salaries", true},
		{"user:employee-3-7", "viewer", "document:department-3-2-9", true},
		{"user:employee-3-7", "viewer", "document:department-4-2-9", false},
	} {
		if got, err := check(c.user, c.relation, c.object); err != nil || got != c.want {
			t.Errorf("%s#%s@%s = %v, %v; want %v", c.object, c.relation, c.user, got, err, c.want)
		}
	}

	grant := engine.Tuple{User: "service:stranger", Relation: "editor", Object: "folder:drafts"}
	if err := server.Write(ctx, grant); err != nil {
		t.Fatal(err)
	}
	if got, err := check("service:stranger", "editor", "document:vision"); err != nil || !got {
		t.Errorf("after a grant: %v, %v", got, err)
	}
	if err := server.Delete(ctx, grant); err != nil {
		t.Fatal(err)
	}
	if got, err := check("service:stranger", "editor", "document:vision"); err != nil || got {
		t.Errorf("after it was taken back: %v, %v", got, err)
	}

	server.Down()
	if _, err := check("service:reader", "viewer", "document:onboarding"); status.Code(err) != codes.Unavailable {
		t.Errorf("while down: %v", err)
	}
	server.Up()
	for {
		_, err := check("service:reader", "viewer", "document:onboarding")
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("never came back: %v", err)
		}
	}
}
