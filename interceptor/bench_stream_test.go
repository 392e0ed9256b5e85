package interceptor_test

import (
	"context"
	"net"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// The kinds of server that the benchmarks of streams compare. Plain has no
// interceptor.
const (
	serverPlain   = "plain"
	serverGuarded = "guarded"
	serverFirst   = "first-message"
)

// benchOptions returns the options of a kind of server, and a token that it knows.
func benchOptions(kind string) ([]grpc.ServerOption, *warm, error) {
	set := byValue()
	if kind == serverFirst {
		for _, name := range []string{"PingClientStream", "PingStream"} {
			set[name].Stream = &authzv1.Stream{MessageCheck: authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE}
		}
	}
	w, err := newWarm(set)
	if err != nil {
		return nil, nil, err
	}
	if kind == serverPlain {
		return nil, w, nil
	}

	return w.auth.ServerOptions(), w, nil
}

func inMemory(b *testing.B, kind string) (*grpc.ClientConn, string) {
	b.Helper()
	options, w, err := benchOptions(kind)
	if err != nil {
		b.Fatal(err)
	}
	pipe := bufconn.Listen(1 << 20)
	server := grpc.NewServer(options...)
	testpb.RegisterTestServiceServer(server, &scripted{unary: echo})
	go func() { _ = server.Serve(pipe) }()
	b.Cleanup(func() { server.Stop(); w.close() })
	conn, err := grpc.NewClient("passthrough:///bench", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }))
	if err != nil {
		b.Fatal(err)
	}

	return conn, w.token
}

// replay is a transport that receives the same message for ever.
type replay struct {
	grpc.ServerStream

	ctx context.Context
}

func (r *replay) Context() context.Context { return r.ctx }

func (r *replay) RecvMsg(m any) error {
	m.(*testpb.PingStreamRequest).Value = "1"

	return nil
}

func (r *replay) SendMsg(any) error { return nil }

// BenchmarkStreamMessage is what the guard adds to a message: 0 allocations.
func BenchmarkStreamMessage(b *testing.B) {
	for _, kind := range []string{serverFirst, serverGuarded} {
		b.Run(kind, func(b *testing.B) {
			_, w, err := benchOptions(kind)
			if err != nil {
				b.Fatal(err)
			}
			defer w.close()
			ctx := metadata.NewIncomingContext(b.Context(), metadata.Pairs("authorization", "Bearer "+w.token))
			err = w.auth.Stream(nil, &replay{ctx: ctx}, &grpc.StreamServerInfo{FullMethod: "/" + service + "PingStream", IsClientStream: true, IsServerStream: true},
				func(_ any, stream grpc.ServerStream) error {
					b.ReportAllocs()
					req, resp := &testpb.PingStreamRequest{}, &testpb.PingStreamResponse{}
					for b.Loop() {
						if err := stream.RecvMsg(req); err != nil {
							return err
						}
						if err := stream.SendMsg(resp); err != nil {
							return err
						}
					}

					return nil
				})
			if err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkIdleStreams is what a guarded stream costs while nothing happens: at
// most a goroutine, a timer and 5 KB more than without the guard.
func BenchmarkIdleStreams(b *testing.B) {
	const streams = 10_000
	cost := func(kind string) (goroutines, bytes float64) {
		conn, token := inMemory(b, kind)
		defer func() { _ = conn.Close() }()
		ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(b.Context(), "authorization", "Bearer "+token))
		client := testpb.NewTestServiceClient(conn)
		open := func(n int) {
			for range n {
				stream, err := client.PingStream(ctx)
				if err != nil {
					b.Fatal(err)
				}
				if err := stream.Send(&testpb.PingStreamRequest{Value: "1"}); err != nil {
					b.Fatal(err)
				}
				if _, err := stream.Recv(); err != nil {
					b.Fatal(err)
				}
			}
		}
		open(10)
		before := footprint()
		open(streams)
		after := footprint()
		cancel()

		return float64(after.goroutines-before.goroutines) / streams, float64(after.bytes-before.bytes) / streams
	}
	for b.Loop() {
		plainGoroutines, plainBytes := cost(serverPlain)
		guardedGoroutines, guardedBytes := cost(serverGuarded)
		b.ReportMetric(guardedGoroutines-plainGoroutines, "goroutines/stream")
		b.ReportMetric(guardedBytes-plainBytes, "B/stream")
	}
}

type footprintOf struct{ goroutines, bytes int64 }

func footprint() footprintOf {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)

	return footprintOf{int64(runtime.NumGoroutine()), int64(m.HeapAlloc + m.StackInuse)}
}
