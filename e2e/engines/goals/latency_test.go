package goals

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/authz/spicedb"
	"github.com/usher-auth/usher/e2e/engines/openfgaserver"
	"github.com/usher-auth/usher/e2e/engines/spicedbserver"
)

const (
	batchSize = 50
	documents = 100
)

// BenchmarkGoal13 alternates the engine's own client and the adapter within one
// run and reports the ratio of their median latencies, beside the ratio of the
// client to itself as the control of what the machine can resolve. Both get the
// same context with a deadline, as authz gives one to every check. "decision" is
// the whole of authz around the adapter: the rule, the objects of the message, the
// breaker and coalescing, without a cache.
func BenchmarkGoal13(b *testing.B) {
	ctx := context.Background()
	fga := openfgaserver.Start(b, openfgaserver.SuiteModel)
	spice := spicedbserver.Start(b, spicedbserver.SuiteSchema)
	tuples := []authztest.Tuple{}
	for i := range documents {
		tuples = append(tuples, authztest.MustTuples(fmt.Sprintf("document:d%d#viewer@user:ann", i))...)
	}
	_, err := openfgaserver.Writer{Server: fga}.Write(ctx, tuples...)
	fatal(b, err)
	revision, err := spicedbserver.Writer{Server: spice}.Write(ctx, tuples...)
	fatal(b, err)
	fgaEngine, err := openfga.New(openfga.Config{Client: fga.Client, StoreID: fga.StoreID, ModelID: fga.ModelID})
	fatal(b, err)
	spiceEngine, err := spicedb.New(spicedb.Config{Client: spice.Client})
	fatal(b, err)

	fresh := authz.Consistency{Mode: authz.ModeAtLeastAsFresh, Revision: revision}
	decideFGA := decisions(b, fgaEngine, false)
	decideSpice := decisions(b, refreshed{spiceEngine, fresh}, false)
	for _, n := range []int{1, batchSize} {
		b.Run(fmt.Sprintf("openfga/%d/adapter", n), func(b *testing.B) {
			pair(b,
				func(ctx context.Context, i int) error { return askFGA(ctx, fga, i, n) },
				func(ctx context.Context, i int) error { return ask(ctx, fgaEngine, i, n, authz.Consistency{}) })
		})
		b.Run(fmt.Sprintf("spicedb/%d/adapter", n), func(b *testing.B) {
			pair(b,
				func(ctx context.Context, i int) error { return askSpice(ctx, spice, i, n, string(revision)) },
				func(ctx context.Context, i int) error { return ask(ctx, spiceEngine, i, n, fresh) })
		})
		b.Run(fmt.Sprintf("openfga/%d/decision", n), func(b *testing.B) {
			pair(b,
				func(ctx context.Context, i int) error { return askFGA(ctx, fga, i, n) },
				func(ctx context.Context, i int) error { return decideFGA(ctx, i, n) })
		})
		b.Run(fmt.Sprintf("spicedb/%d/decision", n), func(b *testing.B) {
			pair(b,
				func(ctx context.Context, i int) error { return askSpice(ctx, spice, i, n, string(revision)) },
				func(ctx context.Context, i int) error { return decideSpice(ctx, i, n) })
		})
	}
}

// refreshed is SpiceDB asked at one revision, whatever the rule says.
type refreshed struct {
	*spicedb.Engine

	at authz.Consistency
}

func (r refreshed) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	batch.Consistency = r.at

	return r.Engine.Check(ctx, batch)
}

// pair measures client, adapter and client again in turns that rotate, so that
// none always follows the same one.
func pair(b *testing.B, client, adapter func(ctx context.Context, i int) error) {
	b.Helper()
	runs := [3]func(context.Context, int) error{client, adapter, client}
	var times [3][]time.Duration
	for i := range 20 { // warm up
		fatal(b, client(b.Context(), i))
		fatal(b, adapter(b.Context(), i))
	}
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		for k := range runs {
			at := (i + k) % len(runs)
			ctx, cancel := context.WithTimeout(b.Context(), 3*time.Second)
			start := time.Now()
			err := runs[at](ctx, i)
			times[at] = append(times[at], time.Since(start))
			cancel()
			fatal(b, err)
		}
	}
	b.StopTimer()
	medians := [3]float64{}
	for k := range times {
		slices.Sort(times[k])
		medians[k] = float64(times[k][len(times[k])/2])
	}
	b.ReportMetric(medians[1]/((medians[0]+medians[2])/2), "adapter/client")
	b.ReportMetric(medians[2]/medians[0], "client/client")
	b.ReportMetric(medians[1], "adapter-ns")
	b.ReportMetric(medians[0], "client-ns")
}

