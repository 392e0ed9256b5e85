package schema_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz/schema"
)

// chain is a schema of n types, each of which has relations that lead to the next type,
// through an intersection too, and last to the first again.
func chain(t testing.TB, n int) *schema.Schema {
	t.Helper()
	types := make([]schema.Type, n)
	for i := range types {
		next := fmt.Sprint("t", (i+1)%n)
		types[i] = schema.Type{Name: fmt.Sprint("t", i), Relations: []schema.Relation{
			{Name: "parent", Expression: direct(schema.Subject{Type: next})},
			{Name: "owner", Expression: direct(schema.Subject{Type: fmt.Sprint("t", i)}, schema.Subject{Type: next, Relation: "owner"})},
			{Name: "edit", Expression: schema.Union{computed("owner"), through("parent", "edit")}},
			{Name: "view", Expression: schema.Union{computed("edit"), through("parent", "view")}},
			{Name: "both", Expression: schema.Intersection{computed("view"), schema.Union{computed("owner"), through("parent", "both")}}},
		}}
	}
	s, err := schema.New("chain", types, nil)
	if err != nil {
		t.Fatal(err)
	}

	return s
}

// within fails the test if a call takes far longer than it should, even on a busy machine.
func within(t *testing.T, limit time.Duration, call func()) {
	t.Helper()
	start := time.Now()
	call()
	if took := time.Since(start); took > limit {
		t.Errorf("took %v, more than %v", took, limit)
	}
}

func TestSchemaOfTenThousandTypes(t *testing.T) {
	s := chain(t, schema.MaxTypes)
	within(t, time.Minute, func() {
		for i := range 4 {
			name := fmt.Sprint("t", i)
			if h := s.Holders(name, "view"); len(h.Subjects) != 2*schema.MaxTypes || h.Unknown {
				t.Fatalf("%d holders", len(h.Subjects))
			}
			if h := s.Holders(name, "both"); !h.May("t9", "") {
				t.Fatal("a holder is missing")
			}
			if !s.Implies(name, "both", "view") || !s.Implies(name, "edit", "view") || s.Implies(name, "view", "both") {
				t.Fatal("a wrong implication")
			}
			s.ConditionsOf(name, "both")
		}
		s.Undefined()
	})
}

func TestRelationsOfThousandsOfTerms(t *testing.T) {
	var types []schema.Type
	for i := range 300 {
		name := fmt.Sprint("t", i)
		types = append(types, schema.Type{Name: name})
		for j := range 10 {
			u := schema.Union{}
			for k := range 300 {
				u = append(u, computed(fmt.Sprint("r", k%10)), through("p", fmt.Sprint("r", (j+k)%10)))
			}
			types[i].Relations = append(types[i].Relations, schema.Relation{Name: fmt.Sprint("r", j), Expression: schema.Intersection{u, u}})
		}
		p := schema.Direct{}
		for k := range 300 {
			p.Subjects = append(p.Subjects, schema.Subject{Type: fmt.Sprint("t", k)})
		}
		types[i].Relations = append(types[i].Relations, schema.Relation{Name: "p", Expression: p})
	}
	within(t, time.Minute, func() {
		_, err := schema.New("large", types, nil)
		if err == nil {
			t.Fatal("a schema above the limit was accepted")
		}
		s, err := schema.New("large", types[:60], nil)
		if err != nil {
			t.Fatal(err)
		}
		for j := range 10 {
			if h := s.Holders("t0", fmt.Sprint("r", j)); h.Unknown || len(h.Subjects) != 0 {
				t.Fatalf("holders %v of a relation that nobody can have", h)
			}
		}
		s.Implies("t0", "r0", "r1")
		s.ConditionsOf("t0", "r0")
	})
}

// Arrows over many types that lead to many types are more than a schema keeps: what they
// lead to is unknown, and never nobody.
func TestArrowsAboveTheLimit(t *testing.T) {
	const n = 2000
	types := make([]schema.Type, n)
	var everyType schema.Direct
	for i := range types {
		everyType.Subjects = append(everyType.Subjects, schema.Subject{Type: fmt.Sprint("t", i)})
	}
	for i := range types {
		types[i] = schema.Type{Name: fmt.Sprint("t", i), Relations: []schema.Relation{{Name: "owner", Expression: direct(user)}}}
		if i < 100 {
			types[i].Relations = append(types[i].Relations, schema.Relation{Name: "p", Expression: everyType})
			for j := range 40 {
				name := fmt.Sprint("a", j)
				types[i].Relations = append(types[i].Relations, schema.Relation{Name: name, Expression: schema.Union{through("p", "owner"), through("p", name)}})
			}
		}
	}
	within(t, time.Minute, func() {
		s, err := schema.New("arrows", types, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			if h := s.Holders(fmt.Sprint("t", i), "a3"); !h.May("user", "") {
				t.Fatalf("type %d: a holder is missing in %+v", i, h)
			}
		}
	})
}

// FuzzSchema: no schema, however its parts refer to each other, panics or hangs.
func FuzzSchema(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08"))
	f.Add([]byte("\x05\x05\x05\x05\x02\x02\x07\x06\x03\x03\x03"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		next := func() int {
			if len(raw) == 0 {
				return 0
			}
			b := raw[0]
			raw = raw[1:]

			return int(b)
		}
		names := []string{"", "a", "b", "c", "p"}
		name := func() string { return names[next()%len(names)] }
		var expression func(depth int) schema.Expression
		expression = func(depth int) schema.Expression {
			if depth > 6 {
				return schema.Self{}
			}
			switch next() % 10 {
			case 0:
				return direct(schema.Subject{Type: name(), Relation: name(), Condition: name()}, schema.Subject{Type: name(), Wildcard: true})
			case 1:
				return computed(name())
			case 2:
				return schema.Through{Tupleset: name(), Relation: name(), All: next()%2 == 0}
			case 3:
				return schema.Union{expression(depth + 1), expression(depth + 1)}
			case 4:
				return schema.Intersection{expression(depth + 1), expression(depth + 1)}
			case 5:
				return schema.Exclusion{Base: expression(depth + 1), Except: expression(depth + 1)}
			case 6:
				return schema.Unknown{}
			case 7:
				return schema.Unknown{Reads: []schema.Reference{{Type: name(), Relation: name()}}}
			case 8:
				return schema.Union{}
			default:
				return nil
			}
		}
		var types []schema.Type
		for _, typeName := range names {
			of := schema.Type{Name: typeName}
			for _, relation := range names {
				of.Relations = append(of.Relations, schema.Relation{Name: relation, Expression: expression(0)})
			}
			types = append(types, of)
		}
		s, err := schema.New("fuzz", types[next()%2:], nil)
		if err != nil {
			return
		}
		for _, typeName := range names {
			for _, a := range names {
				h := s.Holders(typeName, a)
				if !h.May(typeName, a) && s.Relation(typeName, a) != nil {
					t.Errorf("%s#%s doesn't have itself", typeName, a)
				}
				s.ConditionsOf(typeName, a)
				for _, b := range names {
					s.Implies(typeName, a, b)
				}
			}
		}
		s.Undefined()
	})
}
