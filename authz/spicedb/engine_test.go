package spicedb_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/spicedb"
)

// upstreamText is in every error of the front, and must be in none of the engine's.
const upstreamText = "upstream-secret document:1#viewer@user:ann"

func (f *front) CheckPermission(ctx context.Context, r *v1.CheckPermissionRequest) (*v1.CheckPermissionResponse, error) {
	f.mu.Lock()
	f.checks = append(f.checks, r)
	f.mu.Unlock()

	return f.check(ctx, r)
}

func (f *front) CheckBulkPermissions(ctx context.Context, r *v1.CheckBulkPermissionsRequest) (*v1.CheckBulkPermissionsResponse, error) {
	f.mu.Lock()
	f.bulks = append(f.bulks, r)
	f.mu.Unlock()

	return f.bulk(ctx, r)
}

func wantNoGrant(t *testing.T, r authz.Result) {
	t.Helper()
	for i, a := range r.Answers {
		if a.Effect == authz.EffectAllowed {
			t.Errorf("answer %d grants", i)
		}
	}
}

func pair(item *v1.CheckBulkPermissionsRequestItem, p v1.CheckPermissionResponse_Permissionship) *v1.CheckBulkPermissionsPair {
	return &v1.CheckBulkPermissionsPair{Request: item, Response: &v1.CheckBulkPermissionsPair_Item{
		Item: &v1.CheckBulkPermissionsResponseItem{Permissionship: p},
	}}
}

const (
	has         = v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION
	no          = v1.CheckPermissionResponse_PERMISSIONSHIP_NO_PERMISSION
	conditional = v1.CheckPermissionResponse_PERMISSIONSHIP_CONDITIONAL_PERMISSION
	unspecified = v1.CheckPermissionResponse_PERMISSIONSHIP_UNSPECIFIED
)

func allowAll(_ context.Context, r *v1.CheckBulkPermissionsRequest) (*v1.CheckBulkPermissionsResponse, error) {
	out := &v1.CheckBulkPermissionsResponse{CheckedAt: &v1.ZedToken{Token: "c25hcA=="}}
	for _, item := range r.GetItems() {
		out.Pairs = append(out.Pairs, pair(item, has))
	}

	return out, nil
}

func TestBulkRepliesThatDontFit(t *testing.T) {
	type pairs = []*v1.CheckBulkPermissionsPair
	for name, edit := range map[string]func(pairs) pairs{
		"a short answer":           func(p pairs) pairs { return p[:2] },
		"no answers":               func(pairs) pairs { return nil },
		"an answer too many":       func(p pairs) pairs { return append(p, p[0]) },
		"answers out of order":     func(p pairs) pairs { p[0], p[2] = p[2], p[0]; return p },
		"one answer twice":         func(p pairs) pairs { p[1] = p[0]; return p },
		"no question in an answer": func(p pairs) pairs { p[1].Request = nil; return p },
		"an empty answer":          func(p pairs) pairs { p[1] = &v1.CheckBulkPermissionsPair{}; return p },
		"another permission":       func(p pairs) pairs { p[1].Request.Permission = "owner"; return p },
		"another subject":          func(p pairs) pairs { p[1].Request.Subject.Object.ObjectId = "bob"; return p },
		"another subject relation": func(p pairs) pairs { p[1].Request.Subject.OptionalRelation = "member"; return p },
		"another context":          func(p pairs) pairs { p[1].Request.Context = nil; return p },
	} {
		t.Run("row 59: "+name, func(t *testing.T) {
			e := engine(t, &front{bulk: func(ctx context.Context, r *v1.CheckBulkPermissionsRequest) (*v1.CheckBulkPermissionsResponse, error) {
				out, err := allowAll(ctx, r)
				out.Pairs = edit(out.GetPairs())

				return out, err
			}})
			b := queries(3)
			b.Queries[1].Context = map[string]any{"ip": "192.0.2.1"}
			result, err := e.Check(deadline(t), b)
			wantFault(t, err, authz.EngineUnavailable)
			wantNoGrant(t, result)
		})
	}
	t.Run("row 59: unset and unknown results are unknown, the others stand", func(t *testing.T) {
		results := []v1.CheckPermissionResponse_Permissionship{has, unspecified, 99, no}
		e := engine(t, &front{
			bulk: func(_ context.Context, r *v1.CheckBulkPermissionsRequest) (*v1.CheckBulkPermissionsResponse, error) {
				out := &v1.CheckBulkPermissionsResponse{}
				for i, item := range r.GetItems() {
					if i < len(results) {
						out.Pairs = append(out.Pairs, pair(item, results[i]))
					} else {
						out.Pairs = append(out.Pairs, &v1.CheckBulkPermissionsPair{Request: item})
					}
				}

				return out, nil
			},
			check: func(context.Context, *v1.CheckPermissionRequest) (*v1.CheckPermissionResponse, error) {
				return &v1.CheckPermissionResponse{}, nil
			},
		})
		result, err := e.Check(deadline(t), queries(5))
		if err != nil {
			t.Fatal(err)
		}
		if a := result.Answers; a[0].Effect != authz.EffectAllowed || a[3].Effect != authz.EffectDenied {
			t.Errorf("answers = %+v", a)
		}
		for _, i := range []int{1, 2, 4} {
			wantFault(t, result.Answers[i].Err, authz.EngineUnavailable)
		}
		if result, err = e.Check(deadline(t), queries(1)); err != nil {
			t.Fatal(err)
		}
		wantFault(t, result.Answers[0].Err, authz.EngineUnavailable)
	})
}

