package schema

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// Reader is an engine that can tell its schema. The adapters of package authz/openfga and
// authz/spicedb implement it.
type Reader interface {
	// ReadSchema asks the engine for the schema that it uses now. An error is an
	// *authz.EngineError.
	ReadSchema(ctx context.Context) (*Schema, error)
}

// Limits of a schema; [New] refuses one that exceeds them.
const (
	MaxTypes      = 10_000
	MaxRelations  = 100_000 // of all types together
	MaxConditions = 10_000
	MaxDepth      = 64 // of one relation's expression
	MaxTerms      = 1_000_000
)

// Type is a type of objects.
type Type struct {
	// Name is the type's name, as in "document", or with a SpiceDB prefix, as in
	// "docs/document".
	Name string
	// Relations are its relations and permissions.
	Relations []Relation
	// Line is the line of the source that defines it, from one; zero if it isn't known.
	Line int
}

// Relation is a relation of a type, or what some engines call a permission: subjects
// have it because tuples say so, or because they have others.
type Relation struct {
	// Name is the relation's name.
	Name string
	// Expression says who has it.
	Expression Expression
	// Line is the line of the source that defines it, from one; zero if it isn't known.
	Line int
}

// Expression says who has a relation. It is one of [Direct], [Computed], [Through],
// [Self], [Union], [Intersection], [Exclusion] and [Unknown].
type Expression interface{ expression() }

// Direct is those that tuples of the relation itself name.
type Direct struct {
	// Subjects are what tuples may name. None means that there can be no tuple.
	Subjects []Subject
}

// Computed is those that have another relation to the same object.
type Computed struct{ Relation string }

// Through is those that have a relation to an object that this object has a relation to,
// as in "viewer from parent" or parent->viewer.
type Through struct {
	// Tupleset is the relation of this object.
	Tupleset string
	// Relation is the relation of the objects that Tupleset leads to. Types of them that
	// have no such relation count as nobody.
	Relation string
	// All means that the subject must have the relation to all of them (SpiceDB's
	// .all()), and not to any one.
	All bool
}

// Self is the object itself, as SpiceDB's self.
type Self struct{}

// Union is those that any of the expressions has.
type Union []Expression

// Intersection is those that all of the expressions have.
type Intersection []Expression

// Exclusion is those that Base has and Except doesn't have.
type Exclusion struct{ Base, Except Expression }

// Unknown is an expression that the source doesn't tell, such as a permission that
// SpiceDB reflects by name.
type Unknown struct {
	// Reads are all relations that it depends on: only those that have one of them may
	// have it, and Subjects. Nil means that they aren't known, so anybody may have it.
	Reads []Reference
	// Subjects are others that may have it.
	Subjects []Subject
}

// Reference is a relation of a type.
type Reference struct{ Type, Relation string }

func (Direct) expression()       {}
func (Computed) expression()     {}
func (Through) expression()      {}
func (Self) expression()         {}
func (Union) expression()        {}
func (Intersection) expression() {}
func (Exclusion) expression()    {}
func (Unknown) expression()      {}

// Subject is what a tuple of a relation may name: a type, a userset of it, or all of its
// subjects.
type Subject struct {
	// Type is the type of the subject.
	Type string
	// Relation, if set, means a userset, as in team#member.
	Relation string
	// Wildcard means all subjects of the type, as in user:*. Relation is empty then.
	Wildcard bool
	// Condition is the condition or caveat that the tuple must have, empty if none.
	Condition string
}

// String returns the subject as models write it: user, team#member or user:*, followed by
// " with condition" if it has one.
func (s Subject) String() string {
	text := s.Type
	switch {
	case s.Relation != "":
		text += "#" + s.Relation
	case s.Wildcard:
		text += ":*"
	}
	if s.Condition != "" {
		text += " with " + s.Condition
	}

	return text
}

// Condition is a condition or caveat that tuples may have.
type Condition struct {
	// Name is the condition's name.
	Name string
	// Parameters are its parameters with their types, as the source writes them, such as
	// "string", "timestamp" or "list<int>". A type may be empty: it isn't known.
	Parameters map[string]string
	// Line is the line of the source that defines it, from one; zero if it isn't known.
	Line int
}

