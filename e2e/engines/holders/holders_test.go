// Package holders holds what package authz/schema says of a model to real engines: who is
// no holder is never granted, and what a relation implies is never denied.
package holders

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/authz/schema"
	"github.com/usher-auth/usher/authz/spicedb"
	"github.com/usher-auth/usher/e2e/engines/openfgaserver"
	"github.com/usher-auth/usher/e2e/engines/spicedbserver"
)

// engine is an engine that can be asked, written and read.
type engine struct {
	authz.Engine
	schema.Reader
	authztest.Writer
}

func openFGA(t *testing.T, model string) engine {
	t.Helper()
	server := openfgaserver.Start(t, model)
	e, err := openfga.New(openfga.Config{Client: server.Client, StoreID: server.StoreID, ModelID: server.ModelID, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}

	return engine{e, e, openfgaserver.Writer{Server: server}}
}

func spiceDB(t *testing.T, definitions string) engine {
	t.Helper()
	server := spicedbserver.Start(t, definitions)
	e, err := spicedb.New(spicedb.Config{Client: server.Client, SchemaClient: server.Schema, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}

	return engine{e, e, spicedbserver.Writer{Server: server}}
}

func read(t *testing.T, from schema.Reader) *schema.Schema {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := from.ReadSchema(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if faults := s.Undefined(); faults != nil {
		t.Errorf("%s: undefined: %v", s.Source(), faults)
	}

	return s
}

func TestLiveSchemaOfTheSuite(t *testing.T) {
	for name, e := range map[string]engine{"OpenFGA": openFGA(t, openfgaserver.SuiteModel), "SpiceDB": spiceDB(t, spicedbserver.SuiteSchema)} {
		t.Run(name, func(t *testing.T) {
			s := read(t, e)
			for typeName, relations := range authztest.SuiteModel() {
				if s.Type(typeName) == nil {
					t.Errorf("type %s is missing in %v", typeName, s.Types())
				}
				for relation := range relations {
					if s.Relation(typeName, relation) == nil {
						t.Errorf("relation %s#%s is missing", typeName, relation)
					}
				}
			}
			for relation, want := range map[string][]bool{ // user, service, team#member
				"owner": {true, true, true}, "view": {true, true, true}, "read": {true, true, true},
				"banned": {true, false, false}, "guest": {true, false, false}, "visit": {true, false, false}, "parent": {false, false, false},
			} {
				h := s.Holders("document", relation)
				if got := []bool{h.May("user", ""), h.May("service", ""), h.May("team", "member")}; !reflect.DeepEqual(got, want) {
					t.Errorf("%s: holders %+v, want %v of user, service, team#member", relation, h, want)
				}
			}
			if got := s.ConditionsOf("document", "visit"); !reflect.DeepEqual(got, []string{"on_network"}) || !s.Complete("document", "visit") {
				t.Errorf("conditions %v", got)
			}
			if got := s.Condition("on_network"); got == nil || !reflect.DeepEqual(got.Parameters, map[string]string{"trusted": "bool"}) {
				t.Errorf("condition %+v", got)
			}
		})
	}
}

// A permission of SpiceDB may hold the object itself, which reflection doesn't show.
func TestLiveSchemaWithSelf(t *testing.T) {
	e := spiceDB(t, "use self\n\ndefinition user {\n\trelation manager: user\n\tpermission edit = self + manager\n}\n")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ann := authz.Object{Type: "user", ID: "ann"}
	result, err := e.Check(ctx, authz.Batch{Queries: []authz.Query{{Object: ann, Relation: "edit", Subject: authz.Subject{Type: "user", ID: "ann"}}}})
	if err != nil || result.Answers[0].Effect != authz.EffectAllowed {
		t.Fatalf("%+v, %v", result, err)
	}
	if h := read(t, e).Holders("user", "edit"); !h.May("user", "") {
		t.Errorf("holders %+v", h)
	}
}

const (
	worlds = 12
	each   = 3 // objects and users of a world
)

// world is tuples and questions about objects that no other world has.
type world struct {
	random *rand.Rand
	number int
	schema *schema.Schema
	// acyclic has objects lead to those with a higher number only: SpiceDB answers what
	// has a cycle of tuples with its deadline.
	acyclic bool
}

func (w *world) id() string { return fmt.Sprintf("w%d_%d", w.number, w.random.IntN(each)) }

// tuples are some that the relations allow, cyclic or not.
func (w *world) tuples() []authztest.Tuple {
	seen := map[authztest.Tuple]bool{}
	var tuples []authztest.Tuple
	for _, typeName := range w.schema.Types() {
		for _, relation := range w.schema.Type(typeName).Relations {
			direct, ok := relation.Expression.(schema.Direct)
			if !ok {
				continue
			}
			for range 2 * each {
				named := direct.Subjects[w.random.IntN(len(direct.Subjects))]
				t := authztest.Tuple{
					Object: authz.Object{Type: typeName, ID: w.id()}, Relation: relation.Name,
					Subject: authz.Subject{Type: named.Type, ID: w.id(), Relation: named.Relation},
				}
				if named.Wildcard {
					t.Subject.ID = "*"
				}
				back := len(w.schema.Type(named.Type).Relations) > 0 && t.Subject.ID <= t.Object.ID
				own := t.Subject.Type == typeName && t.Subject.ID == t.Object.ID // both engines refuse it
				if seen[t] || own || w.acyclic && back || w.random.IntN(3) == 0 {
					continue
				}
				seen[t] = true
				tuples = append(tuples, t)
			}
		}
	}

	return tuples
}

// subjects are one of each type and of each userset.
func (w *world) subjects() []authz.Subject {
	var subjects []authz.Subject
	for _, typeName := range w.schema.Types() {
		for n := range each {
			id := fmt.Sprintf("w%d_%d", w.number, n)
			subjects = append(subjects, authz.Subject{Type: typeName, ID: id})
			if n > 0 {
				continue
			}
			for _, relation := range w.schema.Type(typeName).Relations {
				subjects = append(subjects, authz.Subject{Type: typeName, ID: id, Relation: relation.Name})
			}
		}
	}

	return subjects
}

func (w *world) queries() []authz.Query {
	var queries []authz.Query
	for _, typeName := range w.schema.Types() {
		for _, relation := range w.schema.Type(typeName).Relations {
			for _, subject := range w.subjects() {
				object := authz.Object{Type: typeName, ID: fmt.Sprintf("w%d_0", w.number)}
				queries = append(queries, authz.Query{Object: object, Relation: relation.Name, Subject: subject})
			}
		}
	}

	return queries
}

func TestRealEnginesKeepToTheSchema(t *testing.T) {
	fga := openFGA(t, model)
	whole := read(t, fga)
	for name, e := range map[string]engine{"OpenFGA": fga, "SpiceDB": spiceDB(t, definitions)} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			live := read(t, e)
			seen := map[string]bool{}
			failed, broken := 0, map[string]bool{}
			for n := range worlds {
				w := &world{random: rand.New(rand.NewPCG(uint64(n), 16)), number: n, schema: whole, acyclic: name == "SpiceDB"}
				revision, err := e.Write(ctx, w.tuples()...)
				if err != nil {
					t.Fatal(err)
				}
				queries := w.queries()
				result, err := e.Check(ctx, authz.Batch{Queries: queries, Consistency: authz.Consistency{Mode: authz.ModeAtLeastAsFresh, Revision: revision}})
				if err != nil {
					t.Fatal(err)
				}
				effects := map[string]authz.Effect{}
				for i, q := range queries {
					answer := result.Answers[i]
					if answer.Err != nil {
						failed++
					}
					effects[q.String()] = answer.Effect
					if answer.Effect != authz.EffectAllowed {
						continue
					}
					seen[fmt.Sprint(q.Object.Type, q.Relation, q.Subject.Type, q.Subject.Relation)] = true
					for _, s := range []*schema.Schema{whole, live} {
						if h := s.Holders(q.Object.Type, q.Relation); !h.May(q.Subject.Type, q.Subject.Relation) {
							t.Errorf("%v is granted, and its subject isn't among %+v of %s", q, h, s.Source())
						}
					}
				}
				for _, a := range queries {
					if effects[a.String()] != authz.EffectAllowed || a.Subject.Relation != "" {
						continue
					}
					for _, relation := range whole.Type(a.Object.Type).Relations {
						b := a
						if b.Relation = relation.Name; effects[b.String()] != authz.EffectDenied {
							continue
						}
						broken[a.Object.Type+"#"+a.Relation+" "+b.Relation] = true
						if whole.Implies(a.Object.Type, a.Relation, b.Relation) || live.Implies(a.Object.Type, a.Relation, b.Relation) {
							t.Errorf("%v is granted and %s denied, which it implies", a, b.Relation)
						}
					}
				}
			}
			may, implied, open := 0, 0, 0
			for _, typeName := range whole.Types() {
				for _, a := range whole.Type(typeName).Relations {
					h := whole.Holders(typeName, a.Name)
					may += len(h.Subjects) + len(h.Computed)
					for _, b := range whole.Type(typeName).Relations {
						switch {
						case a.Name == b.Name:
						case whole.Implies(typeName, a.Name, b.Name):
							implied++
						case !broken[typeName+"#"+a.Name+" "+b.Name]:
							open++
							t.Logf("%s#%s was never granted without %s", typeName, a.Name, b.Name)
						}
					}
				}
			}
			t.Logf("%d of %d holders were granted; %d implications hold, %d others were never seen broken; %d questions failed", len(seen), may, implied, open, failed)
			if len(seen) < may/2 || implied < 10 {
				t.Error("the worlds show little")
			}
		})
	}
}
