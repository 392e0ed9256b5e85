package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
	"github.com/usher-auth/usher/interceptor/interceptortest"
	"github.com/usher-auth/usher/interceptor/telemetry"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

const testDeadline = 10 * time.Second

// lines is a log that several goroutines write.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.buf.Write(p)
}

func (l *lines) records(t *testing.T) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []map[string]any
	decoder := json.NewDecoder(bytes.NewReader(l.buf.Bytes()))
	for {
		var record map[string]any
		if err := decoder.Decode(&record); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, record)
	}
}

// handler checks documents itself in PingList.
type handler struct{ testpb.TestPingService }

func (handler) PingList(req *testpb.PingListRequest, stream testpb.TestService_PingListServer) error {
	if err := authz.CheckFromContext(stream.Context(), "document:"+req.GetValue(), "viewer"); err != nil {
		return status.Error(codes.PermissionDenied, "no")
	}

	return stream.Send(&testpb.PingListResponse{Value: req.GetValue()})
}

func config(tel *telemetry.Telemetry) interceptortest.Config {
	rule := func(method string, rule *authzv1.Rule) authz.MethodRule {
		return authz.MethodRule{Selector: "testing.testpb.v1.TestService/" + method, Rule: rule}
	}

	return interceptortest.Config{
		Register: func(s grpc.ServiceRegistrar) { testpb.RegisterTestServiceServer(s, &handler{}) },
		Tuples:   []string{"document:1#viewer@user:alice"},
		Authz: authz.Config{Observer: tel.Authz, Rules: []authz.MethodRule{
			rule("*", &authzv1.Rule{Policy: &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}}}),
			rule("Ping", &authzv1.Rule{Policy: &authzv1.Rule_Check{Check: &authzv1.Check{Object: "document:{value}", Relation: "viewer"}}}),
			rule("PingList", &authzv1.Rule{Policy: &authzv1.Rule_Handler{Handler: &authzv1.Handler{}}}),
		}},
		Interceptor: interceptor.Config{Observer: tel.Interceptor},
	}
}

func timeout(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testDeadline)
	t.Cleanup(cancel)

	return ctx
}

