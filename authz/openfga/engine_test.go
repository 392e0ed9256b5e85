package openfga_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/openfga"
)

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)

	return ctx
}

// wantFault wants an engine error of the kind that repeats nothing of the
// upstream's text.
func wantFault(t *testing.T, err error, kind authz.EngineErrorKind) *authz.EngineError {
	t.Helper()
	var fault *authz.EngineError
	if !errors.As(err, &fault) {
		t.Fatalf("err = %v, want an *authz.EngineError", err)
	}
	if fault.Kind != kind {
		t.Errorf("kind = %v, want %v (%v)", fault.Kind, kind, err)
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "upstream-secret") {
		t.Errorf("the engine's text shows: %v", err)
	}

	return fault
}

func wantNoGrant(t *testing.T, r authz.Result) {
	t.Helper()
	for i, a := range r.Answers {
		if a.Effect == authz.EffectAllowed {
			t.Errorf("answer %d grants", i)
		}
	}
}

func TestBatchRepliesThatDontFit(t *testing.T) {
	for name, reply := range map[string]func(map[string]*openfgav1.BatchCheckSingleResult){
		"an answer is missing":              func(m map[string]*openfgav1.BatchCheckSingleResult) { delete(m, "1") },
		"every answer is missing":           func(m map[string]*openfgav1.BatchCheckSingleResult) { clear(m) },
		"an answer too many":                func(m map[string]*openfgav1.BatchCheckSingleResult) { m["7"] = allowed(true) },
		"an answer under another's id":      func(m map[string]*openfgav1.BatchCheckSingleResult) { m["9"] = m["0"]; delete(m, "0") },
		"an answer with an empty id":        func(m map[string]*openfgav1.BatchCheckSingleResult) { m[""] = m["2"]; delete(m, "2") },
		"an answer under 01, which is no 1": func(m map[string]*openfgav1.BatchCheckSingleResult) { m["01"] = m["1"]; delete(m, "1") },
	} {
		t.Run("row 59: "+name, func(t *testing.T) {
			e := engine(t, &front{batch: func(ctx context.Context, r *openfgav1.BatchCheckRequest) (*openfgav1.BatchCheckResponse, error) {
				out, err := allowAll(ctx, r)
				reply(out.GetResult())

				return out, err
			}})
			result, err := e.Check(deadline(t), queries(3))
			wantFault(t, err, authz.EngineUnavailable)
			wantNoGrant(t, result)
		})
	}
	t.Run("row 59: an answer without a result is unknown, the others stand", func(t *testing.T) {
		e := engine(t, &front{batch: func(context.Context, *openfgav1.BatchCheckRequest) (*openfgav1.BatchCheckResponse, error) {
			return &openfgav1.BatchCheckResponse{Result: map[string]*openfgav1.BatchCheckSingleResult{
				"0": {}, "1": allowed(false), "2": allowed(true),
			}}, nil
		}})
		result, err := e.Check(deadline(t), queries(3))
		if err != nil {
			t.Fatal(err)
		}
		wantFault(t, result.Answers[0].Err, authz.EngineUnavailable)
		if result.Answers[0].Effect != authz.EffectUnknown || result.Answers[1].Effect != authz.EffectDenied || result.Answers[2].Effect != authz.EffectAllowed {
			t.Errorf("answers = %+v", result.Answers)
		}
	})
	t.Run("row 59: an empty reply to a single check denies", func(t *testing.T) {
		e := engine(t, &front{check: func(context.Context, *openfgav1.CheckRequest) (*openfgav1.CheckResponse, error) {
			return &openfgav1.CheckResponse{}, nil
		}})
		result, err := e.Check(deadline(t), queries(1))
		if err != nil || result.Answers[0].Effect != authz.EffectDenied {
			t.Errorf("result = %+v, %v", result, err)
		}
	})
}

