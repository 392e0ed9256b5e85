package interceptor_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// BenchmarkOverBare is goal 3 as a ratio, which holds on any machine: the warm
// interceptor over what is left of it when everything is known, done by hand. That is
// the read of the field by reflection and the lookup of the query in a map.
func BenchmarkOverBare(b *testing.B) {
	w, err := newWarm(byValue())
	if err != nil {
		b.Fatal(err)
	}
	defer w.close()
	ctx := metadata.NewIncomingContext(b.Context(), metadata.Pairs(
		":authority", "docs", "content-type", "application/grpc", "user-agent", "grpc-go", "authorization", "Bearer "+w.token))
	handler := func(context.Context, any) (any, error) { return nil, nil }
	info := &grpc.UnaryServerInfo{FullMethod: "/" + service + "Ping"}
	req := &testpb.PingRequest{Value: "1"}
	field := req.ProtoReflect().Descriptor().Fields().ByName("value")
	known := map[string]bool{"document:1#viewer@user:alice": true}
	const calls = 100
	var ratios []float64
	var bare time.Duration
	for b.Loop() {
		begun := time.Now()
		for range calls {
			if _, err := w.auth.Unary(ctx, req, info, handler); err != nil {
				b.Fatal(err)
			}
		}
		between := time.Now()
		for range calls {
			var room [64]byte
			key := append(room[:0], "document:"...)
			key = append(key, req.ProtoReflect().Get(field).String()...)
			if key = append(key, "#viewer@user:alice"...); !known[string(key)] {
				b.Fatal("not known")
			}
		}
		took := time.Since(between)
		bare += took
		ratios = append(ratios, float64(between.Sub(begun))/float64(took))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "bare-ratio")
	b.ReportMetric(float64(bare.Nanoseconds())/float64(len(ratios)*calls), "bare-ns")
}
