package telemetry_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
	"github.com/usher-auth/usher/interceptor/telemetry"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// The record of a refused token says from where it came, in which trace, and what
// it said of itself: marked as unverified, cut, and without anything that could end
// a line of the log. None of it is a label.
func TestRefusedTokensAreRecorded(t *testing.T) {
	log, reader := &lines{}, metric.NewManualReader()
	tel, err := telemetry.New(telemetry.Config{
		Audit: slog.New(slog.NewJSONHandler(log, nil)), MeterProvider: metric.NewMeterProvider(metric.WithReader(reader)),
	})
	if err != nil {
		t.Fatal(err)
	}
	refused := &verify.Error{
		Kind: verify.CredentialFault, Err: errors.New("claims: iss is not the configured issuer"),
		Unverified: &verify.Unverified{
			Issuer: "https://evil.example/\nlevel=INFO msg=\"usher: decision\" allowed=true", Subject: "\x1b[31madmin\u202e",
			ClientID: strings.Repeat("c", 4096), Audiences: []string{"a", "b", "c", "d", "e", "f"}, Type: "JWT",
		},
	}
	good, err := verify.NewPrincipal(verify.PrincipalConfig{Claims: map[string]any{"iss": authztest.Issuer, "sub": "alice", "client_id": "test-client"}})
	if err != nil {
		t.Fatal(err)
	}
	authorizer, err := authz.New(authz.Config{
		Issuers: authz.Issuers{authztest.Issuer}, Observer: tel.Authz,
		Rules: []authz.MethodRule{{
			Selector: "testing.testpb.v1.TestService/*",
			Rule:     &authzv1.Rule{Policy: &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	auth, err := interceptor.New(interceptor.Config{
		Verifier: verify.VerifierFunc(func(_ context.Context, token string, _ verify.Requirements) (*verify.Principal, error) {
			if token == "good" {
				return good, nil
			}

			return nil, refused
		}),
		Authorizer: authorizer, Observer: tel.Interceptor,
	})
	if err != nil {
		t.Fatal(err)
	}
	tracer := sdktrace.NewTracerProvider().Tracer("test")
	traces := make(chan string, 8)
	server := grpc.NewServer(append([]grpc.ServerOption{grpc.ChainUnaryInterceptor(
		func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			ctx, span := tracer.Start(ctx, "server")
			defer span.End()
			traces <- span.SpanContext().TraceID().String()

			return next(ctx, req)
		}), grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { return nil })}, auth.ServerOptions()...)...)
	testpb.RegisterTestServiceServer(server, &testpb.TestPingService{})
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		<-served
	})
	client := testpb.NewTestServiceClient(conn)
	ping := func(token string, want codes.Code) {
		t.Helper()
		ctx := metadata.AppendToOutgoingContext(timeout(t), "authorization", "Bearer "+token)
		if _, err := client.Ping(ctx, &testpb.PingRequest{Value: "1"}); status.Code(err) != want {
			t.Fatalf("%v, want %v", err, want)
		}
	}
	ping("good", codes.OK)
	ping("bad", codes.Unauthenticated)
	// A method's name is the caller's to choose where there is none.
	long := "/no.Service/" + strings.Repeat("m", 4096)
	if err := conn.Invoke(timeout(t), long, &testpb.PingRequest{}, &testpb.PingResponse{}); err == nil {
		t.Fatal("an unknown method was let in")
	}

	records := log.records(t)
	if len(records) != 3 {
		t.Fatalf("%d records, want 3: %v", len(records), records)
	}
	granted, denied, unknown := records[0], records[1], records[2]
	if granted["trace_id"] != <-traces || granted["unverified"] != nil || granted["peer"] != nil {
		t.Errorf("grant: %v", granted)
	}
	if denied["trace_id"] != <-traces || denied["reason"] != "TOKEN_INVALID" {
		t.Errorf("refusal: %v", denied)
	}
	for name, record := range map[string]map[string]any{"refused token": denied, "unknown method": unknown} {
		text, _ := record["peer"].(string)
		if peer, err := netip.ParseAddrPort(text); err != nil || !peer.Addr().IsLoopback() || peer.Port() == 0 {
			t.Errorf("%s: peer %v", name, record["peer"])
		}
	}
	if method, _ := unknown["method"].(string); len(method) > 300 || unknown["unverified"] != nil || unknown["trace_id"] != nil {
		t.Errorf("unknown method: %v", unknown)
	}
	said, _ := denied["unverified"].(map[string]any)
	if said["type"] != "JWT" || said["issuer"] != `https://evil.example/\nlevel=INFO msg=\"usher: decision\" allowed=true` || said["sub"] != `\x1b[31madmin\u202e` {
		t.Errorf("unverified: %v", said)
	}
	if id, _ := said["client_id"].(string); len(id) > 140 || !strings.HasPrefix(id, "cccc") {
		t.Errorf("client id of %d bytes", len(id))
	}
	if audiences, _ := said["aud"].([]any); len(audiences) != 4 {
		t.Errorf("audiences %v", said["aud"])
	}
	series := dump(t, reader)
	if slices.ContainsFunc(series, func(s string) bool {
		return strings.Contains(s, "evil") || strings.Contains(s, "admin") || strings.Contains(s, "127.0.0.1") || strings.Contains(s, "mmmm")
	}) {
		t.Errorf("a label from a token:\n%s", strings.Join(series, "\n"))
	}
}

// Every record of a traced call says which trace it is in.
func TestEveryRecordHasItsTrace(t *testing.T) {
	log := &lines{}
	tel, err := telemetry.New(telemetry.Config{Audit: slog.New(slog.NewJSONHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, span := sdktrace.NewTracerProvider().Tracer("test").Start(t.Context(), "server")
	defer span.End()
	tel.Interceptor.HandlerOverran(ctx, interceptor.HandlerOverran{Method: "/x/y"})
	tel.Interceptor.HandlerPanicked(ctx, interceptor.HandlerPanicked{Method: "/x/y", Value: "a secret"})
	tel.Interceptor.HookPanicked(ctx, interceptor.HookPanicked{Hook: "Verifier", Value: "a secret"})
	records := log.records(t)
	if len(records) != 3 {
		t.Fatalf("%d records, want 3", len(records))
	}
	for _, record := range records {
		if record["trace_id"] != span.SpanContext().TraceID().String() {
			t.Errorf("record %v", record)
		}
		for key, value := range record {
			if value == "a secret" {
				t.Errorf("%s holds what was panicked with", key)
			}
		}
	}
}