func TestFailures(t *testing.T) {
	withRetry, err := status.New(codes.ResourceExhausted, upstreamText).WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(7 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	own := func(code int32) error { return status.Error(codes.Code(code), upstreamText) }
	for _, c := range []struct {
		name  string
		err   error
		kind  authz.EngineErrorKind
		retry time.Duration
	}{
		{"down", status.Error(codes.Unavailable, upstreamText), authz.EngineUnavailable, 0},
		{"slow", status.Error(codes.DeadlineExceeded, upstreamText), authz.EngineUnavailable, 0},
		{"a server error", status.Error(codes.Internal, upstreamText), authz.EngineUnavailable, 0},
		{"an unknown error", status.Error(codes.Unknown, upstreamText), authz.EngineUnavailable, 0},
		{"throttled, with a delay", withRetry.Err(), authz.EngineUnavailable, 7 * time.Second},
		{"throttled by OpenFGA", own(int32(openfgav1.UnprocessableContentErrorCode_throttled_timeout_error)), authz.EngineUnavailable, 0},
		{"OpenFGA's own internal error", own(int32(openfgav1.InternalErrorCode_internal_error)), authz.EngineUnavailable, 0},
		{"OpenFGA's own deadline", own(int32(openfgav1.InternalErrorCode_deadline_exceeded)), authz.EngineUnavailable, 0},
		{"OpenFGA cancelled it", own(int32(openfgav1.ErrorCode_cancelled)), authz.EngineUnavailable, 0},
		{"401", status.Error(codes.Unauthenticated, upstreamText), authz.EngineRefused, 0},
		{"403", status.Error(codes.PermissionDenied, upstreamText), authz.EngineRefused, 0},
		{"OpenFGA's bearer_token_missing", own(int32(openfgav1.AuthErrorCode_bearer_token_missing)), authz.EngineRefused, 0},
		{"row 62: unknown type", own(int32(openfgav1.ErrorCode_type_not_found)), authz.EngineMisconfigured, 0},
		{"row 62: unknown model", own(int32(openfgav1.ErrorCode_authorization_model_not_found)), authz.EngineMisconfigured, 0},
		{"row 62: unknown store", own(int32(openfgav1.NotFoundErrorCode_store_id_not_found)), authz.EngineMisconfigured, 0},
		{"row 62: no such RPC", status.Error(codes.Unimplemented, upstreamText), authz.EngineMisconfigured, 0},
		{"an id too long", own(int32(openfgav1.ErrorCode_object_too_long)), authz.EngineBadRequest, 0},
		{"a subject refused", own(int32(openfgav1.ErrorCode_invalid_user)), authz.EngineBadSubject, 0},
		{"a code that nobody knows", own(77777), authz.EngineMisconfigured, 0},
	} {
		e := engine(t, &front{
			check: func(context.Context, *openfgav1.CheckRequest) (*openfgav1.CheckResponse, error) { return nil, c.err },
			batch: func(context.Context, *openfgav1.BatchCheckRequest) (*openfgav1.BatchCheckResponse, error) {
				return nil, c.err
			},
		})
		for _, n := range []int{1, 3} {
			t.Run(fmt.Sprintf("row 61: %s, %d queries", c.name, n), func(t *testing.T) {
				result, err := e.Check(deadline(t), queries(n))
				fault := wantFault(t, err, c.kind)
				if fault.RetryAfter != c.retry {
					t.Errorf("retry after %v, want %v", fault.RetryAfter, c.retry)
				}
				wantNoGrant(t, result)
			})
		}
	}
	t.Run("row 61: a huge reply is bounded", func(t *testing.T) {
		e := engine(t, &front{check: func(context.Context, *openfgav1.CheckRequest) (*openfgav1.CheckResponse, error) {
			return &openfgav1.CheckResponse{Allowed: true, Resolution: strings.Repeat("x", 5<<20)}, nil
		}})
		result, err := e.Check(deadline(t), queries(1))
		wantFault(t, err, authz.EngineUnavailable)
		wantNoGrant(t, result)
	})
	t.Run("row 61: a hanging engine ends at our timeout", func(t *testing.T) {
		e := engine(t, &front{check: func(ctx context.Context, _ *openfgav1.CheckRequest) (*openfgav1.CheckResponse, error) {
			<-ctx.Done()

			return nil, ctx.Err()
		}}, func(c *openfga.Config) { c.Timeout = 20 * time.Millisecond })
		result, err := e.Check(deadline(t), queries(1))
		wantFault(t, err, authz.EngineUnavailable)
		wantNoGrant(t, result)
	})
	t.Run("row 61: the caller's own deadline is the caller's", func(t *testing.T) {
		e := engine(t, &front{check: func(ctx context.Context, _ *openfgav1.CheckRequest) (*openfgav1.CheckResponse, error) {
			<-ctx.Done()

			return nil, ctx.Err()
		}})
		ctx, cancel := context.WithTimeout(deadline(t), 20*time.Millisecond)
		defer cancel()
		_, err := e.Check(ctx, queries(1))
		var fault *authz.EngineError
		if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &fault) {
			t.Errorf("err = %v, want the context's own", err)
		}
	})
}

