package redis

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/redislimit"
	"github.com/usher-auth/usher/interceptor/interceptortest"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

const (
	// timeout bounds a request to Redis in these tests. It is long enough for a busy
	// machine.
	timeout = 500 * time.Millisecond
	// slack is what a busy machine may add to a bound.
	slack = 3 * time.Second
	// back is how long a limit may be unavailable after Redis answers again.
	back = 2 * time.Second
)

// replica returns a guarded server with a client, a limiter and an authorizer of its
// own. Check is limited in Redis, List by the process.
func replica(t *testing.T, address string, per time.Duration) *interceptortest.Server {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: address, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	limiter, err := redislimit.New(redislimit.Config{Client: client, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	limited := func(scope authzv1.RateLimit_Scope) *authzv1.Rule {
		return &authzv1.Rule{
			Policy: &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}},
			RateLimit: &authzv1.RateLimit{
				Requests: 10, Per: durationpb.New(per), Key: authzv1.RateLimit_KEY_SUBJECT, Scope: scope,
			},
		}
	}

	return interceptortest.New(t, interceptortest.Config{
		Register: func(s grpc.ServiceRegistrar) { healthv1.RegisterHealthServer(s, health.NewServer()) },
		Authz: authz.Config{Limiter: limiter, Rules: []authz.MethodRule{
			{Selector: "grpc.health.v1.Health/*", Rule: limited(0)},
			{Selector: "grpc.health.v1.Health/List", Rule: limited(authzv1.RateLimit_SCOPE_PROCESS)},
		}},
	})
}

func shared(ctx context.Context, c healthv1.HealthClient) error {
	_, err := c.Check(ctx, &healthv1.HealthCheckRequest{})

	return err
}

func local(ctx context.Context, c healthv1.HealthClient) error {
	_, err := c.List(ctx, &healthv1.HealthListRequest{})

	return err
}

func clientOf(s *interceptortest.Server, subject string) healthv1.HealthClient {
	return healthv1.NewHealthClient(s.As(authztest.User(subject)))
}

// reason returns the reason of a refusal, empty if it has none.
func reason(err error) authz.Reason {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return authz.Reason(info.GetReason())
		}
	}

	return ""
}

// Two servers that share a limit count together and exactly, also when they are called
// at the same moment.
func TestTwoServersShareALimit(t *testing.T) {
	s := newServer(t)
	a, b := replica(t, s.address(), time.Hour), replica(t, s.address(), time.Hour)
	var passed, refused atomic.Int32
	var calls sync.WaitGroup
	for _, server := range []*interceptortest.Server{a, b} {
		alice := clientOf(server, "alice@example.com")
		for range 4 {
			calls.Go(func() {
				for range 5 {
					switch err := shared(t.Context(), alice); reason(err) {
					case authz.ReasonRateLimited:
						refused.Add(1)
					case "":
						passed.Add(1)
					default:
						t.Errorf("got %v", err)
					}
				}
			})
		}
	}
	calls.Wait()
	if passed.Load() != 10 || refused.Load() != 30 {
		t.Errorf("%d calls passed and %d were refused, want 10 and 30", passed.Load(), refused.Load())
	}
	if err := shared(t.Context(), clientOf(b, "bob")); err != nil {
		t.Errorf("another subject: %v", err)
	}
	for _, server := range []*interceptortest.Server{a, b} {
		for range 10 {
			if err := local(t.Context(), clientOf(server, "alice@example.com")); err != nil {
				t.Errorf("each process counts for itself: %v", err)
			}
		}
	}
	s.wantKeys(2, time.Hour)
}