func TestConditionalNamesWhatIsMissing(t *testing.T) {
	partial := &v1.PartialCaveatInfo{MissingRequiredContext: []string{"ip", "now"}}
	e := engine(t, &front{
		check: func(context.Context, *v1.CheckPermissionRequest) (*v1.CheckPermissionResponse, error) {
			return &v1.CheckPermissionResponse{Permissionship: conditional, PartialCaveatInfo: partial}, nil
		},
		bulk: func(ctx context.Context, r *v1.CheckBulkPermissionsRequest) (*v1.CheckBulkPermissionsResponse, error) {
			out, err := allowAll(ctx, r)
			item := out.GetPairs()[0].GetItem()
			item.Permissionship, item.PartialCaveatInfo = conditional, partial

			return out, err
		},
	})
	for _, n := range []int{1, 2} {
		result, err := e.Check(deadline(t), queries(n))
		if err != nil {
			t.Fatal(err)
		}
		if a := result.Answers[0]; a.Effect != authz.EffectConditional || strings.Join(a.Missing, " ") != "ip now" {
			t.Errorf("answer = %+v", a)
		}
	}
}

// fault is a status with SpiceDB's ErrorInfo.
func fault(t *testing.T, code codes.Code, reason v1.ErrorReason, details ...protoadapt.MessageV1) error {
	t.Helper()
	st := status.New(code, upstreamText)
	if reason != 0 {
		details = append(details, protoadapt.MessageV1Of(&errdetails.ErrorInfo{Domain: "authzed.com", Reason: reason.String()}))
	}
	if len(details) == 0 {
		return st.Err()
	}
	st, err := st.WithDetails(details...)
	if err != nil {
		t.Fatal(err)
	}

	return st.Err()
}