func TestChunks(t *testing.T) {
	f := &front{batch: allowAll}
	e := engine(t, f, func(c *openfga.Config) { c.Parallelism = 3 })
	result, err := e.Check(deadline(t), queries(501))
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range result.Answers {
		if a.Effect != authz.EffectAllowed {
			t.Fatalf("answer %d = %+v", i, a)
		}
	}
	if got := f.batches.Load(); got != 11 {
		t.Errorf("%d requests for 501 queries, want 11", got)
	}
	if got := f.most.Load(); got > 3 {
		t.Errorf("%d requests side by side, want at most 3", got)
	}

	t.Run("row 58: chunks of the size that was set", func(t *testing.T) {
		var largest atomic.Int64
		f := &front{batch: func(ctx context.Context, r *openfgav1.BatchCheckRequest) (*openfgav1.BatchCheckResponse, error) {
			if n := int64(len(r.GetChecks())); n > largest.Load() {
				largest.Store(n)
			}

			return allowAll(ctx, r)
		}}
		e := engine(t, f, func(c *openfga.Config) { c.BatchSize = 10 }, func(c *openfga.Config) { c.Parallelism = 1 })
		if _, err := e.Check(deadline(t), queries(41)); err != nil || f.batches.Load() != 5 || largest.Load() != 10 {
			t.Errorf("%d requests of up to %d queries, want 5 of up to 10: %v", f.batches.Load(), largest.Load(), err)
		}
	})
	t.Run("row 58: a failed chunk spoils only its own queries", func(t *testing.T) {
		e := engine(t, &front{batch: func(ctx context.Context, r *openfgav1.BatchCheckRequest) (*openfgav1.BatchCheckResponse, error) {
			if strings.HasSuffix(r.GetChecks()[0].GetTupleKey().GetObject(), ":aa") {
				return nil, status.Error(codes.Unavailable, upstreamText)
			}

			return allowAll(ctx, r)
		}})
		result, err := e.Check(deadline(t), queries(60))
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range result.Answers {
			if i < 50 {
				wantFault(t, a.Err, authz.EngineUnavailable)
			} else if a.Effect != authz.EffectAllowed {
				t.Errorf("answer %d = %+v", i, a)
			}
		}
	})
	t.Run("an empty batch asks nothing", func(t *testing.T) {
		f := &front{}
		result, err := engine(t, f).Check(deadline(t), authz.Batch{})
		if err != nil || len(result.Answers) != 0 || f.checks.Load()+f.batches.Load()+f.reads.Load() != 0 {
			t.Errorf("%+v, %v", result, err)
		}
	})
}

