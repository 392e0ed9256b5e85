package credentials_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/usher-auth/usher/credentials/credentialstest"
)

// fleet is a service of several replicas behind one name, which gRPC's
// round_robin takes in turn.
func fleet(t testing.TB, replicas []*guarded, opts ...grpc.DialOption) healthv1.HealthClient {
	t.Helper()
	listeners := make(map[string]*bufconn.Listener)
	var addresses []resolver.Address
	var served sync.WaitGroup
	var servers []*grpc.Server
	for n, replica := range replicas {
		name := fmt.Sprint("replica-", n)
		lis := bufconn.Listen(64 << 10)
		srv := replica.server()
		served.Go(func() { _ = srv.Serve(lis) })
		servers = append(servers, srv)
		listeners[name] = lis
		addresses = append(addresses, resolver.Address{Addr: name})
	}
	names := manual.NewBuilderWithScheme("fleet")
	names.InitialState(resolver.State{Addresses: addresses})
	conn, err := grpc.NewClient("fleet:///docs.test", append([]grpc.DialOption{
		grpc.WithResolvers(names),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return listeners[addr].DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		for _, srv := range servers {
			srv.Stop()
		}
		served.Wait()
	})
	return healthv1.NewHealthClient(conn)
}

func TestOneWrongReplicaCostsItsShareOnly(t *testing.T) {
	refuseAll := func(string) error { return challenge(invalidToken) }
	for name, c := range map[string]struct {
		replicas, callers int
		streams           bool
		atLeast           float64
		requests          int
	}{
		"1 of 10":                         {10, 1, false, 0.89, 3},
		"1 of 10, 8 callers":              {10, 8, false, 0.89, 3},
		"1 of 10, streams":                {10, 1, true, 0.89, 3},
		"1 of 2":                          {2, 1, false, 0.49, 3},
		"1 of 2, 8 callers":               {2, 8, false, 0.49, 3},
		"1 of 2, streams and 8 callers":   {2, 8, true, 0.49, 3},
		"1 of 1: nothing gets worse":      {1, 1, false, 0, 3},
		"none of 3 wrong: nothing forced": {3, 5, false, 1, 1},
	} {
		bubble(t, "row 52: in a minute of round robin "+name, func(t *testing.T) {
			i := newIssuer(t)
			creds := newCreds(t, i, localPlaintext)
			replicas := make([]*guarded, c.replicas)
			for n := range replicas {
				replicas[n] = &guarded{}
			}
			if c.atLeast < 1 {
				replicas[c.replicas/2].judge = refuseAll
			}
			client := fleet(t, replicas, creds.DialOptions()...)
			var mu sync.Mutex
			calls, passed := 0, 0
			var wg sync.WaitGroup
			end := time.Now().Add(time.Minute)
			for n := range c.callers {
				wg.Go(func() {
					time.Sleep(time.Duration(n) * 7 * time.Millisecond)
					for time.Now().Before(end) {
						ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
						var err error
						if c.streams {
							if err = watch(ctx, client); errors.Is(err, io.EOF) {
								err = nil
							}
						} else {
							err = check(ctx, client)
						}
						cancel()
						mu.Lock()
						calls++
						if err == nil {
							passed++
						} else if status.Code(err) != codes.Unauthenticated || status.Convert(err).Message() != "refused" {
							t.Errorf("%v, want the server's own refusal", err)
						}
						mu.Unlock()
						time.Sleep(100 * time.Millisecond)
					}
				})
			}
			wg.Wait()
			arrived := 0
			for _, replica := range replicas {
				arrived += len(replica.tokens())
			}
			if got := float64(passed) / float64(calls); got < c.atLeast {
				t.Errorf("%d of %d calls passed (%.3f), want %.2f", passed, calls, got, c.atLeast)
			}
			if n := i.Requests(token); n > c.requests {
				t.Errorf("%d token requests, want at most %d", n, c.requests)
			}
			if arrived < calls || arrived > 2*calls {
				t.Errorf("%d calls reached a server %d times: each goes out, and is replayed at most once", calls, arrived)
			}
			t.Logf("%d of %d calls passed, %d token requests, %d arrived", passed, calls, i.Requests(token), arrived)
		})
	}
}

func TestManyCallsRefusedAtOnce(t *testing.T) {
	bubble(t, "row 52: 200 calls that are refused at once: one token request, each replayed once", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, localPlaintext)
		server := &guarded{}
		client := server.inProcess(t, creds.DialOptions()...)
		first := value(t, creds)
		i.Script(token, credentialstest.Delay(300*time.Millisecond))
		server.setJudge(func(tok string) error {
			if tok != first {
				return nil
			}
			server.mu.Unlock() // all are on their way before the first is refused
			time.Sleep(time.Second)
			server.mu.Lock()
			return challenge(invalidToken)
		})
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				if err := check(within(t, time.Minute), client); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n, arrived := i.Requests(token), len(server.tokens()); n != 2 || arrived != 400 || server.handled != 200 {
			t.Errorf("%d requests, %d calls arrived, %d handled", n, arrived, server.handled)
		}
	})
	bubble(t, "row 52: a call leaves at its own deadline with the server's answer while the refresh hangs, and others go on", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, localPlaintext)
		wrong, good := &guarded{}, &guarded{}
		wrong.setJudge(func(string) error { return challenge(invalidToken) })
		badClient, goodClient := wrong.inProcess(t, creds.DialOptions()...), good.inProcess(t, creds.DialOptions()...)
		value(t, creds)
		i.Script(token, credentialstest.Hang())
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			err := check(within(t, 2*time.Second), badClient)
			if status.Convert(err).Message() != "refused" || time.Since(start) != 2*time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
		wg.Go(func() {
			time.Sleep(time.Second)
			if err := check(within(t, 10*time.Millisecond), goodClient); err != nil || time.Since(start) != time.Second {
				t.Errorf("a call to another server: %v after %v", err, time.Since(start))
			}
		})
		wg.Wait()
	})
}