func TestFailures(t *testing.T) {
	retry := protoadapt.MessageV1Of(&errdetails.RetryInfo{RetryDelay: durationpb.New(7 * time.Second)})
	fresh := authz.Consistency{Mode: authz.ModeAtLeastAsFresh, Revision: "dG9rZW4="}
	for _, c := range []struct {
		name        string
		err         error
		kind        authz.EngineErrorKind
		retry       time.Duration
		consistency authz.Consistency
	}{
		{name: "down", err: fault(t, codes.Unavailable, 0), kind: authz.EngineUnavailable},
		{name: "slow", err: fault(t, codes.DeadlineExceeded, 0), kind: authz.EngineUnavailable},
		{name: "a server error", err: fault(t, codes.Internal, 0), kind: authz.EngineUnavailable},
		{name: "an unknown error", err: fault(t, codes.Unknown, 0), kind: authz.EngineUnavailable},
		{name: "a code that nobody knows", err: fault(t, 4711, 0), kind: authz.EngineUnavailable},
		{name: "cancelled by the server", err: fault(t, codes.Canceled, 0), kind: authz.EngineUnavailable},
		{name: "throttled, with a delay", err: fault(t, codes.ResourceExhausted, 0, retry), kind: authz.EngineUnavailable, retry: 7 * time.Second},
		{name: "401", err: fault(t, codes.Unauthenticated, 0), kind: authz.EngineRefused},
		{name: "403", err: fault(t, codes.PermissionDenied, 0), kind: authz.EngineRefused},
		{name: "row 62: unknown definition", err: fault(t, codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION), kind: authz.EngineMisconfigured},
		{name: "row 62: unknown permission", err: fault(t, codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION), kind: authz.EngineMisconfigured},
		{name: "row 62: no schema", err: fault(t, codes.NotFound, 0), kind: authz.EngineMisconfigured},
		{name: "row 62: too deep", err: fault(t, codes.ResourceExhausted, v1.ErrorReason_ERROR_REASON_MAXIMUM_DEPTH_EXCEEDED), kind: authz.EngineMisconfigured},
		{name: "row 62: no such RPC", err: fault(t, codes.Unimplemented, 0), kind: authz.EngineMisconfigured},
		{name: "a ZedToken refused", err: fault(t, codes.InvalidArgument, 0), kind: authz.EngineBadRevision, consistency: fresh},
		{name: "a ZedToken out of range", err: fault(t, codes.OutOfRange, 0), kind: authz.EngineBadRevision, consistency: fresh},
		{name: "an unknown permission beside a ZedToken", err: fault(t, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNKNOWN_CAVEAT), kind: authz.EngineMisconfigured, consistency: fresh},
		{name: "down beside a ZedToken", err: fault(t, codes.Unavailable, 0), kind: authz.EngineUnavailable, consistency: fresh},
	} {
		e := engine(t, &front{
			check: func(context.Context, *v1.CheckPermissionRequest) (*v1.CheckPermissionResponse, error) {
				return nil, c.err
			},
			bulk: func(context.Context, *v1.CheckBulkPermissionsRequest) (*v1.CheckBulkPermissionsResponse, error) {
				return nil, c.err
			},
		})
		for _, n := range []int{1, 3} {
			t.Run(fmt.Sprintf("row 61: %s, %d queries", c.name, n), func(t *testing.T) {
				b := queries(n)
				b.Consistency = c.consistency
				result, err := e.Check(deadline(t), b)
				if got := wantFault(t, err, c.kind); got.RetryAfter != c.retry {
					t.Errorf("retry after %v, want %v", got.RetryAfter, c.retry)
				}
				wantNoGrant(t, result)
			})
		}
	}
	t.Run("row 61: the fault of one pair is its own", func(t *testing.T) {
		e := engine(t, &front{bulk: func(ctx context.Context, r *v1.CheckBulkPermissionsRequest) (*v1.CheckBulkPermissionsResponse, error) {
			out, err := allowAll(ctx, r)
			unknown, _ := status.FromError(fault(t, codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION))
			for i, st := range []*statuspb.Status{{Code: int32(codes.Unavailable), Message: upstreamText}, unknown.Proto(), {}} {
				out.GetPairs()[i].Response = &v1.CheckBulkPermissionsPair_Error{Error: st}
			}

			return out, err
		}})
		result, err := e.Check(deadline(t), queries(4))
		if err != nil {
			t.Fatal(err)
		}
		wantFault(t, result.Answers[0].Err, authz.EngineUnavailable)
		wantFault(t, result.Answers[1].Err, authz.EngineMisconfigured)
		wantFault(t, result.Answers[2].Err, authz.EngineUnavailable)
		if result.Answers[3].Effect != authz.EffectAllowed {
			t.Errorf("answer = %+v", result.Answers[3])
		}
	})
	hang := &front{check: func(ctx context.Context, _ *v1.CheckPermissionRequest) (*v1.CheckPermissionResponse, error) {
		<-ctx.Done()

		return nil, ctx.Err()
	}}
	t.Run("row 61: a hanging engine ends at our timeout", func(t *testing.T) {
		_, err := engine(t, hang, func(c *spicedb.Config) { c.Timeout = 20 * time.Millisecond }).Check(deadline(t), queries(1))
		wantFault(t, err, authz.EngineUnavailable)
	})
	t.Run("row 61: the caller's own deadline is the caller's", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(deadline(t), 20*time.Millisecond)
		defer cancel()
		_, err := engine(t, hang).Check(ctx, queries(1))
		var fault *authz.EngineError
		if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &fault) {
			t.Errorf("err = %v, want the context's own", err)
		}
	})
	t.Run("row 61: a huge reply is bounded", func(t *testing.T) {
		e := engine(t, &front{check: func(context.Context, *v1.CheckPermissionRequest) (*v1.CheckPermissionResponse, error) {
			return &v1.CheckPermissionResponse{Permissionship: has, CheckedAt: &v1.ZedToken{Token: strings.Repeat("x", 5<<20)}}, nil
		}})
		result, err := e.Check(deadline(t), queries(1))
		wantFault(t, err, authz.EngineUnavailable)
		wantNoGrant(t, result)
	})
}

