package interceptor_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // a compressor to choose
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/interceptor"
)

// The peer's certificate is shown to the verifier at every call.
func TestPeerCertificateReachesTheVerifier(t *testing.T) {
	for name, mutual := range map[string]bool{"with a client certificate": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := start(t, w, setupConfig{rules: byValue(), mutual: mutual})
			if _, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: "1"}); err != nil {
				t.Fatal(err)
			}
			list, err := s.PingList(as(t, aliceToken), &testpb.PingListRequest{Value: "1"})
			drain(t, list, err, codes.OK)
			for _, req := range w.seen {
				if (req.PeerCertificate != nil) != mutual {
					t.Errorf("certificate %v, want one: %v", req.PeerCertificate, mutual)
				}
			}
		})
	}
}

// A handler that passes on the trailer of a service behind it must not make its
// caller drop a good token.
func TestHandlersInvalidTokenChallengeIsStripped(t *testing.T) {
	passedOn := metadata.Pairs("www-authenticate", `Bearer error="invalid_token"`, "www-authenticate", `Bearer error="insufficient_scope"`, "other", "kept")
	set := byValue()
	set["PingEmpty"] = public()
	set["PingClientStream"] = public()
	impl := &scripted{
		unary: func(ctx context.Context, _ *testpb.PingRequest) (*testpb.PingResponse, error) {
			_ = grpc.SetHeader(ctx, passedOn)
			_ = grpc.SetTrailer(ctx, passedOn)

			return nil, status.Error(codes.Unauthenticated, "the service behind says so")
		},
		bidi: func(stream testpb.TestService_PingStreamServer) error {
			stream.SetTrailer(passedOn)
			_ = grpc.SetTrailer(stream.Context(), passedOn)
			if _, err := stream.Recv(); err != nil {
				return err
			}
			stream.SetTrailer(passedOn)

			return status.Error(codes.Unauthenticated, "the service behind says so")
		},
		client: func(stream testpb.TestService_PingClientStreamServer) error {
			stream.SetTrailer(passedOn)
			_ = grpc.SetTrailer(stream.Context(), passedOn)

			return status.Error(codes.Unauthenticated, "the service behind says so")
		},
	}
	s := start(t, newWorld(t), setupConfig{rules: set, impl: impl})
	check := func(kind string, md metadata.MD, want int) {
		t.Helper()
		got := md.Get("www-authenticate")
		for _, value := range got {
			t.Errorf("%s: %q reached the caller", kind, value)
		}
		if len(md.Get("other")) != want {
			t.Errorf("%s: %v", kind, md)
		}
	}
	var header, trailer metadata.MD
	_, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: "1"}, grpc.Header(&header), grpc.Trailer(&trailer))
	wantStatus(t, err, codes.Unauthenticated, "")
	check("unary header", header, 1)
	check("unary trailer", trailer, 1)
	stream, err := s.PingStream(as(t, aliceToken))
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.Send(&testpb.PingStreamRequest{Value: "1"})
	_, err = stream.Recv()
	wantStatus(t, err, codes.Unauthenticated, "")
	check("stream", stream.Trailer(), 3)
	up, err := s.PingClientStream(anonymous(t))
	if err != nil {
		t.Fatal(err)
	}
	_, err = up.CloseAndRecv()
	wantStatus(t, err, codes.Unauthenticated, "")
	check("public stream", up.Trailer(), 2)
}

// A panic or a Goexit of a stream's handler happens where it would without us.
func TestStreamHandlersPanicAndGoexitAreRaisedAgain(t *testing.T) {
	for name, act := range map[string]func(){
		"panic":  func() { panic(errors.New("the handler's own value")) },
		"goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			seen := make(chan any, 1)
			outer := func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
				returned := false
				defer func() {
					if returned {
						seen <- "returned"

						return
					}
					if value := recover(); value != nil {
						seen <- value
						err = status.Error(codes.Aborted, "recovered")

						return
					}
					seen <- "goexit"
					// grpc-go writes no status for a goroutine that is gone.
					ss.SetTrailer(nil)
				}()
				err = next(srv, ss)
				returned = true

				return err
			}
			s := start(t, newWorld(t), setupConfig{
				rules: byValue(), before: []grpc.ServerOption{grpc.ChainStreamInterceptor(outer)},
				impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
					if _, err := stream.Recv(); err != nil {
						return err
					}
					act()

					return nil
				}},
			})
			ctx, cancel := context.WithCancel(as(t, aliceToken))
			defer cancel()
			stream, err := s.PingStream(ctx)
			if err != nil {
				t.Fatal(err)
			}
			_ = stream.Send(&testpb.PingStreamRequest{Value: "1"})
			switch value := (<-seen).(type) {
			case error:
				if name != "panic" || value.Error() != "the handler's own value" {
					t.Errorf("raised %v", value)
				}
				_, err = stream.Recv()
				wantStatus(t, err, codes.Aborted, "")
			default:
				if value != name {
					t.Errorf("raised %v, want %s", value, name)
				}
			}
		})
	}
}