func TestAuditRecords(t *testing.T) {
	log := &lines{}
	tel, err := telemetry.New(telemetry.Config{Audit: slog.New(slog.NewJSONHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	srv := interceptortest.New(t, config(tel))
	alice := testpb.NewTestServiceClient(srv.As(authztest.User("alice")))
	if _, err := alice.Ping(timeout(t), &testpb.PingRequest{Value: "1"}); err != nil {
		t.Fatal(err)
	}
	_, refused := alice.Ping(timeout(t), &testpb.PingRequest{Value: "2"})
	if status.Code(refused) != codes.PermissionDenied {
		t.Fatal(refused)
	}
	if _, err := testpb.NewTestServiceClient(srv.Anonymous()).Ping(timeout(t), &testpb.PingRequest{Value: "1"}); err == nil {
		t.Fatal("anonymous was let in")
	}
	list, err := alice.PingList(timeout(t), &testpb.PingListRequest{Value: "1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := list.Recv(); err != nil {
		t.Fatal(err)
	}

	records := log.records(t)
	if len(records) != 5 {
		t.Fatalf("%d records, want 5: %v", len(records), records)
	}
	granted, denied, nobody, handlers := records[0], records[1], records[2], records[4]
	if granted["level"] != "INFO" || granted["allowed"] != true || granted["principal"].(map[string]any)["sub"] != "alice" {
		t.Errorf("grant: %v", granted)
	}
	check := granted["checks"].([]any)[0].(map[string]any)
	if check["object"] != "document:1" || check["relation"] != "viewer" || check["subject"] != "user:alice" || check["effect"] != "allowed" || check["cached"] != false {
		t.Errorf("check: %v", check)
	}
	if denied["level"] != "WARN" || denied["reason"] != "RELATION_DENIED" || denied["code"] != "PermissionDenied" || denied["decision_id"] == "" {
		t.Errorf("denial: %v", denied)
	}
	if nobody["reason"] != "TOKEN_MISSING" || nobody["principal"] != nil {
		t.Errorf("anonymous: %v", nobody)
	}
	if handlers["occasion"] != "handler" || handlers["allowed"] != true || handlers["principal"].(map[string]any)["sub"] != "alice" {
		t.Errorf("handler's own check: %v", handlers)
	}
}

// A handler's filter that was answered is no refusal of the call; a check of its own
// that is denied, and a filter without an answer, say why.
func TestAuditOfHandlersFilters(t *testing.T) {
	log := &lines{}
	tel, err := telemetry.New(telemetry.Config{Audit: slog.New(slog.NewJSONHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(tel)
	var objects []string
	cfg.Register = func(s grpc.ServiceRegistrar) {
		testpb.RegisterTestServiceServer(s, &filtering{filter: func(ctx context.Context) error {
			_, err := authz.FilterFromContext(ctx, objects, "viewer")

			return err
		}})
	}
	srv := interceptortest.New(t, cfg)
	alice := testpb.NewTestServiceClient(srv.As(authztest.User("alice")))
	record := func(t *testing.T, code codes.Code, asked ...string) (handlers, call map[string]any) {
		t.Helper()
		objects = asked
		before := len(log.records(t))
		list, err := alice.PingList(timeout(t), &testpb.PingListRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = list.Recv()
		}
		if !errors.Is(err, io.EOF) && status.Code(err) != code || errors.Is(err, io.EOF) && code != codes.OK {
			t.Fatal(err)
		}
		all := log.records(t)[before:]
		for _, r := range all {
			if r["occasion"] == "handler" {
				handlers = r
			} else {
				call = r
			}
		}

		return handlers, call
	}
	t.Run("some left", func(t *testing.T) {
		r, _ := record(t, codes.OK, "document:1", "document:2")
		if r["level"] != "INFO" || r["allowed"] != true || r["reason"] != nil || r["rule"] != "handler's filter by viewer" || r["duration"] == 0.0 {
			t.Error(r)
		}
		if f, _ := r["filter"].(map[string]any); f["granted"] != 1.0 || f["of"] != 2.0 || len(r["checks"].([]any)) != 2 {
			t.Error(r)
		}
	})
	t.Run("none left", func(t *testing.T) {
		r, _ := record(t, codes.OK, "document:2")
		if f, _ := r["filter"].(map[string]any); r["level"] != "INFO" || f["granted"] != 0.0 || f["of"] != 1.0 {
			t.Error(r)
		}
	})
	t.Run("one is no object", func(t *testing.T) {
		r, _ := record(t, codes.OK, "document:1", "a\nb")
		odd := r["checks"].([]any)[1].(map[string]any)
		if odd["object"] != nil || !strings.Contains(odd["error"].(string), `object 1, "a\nb", isn't type:id`) {
			t.Error(odd)
		}
	})
	t.Run("none has a type", func(t *testing.T) {
		r, end := record(t, codes.InvalidArgument, "1", "2")
		const cause = `none of the 2 objects is type:id, as in "document:1": the first is "1"`
		if r["level"] != "WARN" || r["allowed"] != false || r["reason"] != "OBJECT_MISSING" || r["filter"] != nil || !strings.Contains(r["cause"].(string), cause) {
			t.Error(r)
		}
		if end["occasion"] != "end" || !strings.Contains(end["cause"].(string), cause) {
			t.Error(end)
		}
	})
	t.Run("no answer", func(t *testing.T) {
		srv.Engine().Fail(errors.New("down"))
		defer srv.Engine().Fail(nil)
		r, _ := record(t, codes.Unavailable, "document:1", "document:2")
		if r["level"] != "WARN" || r["reason"] != "ENGINE_UNAVAILABLE" || r["filter"] != nil || !strings.Contains(r["cause"].(string), "down") {
			t.Error(r)
		}
	})
}

// filtering is a service whose list is filtered by its handler.
type filtering struct {
	testpb.TestPingService

	filter func(ctx context.Context) error
}

func (f *filtering) PingList(_ *testpb.PingListRequest, stream testpb.TestService_PingListServer) error {
	return f.filter(stream.Context())
}

func TestGrantsAreSampledAndDenialsAreNot(t *testing.T) {
	log := &lines{}
	tel, err := telemetry.New(telemetry.Config{Audit: slog.New(slog.NewJSONHandler(log, nil)), GrantSampling: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	srv := interceptortest.New(t, config(tel))
	alice := testpb.NewTestServiceClient(srv.As(authztest.User("alice")))
	for range 20 {
		_, _ = alice.Ping(timeout(t), &testpb.PingRequest{Value: "1"})
		_, _ = alice.Ping(timeout(t), &testpb.PingRequest{Value: "2"})
	}
	records := log.records(t)
	grants := slices.DeleteFunc(slices.Clone(records), func(r map[string]any) bool { return r["allowed"] != true })
	if len(grants) != 0 || len(records) != 20 {
		t.Errorf("%d grants and %d denials, want 0 and 20", len(grants), len(records)-len(grants))
	}
	if _, err := telemetry.New(telemetry.Config{GrantSampling: -1}); err == nil {
		t.Error("a negative sampling was accepted")
	}
}

func TestMetricLabelsAreBounded(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	tel, err := telemetry.New(telemetry.Config{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))})
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(tel)
	srv := interceptortest.New(t, cfg)
	for i := range 10 {
		conn := srv.As(authztest.User(fmt.Sprintf("user-%d", i)))
		_, _ = testpb.NewTestServiceClient(conn).Ping(timeout(t), &testpb.PingRequest{Value: fmt.Sprintf("object-%d", i)})
		tel.Verify.Verified(verify.Verified{Issuer: "main", Source: verify.SourceCache, Err: &verify.Error{Kind: verify.CredentialFault}})
	}
	tel.Interceptor.Decided(t.Context(), interceptor.Decided{Method: "/attacker/chooses", Known: false, Reason: authz.ReasonRuleMissing, Code: codes.PermissionDenied})
	tel.Verify.KeysFetched(verify.KeysFetched{Issuer: "main"})
	tel.Verify.Introspected(verify.Introspected{Issuer: "main", Active: true})
	tel.Verify.Introspected(verify.Introspected{Issuer: "main", Probe: true})
	tel.Credentials.FetchEnded(credentials.FetchEnded{Duration: time.Second})
	tel.Credentials.FetchEnded(credentials.FetchEnded{Duration: time.Second, Err: &credentials.Error{Kind: credentials.KindUnavailable}})
	tel.Credentials.TokenInvalidated(credentials.TokenInvalidated{Reason: credentials.ReasonChallenge})
	tel.Authz.Asked(t.Context(), authz.EngineAsked{Queries: 7, Combined: 5})
	tel.Authz.BreakerChanged(authz.BreakerChanged{Open: true})
	for _, returned := range []bool{false, false, true} {
		tel.Interceptor.HandlerOverran(t.Context(), interceptor.HandlerOverran{Returned: returned})
	}
	tel.Interceptor.HookPanicked(t.Context(), interceptor.HookPanicked{Hook: "Decided", Value: "x"})

	series := dump(t, reader)
	for _, forbidden := range []string{"user-", "object-", "attacker", "test-token"} {
		if at := slices.IndexFunc(series, func(s string) bool { return strings.Contains(s, forbidden) }); at >= 0 {
			t.Errorf("a label holds %q: %s", forbidden, series[at])
		}
	}
	for _, want := range []string{
		"usher.authz.breaker.open{kind=relation} 1", "usher.authz.checks{cached=false,effect=denied,kind=relation} 10", "usher.authz.engine.duration{kind=relation,outcome=ok} 11",
		"usher.authz.engine.combined 7",
		"usher.credentials.fetch.duration{outcome=ok} 1", "usher.credentials.fetch.duration{outcome=refused} 1",
		"usher.credentials.invalidations{reason=challenge} 1",
		"usher.decision.duration{occasion=call,outcome=refused,reason=RELATION_DENIED,rpc.method=/testing.testpb.v1.TestService/Ping} 10",
		"usher.decision.duration{occasion=call,outcome=refused,reason=RULE_MISSING,rpc.method=other} 1",
		"usher.handlers.abandoned 1", "usher.panics{where=hook} 1", "usher.verify.duration{issuer=main,outcome=refused,source=cache} 10",
		"usher.verify.introspect.duration{issuer=main,outcome=ok} 2", "usher.verify.keys.age{issuer=main}", "usher.verify.keys.fetches{issuer=main,outcome=ok} 1",
	} {
		if !slices.ContainsFunc(series, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("no series %s in\n%s", want, strings.Join(series, "\n"))
		}
	}
}

// dump collects the metrics as "name{label=value} number", sorted; a histogram's
// number is its count.
func dump(tb testing.TB, reader sdkmetric.Reader) []string {
	tb.Helper()
	var collected metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &collected); err != nil {
		tb.Fatal(err)
	}
	var series []string
	for _, scope := range collected.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					series = append(series, line(m.Name, p.Attributes.Encoded(encoder{}), p.Value))
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					series = append(series, line(m.Name, p.Attributes.Encoded(encoder{}), p.Value))
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					series = append(series, line(m.Name, p.Attributes.Encoded(encoder{}), "seconds"))
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					series = append(series, line(m.Name, p.Attributes.Encoded(encoder{}), p.Count))
				}
			default:
				tb.Fatalf("metric %s has data of type %T", m.Name, data)
			}
		}
	}
	slices.Sort(series)

	return series
}

func line(name, labels string, value any) string {
	if labels != "" {
		name += "{" + labels + "}"
	}

	return fmt.Sprint(name, " ", value)
}

func TestSpanHasTheVerdict(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
	tel, err := telemetry.New(telemetry.Config{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(tel)
	cfg.ServerOptions = []grpc.ServerOption{grpc.ChainUnaryInterceptor(
		func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			ctx, span := tracer.Start(ctx, "server")
			defer span.End()

			return next(ctx, req)
		})}
	srv := interceptortest.New(t, cfg)
	_, _ = testpb.NewTestServiceClient(srv.As(authztest.User("bob"))).Ping(timeout(t), &testpb.PingRequest{Value: "1"})
	got := map[string]string{}
	for _, a := range spans.Ended()[0].Attributes() {
		got[string(a.Key)] = a.Value.String()
	}
	if got["usher.allowed"] != "false" || got["usher.reason"] != "RELATION_DENIED" || got["usher.subject"] != "bob" || got["usher.rule"] == "" {
		t.Errorf("attributes: %v", got)
	}
}

// The documented order is logging, recovery, usher: the finish line has the
// principal although logging stands outermost.
func TestLoggingsFinishLineHasThePrincipal(t *testing.T) {
	for name, want := range map[string]string{"alice": "OK", "bob": "PermissionDenied"} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			finished := map[string]any{}
			logger := logging.LoggerFunc(func(_ context.Context, _ logging.Level, msg string, fields ...any) {
				mu.Lock()
				defer mu.Unlock()
				if msg == "finished call" {
					for it := logging.Fields(fields).Iterator(); it.Next(); {
						k, v := it.At()
						finished[k] = v
					}
				}
			})
			tel, err := telemetry.New(telemetry.Config{})
			if err != nil {
				t.Fatal(err)
			}
			cfg := config(tel)
			cfg.ServerOptions = []grpc.ServerOption{
				grpc.ChainUnaryInterceptor(logging.UnaryServerInterceptor(logger)), grpc.ChainStreamInterceptor(logging.StreamServerInterceptor(logger)),
			}
			srv := interceptortest.New(t, cfg)
			client := testpb.NewTestServiceClient(srv.As(authztest.User(name)))
			_, _ = client.Ping(timeout(t), &testpb.PingRequest{Value: "1"})
			check := func(kind string) {
				mu.Lock()
				defer mu.Unlock()
				if finished["auth.sub"] != name || finished["auth.client_id"] != "test-client" || finished["grpc.code"] != want {
					t.Errorf("%s: the finish line has %v", kind, finished)
				}
				clear(finished)
			}
			check("unary")
			stream, err := client.PingList(timeout(t), &testpb.PingListRequest{Value: "1"})
			if err != nil {
				t.Fatal(err)
			}
			for err == nil {
				_, err = stream.Recv()
			}
			check("stream")
		})
	}
}

