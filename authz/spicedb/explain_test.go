package spicedb_test

import (
	"context"
	"strings"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/spicedb"
)

func traced(trace *v1.CheckDebugTrace) *front {
	return &front{check: func(_ context.Context, r *v1.CheckPermissionRequest) (*v1.CheckPermissionResponse, error) {
		response := &v1.CheckPermissionResponse{Permissionship: no, CheckedAt: &v1.ZedToken{Token: "dG9rZW4="}}
		if r.GetWithTracing() {
			response.DebugTrace = &v1.DebugInformation{Check: trace, SchemaUsed: "upstream-secret"}
		}

		return response, nil
	}}
}

func within(traces ...*v1.CheckDebugTrace) *v1.CheckDebugTrace_SubProblems_ {
	return &v1.CheckDebugTrace_SubProblems_{SubProblems: &v1.CheckDebugTrace_SubProblems{Traces: traces}}
}

func TestExplain(t *testing.T) {
	ann := &v1.SubjectReference{Object: &v1.ObjectReference{ObjectType: "user", ObjectId: "ann=40x"}}
	values, err := structpb.NewStruct(map[string]any{"ip": "upstream-secret"})
	if err != nil {
		t.Fatal(err)
	}
	f := traced(&v1.CheckDebugTrace{
		Resource: &v1.ObjectReference{ObjectType: "document", ObjectId: "1"}, Permission: "viewer", Subject: ann,
		Result: v1.CheckDebugTrace_PERMISSIONSHIP_CONDITIONAL_PERMISSION, Duration: durationpb.New(time.Millisecond),
		Resolution: within(&v1.CheckDebugTrace{
			Resource: &v1.ObjectReference{ObjectType: "document", ObjectId: "1"}, Permission: "viewer", Subject: ann,
			Result: v1.CheckDebugTrace_PERMISSIONSHIP_HAS_PERMISSION, Resolution: &v1.CheckDebugTrace_WasCachedResult{WasCachedResult: true},
			CaveatEvaluationInfo: &v1.CaveatEvalInfo{
				CaveatName: "at_work", Expression: `ip == "192.0.2.1"`, Result: v1.CaveatEvalInfo_RESULT_MISSING_SOME_CONTEXT, Context: values,
				PartialCaveatInfo: &v1.PartialCaveatInfo{MissingRequiredContext: []string{"ip"}},
			},
		}),
	})
	e := engine(t, f, func(c *spicedb.Config) { c.EncodeIDs = true })
	explanation, err := e.Explain(deadline(t), query("1"), authz.Consistency{})
	if err != nil || explanation.Answer.Effect != authz.EffectDenied || explanation.CheckedAt != "dG9rZW4=" {
		t.Fatalf("%+v, %v", explanation, err)
	}
	root := explanation.Trace
	if got, want := root.String(), "document:1#viewer@user:ann@x denied"; got != want || root.Duration != time.Millisecond {
		t.Errorf("root %q, want %q", got, want)
	}
	if got, want := root.Steps[0].String(), `document:1#viewer@user:ann@x allowed: caveat at_work (ip == "192.0.2.1") is open without "ip" (cached)`; got != want {
		t.Errorf("step %q, want %q", got, want)
	}
	if !f.checks[0].GetWithTracing() {
		t.Error("asked without tracing")
	}
	if _, err := e.Check(deadline(t), queries(1)); err != nil || f.checks[1].GetWithTracing() {
		t.Errorf("a check asks for a trace: %v", err)
	}
}

func TestExplainBoundsHostileTraces(t *testing.T) {
	deep := &v1.CheckDebugTrace{}
	for range 2000 {
		deep = &v1.CheckDebugTrace{Permission: "p", Resolution: within(deep)}
	}
	wide := &v1.CheckDebugTrace{}
	for range 20_000 {
		wide.Resolution = within(append(wide.GetSubProblems().GetTraces(), &v1.CheckDebugTrace{Permission: strings.Repeat("x", 100)})...)
	}
	for name, trace := range map[string]*v1.CheckDebugTrace{"none": nil, "deep": deep, "wide": wide, "empty": {Resolution: within()}} {
		t.Run(name, func(t *testing.T) {
			explanation, err := engine(t, traced(trace)).Explain(deadline(t), query("1"), authz.Consistency{})
			if err != nil || explanation.Answer.Effect != authz.EffectDenied {
				t.Fatalf("%+v, %v", explanation.Answer, err)
			}
			if n := count(explanation.Trace); n > authz.MaxTraceNodes {
				t.Errorf("%d steps", n)
			}
		})
	}
}

func count(trace *authz.Trace) (n int) {
	if trace == nil {
		return 0
	}
	for _, step := range trace.Steps {
		n += count(step)
	}

	return n + 1
}

func TestExplainFails(t *testing.T) {
	f := &front{check: func(context.Context, *v1.CheckPermissionRequest) (*v1.CheckPermissionResponse, error) {
		return nil, status.Error(codes.FailedPrecondition, "upstream-secret")
	}}
	e := engine(t, f)
	_, err := e.Explain(deadline(t), query("1"), authz.Consistency{})
	wantFault(t, err, authz.EngineMisconfigured)
	_, err = e.Explain(deadline(t), query("a b"), authz.Consistency{})
	wantFault(t, err, authz.EngineBadRequest)
	bad := query("1")
	bad.Kind = authz.QueryAttributes
	_, err = e.Explain(deadline(t), bad, authz.Consistency{})
	wantFault(t, err, authz.EngineMisconfigured)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = e.Explain(ended, query("1"), authz.Consistency{})
	wantFault(t, err, authz.EngineUnavailable)
}
