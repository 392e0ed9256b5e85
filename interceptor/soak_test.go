package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/credentialstest"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
)

const (
	// envSoak is how long the soak runs, as a duration; a few seconds otherwise.
	envSoak     = "SOAKTIME"
	soakDefault = 10 * time.Second

	soakCallers = 64
	soakObjects = 16
	// soakCacheTTL is the documented delay of a revoked relation.
	soakCacheTTL = 100 * time.Millisecond
	// soakSlack is what a busy machine may add to it.
	soakSlack = 1500 * time.Millisecond
	// soakRecheck is how long a stream may reuse a verdict.
	soakRecheck = time.Second
	// soakFlip is the time between changes: each object is left alone for sixteen
	// of them, which is much longer than all of the above.
	soakFlip = 300 * time.Millisecond
	// soakLeeway is the verifier's. A call that is held up for less can't outlast
	// its token.
	soakLeeway = time.Second
)

// truth is what is the case about one object, and since when.
type truth struct {
	mu      sync.Mutex
	allowed bool
	changed time.Time
}

func (o *truth) read() (allowed bool, changed time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()

	return o.allowed, o.changed
}

// soak is a whole system under faults, and the score.
type soak struct {
	objects [soakObjects]truth
	down    atomic.Bool
	// outage is when the engine was last down, in Unix nanoseconds.
	outage atomic.Int64

	granted, denied, unavailable, expired  atomic.Int64
	wrongGrants, wrongDenials, wrongErrors atomic.Int64
	streams, endedByRecheck, rotations     atomic.Int64
}

// judge scores one outcome of a call that began at a time. What changed while it
// ran, or within the documented delay before, may be answered either way.
func (s *soak) judge(object int, before bool, changed, began time.Time, err error) {
	allowed, changedNow := s.objects[object].read()
	settled := allowed == before && changedNow.Equal(changed) && began.Sub(changed) > soakCacheTTL+soakSlack
	switch code := status.Code(err); {
	case code == codes.OK:
		s.granted.Add(1)
		if settled && !before {
			s.wrongGrants.Add(1)
		}
	case code == codes.PermissionDenied:
		s.denied.Add(1)
		if settled && before {
			s.wrongDenials.Add(1)
		}
	case code == codes.Unavailable && time.Since(time.Unix(0, s.outage.Load())) < time.Since(began)+2*time.Second:
		s.unavailable.Add(1)
	case code == codes.Unauthenticated && time.Since(began) >= soakLeeway:
		s.expired.Add(1)
	case code == codes.Canceled || code == codes.DeadlineExceeded:
	default:
		s.wrongErrors.Add(1)
	}
}

// TestSoak runs callers of unary calls and streams while keys rotate, the engine
// goes down and comes back, tokens expire and relations flip: no wrong grant, no
// wrong denial after the documented delay, nothing left over.
func TestSoak(t *testing.T) {
	length := soakDefault
	if text := os.Getenv(envSoak); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	current := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, current) })
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()

	issuer := credentialstest.NewIssuer(t, credentialstest.Config{})
	issuer.AddClient(credentialstest.Client{ID: "caller", Secret: "fake-secret", Audiences: []string{"docs"}, Lifetime: 5 * time.Second})
	s := &soak{}
	client := s.serve(t, issuer)

	var faults, callers sync.WaitGroup
	faults.Go(func() { s.flip(ctx) })
	faults.Go(func() { every(ctx, time.Second, func(int) { issuer.Rotate(); s.rotations.Add(1) }) })
	faults.Go(func() {
		every(ctx, 1500*time.Millisecond, func(int) {
			s.outage.Store(time.Now().UnixNano())
			s.down.Store(true)
			time.Sleep(100 * time.Millisecond)
			s.down.Store(false)
			s.outage.Store(time.Now().UnixNano())
		})
	})
	var middle runtime.MemStats
	goroutines := 0
	faults.Go(func() {
		select {
		case <-ctx.Done():
		case <-time.After(length / 2):
			runtime.GC()
			runtime.ReadMemStats(&middle)
			goroutines = runtime.NumGoroutine()
		}
	})
	for i := range soakCallers {
		callers.Go(func() {
			for ctx.Err() == nil {
				if i%4 == 0 {
					s.stream(ctx, client, i%soakObjects)
				} else {
					s.call(ctx, client, i%soakObjects)
				}
			}
		})
	}
	callers.Wait()
	cancel()
	faults.Wait()

	var end runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&end)
	t.Logf("%v: %d granted, %d denied, %d unavailable in outages; %d streams, %d ended by a recheck, %d by expiry; %d key rotations",
		length, s.granted.Load(), s.denied.Load(), s.unavailable.Load(), s.streams.Load(), s.endedByRecheck.Load(), s.expired.Load(), s.rotations.Load())
	t.Logf("wrong grants %d, wrong denials %d, wrong errors %d; heap %d KB half way, %d KB at the end; %d goroutines half way, %d at the end",
		s.wrongGrants.Load(), s.wrongDenials.Load(), s.wrongErrors.Load(), middle.HeapAlloc>>10, end.HeapAlloc>>10, goroutines, runtime.NumGoroutine())
	if s.wrongGrants.Load()+s.wrongDenials.Load()+s.wrongErrors.Load() != 0 {
		t.Error("the callers were told what is not the case")
	}
	if s.granted.Load() == 0 || s.denied.Load() == 0 {
		t.Error("the soak was no test: nothing granted, or nothing denied")
	}
}

