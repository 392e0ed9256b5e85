package schema

import (
	"cmp"
	"slices"
)

// Holders are the subjects that may have a relation, whatever tuples there are.
type Holders struct {
	// Subjects are types, and usersets that tuples name, sorted. None has a Condition or
	// Wildcard set. Empty, with Unknown not set, means that nothing can have the relation.
	Subjects []Subject
	// Computed are the other usersets that have it, sorted: no tuple names them, but the
	// relation follows from theirs. To an engine, document:1#owner has viewer of
	// document:1 if its owners are viewers, and document:1#viewer always has.
	Computed []Subject
	// Unknown is set if the schema doesn't tell all: others may have the relation, too.
	Unknown bool
}

// May reports whether a subject of the type may be one of the holders. The relation is
// empty for a single subject, and set for a userset.
func (h Holders) May(typeName, relation string) bool {
	is := func(s Subject) bool { return s.Type == typeName && s.Relation == relation }

	return h.Unknown || slices.ContainsFunc(h.Subjects, is) || slices.ContainsFunc(h.Computed, is)
}

// Holders returns the subjects that may have a relation. It errs on the side of more: one
// that isn't among them can never have the relation, whatever tuples there are. Exclusions
// count as if they excluded nobody, and intersections of a schema that is far too large
// for it as their first part. A relation that the schema doesn't define has none.
func (s *Schema) Holders(typeName, relation string) Holders {
	g := s.graph()
	id, ok := g.relations[Reference{typeName, relation}]
	if !ok {
		return Holders{}
	}
	h := s.answers.holders.get(id, func() (Holders, int) {
		h := g.holders(id)

		return h, len(h.Subjects) + len(h.Computed)
	})

	return Holders{Subjects: slices.Clone(h.Subjects), Computed: slices.Clone(h.Computed), Unknown: h.Unknown}
}

// holders returns who may have what a node is.
func (g *graph) holders(root int32) Holders {
	w := g.walk(positive)
	defer w.end()
	w.from(root)
	w.collect()
	if w.intersects && !w.solve(root) {
		w.clear()
		w.follow = firstPositive
		w.from(root)
		w.collect()
	}
	h := Holders{Unknown: w.open}
	for _, id := range w.subjects {
		if subject := g.subjects[id]; w.met[id] == metNamed {
			h.Subjects = append(h.Subjects, subject)
		} else {
			h.Computed = append(h.Computed, subject)
		}
	}
	slices.SortFunc(h.Subjects, compareSubjects)
	slices.SortFunc(h.Computed, compareSubjects)

	return h
}

func compareSubjects(a, b Subject) int {
	return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Relation, b.Relation))
}

// positive returns the kids whose subjects a node's may be.
func positive(n *node) []int32 {
	switch n.op {
	case opExclusion:
		return n.kids[:1]
	case opThrough:
		return n.kids[1:]
	case opOpen:
		return nil
	default:
		return n.kids
	}
}

// firstPositive is positive with only the first part of an intersection, each of which
// holds all that the intersection does.
func firstPositive(n *node) []int32 {
	if n.op == opIntersection {
		return n.kids[:1]
	}

	return positive(n)
}