func TestRefusedBeforeItIsAsked(t *testing.T) {
	f := &front{}
	e := engine(t, f)
	edit := func(change func(*authz.Query)) authz.Query {
		q := query("1")
		change(&q)

		return q
	}
	for _, c := range []struct {
		name  string
		query authz.Query
		kind  authz.EngineErrorKind
	}{
		{"an empty object id", edit(func(q *authz.Query) { q.Object.ID = "" }), authz.EngineBadRequest},
		{"a wildcard object", edit(func(q *authz.Query) { q.Object.ID = "*" }), authz.EngineBadRequest},
		{"a userset in an object id", edit(func(q *authz.Query) { q.Object.ID = "1#viewer" }), authz.EngineBadRequest},
		{"a colon in an object id", edit(func(q *authz.Query) { q.Object.ID = "1:2" }), authz.EngineBadRequest},
		{"a space in an object id", edit(func(q *authz.Query) { q.Object.ID = "1 2" }), authz.EngineBadRequest},
		{"invalid UTF-8 in an object id", edit(func(q *authz.Query) { q.Object.ID = "1\xff" }), authz.EngineBadRequest},
		{"an object one character too long", edit(func(q *authz.Query) { q.Object.ID = strings.Repeat("é", 256-len("document:")+1) }), authz.EngineBadRequest},
		{"a wildcard subject", edit(func(q *authz.Query) { q.Subject.ID = "*" }), authz.EngineBadSubject},
		{"a userset in a subject id", edit(func(q *authz.Query) { q.Subject.ID = "eng#member" }), authz.EngineBadSubject},
		{"a newline in a subject id", edit(func(q *authz.Query) { q.Subject.ID = "ann\n" }), authz.EngineBadSubject},
		{"a subject one character too long", edit(func(q *authz.Query) { q.Subject.ID = strings.Repeat("a", 512-len("user:")+1) }), authz.EngineBadSubject},
		{"a relation with an at sign", edit(func(q *authz.Query) { q.Relation = "viewer@x" }), authz.EngineMisconfigured},
		{"a relation of 51 characters", edit(func(q *authz.Query) { q.Relation = strings.Repeat("r", 51) }), authz.EngineMisconfigured},
		{"a userset's relation with an at sign", edit(func(q *authz.Query) { q.Subject.Relation = "member@x" }), authz.EngineMisconfigured},
		{"an empty type", edit(func(q *authz.Query) { q.Object.Type = "" }), authz.EngineMisconfigured},
		{"context of an unknown type", edit(func(q *authz.Query) { q.Context = map[string]any{"c": make(chan int)} }), authz.EngineMisconfigured},
	} {
		t.Run("row 55: "+c.name, func(t *testing.T) {
			for _, batch := range []authz.Batch{{Queries: []authz.Query{c.query}}, {Queries: []authz.Query{c.query, c.query}}} {
				result, err := e.Check(deadline(t), batch)
				if err != nil {
					t.Fatal(err)
				}
				for _, a := range result.Answers {
					wantFault(t, a.Err, c.kind)
				}
				wantNoGrant(t, result)
			}
		})
	}
	if n := f.checks.Load() + f.batches.Load(); n != 0 {
		t.Errorf("the engine was asked %d times", n)
	}

	t.Run("row 55: the longest object and user pass", func(t *testing.T) {
		q := query(strings.Repeat("é", 256-len("document:")))
		q.Subject.ID = strings.Repeat("a", 512-len("user:"))
		if err := e.ValidateQuery(q); err != nil {
			t.Error(err)
		}
	})
}

func TestRequest(t *testing.T) {
	var got *openfgav1.CheckRequest
	f := &front{check: func(_ context.Context, r *openfgav1.CheckRequest) (*openfgav1.CheckResponse, error) {
		got = r

		return &openfgav1.CheckResponse{Allowed: true}, nil
	}}
	e := engine(t, f, func(c *openfga.Config) {
		c.ContextualTuples = func(q authz.Query) ([]*openfgav1.TupleKey, error) {
			return []*openfgav1.TupleKey{{Object: q.Object.String(), Relation: "tenant", User: "tenant:acme"}}, nil
		}
	})
	q := query("1")
	q.Subject = authz.Subject{Type: "team", ID: "eng", Relation: "member"}
	q.Context = map[string]any{"ip": "192.0.2.1"}
	for mode, want := range map[authz.Mode]openfgav1.ConsistencyPreference{
		authz.ModeMinimizeLatency: openfgav1.ConsistencyPreference_UNSPECIFIED,
		authz.ModeAtLeastAsFresh:  openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY,
		authz.ModeFullyConsistent: openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY,
	} {
		if _, err := e.Check(deadline(t), authz.Batch{Queries: []authz.Query{q}, Consistency: authz.Consistency{Mode: mode}}); err != nil {
			t.Fatal(err)
		}
		if got.GetConsistency() != want {
			t.Errorf("%v asks for %v, want %v", mode, got.GetConsistency(), want)
		}
	}
	if got.GetStoreId() != storeID || got.GetAuthorizationModelId() != modelID {
		t.Errorf("store and model = %q, %q", got.GetStoreId(), got.GetAuthorizationModelId())
	}
	if k := got.GetTupleKey(); k.GetObject() != "document:1" || k.GetRelation() != "viewer" || k.GetUser() != "team:eng#member" {
		t.Errorf("tuple = %v", k)
	}
	if ip := got.GetContext().GetFields()["ip"].GetStringValue(); ip != "192.0.2.1" {
		t.Errorf("context = %v", got.GetContext())
	}
	if tuples := got.GetContextualTuples().GetTupleKeys(); len(tuples) != 1 || tuples[0].GetUser() != "tenant:acme" {
		t.Errorf("contextual tuples = %v", tuples)
	}

	t.Run("contextual tuples that fail make the query unanswerable", func(t *testing.T) {
		f := &front{}
		e := engine(t, f, func(c *openfga.Config) {
			c.ContextualTuples = func(authz.Query) ([]*openfgav1.TupleKey, error) { return nil, errors.New("no") }
		})
		result, err := e.Check(deadline(t), queries(1))
		if err != nil {
			t.Fatal(err)
		}
		wantFault(t, result.Answers[0].Err, authz.EngineMisconfigured)
		if f.checks.Load() != 0 {
			t.Error("the engine was asked")
		}
	})
}

