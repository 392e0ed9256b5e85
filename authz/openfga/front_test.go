package openfga_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/openfga"
)

const (
	storeID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
	modelID = "01ARZ3NDEKTSV4RRFFQ69G5FAW"
	// upstreamText is in every error of the front, and must be in none of the engine's.
	upstreamText = "upstream-secret document:1#viewer@user:ann"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// front is an OpenFGA whose answers a test writes.
type front struct {
	openfgav1.UnimplementedOpenFGAServiceServer

	check     func(context.Context, *openfgav1.CheckRequest) (*openfgav1.CheckResponse, error)
	batch     func(context.Context, *openfgav1.BatchCheckRequest) (*openfgav1.BatchCheckResponse, error)
	readModel func(context.Context) (*openfgav1.AuthorizationModel, error)

	checks, batches, reads, running, most atomic.Int64
}

func (f *front) Check(ctx context.Context, r *openfgav1.CheckRequest) (*openfgav1.CheckResponse, error) {
	f.checks.Add(1)

	return f.check(ctx, r)
}

func (f *front) BatchCheck(ctx context.Context, r *openfgav1.BatchCheckRequest) (*openfgav1.BatchCheckResponse, error) {
	f.batches.Add(1)
	if now := f.running.Add(1); now > f.most.Load() {
		f.most.Store(now)
	}
	defer f.running.Add(-1)

	return f.batch(ctx, r)
}

func (f *front) ReadAuthorizationModel(ctx context.Context, _ *openfgav1.ReadAuthorizationModelRequest) (*openfgav1.ReadAuthorizationModelResponse, error) {
	f.reads.Add(1)
	m, err := f.readModel(ctx)

	return &openfgav1.ReadAuthorizationModelResponse{AuthorizationModel: m}, err
}

func (f *front) ReadAuthorizationModels(ctx context.Context, _ *openfgav1.ReadAuthorizationModelsRequest) (*openfgav1.ReadAuthorizationModelsResponse, error) {
	f.reads.Add(1)
	m, err := f.readModel(ctx)
	if m == nil || err != nil {
		return &openfgav1.ReadAuthorizationModelsResponse{}, err
	}

	return &openfgav1.ReadAuthorizationModelsResponse{AuthorizationModels: []*openfgav1.AuthorizationModel{m}}, nil
}

// dial serves f over an in-memory network and connects to it.
func dial(t *testing.T, f *front, opts ...grpc.DialOption) openfgav1.OpenFGAServiceClient {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	openfgav1.RegisterOpenFGAServiceServer(server, f)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///front", append([]grpc.DialOption{
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(); server.Stop(); <-done })

	return openfgav1.NewOpenFGAServiceClient(conn)
}

func engine(t *testing.T, f *front, opts ...func(*openfga.Config)) *openfga.Engine {
	t.Helper()
	config := openfga.Config{Client: dial(t, f), StoreID: storeID, ModelID: modelID}
	for _, opt := range opts {
		opt(&config)
	}
	e, err := openfga.New(config)
	if err != nil {
		t.Fatal(err)
	}

	return e
}

// queries asks about documents 0 to n-1.
func queries(n int) authz.Batch {
	var b authz.Batch
	for i := range n {
		b.Queries = append(b.Queries, query(string(rune('a'+i/26%26))+string(rune('a'+i%26))))
	}

	return b
}

func query(id string) authz.Query {
	return authz.Query{Object: authz.Object{Type: "document", ID: id}, Relation: "viewer", Subject: authz.Subject{Type: "user", ID: "ann"}}
}

func allowAll(_ context.Context, r *openfgav1.BatchCheckRequest) (*openfgav1.BatchCheckResponse, error) {
	out := &openfgav1.BatchCheckResponse{Result: map[string]*openfgav1.BatchCheckSingleResult{}}
	for _, c := range r.GetChecks() {
		out.Result[c.GetCorrelationId()] = allowed(true)
	}

	return out, nil
}

func allowed(b bool) *openfgav1.BatchCheckSingleResult {
	return &openfgav1.BatchCheckSingleResult{CheckResult: &openfgav1.BatchCheckSingleResult_Allowed{Allowed: b}}
}