func TestOldTokenIsKeptUntilTheNewOneWasAccepted(t *testing.T) {
	bubble(t, "row 52: a server that doesn't know the new key yet gets the old token", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, localPlaintext)
		server := &guarded{}
		client := server.inProcess(t, creds.DialOptions()...)
		if err := check(within(t, time.Second), client); err != nil {
			t.Fatal(err)
		}
		first := value(t, creds)
		knows := first
		server.setJudge(func(tok string) error {
			if knows != "" && tok != knows {
				return challenge(invalidToken)
			}
			return nil
		})
		failed := 0
		for range 59 { // over the renewal at 45 to 48 min, up to a minute before the end
			time.Sleep(time.Minute)
			if err := watch(within(t, time.Second), client); status.Code(err) == codes.Unauthenticated {
				failed++
			}
			if err := check(within(t, time.Second), client); err != nil {
				t.Fatal(err)
			}
		}
		if failed > 1 || i.Requests(token) != 2 {
			t.Errorf("%d streams failed and %d token requests were made, want one and the renewal", failed, i.Requests(token))
		}
		knows = "" // it read the new keys
		for range 10 {
			time.Sleep(time.Minute)
			if err := check(within(t, time.Second), client); err != nil {
				t.Fatal(err)
			}
		}
		if value(t, creds) == first || i.Requests(token) != 2 {
			t.Errorf("the newer token isn't used after the older one's end, or %d requests", i.Requests(token))
		}
	})
	bubble(t, "row 52: after a forced refresh the old token goes on if only it is accepted", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, localPlaintext)
		old, wrong := &guarded{}, &guarded{}
		oldClient, wrongClient := old.inProcess(t, creds.DialOptions()...), wrong.inProcess(t, creds.DialOptions()...)
		if err := check(within(t, time.Second), oldClient); err != nil {
			t.Fatal(err)
		}
		first := value(t, creds)
		old.setJudge(func(tok string) error {
			if tok != first {
				return challenge(invalidToken)
			}
			return nil
		})
		wrong.setJudge(func(string) error { return challenge(invalidToken) })
		for range 100 {
			if err := check(within(t, time.Second), wrongClient); status.Convert(err).Message() != "refused" {
				t.Fatal(err)
			}
			if err := check(within(t, time.Second), oldClient); err != nil {
				t.Fatalf("the old token is given up: %v", err)
			}
			time.Sleep(time.Second)
		}
		if n := i.Requests(token); n > 5 {
			t.Errorf("%d token requests in 100 s", n)
		}
	})
	bubble(t, "row 52: a replay carries the other token, whatever other calls are told meanwhile", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, localPlaintext)
		server, wrong := &guarded{}, &guarded{}
		wrong.setJudge(func(string) error { return challenge(invalidToken) })
		wrongClient := wrong.inProcess(t, creds.DialOptions()...)
		attempts := 0
		client := server.inProcess(t, append(creds.DialOptions(), grpc.WithChainUnaryInterceptor(
			func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				if attempts++; attempts == 3 { // the replay: the newer token is refused elsewhere
					if err := watch(within(t, time.Second), wrongClient); status.Code(err) != codes.Unauthenticated {
						t.Error(err)
					}
				}
				return invoker(ctx, method, req, reply, cc, opts...)
			}))...)
		if err := check(within(t, time.Second), client); err != nil {
			t.Fatal(err)
		}
		first := value(t, creds)
		server.setJudge(revoking(first))
		if err := check(within(t, time.Second), client); err != nil || attempts != 3 {
			t.Error(err, attempts)
		}
	})
	bubble(t, "row 52: both refused: the newer is sent, never a loop", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, localPlaintext)
		server := &guarded{}
		client := server.inProcess(t, creds.DialOptions()...)
		if err := check(within(t, time.Second), client); err != nil {
			t.Fatal(err)
		}
		first := value(t, creds)
		server.setJudge(func(string) error { return challenge(invalidToken) })
		if err := check(within(t, time.Second), client); status.Convert(err).Message() != "refused" {
			t.Fatal(err)
		}
		// The older one, which was accepted once, is tried once more.
		if err := check(within(t, time.Second), client); status.Convert(err).Message() != "refused" {
			t.Fatal(err)
		}
		second := value(t, creds)
		if first == second {
			t.Fatal("the newer token isn't sent")
		}
		for range 20 {
			before := len(server.tokens())
			if err := check(within(t, time.Second), client); status.Convert(err).Message() != "refused" {
				t.Fatal(err)
			}
			if seen := server.tokens()[before:]; len(seen) != 1 || seen[0] != "Bearer "+second {
				t.Fatalf("one call went out as %v", seen)
			}
			time.Sleep(time.Second)
		}
		if n := i.Requests(token); n != 2 {
			t.Errorf("%d token requests within 30 s", n)
		}
	})
}

