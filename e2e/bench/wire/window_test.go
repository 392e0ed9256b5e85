package wire

import (
	"context"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// defaultWindow is long enough for thousands of calls, and short enough for both
// neighbours of a window to meet the same machine.
const defaultWindow = 200 * time.Millisecond

// callTimeout turns a hang into a failure.
const callTimeout = time.Minute

func windowLength(tb testing.TB) time.Duration {
	tb.Helper()
	text := os.Getenv("USHER_BENCH_WINDOW")
	if text == "" {
		return defaultWindow
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// load makes calls, or sends messages, for a while and returns how many.
type load func(ctx context.Context, conn *grpc.ClientConn, during time.Duration) (int64, error)

// unary is a number of callers on one connection, each with one call at a time.
func unary(callers int) load {
	return func(ctx context.Context, conn *grpc.ClientConn, during time.Duration) (int64, error) {
		client := testpb.NewTestServiceClient(conn)
		request := &testpb.PingRequest{Value: document}
		var calls atomic.Int64
		var failed atomic.Pointer[error]
		end := time.Now().Add(during)
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				n := int64(0)
				for time.Now().Before(end) {
					if _, err := client.Ping(ctx, request); err != nil {
						failed.Store(&err)
						return
					}
					n++
				}
				calls.Add(n)
			})
		}
		wg.Wait()
		if err := failed.Load(); err != nil {
			return 0, *err
		}
		return calls.Load(), nil
	}
}

// messages is one stream of messages from the client, as fast as they go.
func messages(ctx context.Context, conn *grpc.ClientConn, during time.Duration) (int64, error) {
	stream, err := testpb.NewTestServiceClient(conn).PingClientStream(ctx)
	if err != nil {
		return 0, err
	}
	message := &testpb.PingClientStreamRequest{Value: document}
	for end := time.Now().Add(during); time.Now().Before(end); {
		if err := stream.Send(message); err != nil {
			_, err = stream.CloseAndRecv() // which has the reason
			return 0, err
		}
	}
	answer, err := stream.CloseAndRecv()
	return int64(answer.GetCounter()), err
}

// window is what was measured in one.
type window struct {
	rate    float64 // calls or messages a second
	cpu     float64 // processor time of the server's process for each, in ns
	mallocs float64 // objects that it allocated for each
}

// side is a connection to a side, warm.
type side struct {
	conn *grpc.ClientConn
	net  network
	load load
	ctx  context.Context // the calls' metadata, the same for each
}

func newSideConn(tb testing.TB, n network, name, token string, l load) *side {
	tb.Helper()
	conn, err := n.dial(name)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	s := &side{conn: conn, net: n, load: l, ctx: metadata.NewOutgoingContext(context.Background(), metadata.Pairs("authorization", "Bearer "+token))}
	// The token is verified, and the connection's windows and tables are grown.
	if _, err := s.run(windowLength(tb) / 4); err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return s
}

func (s *side) run(during time.Duration) (int64, error) {
	ctx, cancel := context.WithTimeout(s.ctx, callTimeout)
	defer cancel()
	return s.load(ctx, s.conn, during)
}

// measure is one window.
func (s *side) measure(tb testing.TB) window {
	tb.Helper()
	runtime.GC()
	before, err := s.net.used(true)
	if err != nil {
		tb.Fatal(err)
	}
	start := time.Now()
	n, err := s.run(windowLength(tb))
	took := time.Since(start)
	if err != nil || n == 0 {
		tb.Fatalf("%d done, %v", n, err)
	}
	after, err := s.net.used(false)
	if err != nil {
		tb.Fatal(err)
	}
	return window{
		rate:    float64(n) / took.Seconds(),
		cpu:     float64(after.CPU-before.CPU) / float64(n),
		mallocs: float64(after.Mallocs-before.Mallocs) / float64(n),
	}
}
