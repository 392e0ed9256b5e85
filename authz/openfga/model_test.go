package openfga_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/openfga"
)

// conditionalModel is, in OpenFGA's language,
//
//	type user
//	type folder
//	  define viewer: [user with in_office]
//	type document
//	  define parent: [folder]
//	  define owner: [user]
//	  define viewer: owner or viewer from parent
//	  define loop: [document#loop] but not owner
func conditionalModel() *openfgav1.AuthorizationModel {
	this := &openfgav1.Userset{Userset: &openfgav1.Userset_This{This: &openfgav1.DirectUserset{}}}
	computed := func(r string) *openfgav1.Userset {
		return &openfgav1.Userset{Userset: &openfgav1.Userset_ComputedUserset{ComputedUserset: &openfgav1.ObjectRelation{Relation: r}}}
	}
	fromParent := &openfgav1.Userset{Userset: &openfgav1.Userset_TupleToUserset{TupleToUserset: &openfgav1.TupleToUserset{
		Tupleset: &openfgav1.ObjectRelation{Relation: "parent"}, ComputedUserset: &openfgav1.ObjectRelation{Relation: "viewer"},
	}}}
	direct := func(refs ...*openfgav1.RelationReference) *openfgav1.RelationMetadata {
		return &openfgav1.RelationMetadata{DirectlyRelatedUserTypes: refs}
	}

	return &openfgav1.AuthorizationModel{
		Id: modelID, SchemaVersion: "1.1",
		TypeDefinitions: []*openfgav1.TypeDefinition{
			{Type: "user"},
			{
				Type: "folder", Relations: map[string]*openfgav1.Userset{"viewer": this},
				Metadata: &openfgav1.Metadata{Relations: map[string]*openfgav1.RelationMetadata{"viewer": direct(&openfgav1.RelationReference{Type: "user", Condition: "in_office"})}},
			},
			{
				Type: "document",
				Relations: map[string]*openfgav1.Userset{
					"parent": this, "owner": this,
					"viewer": {Userset: &openfgav1.Userset_Union{Union: &openfgav1.Usersets{Child: []*openfgav1.Userset{computed("owner"), fromParent}}}},
					"loop":   {Userset: &openfgav1.Userset_Difference{Difference: &openfgav1.Difference{Base: this, Subtract: computed("owner")}}},
				},
				Metadata: &openfgav1.Metadata{Relations: map[string]*openfgav1.RelationMetadata{
					"parent": direct(&openfgav1.RelationReference{Type: "folder"}),
					"owner":  direct(&openfgav1.RelationReference{Type: "user"}),
					"loop":   direct(&openfgav1.RelationReference{Type: "document", RelationOrWildcard: &openfgav1.RelationReference_Relation{Relation: "loop"}}),
				}},
			},
		},
		Conditions: map[string]*openfgav1.Condition{"in_office": {Name: "in_office", Parameters: map[string]*openfgav1.ConditionParamTypeRef{"network": {}, "ip": {}}}},
	}
}

// errValidation is what OpenFGA answers for missing context, among others.
var errValidation = status.Error(codes.Code(openfgav1.ErrorCode_validation_error), upstreamText)

// validating refuses every check with the validation error.
func validating(readModel func(context.Context) (*openfgav1.AuthorizationModel, error)) *front {
	return &front{
		check: func(context.Context, *openfgav1.CheckRequest) (*openfgav1.CheckResponse, error) {
			return nil, errValidation
		},
		batch: func(_ context.Context, r *openfgav1.BatchCheckRequest) (*openfgav1.BatchCheckResponse, error) {
			out := &openfgav1.BatchCheckResponse{Result: map[string]*openfgav1.BatchCheckSingleResult{}}
			for _, c := range r.GetChecks() {
				out.Result[c.GetCorrelationId()] = &openfgav1.BatchCheckSingleResult{CheckResult: &openfgav1.BatchCheckSingleResult_Error{
					Error: &openfgav1.CheckError{Message: upstreamText, Code: &openfgav1.CheckError_InputError{InputError: openfgav1.ErrorCode_validation_error}},
				}}
			}

			return out, nil
		},
		readModel: readModel,
	}
}

func theModel(context.Context) (*openfgav1.AuthorizationModel, error) { return conditionalModel(), nil }