func ask(ctx context.Context, engine authz.Engine, i, n int, consistency authz.Consistency) error {
	queries := make([]authz.Query, n)
	for k := range queries {
		queries[k] = authz.Query{Object: authz.Object{Type: "document", ID: document(i + k)}, Relation: "view", Subject: authz.Subject{Type: "user", ID: "ann"}}
	}
	result, err := engine.Check(ctx, authz.Batch{Queries: queries, Consistency: consistency})
	if err != nil {
		return err
	}
	for _, a := range result.Answers {
		if a.Effect != authz.EffectAllowed {
			return fmt.Errorf("answer %+v", a)
		}
	}

	return nil
}

func askFGA(ctx context.Context, s *openfgaserver.Server, i, n int) error {
	if n == 1 {
		response, err := s.Client.Check(ctx, &openfgav1.CheckRequest{
			StoreId: s.StoreID, AuthorizationModelId: s.ModelID,
			TupleKey: &openfgav1.CheckRequestTupleKey{Object: "document:" + document(i), Relation: "view", User: "user:ann"},
		})
		if err != nil || !response.GetAllowed() {
			return fmt.Errorf("answer %v: %w", response, err)
		}

		return nil
	}
	items := make([]*openfgav1.BatchCheckItem, n)
	for k := range items {
		items[k] = &openfgav1.BatchCheckItem{
			TupleKey:      &openfgav1.CheckRequestTupleKey{Object: "document:" + document(i+k), Relation: "view", User: "user:ann"},
			CorrelationId: strconv.Itoa(k),
		}
	}
	response, err := s.Client.BatchCheck(ctx, &openfgav1.BatchCheckRequest{StoreId: s.StoreID, AuthorizationModelId: s.ModelID, Checks: items})
	if err != nil {
		return err
	}
	for k := range items {
		if !response.GetResult()[strconv.Itoa(k)].GetAllowed() {
			return fmt.Errorf("answer %d", k)
		}
	}

	return nil
}

func askSpice(ctx context.Context, s *spicedbserver.Server, i, n int, token string) error {
	fresh := &v1.Consistency{Requirement: &v1.Consistency_AtLeastAsFresh{AtLeastAsFresh: &v1.ZedToken{Token: token}}}
	ann := &v1.SubjectReference{Object: &v1.ObjectReference{ObjectType: "user", ObjectId: "ann"}}
	if n == 1 {
		response, err := s.Client.CheckPermission(ctx, &v1.CheckPermissionRequest{
			Consistency: fresh, Resource: &v1.ObjectReference{ObjectType: "document", ObjectId: document(i)}, Permission: "view", Subject: ann,
		})
		if err != nil || response.GetPermissionship() != v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION {
			return fmt.Errorf("answer %v: %w", response, err)
		}

		return nil
	}
	items := make([]*v1.CheckBulkPermissionsRequestItem, n)
	for k := range items {
		items[k] = &v1.CheckBulkPermissionsRequestItem{
			Resource:   &v1.ObjectReference{ObjectType: "document", ObjectId: document(i + k)},
			Permission: "view", Subject: ann,
		}
	}
	response, err := s.Client.CheckBulkPermissions(ctx, &v1.CheckBulkPermissionsRequest{Consistency: fresh, Items: items})
	if err != nil {
		return err
	}
	for k, pair := range response.GetPairs() {
		if pair.GetItem().GetPermissionship() != v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION {
			return fmt.Errorf("answer %d", k)
		}
	}

	return nil
}

func document(i int) string { return "d" + strconv.Itoa(i%documents) }

func fatal(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