// every runs do at an interval until the context ends.
func every(ctx context.Context, interval time.Duration, do func(n int)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do(n)
		}
	}
}

// Check is the engine: it answers by what is the case, and keeps nothing.
func (s *soak) Check(_ context.Context, batch authz.Batch) (authz.Result, error) {
	if s.down.Load() {
		return authz.Result{}, &authz.EngineError{Kind: authz.EngineUnavailable, Err: errors.New("restarting")}
	}
	answers := make([]authz.Answer, len(batch.Queries))
	for i, q := range batch.Queries {
		answers[i].Effect = authz.EffectDenied
		n, err := strconv.Atoi(q.Object.ID)
		if err != nil || q.Object.Type != "document" || q.Relation != "viewer" || q.Subject.String() != "service:caller" {
			continue
		}
		if allowed, _ := s.objects[n].read(); allowed {
			answers[i].Effect = authz.EffectAllowed
		}
	}

	return authz.Result{Answers: answers}, nil
}

// flip gives relations and takes them away, one object at a time.
func (s *soak) flip(ctx context.Context) {
	change := func(n int) {
		o := &s.objects[n%soakObjects]
		o.mu.Lock()
		defer o.mu.Unlock()
		o.allowed, o.changed = !o.allowed, time.Now()
	}
	for n := range soakObjects / 2 {
		change(n * 2)
	}
	every(ctx, soakFlip, change)
}

// serve runs the guarded server and returns a client with real credentials.
func (s *soak) serve(t *testing.T, issuer *credentialstest.Issuer) testpb.TestServiceClient {
	t.Helper()
	verifier, err := verify.NewJWT(verify.JWTConfig{
		Issuer: issuer.URL(), Audiences: []string{"docs"}, JWKSURL: issuer.JWKSURL(), HTTPClient: issuer.Client(),
		Leeway: soakLeeway, UnknownKeyInterval: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	set := byValue()
	set["PingStream"] = rechecked(check("document:{value}"), soakRecheck)
	auth, err := parts{Config: interceptor.Config{Verifier: verifier}, authz: authz.Config{
		Engine: s, Issuers: verifier, Rules: set.methodRules(),
		Subjects: authz.Subjects{User: "user:{$sub}", Service: "service:{$client_id}"},
		Cache:    authz.CacheConfig{Size: 1000, TTL: soakCacheTTL, DeniedTTL: soakCacheTTL},
		Breaker:  authz.BreakerConfig{OpenFor: 100 * time.Millisecond},
	}}.build()
	if err != nil {
		t.Fatal(err)
	}
	creds, err := credentials.New(credentials.Config{
		TokenURL: issuer.TokenURL(), ClientID: "caller", Auth: clientauth.SecretBasic(clientauth.Constant("fake-secret")), HTTPClient: issuer.Client(),
		LocalPlaintext: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(auth.ServerOptions()...)
	testpb.RegisterTestServiceServer(server, &scripted{unary: echo})
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), append(creds.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		<-served
		_ = creds.Close()
		_ = verifier.Close()
	})

	return testpb.NewTestServiceClient(conn)
}

// echo is Ping without the test service's global counter.
func echo(_ context.Context, req *testpb.PingRequest) (*testpb.PingResponse, error) {
	return &testpb.PingResponse{Value: req.GetValue()}, nil
}

func (s *soak) call(ctx context.Context, client testpb.TestServiceClient, object int) {
	allowed, changed := s.objects[object].read()
	began := time.Now()
	_, err := client.Ping(ctx, &testpb.PingRequest{Value: fmt.Sprint(object)})
	if ctx.Err() == nil {
		s.judge(object, allowed, changed, began, err)
	}
}

// stream talks on a stream until it ends, and scores each of its messages.
func (s *soak) stream(ctx context.Context, client testpb.TestServiceClient, object int) {
	stream, err := client.PingStream(ctx)
	if err != nil {
		return
	}
	s.streams.Add(1)
	for n := 0; ctx.Err() == nil; n++ {
		allowed, changed := s.objects[object].read()
		// A verdict within the stream may be as old as its interval.
		began := time.Now().Add(-soakRecheck)
		_ = stream.Send(&testpb.PingStreamRequest{Value: fmt.Sprint(object)})
		_, err := stream.Recv()
		if ctx.Err() != nil {
			break
		}
		if status.Code(err) == codes.Unauthenticated && n > 0 {
			s.expired.Add(1) // its token's end: the stream's caller opens another

			return
		}
		s.judge(object, allowed, changed, began, err)
		if err != nil {
			if n > 0 && status.Code(err) == codes.PermissionDenied {
				s.endedByRecheck.Add(1)
			}

			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	_ = stream.CloseSend()
	for err == nil || errors.Is(err, io.EOF) {
		if _, err = stream.Recv(); err != nil {
			return
		}
	}
}