func TestSupportsConsistency(t *testing.T) {
	e := engine(t, &front{})
	for _, mode := range []authz.Mode{authz.ModeMinimizeLatency, authz.ModeAtLeastAsFresh, authz.ModeFullyConsistent} {
		if !e.SupportsConsistency(mode) {
			t.Errorf("%v isn't supported", mode)
		}
	}
	if e.SupportsConsistency(authz.ModeFullyConsistent + 1) {
		t.Error("an unknown mode is supported")
	}
}

func TestNewReportsAllFaultsAtOnce(t *testing.T) {
	_, err := openfga.New(openfga.Config{ModelID: "latest", BatchSize: -1, Parallelism: 65, Timeout: -1})
	for _, want := range []string{
		"openfga: Client is required",
		"openfga: StoreID is required",
		"openfga: ModelID",
		"openfga: BatchSize -1",
		"openfga: Parallelism 65",
		"openfga: Timeout",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing of %q in %v", want, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	client := dial(t, &front{})
	for name, build := range map[string]func() (*openfga.Engine, error){
		"no client": func() (*openfga.Engine, error) { return openfga.New(openfga.Config{StoreID: storeID}) },
		"no store":  func() (*openfga.Engine, error) { return openfga.New(openfga.Config{Client: client}) },
		"too much at once": func() (*openfga.Engine, error) {
			return openfga.New(openfga.Config{Client: client, StoreID: storeID, Parallelism: 65})
		},
		"a store's name": func() (*openfga.Engine, error) {
			return openfga.New(openfga.Config{Client: client, StoreID: "my-store"})
		},
		"a model's name": func() (*openfga.Engine, error) {
			return openfga.New(openfga.Config{Client: client, StoreID: storeID, ModelID: "latest"})
		},
		"a letter that ids don't have": func() (*openfga.Engine, error) {
			return openfga.New(openfga.Config{Client: client, StoreID: strings.Replace(storeID, "R", "I", 1)})
		},
		"too large a batch": func() (*openfga.Engine, error) {
			return openfga.New(openfga.Config{Client: client, StoreID: storeID, BatchSize: 10_001})
		},
		"batch size negative": func() (*openfga.Engine, error) {
			return openfga.New(openfga.Config{Client: client, StoreID: storeID, BatchSize: -1})
		},
		"parallelism negative": func() (*openfga.Engine, error) {
			return openfga.New(openfga.Config{Client: client, StoreID: storeID, Parallelism: -1})
		},
		"timeout negative": func() (*openfga.Engine, error) {
			return openfga.New(openfga.Config{Client: client, StoreID: storeID, Timeout: -1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			if e, err := build(); err == nil || e != nil {
				t.Errorf("New = %v, %v", e, err)
			}
		})
	}
}