// Schema is an engine's schema. It is immutable and safe for concurrent use.
type Schema struct {
	source     string
	types      map[string]*Type
	relations  map[Reference]*Relation
	conditions map[string]*Condition

	once     sync.Once
	compiled *graph
	answers  answers
}

// New returns a schema. The source is where it is from, such as a file's name: faults
// show it. It returns an error, all faults joined, for a type, relation or condition
// without a name or defined twice, an expression that is nil, and one that exceeds the
// limits. A reference to what isn't defined is no error: it holds nobody, and Undefined
// lists it.
func New(source string, types []Type, conditions []Condition) (*Schema, error) {
	s := &Schema{source: source, types: map[string]*Type{}, relations: map[Reference]*Relation{}, conditions: map[string]*Condition{}}
	if len(types) > MaxTypes || len(conditions) > MaxConditions {
		return nil, fmt.Errorf("schema: %s: more than %d types or %d conditions", source, MaxTypes, MaxConditions)
	}
	var errs []error
	fail := func(line int, format string, args ...any) {
		at := source
		if line > 0 {
			at = fmt.Sprintf("%s:%d", source, line)
		}
		errs = append(errs, fmt.Errorf("schema: %s: %s", at, fmt.Sprintf(format, args...)))
	}
	terms := 0
	for _, t := range types {
		switch {
		case t.Name == "":
			fail(t.Line, "a type has no name")

			continue
		case s.types[t.Name] != nil:
			fail(t.Line, "type %q is defined twice", t.Name)

			continue
		}
		s.types[t.Name] = &t
		for i := range t.Relations {
			r := &t.Relations[i]
			ref := Reference{t.Name, r.Name}
			switch {
			case r.Name == "":
				fail(r.Line, "a relation of type %q has no name", t.Name)

				continue
			case s.relations[ref] != nil:
				fail(r.Line, "relation %q of type %q is defined twice", r.Name, t.Name)

				continue
			}
			s.relations[ref] = r
			if problem := measure(r.Expression, 1, &terms); problem != "" {
				fail(r.Line, "relation %q of type %q: %s", r.Name, t.Name, problem)
			}
			if len(s.relations) > MaxRelations || terms > MaxTerms {
				return nil, fmt.Errorf("schema: %s: more than %d relations or %d terms", source, MaxRelations, MaxTerms)
			}
		}
	}
	for _, c := range conditions {
		switch {
		case c.Name == "":
			fail(c.Line, "a condition has no name")
		case s.conditions[c.Name] != nil:
			fail(c.Line, "condition %q is defined twice", c.Name)
		default:
			s.conditions[c.Name] = &c
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}

	return s, nil
}

// measure returns what is wrong with an expression's shape, empty if nothing is.
func measure(e Expression, depth int, terms *int) string {
	if depth > MaxDepth {
		return fmt.Sprintf("its expression is deeper than %d", MaxDepth)
	}
	if *terms++; *terms > MaxTerms {
		return ""
	}
	var parts []Expression
	switch e := e.(type) {
	case nil:
		return "it has no expression"
	case Union:
		parts = e
	case Intersection:
		parts = e
	case Exclusion:
		parts = []Expression{e.Base, e.Except}
	case Direct:
		*terms += len(e.Subjects)
	case Unknown:
		*terms += len(e.Reads) + len(e.Subjects)
	case Computed, Through, Self:
	}
	for _, part := range parts {
		if problem := measure(part, depth+1, terms); problem != "" {
			return problem
		}
	}

	return ""
}

// Source returns where the schema is from.
func (s *Schema) Source() string { return s.source }

// Types returns the types' names, sorted.
func (s *Schema) Types() []string { return slices.Sorted(maps.Keys(s.types)) }

// Type returns a type, nil if there is none of that name. The caller must not change it.
func (s *Schema) Type(name string) *Type { return s.types[name] }

// Relation returns a relation of a type, nil if there is none. The caller must not change
// it.
func (s *Schema) Relation(typeName, relation string) *Relation {
	return s.relations[Reference{typeName, relation}]
}

// Conditions returns the conditions' names, sorted.
func (s *Schema) Conditions() []string { return slices.Sorted(maps.Keys(s.conditions)) }

// Condition returns a condition, nil if there is none of that name. The caller must not
// change it.
func (s *Schema) Condition(name string) *Condition { return s.conditions[name] }
