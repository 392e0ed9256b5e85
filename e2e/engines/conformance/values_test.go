package conformance

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/authz/spicedb"
	"github.com/usher-auth/usher/e2e/engines/openfgaserver"
	"github.com/usher-auth/usher/e2e/engines/spicedbserver"
)

// fits is a condition in CEL, as both engines have it. SpiceDB's uint is an int there.
const fits = `tags == ["a,b", "c"] && size(none) == 0 && sizes == [1, 9007199254740993] && ratios == [0.5, 2.0] && flag && ` +
	`at == timestamp("2030-01-02T03:04:05.500Z") && lasts == duration("1.5s")`

const fitsModel = `model
  schema 1.1

type user

type document
  relations
    define guest: [user with fits]
    define visit: guest

condition fits(tags: list<string>, none: list<string>, sizes: list<int>, ratios: list<double>, flag: bool, large: uint, at: timestamp, lasts: duration) {
  ` + fits + ` && large == 9007199254740993u
}
`

const fitsSchema = `
caveat fits(tags list<string>, none list<string>, sizes list<int>, ratios list<double>, flag bool, large uint, at timestamp, lasts duration) {
  ` + fits + ` && large == 9007199254740993
}

definition user {}

definition document {
  relation guest: user with fits
  permission visit = guest
}
`

// TestContextValues shows that engines take each value that a template gives as the
// type that their own model declares: lists, times, and integers that no JSON number
// holds.
func TestContextValues(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	tuple := authztest.MustTuples("document:1#guest@user:bob[fits]")
	fga := openfgaserver.Start(t, fitsModel)
	_, err := openfgaserver.Writer{Server: fga}.Write(ctx, tuple...)
	fatal(t, err)
	fgaEngine, err := openfga.New(openfga.Config{Client: fga.Client, StoreID: fga.StoreID, ModelID: fga.ModelID})
	fatal(t, err)
	spice := spicedbserver.Start(t, fitsSchema)
	revision, err := spicedbserver.Writer{Server: spice}.Write(ctx, tuple...)
	fatal(t, err)
	spiceEngine, err := spicedb.New(spicedb.Config{Client: spice.Client})
	fatal(t, err)

	good := map[string]any{
		"tags": []any{"a,b", "c"}, "none": []any{}, "sizes": []any{int64(1), int64(1<<53 + 1)}, "ratios": []any{0.5, 2.0}, "flag": true,
		"large": uint64(1<<53 + 1), "at": "2030-01-02T03:04:05.500Z", "lasts": "1.500s",
	}
	changes := map[string]any{
		"tags": []any{"a", "b,c"}, "none": []any{""}, "sizes": []any{int64(1), int64(1 << 53)}, "ratios": []any{0.5}, "flag": false,
		"large": uint64(1 << 53), "at": "2030-01-02T03:04:05Z", "lasts": "1s",
	}
	query := authz.Query{Object: authz.Object{Type: "document", ID: "1"}, Relation: "visit", Subject: authz.Subject{Type: "user", ID: "bob"}, Context: good}
	batch, names := authz.Batch{Queries: []authz.Query{query}}, []string{""}
	for name, other := range changes {
		changed := maps.Clone(good)
		changed[name] = other
		query.Context = changed
		batch.Queries, names = append(batch.Queries, query), append(names, name)
	}
	for name, engine := range map[string]authz.Engine{"OpenFGA": fgaEngine, "SpiceDB": spiceEngine} {
		asked := batch
		if name == "SpiceDB" {
			asked.Consistency = authz.Consistency{Mode: authz.ModeAtLeastAsFresh, Revision: revision}
		}
		result, err := engine.Check(ctx, asked)
		fatal(t, err)
		for i, answer := range result.Answers {
			want := authz.EffectDenied
			if names[i] == "" {
				want = authz.EffectAllowed
			}
			if answer.Err != nil || answer.Effect != want {
				t.Errorf("%s, another %q: %v, %v; want %v", name, names[i], answer.Effect, answer.Err, want)
			}
		}
	}
}
