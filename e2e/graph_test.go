package e2e

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"github.com/usher-auth/usher/e2e/engines/spicedbserver"
	"github.com/usher-auth/usher/examples/quickstart/demo/engine"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/authz/spicedb"
)

// graph is where relationships are written.
type graph interface {
	Write(ctx context.Context, tuples ...engine.Tuple) error
	Delete(ctx context.Context, tuples ...engine.Tuple) error
}

// zanzibar is an engine with the quickstart's relationships in it.
type zanzibar struct {
	graph

	engine authz.Engine
}

// openFGA is the system's own engine.
func (s *system) openFGA() zanzibar {
	s.t.Helper()
	return zanzibar{
		graph:  s.engine,
		engine: must(openfga.New(openfga.Config{Client: s.engine.Client(), StoreID: s.engine.StoreID(), ModelID: s.engine.ModelID()}))(s.t),
	}
}

// spiceSchema is the quickstart's model in SpiceDB's language, in which a
// permission needs another name than the relation that it adds to.
//
//go:embed testdata/spicedb.zed
var spiceSchema string

// spiceDB starts a second engine, with what the first one has.
func (s *system) spiceDB(allowed ...string) zanzibar {
	s.t.Helper()
	server := spicedbserver.Start(s.t, spiceSchema)
	z := zanzibar{graph: spice{server}, engine: must(spicedb.New(spicedb.Config{Client: server.Client}))(s.t)}
	tuples := slices.Concat(engine.People, engine.Company())
	for _, id := range allowed {
		tuples = append(tuples, editorOf("handbook", id))
	}
	if err := z.Write(s.ctx, tuples...); err != nil {
		s.t.Fatal(err)
	}
	s.eventually(z, allowed[len(allowed)-1])
	return z
}

// eventually waits until the engine's fastest answer, which may be stale, knows
// of the editor.
func (s *system) eventually(z zanzibar, id string) {
	s.t.Helper()
	query := authz.Query{
		Object: authz.Object{Type: "folder", ID: "handbook"}, Relation: "editor",
		Subject: authz.Subject{Type: "service", ID: id},
	}
	for {
		result, err := z.engine.Check(s.ctx, authz.Batch{Queries: []authz.Query{query}})
		if err != nil {
			s.t.Fatal(err)
		}
		if result.Answers[0].Effect == authz.EffectAllowed {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// spice writes the quickstart's tuples to SpiceDB.
type spice struct{ server *spicedbserver.Server }

func (s spice) Write(ctx context.Context, tuples ...engine.Tuple) error {
	relationships, err := translate(tuples)
	if err != nil {
		return err
	}
	_, err = s.server.Write(ctx, relationships...)
	return err
}

func (s spice) Delete(ctx context.Context, tuples ...engine.Tuple) error {
	relationships, err := translate(tuples)
	if err != nil {
		return err
	}
	_, err = s.server.Delete(ctx, relationships...)
	return err
}

func translate(tuples []engine.Tuple) ([]*v1.Relationship, error) {
	relationships := make([]*v1.Relationship, 0, len(tuples))
	for _, t := range tuples {
		object, err := reference(t.Object)
		if err != nil {
			return nil, err
		}
		name, relation, _ := strings.Cut(t.User, "#")
		subject, err := reference(name)
		if err != nil {
			return nil, err
		}
		relationships = append(relationships, &v1.Relationship{
			Resource: object, Relation: given(t.Relation),
			Subject: &v1.SubjectReference{Object: subject, OptionalRelation: relation},
		})
	}
	return relationships, nil
}

// given is the relation in the schema that a tuple of the model is.
func given(relation string) string {
	if relation == "parent" || relation == "member" {
		return relation
	}
	return "given_" + relation
}

var errNoObject = errors.New("not an object")

func reference(object string) (*v1.ObjectReference, error) {
	kind, id, ok := strings.Cut(object, ":")
	if !ok {
		return nil, fmt.Errorf("%w: %q", errNoObject, object)
	}
	return &v1.ObjectReference{ObjectType: kind, ObjectId: id}, nil
}

// engines are the engines of the matrix.
var engines = map[string]func(s *system, allowed ...string) zanzibar{
	"openfga": func(s *system, _ ...string) zanzibar { return s.openFGA() },
	"spicedb": func(s *system, allowed ...string) zanzibar { return s.spiceDB(allowed...) },
}

func TestEnginesHoldTheSameRelationships(t *testing.T) {
	s := newSystem(t, 5*time.Minute, &client{id: "editor", method: "client_secret_basic"})
	s.allow("editor")
	a, b := s.openFGA(), s.spiceDB("editor")
	var queries []authz.Query
	for _, subject := range []string{"service:reader", "service:writer", "service:stranger", "service:editor", "user:olga", "user:employee-3-7"} {
		for _, object := range []string{"document:onboarding", "document:vision", "document:salaries", "document:holidays", "folder:handbook", "document:department-3-2-9"} {
			for _, relation := range []string{"owner", "editor", "viewer"} {
				kind, id, _ := strings.Cut(subject, ":")
				objectKind, objectID, _ := strings.Cut(object, ":")
				queries = append(queries, authz.Query{
					Object: authz.Object{Type: objectKind, ID: objectID}, Relation: relation,
					Subject: authz.Subject{Type: kind, ID: id},
				})
			}
		}
	}
	allowed := 0
	for some := range slices.Chunk(queries, 9) { // few enough for a slow machine's timeout
		first := must(a.engine.Check(s.ctx, authz.Batch{Queries: some}))(t)
		second := must(b.engine.Check(s.ctx, authz.Batch{Queries: some}))(t)
		for i, query := range some {
			if first.Answers[i].Effect != second.Answers[i].Effect {
				t.Errorf("%v: OpenFGA says %v, SpiceDB %v", query, first.Answers[i].Effect, second.Answers[i].Effect)
			}
			if first.Answers[i].Effect == authz.EffectAllowed {
				allowed++
			}
		}
	}
	if allowed == 0 || allowed == len(queries) {
		t.Errorf("%d of %d allowed: that compares nothing", allowed, len(queries))
	}
}