func TestValidationErrorsAreExplainedByTheModel(t *testing.T) {
	related := func(relation string, context map[string]any) authz.Query {
		q := query("1")
		q.Relation, q.Context = relation, context

		return q
	}
	for _, c := range []struct {
		name    string
		query   authz.Query
		missing []string
		kind    authz.EngineErrorKind
		failed  bool
	}{
		{name: "a condition within reach, no context", query: related("viewer", nil), missing: []string{"ip", "network"}},
		{name: "a condition within reach, half the context", query: related("viewer", map[string]any{"ip": "192.0.2.1"}), missing: []string{"network"}},
		{name: "a condition within reach, all context: it is something else", query: related("viewer", map[string]any{"ip": 1, "network": 2}), failed: true, kind: authz.EngineMisconfigured},
		{name: "no condition within reach", query: related("owner", nil), failed: true, kind: authz.EngineMisconfigured},
		{name: "a relation that refers to itself", query: related("loop", nil), failed: true, kind: authz.EngineMisconfigured},
		{name: "row 62: a relation that the model lacks", query: related("editor", nil), failed: true, kind: authz.EngineMisconfigured},
	} {
		for _, n := range []int{1, 2} {
			t.Run(fmt.Sprintf("row 60: %s, %d queries", c.name, n), func(t *testing.T) {
				e := engine(t, validating(theModel))
				result, err := e.Check(deadline(t), authz.Batch{Queries: []authz.Query{c.query, c.query}[:n]})
				if err != nil {
					t.Fatal(err)
				}
				for _, a := range result.Answers {
					if c.failed {
						wantFault(t, a.Err, c.kind)
					} else if a.Effect != authz.EffectConditional || !reflect.DeepEqual(a.Missing, c.missing) || a.Err != nil {
						t.Errorf("answer = %+v, want conditional on %q", a, c.missing)
					}
				}
				wantNoGrant(t, result)
			})
		}
	}
	t.Run("row 60: throttling that a batch hides behind that code is unavailable", func(t *testing.T) {
		f := validating(theModel)
		f.check = func(context.Context, *openfgav1.CheckRequest) (*openfgav1.CheckResponse, error) {
			return nil, status.Error(codes.Code(openfgav1.UnprocessableContentErrorCode_throttled_timeout_error), upstreamText)
		}
		q := related("owner", nil)
		result, err := engine(t, f).Check(deadline(t), authz.Batch{Queries: []authz.Query{q, q}})
		if err != nil {
			t.Fatal(err)
		}
		wantFault(t, result.Answers[0].Err, authz.EngineUnavailable)
	})
	t.Run("row 60: without the model it stays an error", func(t *testing.T) {
		e := engine(t, validating(func(context.Context) (*openfgav1.AuthorizationModel, error) {
			return nil, status.Error(codes.PermissionDenied, upstreamText)
		}))
		result, err := e.Check(deadline(t), queries(1))
		if err != nil {
			t.Fatal(err)
		}
		wantFault(t, result.Answers[0].Err, authz.EngineMisconfigured)
	})
}

func TestModelIsReadOnceAndPinned(t *testing.T) {
	f := validating(theModel)
	var asked sync.Map
	f.batch = func(ctx context.Context, r *openfgav1.BatchCheckRequest) (*openfgav1.BatchCheckResponse, error) {
		asked.Store(r.GetAuthorizationModelId(), true)

		return allowAll(ctx, r)
	}
	e, err := openfga.New(openfga.Config{Client: dial(t, f), StoreID: storeID})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 64 {
		group.Go(func() {
			if _, err := e.Check(deadline(t), queries(2)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := f.reads.Load(); n != 1 {
		t.Errorf("the model was read %d times", n)
	}
	asked.Range(func(id, _ any) bool {
		if id != modelID {
			t.Errorf("asked with model %q", id)
		}

		return true
	})
	q := query("1")
	q.Relation = "no_such"
	wantFault(t, e.ValidateQuery(q), authz.EngineMisconfigured)

	for name, readModel := range map[string]func(context.Context) (*openfgav1.AuthorizationModel, error){
		"no model": func(context.Context) (*openfgav1.AuthorizationModel, error) { return nil, nil },
		"a model without id": func(context.Context) (*openfgav1.AuthorizationModel, error) {
			return &openfgav1.AuthorizationModel{}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, model := range []string{modelID, ""} {
				e, err := openfga.New(openfga.Config{Client: dial(t, &front{readModel: readModel}), StoreID: storeID, ModelID: model})
				if err != nil {
					t.Fatal(err)
				}
				if err := e.Ready(deadline(t)); err == nil {
					t.Error("ready")
				}
			}
		})
	}
	t.Run("a failed read is tried again", func(t *testing.T) {
		failures := 1
		e, err := openfga.New(openfga.Config{Client: dial(t, &front{readModel: func(context.Context) (*openfgav1.AuthorizationModel, error) {
			if failures--; failures >= 0 {
				return nil, status.Error(codes.Unavailable, upstreamText)
			}

			return conditionalModel(), nil
		}}), StoreID: storeID})
		if err != nil {
			t.Fatal(err)
		}
		wantFault(t, e.Ready(deadline(t)), authz.EngineUnavailable)
		if err := e.Ready(deadline(t)); err != nil {
			t.Error(err)
		}
	})
	t.Run("row 35: who leads the read may leave, the others get it", func(t *testing.T) {
		release := make(chan struct{})
		started := make(chan struct{})
		var once sync.Once
		f := &front{readModel: func(context.Context) (*openfgav1.AuthorizationModel, error) {
			once.Do(func() { close(started) })
			<-release

			return conditionalModel(), nil
		}}
		e, err := openfga.New(openfga.Config{Client: dial(t, f), StoreID: storeID})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(deadline(t))
		left := make(chan error, 1)
		go func() { left <- e.Ready(ctx) }()
		<-started
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v", err)
		}
		close(release)
		if err := e.Ready(deadline(t)); err != nil || f.reads.Load() != 1 {
			t.Errorf("%v, %d reads", err, f.reads.Load())
		}
	})
}

func TestPresharedKeyNeedsTLSAndHides(t *testing.T) {
	key := openfga.PresharedKey("fake-key")
	if text := fmt.Sprintf("%v %+v %#v %s", key, key, key, key); strings.Contains(text, "fake-key") {
		t.Errorf("the key shows in %s", text)
	}
	if _, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithPerRPCCredentials(key)); err == nil {
		t.Error("dialed without TLS")
	}
	conn, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(openfga.ServiceConfig))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}