// A panic in a user's hook costs no call.
func TestHooksPanicsAreContained(t *testing.T) {
	reported := make(chan string, 20)
	s := start(t, newWorld(t), setupConfig{rules: byValue(), config: func(c *parts) {
		c.Observer = interceptor.Observer{
			Authenticated: func(context.Context, interceptor.Authenticated) { panic("hook") },
			Decided:       func(context.Context, interceptor.Decided) { panic("hook") },
			HookPanicked: func(_ context.Context, e interceptor.HookPanicked) {
				reported <- e.Hook
				panic("this one, too")
			},
		}
	}})
	if _, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: "1"}); err != nil {
		t.Error(err)
	}
	_, err := s.Ping(as(t, bobToken), &testpb.PingRequest{Value: "1"})
	wantStatus(t, err, codes.PermissionDenied, authz.ReasonRelationDenied)
	list, err := s.PingList(as(t, aliceToken), &testpb.PingListRequest{Value: "1"})
	drain(t, list, err, codes.OK)
	for _, want := range []string{"Authenticated", "Decided", "Authenticated", "Decided", "Authenticated", "Decided"} {
		if got := <-reported; got != want {
			t.Errorf("reported %s, want %s", got, want)
		}
	}
}

// counter counts what grpc.StatsHandler tells.
type counter struct {
	mu    sync.Mutex
	begun int
	ended int
}

func (*counter) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (*counter) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*counter) HandleConn(context.Context, stats.ConnStats)                       {}

func (c *counter) HandleRPC(_ context.Context, s stats.RPCStats) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s.(type) {
	case *stats.Begin:
		c.begun++
	case *stats.End:
		c.ended++
	}
}

func TestStatsHandlerSeesEveryCallEnd(t *testing.T) {
	counts := &counter{}
	s := start(t, newWorld(t), setupConfig{rules: byValue(), before: []grpc.ServerOption{grpc.StatsHandler(counts)}})
	for _, token := range []string{aliceToken, bobToken, "nobody"} {
		_, _ = s.Ping(as(t, token), &testpb.PingRequest{Value: "1"})
		stream, err := s.PingStream(as(t, token))
		if err != nil {
			t.Fatal(err)
		}
		_ = stream.Send(&testpb.PingStreamRequest{Value: "1"})
		_ = stream.CloseSend()
		for err == nil {
			_, err = stream.Recv()
		}
	}
	s.server.GracefulStop()
	if counts.begun != 6 || counts.ended != 6 {
		t.Errorf("%d calls began, %d ended, want 6", counts.begun, counts.ended)
	}
}

// Health is public, reflection needs a caller; both by their presets.
func TestHealthAndReflection(t *testing.T) {
	w := newWorld(t)
	auth, err := parts{
		Config: interceptor.Config{Verifier: w}, authz: authz.Config{Rules: []authz.MethodRule{authz.Health(), authz.Reflection()}},
	}.build()
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(auth.ServerOptions()...)
	healthpb.RegisterHealthServer(server, health.NewServer())
	reflection.Register(server)
	if err := auth.ValidateServer(server); err != nil {
		t.Fatal(err)
	}
	conn := serveHTTP(t, server)
	reply, err := healthpb.NewHealthClient(conn).Check(anonymous(t), &healthpb.HealthCheckRequest{})
	if err != nil || reply.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health: %v, %v", reply, err)
	}
	for token, want := range map[string]codes.Code{aliceToken: codes.OK, "nobody": codes.Unauthenticated} {
		stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(as(t, token))
		if err != nil {
			t.Fatal(err)
		}
		_ = stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}})
		_, err = stream.Recv()
		if status.Code(err) != want {
			t.Errorf("reflection as %s: %v, want %v", token, err, want)
		}
		_ = stream.CloseSend()
		_, _ = stream.Recv()
	}
}

// serveHTTP serves a gRPC server by net/http, over TLS and HTTP/2.
func serveHTTP(t *testing.T, server *grpc.Server) *grpc.ClientConn {
	t.Helper()
	web := httptest.NewUnstartedServer(server)
	web.EnableHTTP2 = true
	web.StartTLS()
	t.Cleanup(web.Close)
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	conn, err := grpc.NewClient(web.Listener.Addr().String(),
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })

	return conn
}

