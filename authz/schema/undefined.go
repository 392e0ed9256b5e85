package schema

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// maxUndefined is how many faults Undefined returns.
const maxUndefined = 100

// Undefined returns the faults of the schema itself: references to types, relations and
// conditions that it doesn't define, at most 100, sorted by type and relation. A reference
// through an arrow is at fault if none of the types that it leads to has the relation.
func (s *Schema) Undefined() []error {
	u := undefined{schema: s}
	for _, name := range s.Types() {
		relations := slices.Clone(s.types[name].Relations)
		slices.SortFunc(relations, func(a, b Relation) int { return cmp.Compare(a.Name, b.Name) })
		for i := range relations {
			u.ref, u.line = Reference{name, relations[i].Name}, relations[i].Line
			u.expression(relations[i].Expression)
			if len(u.errs) >= maxUndefined {
				return u.errs[:maxUndefined]
			}
		}
	}

	return u.errs
}

type undefined struct {
	schema *Schema
	ref    Reference
	line   int
	seen   map[string]bool
	errs   []error
}

func (u *undefined) failf(format string, args ...any) {
	at := u.schema.source
	if u.line > 0 {
		at = fmt.Sprintf("%s:%d", at, u.line)
	}
	text := fmt.Sprintf("schema: %s: relation %q of type %q %s", at, u.ref.Relation, u.ref.Type, fmt.Sprintf(format, args...))
	if !u.seen[text] {
		if u.seen == nil {
			u.seen = map[string]bool{}
		}
		u.seen[text] = true
		u.errs = append(u.errs, errors.New(text))
	}
}

func (u *undefined) expression(e Expression) {
	if len(u.errs) >= maxUndefined {
		return
	}
	switch e := e.(type) {
	case Direct:
		u.subjects(e.Subjects)
	case Computed:
		u.relation(Reference{u.ref.Type, e.Relation})
	case Through:
		u.arrow(e)
	case Union:
		for _, part := range e {
			u.expression(part)
		}
	case Intersection:
		for _, part := range e {
			u.expression(part)
		}
	case Exclusion:
		u.expression(e.Base)
		u.expression(e.Except)
	case Unknown:
		u.subjects(e.Subjects)
		for _, ref := range e.Reads {
			u.relation(ref)
		}
	case Self:
	}
}

func (u *undefined) subjects(subjects []Subject) {
	for _, subject := range subjects {
		switch {
		case u.schema.types[subject.Type] == nil:
			u.failf("names the undefined type %q", subject.Type)
		case subject.Relation != "":
			u.relation(Reference{subject.Type, subject.Relation})
		}
		if c := subject.Condition; c != "" && u.schema.conditions[c] == nil {
			u.failf("names the undefined condition %q", c)
		}
	}
}

func (u *undefined) relation(ref Reference) {
	switch {
	case u.schema.types[ref.Type] == nil:
		u.failf("reads relation %q of the undefined type %q", ref.Relation, ref.Type)
	case u.schema.relations[ref] == nil:
		u.failf("reads the undefined relation %q of type %q", ref.Relation, ref.Type)
	}
}

// arrow accepts an arrow that leads to one type at least that has the relation: the
// others count as nobody.
func (u *undefined) arrow(e Through) {
	tupleset := Reference{u.ref.Type, e.Tupleset}
	if u.schema.relations[tupleset] == nil {
		u.relation(tupleset)

		return
	}
	g := u.schema.graph()
	id, ok := g.arrows[throughKey{u.ref.Type, e.Tupleset, e.Relation, e.All}]
	if ok && g.nodes[id].op == opThrough && len(g.nodes[id].kids) == 1 {
		u.failf("reads relation %q through %q, which leads to no type that has it", e.Relation, e.Tupleset)
	}
}
