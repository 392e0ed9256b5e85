package interceptor_test

import (
	"context"
	"sync"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
)

// traced stands for a trace's span in a context.
type traced struct{}

// nosy is an engine in this process that looks for what belongs to the call.
type nosy struct {
	*world

	mu    sync.Mutex
	found []string
	asked int
}

func (e *nosy) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked++
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		e.found = append(e.found, "metadata")
		if len(md.Get("authorization")) > 0 {
			e.found = append(e.found, "the caller's token")
		}
	}
	if len(metadata.ValueFromIncomingContext(ctx, "authorization")) > 0 {
		e.found = append(e.found, "the caller's token, by its name")
	}
	if grpc.ServerTransportStreamFromContext(ctx) != nil {
		e.found = append(e.found, "the transport stream")
	}
	if _, ok := grpc.Method(ctx); ok {
		e.found = append(e.found, "the method")
	}
	if _, ok := peer.FromContext(ctx); ok {
		e.found = append(e.found, "the peer")
	}
	if grpc.SetHeader(ctx, metadata.Pairs("engine", "was here")) == nil || grpc.SetTrailer(ctx, metadata.Pairs("engine", "was here")) == nil {
		e.found = append(e.found, "a way to write to the caller")
	}
	if md, ok := metadata.FromOutgoingContext(ctx); ok && md.Len() > 0 {
		e.found = append(e.found, "what the handler sends to others")
	}
	if _, ok := verify.FromContext(ctx); ok {
		e.found = append(e.found, "the principal")
	}
	if _, ok := authz.FromContext(ctx); ok || authz.EmptyFromContext(ctx) == nil {
		e.found = append(e.found, "the session")
	}
	if interceptor.SetSendCompressor(ctx, "gzip") == nil {
		e.found = append(e.found, "the choice of a compressor")
	}
	if ctx.Value(traced{}) != "span" {
		e.found = append(e.found, "no span")
	}
	if _, ok := ctx.Deadline(); !ok {
		e.found = append(e.found, "no deadline")
	}

	return e.world.Check(ctx, batch)
}

// checking is a service whose handler makes a check of its own.
type checking struct {
	testpb.TestPingService

	t *testing.T
}

func (c *checking) Ping(ctx context.Context, r *testpb.PingRequest) (*testpb.PingResponse, error) {
	// A handler that calls further services has the caller's token in its context.
	onward := metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+aliceToken)
	if err := authz.CheckFromContext(onward, "document:1", "viewer"); err != nil {
		return nil, err
	}
	if _, ok := metadata.FromIncomingContext(ctx); !ok {
		c.t.Error("the handler has no metadata")
	}

	return &testpb.PingResponse{Value: r.GetValue()}, nil
}

// An engine in this process gets nothing that is the call's: not the caller's
// metadata, with its token, nor the stream to write to it; of the trace it does.
func TestEngineGetsNothingOfTheCall(t *testing.T) {
	w := newWorld(t)
	engine := &nosy{world: w}
	s := start(t, w, setupConfig{
		rules: byValue(), impl: &checking{t: t}, config: func(c *interceptor.Config) { c.Engine = engine },
		before: []grpc.ServerOption{
			grpc.ChainUnaryInterceptor(func(ctx context.Context, r any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
				return next(context.WithValue(ctx, traced{}, "span"), r)
			}),
		},
	})
	var header, trailer metadata.MD
	_, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: "1"}, grpc.Header(&header), grpc.Trailer(&trailer))
	wantStatus(t, err, codes.OK, "")
	if engine.asked != 2 || len(engine.found) > 0 {
		t.Errorf("asked %d times, the engine found %q", engine.asked, engine.found)
	}
	if len(header.Get("engine"))+len(trailer.Get("engine")) > 0 {
		t.Error("the engine wrote to the caller")
	}
}