// The audit of a small service, as text without its times.
func ExampleNew() {
	reader := sdkmetric.NewManualReader()
	audit := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "duration" || a.Key == "decision_id" || a.Key == "checks" {
			return slog.Attr{}
		}

		return a
	}}))
	tel, err := telemetry.New(telemetry.Config{
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
		Audit:         audit,
	})
	if err != nil {
		fmt.Println(err)

		return
	}
	// In production: credentials.Config{Observer: tel.Credentials}, verify.JWTConfig{Observer: tel.Verify},
	// authz.Config{Observer: tel.Authz}, interceptor.Config{Observer: tel.Interceptor}.
	run(func(t testing.TB) {
		srv := interceptortest.New(t, config(tel))
		bob := testpb.NewTestServiceClient(srv.As(authztest.User("bob")))
		_, _ = bob.Ping(t.Context(), &testpb.PingRequest{Value: "1"})
		for _, series := range dump(t, reader) {
			fmt.Println(series)
		}
	})
	// Output:
	// level=WARN msg="usher: decision" allowed=false method=/testing.testpb.v1.TestService/Ping occasion=call principal.issuer=test principal.sub=bob principal.client_id=test-client rule="check document:{value}#viewer" code=PermissionDenied reason=RELATION_DENIED cause="authz: RELATION_DENIED: the policy denies it"
	// usher.authz.checks{cached=false,effect=denied,kind=relation} 1
	// usher.authz.engine.duration{kind=relation,outcome=ok} 1
	// usher.decision.duration{occasion=call,outcome=refused,reason=RELATION_DENIED,rpc.method=/testing.testpb.v1.TestService/Ping} 1
}
