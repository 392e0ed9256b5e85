package goals

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/authz/spicedb"
	"github.com/usher-auth/usher/e2e/engines/openfgaserver"
	"github.com/usher-auth/usher/e2e/engines/spicedbserver"
)

// counted is an engine whose requests are combined and counted, even of an adapter
// that doesn't want them combined.
type counted struct {
	check    func(context.Context, authz.Batch) (authz.Result, error)
	requests atomic.Int64
}

// CombinesQueries returns the batch size of the adapters.
func (*counted) CombinesQueries() int { return batchSize }

func (c *counted) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	c.requests.Add(1)

	return c.check(ctx, batch)
}

// BenchmarkGoal15 has 64 callers ask without a pause, each about objects that no other
// caller asks about at that moment, in turns with and without combining. It reports
// the requests for each check, the ratio of the throughputs, and that of the second
// turn without combining to the first as the control. "one-principal" is the same with
// 64 calls of one caller. "alone" is one call after the other: the ratio of the
// latencies. The adapter of OpenFGA doesn't combine, since its server gains little:
// its figures are what it would gain.
func BenchmarkGoal15(b *testing.B) {
	fga := openfgaserver.Start(b, openfgaserver.SuiteModel)
	spice := spicedbserver.Start(b, spicedbserver.SuiteSchema)
	tuples := []authztest.Tuple{}
	principals := make([]authz.Principal, callers)
	for k := range principals {
		user := fmt.Sprintf("u%d", k)
		principals[k] = authztest.User(user)
		// OpenFGA's memory store reads all tuples for each check: there are as many as
		// are asked about.
		for i := range documents {
			if k == 0 || k == i {
				tuples = append(tuples, authztest.MustTuples(fmt.Sprintf("document:d%d#viewer@user:%s", i, user))...)
			}
		}
	}
	_, err := openfgaserver.Writer{Server: fga}.Write(b.Context(), tuples...)
	fatal(b, err)
	revision, err := spicedbserver.Writer{Server: spice}.Write(b.Context(), tuples...)
	fatal(b, err)
	fgaEngine, err := openfga.New(openfga.Config{Client: fga.Client, StoreID: fga.StoreID, ModelID: fga.ModelID})
	fatal(b, err)
	embedded, err := openfga.New(openfga.Config{Client: openfga.Embedded(fga.API), StoreID: fga.StoreID, ModelID: fga.ModelID})
	fatal(b, err)
	spiceEngine, err := spicedb.New(spicedb.Config{Client: spice.Client})
	fatal(b, err)
	fresh := authz.Consistency{Mode: authz.ModeAtLeastAsFresh, Revision: revision}
	for _, e := range []struct {
		name   string
		engine *counted
	}{
		{"openfga", &counted{check: fgaEngine.Check}},
		{"openfga-embedded", &counted{check: embedded.Check}},
		{"spicedb", &counted{check: func(ctx context.Context, batch authz.Batch) (authz.Result, error) {
			batch.Consistency = fresh

			return spiceEngine.Check(ctx, batch)
		}}},
	} {
		apart, combined := decisionsOf(b, e.engine, true), decisionsOf(b, e.engine, false)
		b.Run(e.name+"/64", func(b *testing.B) { crowds(b, e.engine, apart, combined, principals) })
		b.Run(e.name+"/one-principal", func(b *testing.B) {
			crowds(b, e.engine, apart, combined, slices.Repeat(principals[:1], callers))
		})
		b.Run(e.name+"/alone", func(b *testing.B) {
			pair(b,
				func(ctx context.Context, i int) error { return apart(ctx, principals[0], i, 1) },
				func(ctx context.Context, i int) error { return combined(ctx, principals[0], i, 1) })
		})
	}
}

// crowds measures turns of callers that all ask at once.
func crowds(b *testing.B, engine *counted, apart, combined func(ctx context.Context, principal authz.Principal, i, n int) error, principals []authz.Principal) {
	b.Helper()
	const rounds = 30
	crowd := func(decide func(ctx context.Context, principal authz.Principal, i, n int) error) (time.Duration, int64) {
		runtime.GC()
		before, begun := engine.requests.Load(), time.Now()
		var group sync.WaitGroup
		for k, principal := range principals {
			group.Go(func() {
				for range rounds {
					if err := decide(b.Context(), principal, k, 1); err != nil {
						b.Error(err)

						return
					}
				}
			})
		}
		group.Wait()

		return time.Since(begun), engine.requests.Load() - before
	}
	crowd(apart)
	crowd(combined)
	var took [3]time.Duration
	var requests [3]int64
	n := 0
	for b.Loop() {
		for k := range took {
			at := (n + k) % len(took)
			decide := apart
			if at == 1 {
				decide = combined
			}
			long, asked := crowd(decide)
			took[at] += long
			requests[at] += asked
		}
		n++
	}
	checks := n * len(principals) * rounds
	if asked, want := requests[0]+requests[2], int64(2*checks); asked != want {
		b.Errorf("%d requests for %d checks that aren't combined", asked, want)
	}
	b.ReportMetric(float64(requests[1])/float64(checks), "requests/check")
	b.ReportMetric(float64(took[0]+took[2])/2/float64(took[1]), "throughput-ratio")
	b.ReportMetric(float64(took[0])/float64(took[2]), "throughput-control")
	b.ReportMetric(float64(checks)/took[1].Seconds(), "checks/s")
}
