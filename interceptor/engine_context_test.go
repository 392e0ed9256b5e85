package interceptor_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
)

// traced is the key of a value that represents a trace's span in a context.
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
		rules: byValue(), impl: &checking{t: t}, config: func(c *parts) { c.authz.Engine = engine },
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

// tracedStream is a stream in whose context there is a trace's span.
type tracedStream struct{ grpc.ServerStream }

func (s tracedStream) Context() context.Context {
	return context.WithValue(s.ServerStream.Context(), traced{}, "span")
}

// Nor does it of a stream: for its start or its messages, for a recheck, and for
// what its handler asks.
func TestEngineGetsNothingOfAStream(t *testing.T) {
	for name, object := range map[string]string{"of its messages": "document:{value}", "of its start": "document:1"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const interval = 10 * time.Second
				w := newWorld(t)
				engine := &nosy{world: w}
				set := byValue()
				set["PingStream"] = rechecked(check(object), interval)
				s := start(t, w, setupConfig{
					rules: set, inMemory: true, config: func(c *parts) { c.authz.Engine = engine },
					impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
						if _, err := stream.Recv(); err != nil {
							return err
						}
						ctx := metadata.AppendToOutgoingContext(stream.Context(), "authorization", "Bearer "+aliceToken)
						if err := authz.CheckFromContext(ctx, "document:1", "viewer"); err != nil {
							return err
						}
						<-ctx.Done()

						return ctx.Err()
					}},
					before: []grpc.ServerOption{
						grpc.ChainStreamInterceptor(func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
							return next(srv, tracedStream{stream})
						}),
					},
				})
				stream, err := s.PingStream(patient(t, aliceToken))
				if err != nil {
					t.Fatal(err)
				}
				if err := stream.Send(&testpb.PingStreamRequest{Value: "1"}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(interval + time.Second)
				synctest.Wait()
				engine.mu.Lock()
				defer engine.mu.Unlock()
				if engine.asked != 3 || len(engine.found) > 0 {
					t.Errorf("asked %d times, the engine found %q", engine.asked, engine.found)
				}
			})
		})
	}
}
