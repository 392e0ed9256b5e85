package openfga_test

import (
	"context"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/metadata"
)

// A handler that is about to call another service may have that call's
// credentials in its context when it asks for a check.
func TestHandlersOutgoingMetadataStaysHere(t *testing.T) {
	var got metadata.MD
	f := &front{check: func(ctx context.Context, _ *openfgav1.CheckRequest) (*openfgav1.CheckResponse, error) {
		got, _ = metadata.FromIncomingContext(ctx)

		return &openfgav1.CheckResponse{Allowed: true}, nil
	}}
	ctx := metadata.AppendToOutgoingContext(deadline(t), "authorization", "Bearer fake-token-for-another", "x-tenant", "acme")
	if _, err := engine(t, f).Check(ctx, queries(1)); err != nil {
		t.Fatal(err)
	}
	if len(got.Get("authorization")) != 0 || len(got.Get("x-tenant")) != 0 {
		t.Errorf("the engine got %v", got)
	}
}
