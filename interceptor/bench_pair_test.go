package interceptor_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"
)

// contender is one server of a comparison.
type contender struct {
	client testpb.TestServiceClient
	ctx    context.Context
	cpu    func() int64 // nil in process
}

// contend starts a server of each kind, over a transport: "tcp", "tls" or
// "bufconn".
func contend(b *testing.B, transport string, kinds ...string) []contender {
	b.Helper()
	all := make([]contender, len(kinds))
	for i, kind := range kinds {
		var (
			token string
			cpu   func() int64
			conn  *grpc.ClientConn
		)
		if transport == "bufconn" {
			conn, token = inMemory(b, kind)
		} else {
			p := startProcess(b, kind, transport == "tls")
			token, cpu = p.token, p.cpu
			creds := insecure.NewCredentials()
			if p.certificate != nil {
				certificate, err := x509.ParseCertificate(p.certificate)
				if err != nil {
					b.Fatal(err)
				}
				roots := x509.NewCertPool()
				roots.AddCert(certificate)
				creds = credentials.NewTLS(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13})
			}
			var err error
			if conn, err = grpc.NewClient(p.addr, grpc.WithTransportCredentials(creds)); err != nil {
				b.Fatal(err)
			}
		}
		b.Cleanup(func() { _ = conn.Close() })
		all[i] = contender{
			client: testpb.NewTestServiceClient(conn), cpu: cpu,
			ctx: metadata.AppendToOutgoingContext(b.Context(), "authorization", "Bearer "+token),
		}
	}

	return all
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

// compare runs rounds of work on every contender, in an order that rotates, and
// reports how the others do against the first: the mean of the rounds' ratios and
// half of its 95 % interval.
func compare(b *testing.B, kinds []string, all []contender, work func(contender) error) {
	b.Helper()
	for _, c := range all {
		if err := work(c); err != nil { // warm up
			b.Fatal(err)
		}
	}
	ratios, cpus := make([][]float64, len(all)), make([][]float64, len(all))
	round := 0
	for b.Loop() {
		took, used := make([]float64, len(all)), make([]float64, len(all))
		for i := range all {
			at := (i + round) % len(all)
			c := all[at]
			var before int64
			if c.cpu != nil {
				before = c.cpu()
			}
			began := time.Now()
			if err := work(c); err != nil {
				b.Fatal(err)
			}
			took[at] = time.Since(began).Seconds()
			if c.cpu != nil {
				used[at] = float64(c.cpu() - before)
			}
		}
		for i := 1; i < len(all); i++ {
			ratios[i] = append(ratios[i], took[0]/took[i])
			if used[0] > 0 {
				cpus[i] = append(cpus[i], used[i]/used[0])
			}
		}
		round++
	}
	for i := 1; i < len(all); i++ {
		mean, half := interval(ratios[i])
		b.ReportMetric(mean, kinds[i]+"/throughput")
		b.ReportMetric(half, kinds[i]+"/±")
		if len(cpus[i]) > 0 {
			mean, _ := interval(cpus[i])
			b.ReportMetric(mean, kinds[i]+"/cpu")
		}
	}
}

func interval(samples []float64) (mean, half float64) {
	for _, s := range samples {
		mean += s / float64(len(samples))
	}
	var squares float64
	for _, s := range samples {
		squares += (s - mean) * (s - mean)
	}
	if len(samples) > 1 {
		half = 1.96 * math.Sqrt(squares/float64(len(samples)-1)/float64(len(samples)))
	}

	return mean, half
}

// BenchmarkUnary is goals 1 and 2: a warm call, authenticated and authorized,
// against the same call without an interceptor, and that against its twin. Each
// iteration is a round: run it with -benchtime=60x or so.
func BenchmarkUnary(b *testing.B) {
	const calls = 2000
	kinds := []string{serverPlain, serverTwin, serverGuarded}
	for _, transport := range []string{"tcp", "tls", "bufconn"} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", transport, callers), func(b *testing.B) {
				compare(b, kinds, contend(b, transport, kinds...), func(c contender) error {
					var all sync.WaitGroup
					failed := make(chan error, callers)
					for range callers {
						all.Go(func() {
							req := &testpb.PingRequest{Value: "1"}
							for range calls / callers {
								if _, err := c.client.Ping(c.ctx, req); err != nil {
									failed <- err

									return
								}
							}
						})
					}
					all.Wait()
					select {
					case err := <-failed:
						return err
					default:
						return nil
					}
				})
			})
		}
	}
}

// BenchmarkStream is goal 8: the messages of one long stream.
func BenchmarkStream(b *testing.B) {
	const messages = 20_000
	kinds := []string{serverPlain, serverTwin, serverFirst, serverGuarded}
	for _, transport := range []string{"tcp", "bufconn"} {
		b.Run(transport, func(b *testing.B) {
			compare(b, kinds, contend(b, transport, kinds...), func(c contender) error {
				stream, err := c.client.PingClientStream(c.ctx)
				if err != nil {
					return err
				}
				req := &testpb.PingClientStreamRequest{Value: "1"}
				for range messages {
					if err := stream.Send(req); err != nil {
						return err
					}
				}
				_, err = stream.CloseAndRecv()

				return err
			})
		})
	}
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
