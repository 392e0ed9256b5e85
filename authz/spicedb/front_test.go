package spicedb_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/spicedb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// front is a SpiceDB whose answers a test writes.
type front struct {
	v1.UnimplementedPermissionsServiceServer

	check func(context.Context, *v1.CheckPermissionRequest) (*v1.CheckPermissionResponse, error)
	bulk  func(context.Context, *v1.CheckBulkPermissionsRequest) (*v1.CheckBulkPermissionsResponse, error)

	mu     sync.Mutex
	checks []*v1.CheckPermissionRequest
	bulks  []*v1.CheckBulkPermissionsRequest
}

func dial(t *testing.T, f *front) v1.PermissionsServiceClient {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	v1.RegisterPermissionsServiceServer(server, f)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///front",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(); server.Stop(); <-done })

	return v1.NewPermissionsServiceClient(conn)
}

func engine(t *testing.T, f *front, opts ...func(*spicedb.Config)) *spicedb.Engine {
	t.Helper()
	config := spicedb.Config{Client: dial(t, f)}
	for _, opt := range opts {
		opt(&config)
	}
	e, err := spicedb.New(config)
	if err != nil {
		t.Fatal(err)
	}

	return e
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)

	return ctx
}

func query(id string) authz.Query {
	return authz.Query{Object: authz.Object{Type: "document", ID: id}, Relation: "viewer", Subject: authz.Subject{Type: "user", ID: "ann"}}
}

func queries(n int) authz.Batch {
	var b authz.Batch
	for i := range n {
		b.Queries = append(b.Queries, query(fmt.Sprint("d", i)))
	}

	return b
}

func wantFault(t *testing.T, err error, kind authz.EngineErrorKind) *authz.EngineError {
	t.Helper()
	var fault *authz.EngineError
	if !errors.As(err, &fault) {
		t.Fatalf("err = %v, want an *authz.EngineError", err)
	}
	if fault.Kind != kind {
		t.Errorf("kind = %v, want %v (%v)", fault.Kind, kind, err)
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "upstream-secret") {
		t.Errorf("SpiceDB's text shows: %v", err)
	}

	return fault
}