// wantKeys checks that Redis has so many keys, without a name in clear, and that they
// expire when their buckets are full again.
func (s *server) wantKeys(want int, most time.Duration) {
	s.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.address()})
	defer client.Close()
	keys, err := client.Keys(s.t.Context(), "*").Result()
	if err != nil || len(keys) != want {
		s.t.Errorf("the keys are %q, want %d: %v", keys, want, err)
	}
	for _, key := range keys {
		if !strings.HasPrefix(key, "rate:usher:") || strings.Contains(key, "alice") || strings.Contains(key, "health") {
			s.t.Errorf("the key %q", key)
		}
		ttl, err := client.TTL(s.t.Context(), key).Result()
		if err != nil || ttl <= 0 || ttl > most+time.Second {
			s.t.Errorf("the key expires in %v, at most %v: %v", ttl, most, err)
		}
	}
}

// A caller that waits as long as it is told passes, and its bucket's key is gone when
// it is full again.
func TestTheWaitThatIsToldIsEnough(t *testing.T) {
	s := newServer(t)
	alice := clientOf(replica(t, s.address(), 2*time.Second), "alice")
	var err error
	for err == nil {
		err = shared(t.Context(), alice)
	}
	for range 5 {
		if reason(err) != authz.ReasonRateLimited || status.Code(err) != codes.ResourceExhausted {
			t.Fatal(err)
		}
		var wait time.Duration
		for _, detail := range status.Convert(err).Details() {
			if info, ok := detail.(*errdetails.RetryInfo); ok {
				wait = info.GetRetryDelay().AsDuration()
			}
		}
		if wait <= 0 || wait > 200*time.Millisecond {
			t.Fatalf("a wait of %v, at most the time for one call", wait)
		}
		<-time.After(wait)
		if err := shared(t.Context(), alice); err != nil {
			t.Fatalf("after the wait: %v", err)
		}
		for err = nil; err == nil; {
			err = shared(t.Context(), alice)
		}
	}
	s.wantKeys(1, 2*time.Second)
	gone := time.After(2*time.Second + slack)
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	client := redis.NewClient(&redis.Options{Addr: s.address()})
	defer client.Close()
	for n := int64(1); n > 0; {
		select {
		case <-poll.C:
		case <-gone:
			t.Fatal("the key doesn't expire")
		}
		if n, err = client.DBSize(t.Context()).Result(); err != nil {
			t.Fatal(err)
		}
	}
}

// unavailable makes a call that is to fail within the timeout, and one that the
// process counts, which is to pass.
func unavailable(t *testing.T, c healthv1.HealthClient) {
	t.Helper()
	start := time.Now()
	err := shared(t.Context(), c)
	if status.Code(err) != codes.Unavailable || reason(err) != authz.ReasonLimiterUnavailable {
		t.Errorf("without Redis: %v", err)
	}
	if took := time.Since(start); took > timeout+slack {
		t.Errorf("it took %v, at most %v", took, timeout)
	}
	if err := local(t.Context(), c); err != nil {
		t.Errorf("what the process counts: %v", err)
	}
}

// available waits until a call passes.
func available(t *testing.T, c healthv1.HealthClient) {
	t.Helper()
	start := time.Now()
	err := shared(t.Context(), c)
	for ; err != nil && time.Since(start) < back+slack; err = shared(t.Context(), c) {
		if status.Code(err) != codes.Unavailable {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); err != nil || took > back {
		t.Errorf("it took %v until a call passed, at most %v: %v", took, back, err)
	}
}

// Row 71: while Redis is down, no call passes uncounted; when it is back, calls pass.
func TestRedisIsKilled(t *testing.T) {
	s := newServer(t)
	alice := clientOf(replica(t, s.address(), time.Hour), "alice")
	if err := shared(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	s.kill()
	for range 5 {
		unavailable(t, alice)
	}
	s.start()
	available(t, alice)
}

// Row 71: while Redis hangs, a call costs its timeout.
func TestRedisHangs(t *testing.T) {
	s := newServer(t)
	alice := clientOf(replica(t, s.address(), time.Hour), "alice")
	if err := shared(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	s.pause(syscall.SIGSTOP)
	for range 3 {
		unavailable(t, alice)
	}
	s.pause(syscall.SIGCONT)
	available(t, alice)
}
