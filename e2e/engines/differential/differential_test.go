// Package differential asks SpiceDB and OpenFGA, each through its adapter, the
// same questions about the same random relationships.
package differential

import (
	"context"
	"fmt"
	"testing"
	"time"

	spiceserver "github.com/authzed/spicedb/pkg/cmd/server"
	fgaserver "github.com/openfga/openfga/pkg/server"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/authz/spicedb"
	"github.com/usher-auth/usher/e2e/engines/openfgaserver"
	"github.com/usher-auth/usher/e2e/engines/spicedbserver"
)

const (
	graphs          = 16
	queriesPerGraph = 400
	// depthLimit lets both engines follow what the graphs nest.
	depthLimit = 200
)

func TestEnginesAgree(t *testing.T) {
	allowed, denied := 0, 0
	for seed := range uint64(graphs) {
		t.Run(fmt.Sprintf("graph %d", seed), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			g := newGraph(seed)
			fga := openfgaserver.Start(t, model, fgaserver.WithResolveNodeLimit(depthLimit), fgaserver.WithRequestTimeout(time.Minute))
			spice := spicedbserver.Start(t, schema, spiceserver.WithDispatchMaxDepth(depthLimit))
			if _, err := (openfgaserver.Writer{Server: fga}).Write(ctx, g.tuples...); err != nil {
				t.Fatal(err)
			}
			revision, err := spicedbserver.Writer{Server: spice}.Write(ctx, g.tuples...)
			if err != nil {
				t.Fatal(err)
			}
			one, err := openfga.New(openfga.Config{Client: fga.Client, StoreID: fga.StoreID, ModelID: fga.ModelID, Timeout: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			other, err := spicedb.New(spicedb.Config{Client: spice.Client, Timeout: time.Minute})
			if err != nil {
				t.Fatal(err)
			}

			queries := g.queries(queriesPerGraph)
			consistency := authz.Consistency{Mode: authz.ModeAtLeastAsFresh, Revision: revision}
			a, err := one.Check(ctx, authz.Batch{Queries: queries, Consistency: consistency})
			if err != nil {
				t.Fatal(err)
			}
			b, err := other.Check(ctx, authz.Batch{Queries: queries, Consistency: consistency})
			if err != nil {
				t.Fatal(err)
			}
			for i, q := range queries {
				if a.Answers[i].Err != nil || b.Answers[i].Err != nil || a.Answers[i].Effect != b.Answers[i].Effect {
					t.Errorf("%v: OpenFGA %+v, SpiceDB %+v", q, a.Answers[i], b.Answers[i])
				}
				if a.Answers[i].Effect == authz.EffectAllowed {
					allowed++
				} else {
					denied++
				}
			}
			t.Logf("%d tuples, %d teams, %d folders", len(g.tuples), g.teams, g.folders)
		})
	}
	t.Logf("%d graphs, %d queries: %d allowed, %d denied", graphs, allowed+denied, allowed, denied)
	if allowed < (allowed+denied)/10 || denied < (allowed+denied)/10 {
		t.Error("the graphs are one-sided: they show little")
	}
}
