package telemetry_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/interceptor/interceptortest"
	"github.com/usher-auth/usher/interceptor/telemetry"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// decisionPoint answers permissions and attributes: what is asked of "closed" is
// denied. Each answer has a context.
type decisionPoint struct{}

func (decisionPoint) CheckPermissions(_ context.Context, batch authz.Batch) (authz.Result, error) {
	return answers(batch), nil
}

func (decisionPoint) EvaluateAttributes(_ context.Context, batch authz.Batch) (authz.Result, error) {
	return answers(batch), nil
}

func answers(batch authz.Batch) authz.Result {
	result := authz.Result{Answers: make([]authz.Answer, len(batch.Queries))}
	for i, q := range batch.Queries {
		result.Answers[i] = authz.Answer{Effect: authz.EffectAllowed, Context: map[string]any{"reason_user": personal}}
		if q.Object.ID == "closed" {
			result.Answers[i].Effect = authz.EffectDenied
		}
	}

	return result
}

// personal is what no record may hold.
const personal = "alice-s-own-address"

// everyWay is a rule that asks in each way.
func everyWay() *authzv1.Rule {
	given := []*authzv1.ContextValue{{Name: "where", Value: "{$claim.address}"}}

	return &authzv1.Rule{Policy: &authzv1.Rule_AllOf{AllOf: &authzv1.AllOf{Conditions: []*authzv1.Condition{
		{Condition: &authzv1.Condition_Check{Check: &authzv1.Check{Object: "document:1", Relation: "viewer", Context: given}}},
		{Condition: &authzv1.Condition_Permission{Permission: &authzv1.Permission{Name: "documents.edit", Context: given}}},
		{Condition: &authzv1.Condition_Permission{Permission: &authzv1.Permission{Name: "documents.edit", On: "organization:{value}"}}},
		{Condition: &authzv1.Condition_Attributes{Attributes: &authzv1.Attributes{
			Action: "edit", Resource: "document:{value}", Context: given,
			SubjectProperties: given, ActionProperties: given, ResourceProperties: given,
		}}},
	}}}}
}

func everyWayConfig(tel *telemetry.Telemetry) interceptortest.Config {
	cfg := config(tel)
	cfg.Authz.Permissions, cfg.Authz.Attributes = decisionPoint{}, decisionPoint{}
	cfg.Authz.Rules[1].Rule = everyWay()

	return cfg
}