func TestChunksAtOneSnapshot(t *testing.T) {
	f := &front{bulk: allowAll}
	result, err := engine(t, f, func(c *spicedb.Config) { c.BatchSize = 10 }).Check(deadline(t), queries(41))
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range result.Answers {
		if a.Effect != authz.EffectAllowed {
			t.Fatalf("answer %d = %+v", i, a)
		}
	}
	if result.CheckedAt != "c25hcA==" {
		t.Errorf("checked at %q", result.CheckedAt)
	}
	if len(f.bulks) != 5 || !f.bulks[0].GetConsistency().GetMinimizeLatency() {
		t.Fatalf("%d requests, first %v", len(f.bulks), f.bulks[0].GetConsistency())
	}
	for _, r := range f.bulks[1:] {
		if r.GetConsistency().GetAtExactSnapshot().GetToken() != "c25hcA==" {
			t.Errorf("a later request is at %v", r.GetConsistency())
		}
	}

	t.Run("row 58: a failed chunk spoils only its own queries", func(t *testing.T) {
		e := engine(t, &front{bulk: func(ctx context.Context, r *v1.CheckBulkPermissionsRequest) (*v1.CheckBulkPermissionsResponse, error) {
			if r.GetItems()[0].GetResource().GetObjectId() == "d10" {
				return nil, fault(t, codes.Unavailable, 0)
			}

			return allowAll(ctx, r)
		}}, func(c *spicedb.Config) { c.BatchSize = 10 })
		result, err := e.Check(deadline(t), queries(30))
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range result.Answers {
			if i >= 10 && i < 20 {
				wantFault(t, a.Err, authz.EngineUnavailable)
			} else if a.Effect != authz.EffectAllowed {
				t.Errorf("answer %d = %+v", i, a)
			}
		}
	})
	t.Run("an empty batch asks nothing", func(t *testing.T) {
		f := &front{}
		result, err := engine(t, f).Check(deadline(t), authz.Batch{})
		if err != nil || len(result.Answers) != 0 || len(f.checks)+len(f.bulks) != 0 {
			t.Errorf("%+v, %v", result, err)
		}
	})
}

