package credentials_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"google.golang.org/grpc"
	grpccredentials "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/oauth"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/usher-auth/usher/credentials/credentialstest"
)

// What gRPC's own credentials over x/oauth2 do is measured beside, in the same
// run: go test -bench . -run '^$' ./credentials/

// perCall is what both sides are.
type perCall = grpccredentials.PerRPCCredentials

// sides makes both from one issuer.
func sides(tb testing.TB, i *credentialstest.Issuer) map[string]perCall {
	tb.Helper()
	cfg := clientcredentials.Config{ClientID: clientID, ClientSecret: clientSecret, TokenURL: i.TokenURL(), AuthStyle: oauth2.AuthStyleInHeader}
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, i.Client())
	return map[string]perCall{
		"usher":   newCreds(tb, i, nil),
		"xoauth2": oauth.TokenSource{TokenSource: cfg.TokenSource(ctx)},
	}
}

// grpcContext is a context as gRPC hands it to per-call credentials: the
// caller's deadline and metadata, gRPC's own layers, the peer and the request.
func grpcContext(tb testing.TB) context.Context {
	tb.Helper()
	ctx := within(tb, time.Hour)
	ctx = metadata.AppendToOutgoingContext(ctx, "x-request-id", "1")
	type first struct{}
	type second struct{}
	ctx = context.WithValue(context.WithValue(ctx, first{}, 1), second{}, 2)
	ctx, cancel := context.WithCancel(ctx)
	tb.Cleanup(cancel)
	ctx = peer.NewContext(ctx, &peer.Peer{Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}})
	info := grpccredentials.TLSInfo{State: tls.ConnectionState{Version: tls.VersionTLS13}}
	info.SecurityLevel = grpccredentials.PrivacyAndIntegrity
	return grpccredentials.NewContextWithRequestInfo(ctx, grpccredentials.RequestInfo{Method: "/docs.v1.Docs/Get", AuthInfo: info})
}

// cpu is the processor time that the process has used.
func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkGetRequestMetadata is a call with a live token. The goal is at most
// 60 ns of processor time and no allocation.
func BenchmarkGetRequestMetadata(b *testing.B) {
	both := sides(b, socketIssuer(b))
	for _, name := range []string{"usher", "xoauth2"} {
		side := both[name]
		for _, goroutines := range []int{1, 2, 8, 64} {
			b.Run(fmt.Sprintf("%s/goroutines=%d", name, goroutines), func(b *testing.B) {
				ctx := grpcContext(b)
				uri := []string{"https://docs.test/docs.v1.Docs"}
				if _, err := side.GetRequestMetadata(ctx, uri...); err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				before := cpu(b)
				b.ResetTimer()
				var wg sync.WaitGroup
				for range goroutines {
					wg.Go(func() {
						for range b.N / goroutines {
							if _, err := side.GetRequestMetadata(ctx, uri...); err != nil {
								b.Error(err)
							}
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

// BenchmarkCrowdAtExpiry is 200 callers that meet a token's expiry with an
// endpoint that takes 300 ms. The goal is that none of them waits more than 100
// ms. x/oauth2 fetches when 10 s are left.
func BenchmarkCrowdAtExpiry(b *testing.B) {
	for name, life := range map[string]time.Duration{"usher": 4 * time.Second, "xoauth2": 12 * time.Second} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				i := socketIssuerWith(b, credentialstest.Config{Lifetime: life})
				side := sides(b, i)[name]
				ctx := grpcContext(b)
				if _, err := side.GetRequestMetadata(ctx); err != nil {
					b.Fatal(err)
				}
				i.Script(token, credentialstest.Always(credentialstest.Delay(300*time.Millisecond)))
				var stalls, calls, worst atomic.Int64
				crowd(200, 5*time.Second, 20*time.Millisecond, func() {
					start := time.Now()
					if _, err := side.GetRequestMetadata(ctx); err != nil {
						b.Error(err)
					}
					took := time.Since(start)
					calls.Add(1)
					if took > 100*time.Millisecond {
						stalls.Add(1)
					}
					for old := worst.Load(); int64(took) > old && !worst.CompareAndSwap(old, int64(took)); old = worst.Load() {
					}
				})
				b.ReportMetric(float64(stalls.Load()), "stalls")
				b.ReportMetric(float64(calls.Load()), "calls")
				b.ReportMetric(float64(worst.Load())/1e6, "worst-ms")
				b.ReportMetric(float64(i.Requests(token)), "requests")
			}
		})
	}
}

// BenchmarkCrowdAt503 is 200 callers, each with three tries within 300 ms,
// against an endpoint that answers 503 after 10 ms. The goal is one request.
func BenchmarkCrowdAt503(b *testing.B) {
	for _, name := range []string{"usher", "xoauth2"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				i := socketIssuer(b)
				side := sides(b, i)[name]
				ctx := grpcContext(b)
				i.Script(token, credentialstest.Always(credentialstest.Delay(10*time.Millisecond, credentialstest.Status(503, ""))))
				crowd(200, 300*time.Millisecond, 100*time.Millisecond, func() {
					if _, err := side.GetRequestMetadata(ctx); err == nil {
						b.Error("a token from a 503")
					}
				})
				b.ReportMetric(float64(i.Requests(token)), "requests")
			}
		})
	}
}

// BenchmarkColdStart is 10,000 callers and no token yet. The goal is one
// request.
func BenchmarkColdStart(b *testing.B) {
	for _, name := range []string{"usher", "xoauth2"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				i := socketIssuer(b)
				side := sides(b, i)[name]
				ctx := grpcContext(b)
				var wg sync.WaitGroup
				for range 10_000 {
					wg.Go(func() {
						if _, err := side.GetRequestMetadata(ctx); err != nil {
							b.Error(err)
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(i.Requests(token)), "requests")
			}
		})
	}
}

// crowd lets n callers call again and again for a while.
func crowd(n int, span, pause time.Duration, call func()) {
	end := time.Now().Add(span)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for time.Now().Before(end) {
				call()
				time.Sleep(pause)
			}
		})
	}
	wg.Wait()
}

// TestHotPathAllocatesNothing gates what the benchmark shows.
func TestHotPathAllocatesNothing(t *testing.T) {
	creds := newCreds(t, newIssuer(t), nil)
	ctx := grpcContext(t)
	uri := []string{"https://docs.test/docs.v1.Docs"}
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := creds.GetRequestMetadata(ctx, uri...); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a call", n)
	}
}

// BenchmarkUnaryCall is a call over bufconn with the credentials alone and with
// the interceptors that watch for refused tokens.
func BenchmarkUnaryCall(b *testing.B) {
	creds := newCreds(b, socketIssuer(b), localPlaintext)
	for name, opts := range map[string][]grpc.DialOption{
		"credentials": {grpc.WithPerRPCCredentials(creds)},
		"dialoptions": creds.DialOptions(),
	} {
		b.Run(name, func(b *testing.B) {
			client := (&guarded{forgetful: true}).inProcess(b, opts...)
			ctx := within(b, time.Hour)
			b.ReportAllocs()
			for b.Loop() {
				if err := check(ctx, client); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