// Each query is recorded by its kind, with the name of the permission or the action.
// The values that it gave the engine, and what the engine added to its answer, are not.
func TestQueriesOfEveryKindAreRecorded(t *testing.T) {
	log, reader, spans := &lines{}, metric.NewManualReader(), tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
	tel, err := telemetry.New(telemetry.Config{
		Audit: slog.New(slog.NewJSONHandler(log, nil)), MeterProvider: metric.NewMeterProvider(metric.WithReader(reader)),
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := everyWayConfig(tel)
	cfg.ServerOptions = []grpc.ServerOption{traced(tracer)}
	srv := interceptortest.New(t, cfg)
	alice := testpb.NewTestServiceClient(srv.As(authztest.User("alice", authztest.Claims{"address": personal})))
	for value, want := range map[string]codes.Code{"open": codes.OK, "closed": codes.PermissionDenied} {
		if _, err := alice.Ping(timeout(t), &testpb.PingRequest{Value: value}); status.Code(err) != want {
			t.Fatalf("%s: %v", value, err)
		}
	}
	records := log.records(t)
	if len(records) != 2 {
		t.Fatalf("%d records: %v", len(records), records)
	}
	for _, record := range records {
		id, effect := "open", "allowed"
		if record["allowed"] == false {
			id, effect = "closed", "denied"
		}
		want := []map[string]any{
			{"kind": "relation", "object": "document:1", "relation": "viewer", "effect": "allowed"},
			{"kind": "permission", "permission": "documents.edit", "effect": "allowed"},
			{"kind": "permission", "object": "organization:" + id, "permission": "documents.edit", "effect": effect},
			{"kind": "attributes", "object": "document:" + id, "action": "edit", "effect": effect},
		}
		for i := range want {
			want[i]["subject"], want[i]["cached"] = "user:alice", false
		}
		// A denial has the queries that were answered before it was certain.
		checks, _ := record["checks"].([]any)
		if len(checks) == 0 || id == "open" && len(checks) != len(want) {
			t.Errorf("%d checks: %v", len(checks), checks)
		}
		for _, check := range checks {
			if !slices.ContainsFunc(want, func(w map[string]any) bool { return fmt.Sprint(w) == fmt.Sprint(check) }) {
				t.Errorf("recorded %v", check)
			}
		}
	}
	if ended := spans.Ended(); !slices.ContainsFunc(ended, func(span sdktrace.ReadOnlySpan) bool {
		return slices.Equal(askedBy(span), []string{"relation viewer", "permission documents.edit", "attributes edit"})
	}) {
		t.Error("no span says what was asked for")
	}
	series := dump(t, reader)
	for _, want := range []string{
		"usher.authz.checks{cached=false,effect=allowed,kind=attributes} ", "usher.authz.checks{cached=false,effect=allowed,kind=permission} ",
		"usher.authz.checks{cached=false,effect=allowed,kind=relation} ",
		"usher.authz.engine.duration{kind=attributes,outcome=ok} ", "usher.authz.engine.duration{kind=permission,outcome=ok} ",
	} {
		if !slices.ContainsFunc(series, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("no series %s in\n%s", want, strings.Join(series, "\n"))
		}
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	said := log.buf.String() + strings.Join(series, "\n")
	for _, span := range spans.Ended() {
		for _, a := range span.Attributes() {
			said += string(a.Key) + "=" + a.Value.String() + "\n"
		}
	}
	if strings.Contains(said, personal) {
		t.Errorf("recorded what a rule gave the engine, or what the engine added:\n%s", said)
	}
	if strings.Contains(strings.Join(series, "\n"), "documents.edit") || strings.Contains(strings.Join(series, "\n"), "closed") {
		t.Errorf("a label from a rule or a request:\n%s", strings.Join(series, "\n"))
	}
}

// A span tells apart a bounded number of queries, and each once.
func TestSpanHasABoundedNumberOfQueries(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
	tel, err := telemetry.New(telemetry.Config{})
	if err != nil {
		t.Fatal(err)
	}
	all := &authzv1.AllOf{}
	for i := range 20 {
		all.Conditions = append(all.Conditions, &authzv1.Condition{Condition: &authzv1.Condition_Permission{
			Permission: &authzv1.Permission{Name: fmt.Sprintf("documents.%d", i)},
		}})
	}
	cfg := everyWayConfig(tel)
	cfg.Authz.Rules[1].Rule = &authzv1.Rule{Policy: &authzv1.Rule_AllOf{AllOf: all}}
	cfg.ServerOptions = []grpc.ServerOption{traced(tracer)}
	alice := testpb.NewTestServiceClient(interceptortest.New(t, cfg).As(authztest.User("alice")))
	if _, err := alice.Ping(timeout(t), &testpb.PingRequest{Value: "1"}); err != nil {
		t.Fatal(err)
	}
	if asked := askedBy(spans.Ended()[0]); len(asked) != 8 || asked[7] != "permission documents.7" {
		t.Errorf("asked %q", asked)
	}
}

// traced starts a span for each call.
func traced(tracer trace.Tracer) grpc.ServerOption {
	return grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		ctx, span := tracer.Start(ctx, "server")
		defer span.End()

		return next(ctx, req)
	})
}

// askedBy returns what a span says was asked for.
func askedBy(span sdktrace.ReadOnlySpan) []string {
	for _, a := range span.Attributes() {
		if a.Key == "usher.asked" {
			return a.Value.AsStringSlice()
		}
	}

	return nil
}