// grpc-go's ServeHTTP: another transport under the same interceptors.
func TestServeHTTP(t *testing.T) {
	w := newWorld(t)
	auth := newInterceptor(t, w, setupConfig{rules: byValue()})
	server := grpc.NewServer(auth.ServerOptions()...)
	testpb.RegisterTestServiceServer(server, &testpb.TestPingService{})
	client := testpb.NewTestServiceClient(serveHTTP(t, server))
	for token, want := range map[string]codes.Code{aliceToken: codes.OK, bobToken: codes.PermissionDenied, "nobody": codes.Unauthenticated} {
		// The challenge is lost here: net/http sends no trailer of that name. The
		// status and its details say the same.
		_, err := client.Ping(as(t, token), &testpb.PingRequest{Value: "1"})
		if status.Code(err) != want || want != codes.OK && reasonOf(status.Convert(err)) == "" {
			t.Errorf("unary as %s: %v, want %v", token, err, want)
		}
		list, err := client.PingList(as(t, token), &testpb.PingListRequest{Value: "1"})
		drain(t, list, err, want)
		stream, err := client.PingStream(as(t, token))
		if err != nil {
			t.Fatal(err)
		}
		_ = stream.Send(&testpb.PingStreamRequest{Value: "1"})
		_ = stream.CloseSend()
		if _, err = stream.Recv(); errors.Is(err, io.EOF) {
			err = nil
		}
		if status.Code(err) != want {
			t.Errorf("stream as %s: %v, want %v", token, err, want)
		}
	}
}

// Every fault of the rules of registered methods comes at once; other services
// that are merely linked don't count.
func TestValidateServer(t *testing.T) {
	w := newWorld(t)
	auth := newInterceptor(t, w, setupConfig{rules: rules{"Ping": check("document:{value}")}})
	server := grpc.NewServer(auth.ServerOptions()...)
	if err := auth.ValidateServer(server); err == nil || !strings.Contains(err.Error(), "no service") {
		t.Errorf("row 53: asked before any service is registered: %v", err)
	}
	testpb.RegisterTestServiceServer(server, &testpb.TestPingService{})
	err := auth.ValidateServer(server)
	if err == nil {
		t.Fatal("five methods without a rule are fine")
	}
	for _, method := range []string{"PingEmpty", "PingError", "PingList", "PingStream", "PingClientStream"} {
		if !strings.Contains(err.Error(), "TestService/"+method) {
			t.Errorf("%s is missing from: %v", method, err)
		}
	}
	if strings.Contains(err.Error(), "TestService/Ping:") {
		t.Errorf("Ping has a rule: %v", err)
	}
	// What was denied at start is denied when called, too.
	_, err = auth.Unary(t.Context(), &testpb.PingEmptyRequest{}, &grpc.UnaryServerInfo{FullMethod: "/" + service + "PingEmpty"},
		func(context.Context, any) (any, error) { t.Error("reached"); return nil, nil })
	wantStatus(t, err, codes.PermissionDenied, authz.ReasonRuleMissing)
}

func TestNewReportsEveryFaultAtOnce(t *testing.T) {
	_, err := interceptor.New(interceptor.Config{MaxTokenBytes: -1, FirstMessageTimeout: -time.Second})
	for _, want := range []string{"Config.Verifier is required", "Config.Authorizer is required", "MaxTokenBytes", "FirstMessageTimeout"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing from: %v", want, err)
		}
	}
}

// Compression is a handler's to choose, through the wrapped transport, too.
func TestHandlersChooseTheirCompressor(t *testing.T) {
	choose := func(ctx context.Context) error {
		names, err := interceptor.ClientSupportedCompressors(ctx)
		if err != nil || !slices.Contains(names, "gzip") {
			return status.Errorf(codes.Aborted, "compressors %v, %v", names, err)
		}

		return interceptor.SetSendCompressor(ctx, "gzip")
	}
	set := byValue()
	set["PingClientStream"] = public()
	s := start(t, newWorld(t), setupConfig{rules: set, impl: &scripted{
		unary: func(ctx context.Context, _ *testpb.PingRequest) (*testpb.PingResponse, error) {
			return &testpb.PingResponse{}, choose(ctx)
		},
		list: func(_ *testpb.PingListRequest, stream testpb.TestService_PingListServer) error {
			return choose(stream.Context())
		},
		client: func(stream testpb.TestService_PingClientStreamServer) error {
			if err := choose(stream.Context()); err != nil {
				return err
			}

			return stream.SendAndClose(&testpb.PingClientStreamResponse{})
		},
	}})
	if _, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: "1"}); err != nil {
		t.Error(err)
	}
	list, err := s.PingList(as(t, aliceToken), &testpb.PingListRequest{Value: "1"})
	drain(t, list, err, codes.OK)
	up, err := s.PingClientStream(anonymous(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := up.CloseAndRecv(); err != nil {
		t.Error(err)
	}
}