func TestRefusedBeforeItIsAsked(t *testing.T) {
	f := &front{}
	e := engine(t, f)
	for name, c := range map[string]struct {
		edit func(*authz.Query)
		kind authz.EngineErrorKind
	}{
		"an empty object id":                  {func(q *authz.Query) { q.Object.ID = "" }, authz.EngineBadRequest},
		"a wildcard object":                   {func(q *authz.Query) { q.Object.ID = "*" }, authz.EngineBadRequest},
		"an e-mail address":                   {func(q *authz.Query) { q.Object.ID = "ann@example.com" }, authz.EngineBadRequest},
		"a userset in an object id":           {func(q *authz.Query) { q.Object.ID = "1#viewer" }, authz.EngineBadRequest},
		"an object of 1025 bytes":             {func(q *authz.Query) { q.Object.ID = strings.Repeat("x", 1025) }, authz.EngineBadRequest},
		"a letter beyond ASCII":               {func(q *authz.Query) { q.Object.ID = "é" }, authz.EngineBadRequest},
		"a newline at the end":                {func(q *authz.Query) { q.Object.ID = "1\n" }, authz.EngineBadRequest},
		"a wildcard subject":                  {func(q *authz.Query) { q.Subject.ID = "*" }, authz.EngineBadSubject},
		"a userset in a subject id":           {func(q *authz.Query) { q.Subject.ID = "eng#member" }, authz.EngineBadSubject},
		"a type in capitals":                  {func(q *authz.Query) { q.Object.Type = "Document" }, authz.EngineMisconfigured},
		"a type of 129 bytes":                 {func(q *authz.Query) { q.Object.Type = strings.Repeat("abc/", 32) + "d" }, authz.EngineMisconfigured},
		"an empty prefix":                     {func(q *authz.Query) { q.Object.Type = "/document" }, authz.EngineMisconfigured},
		"a relation of two letters":           {func(q *authz.Query) { q.Relation = "ab" }, authz.EngineMisconfigured},
		"a relation of 65 letters":            {func(q *authz.Query) { q.Relation = strings.Repeat("a", 65) }, authz.EngineMisconfigured},
		"a relation that ends in _":           {func(q *authz.Query) { q.Relation = "view_" }, authz.EngineMisconfigured},
		"a relation that begins with a digit": {func(q *authz.Query) { q.Relation = "9view" }, authz.EngineMisconfigured},
		"an empty relation":                   {func(q *authz.Query) { q.Relation = "" }, authz.EngineMisconfigured},
		"a userset relation, spaced":          {func(q *authz.Query) { q.Subject.Relation = "a b" }, authz.EngineMisconfigured},
		"context of an unknown type":          {func(q *authz.Query) { q.Context = map[string]any{"c": make(chan int)} }, authz.EngineMisconfigured},
		"the wildcard of the grammar":         {func(q *authz.Query) { q.Subject.Relation = "..." }, authz.EngineMisconfigured},
	} {
		t.Run("row 55: "+name, func(t *testing.T) {
			q := query("1")
			c.edit(&q)
			for _, b := range []authz.Batch{{Queries: []authz.Query{q}}, {Queries: []authz.Query{q, q}}} {
				result, err := e.Check(deadline(t), b)
				if err != nil {
					t.Fatal(err)
				}
				for _, a := range result.Answers {
					wantFault(t, a.Err, c.kind)
				}
			}
		})
	}
	for _, revision := range []authz.Revision{"", "not a token", "a\nb", authz.Revision(strings.Repeat("x", 2000))} {
		b := queries(1)
		b.Consistency = authz.Consistency{Mode: authz.ModeAtLeastAsFresh, Revision: revision}
		_, err := e.Check(deadline(t), b)
		wantFault(t, err, authz.EngineBadRevision)
	}
	if n := len(f.checks) + len(f.bulks); n != 0 {
		t.Errorf("SpiceDB was asked %d times", n)
	}
	for _, name := range []string{"abc", "a1_2", "team/document", "ab3/cd4/document"} {
		q := query("a/b_c|d-e=f+g")
		q.Object.Type = name
		if name == "abc" {
			q.Relation = strings.Repeat("a", 64)
		}
		if err := e.ValidateQuery(q); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestRequest(t *testing.T) {
	f := &front{check: func(context.Context, *v1.CheckPermissionRequest) (*v1.CheckPermissionResponse, error) {
		return &v1.CheckPermissionResponse{Permissionship: has, CheckedAt: &v1.ZedToken{Token: "dG9rZW4="}}, nil
	}}
	e := engine(t, f, func(c *spicedb.Config) { c.EncodeIDs = true })
	q := query("ann@example.com")
	q.Subject = authz.Subject{Type: "team", ID: "é=", Relation: "member"}
	q.Context = map[string]any{"ip": "192.0.2.1"}
	for _, c := range []authz.Consistency{{}, {Mode: authz.ModeAtLeastAsFresh, Revision: "dG9rZW4="}, {Mode: authz.ModeFullyConsistent}} {
		result, err := e.Check(deadline(t), authz.Batch{Queries: []authz.Query{q}, Consistency: c})
		if err != nil || result.CheckedAt != "dG9rZW4=" || result.Answers[0].Effect != authz.EffectAllowed {
			t.Fatalf("%+v, %v", result, err)
		}
	}
	if !f.checks[0].GetConsistency().GetMinimizeLatency() || f.checks[1].GetConsistency().GetAtLeastAsFresh().GetToken() != "dG9rZW4=" || !f.checks[2].GetConsistency().GetFullyConsistent() {
		t.Errorf("consistency = %v", f.checks)
	}
	r := f.checks[0]
	if r.GetResource().GetObjectId() != "ann=40example=2Ecom" || r.GetSubject().GetObject().GetObjectId() != "=C3=A9=3D" ||
		r.GetSubject().GetOptionalRelation() != "member" || r.GetPermission() != "viewer" || r.GetContext().GetFields()["ip"].GetStringValue() != "192.0.2.1" {
		t.Errorf("request = %v", r)
	}
}

func ExampleEncodeID() {
	encoded := spicedb.EncodeID("ann@example.com")
	id, err := spicedb.DecodeID(encoded)
	fmt.Println(encoded, id, err)
	// Output: ann=40example=2Ecom ann@example.com <nil>
}