func TestSecondCredentialConcernsItsCallOnly(t *testing.T) {
	for name, call := range map[string]func(context.Context, healthv1.HealthClient) error{
		"in the outgoing metadata": func(ctx context.Context, c healthv1.HealthClient) error {
			return check(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer mine"), c)
		},
		"by a call option": func(ctx context.Context, c healthv1.HealthClient) error {
			return check(ctx, c, grpc.PerRPCCredentials(second{}))
		},
		"by an interceptor behind": func(ctx context.Context, c healthv1.HealthClient) error {
			return check(context.WithValue(ctx, second{}, true), c)
		},
	} {
		bubble(t, "row 52: a second authorization value "+name+" forces nothing and blocks no other call", func(t *testing.T) {
			i := newIssuer(t)
			creds := newCreds(t, i, localPlaintext)
			server := &guarded{}
			client := server.inProcess(t, append(creds.DialOptions(), grpc.WithChainUnaryInterceptor(
				func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
					if ctx.Value(second{}) != nil {
						ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer mine")
					}
					return invoker(ctx, method, req, reply, cc, opts...)
				}))...)
			for range 60 {
				if err := call(within(t, time.Second), client); status.Code(err) != codes.Unauthenticated {
					t.Fatal(err)
				}
				if err := check(within(t, time.Second), client); err != nil {
					t.Fatalf("an innocent call: %v", err)
				}
				time.Sleep(time.Second)
			}
			if n, handled := i.Requests(token), server.handled; n != 1 || handled != 60 {
				t.Errorf("%d token requests, %d calls handled", n, handled)
			}
		})
	}
}

// second is another credential beside ours.
type second struct{}

func (second) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer mine"}, nil
}
func (second) RequireTransportSecurity() bool { return false }
