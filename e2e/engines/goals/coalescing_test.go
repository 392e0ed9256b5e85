package goals

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/authz/spicedb"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

const (
	callers = 64
	fakeID  = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
)

// gate counts checks and holds each until it is opened.
type gate struct {
	asked atomic.Int64
	open  chan struct{}
}

func (g *gate) pass(ctx context.Context) error {
	g.asked.Add(1)
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type fgaGate struct {
	openfgav1.OpenFGAServiceClient
	*gate
}

func (g fgaGate) Check(ctx context.Context, _ *openfgav1.CheckRequest, _ ...grpc.CallOption) (*openfgav1.CheckResponse, error) {
	return &openfgav1.CheckResponse{Allowed: true}, g.pass(ctx)
}

type spiceGate struct {
	v1.PermissionsServiceClient
	*gate
}

func (g spiceGate) CheckPermission(ctx context.Context, _ *v1.CheckPermissionRequest, _ ...grpc.CallOption) (*v1.CheckPermissionResponse, error) {
	return &v1.CheckPermissionResponse{Permissionship: v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION}, g.pass(ctx)
}

// TestGoal12 shows that 64 identical calls in flight are one engine check.
func TestGoal12(t *testing.T) {
	for name, build := range map[string]func(*gate) (authz.Engine, error){
		"openfga": func(g *gate) (authz.Engine, error) {
			return openfga.New(openfga.Config{Client: fgaGate{gate: g}, StoreID: fakeID, ModelID: fakeID})
		},
		"spicedb": func(g *gate) (authz.Engine, error) { return spicedb.New(spicedb.Config{Client: spiceGate{gate: g}}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &gate{open: make(chan struct{})}
				engine, err := build(g)
				if err != nil {
					t.Fatal(err)
				}
				authorizer, err := authz.New(authz.Config{
					Engine: engine, Subjects: authz.Subjects{User: "user:{$sub}"}, Issuers: authz.Issuers{"test"},
					Rules: []authz.MethodRule{{Selector: "grpc.health.v1.Health/Check", Rule: &authzv1.Rule{Policy: &authzv1.Rule_Check{
						Check: &authzv1.Check{Object: "document:{service}", Relation: "view"},
					}}}},
				})
				if err != nil {
					t.Fatal(err)
				}
				var group sync.WaitGroup
				for range callers {
					group.Go(func() {
						_, err := authorizer.Authorize(t.Context(), "/grpc.health.v1.Health/Check",
							authztest.User("ann"), &grpc_health_v1.HealthCheckRequest{Service: "1"})
						if err != nil {
							t.Error(err)
						}
					})
				}
				// Every caller waits: for the one check that is under way.
				synctest.Wait()
				close(g.open)
				group.Wait()
				if n := g.asked.Load(); n != 1 {
					t.Errorf("%d callers made %d engine checks, want 1", callers, n)
				}
			})
		})
	}
}
