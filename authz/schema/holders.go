package schema

import (
	"cmp"
	"slices"
)

// maxExact bounds what Holders does for one relation, in steps of a few nanoseconds. A
// relation that would need more has its intersections taken for their first part.
const maxExact = 1 << 20

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
// count as if they excluded nobody. A relation that the schema doesn't define has none.
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
	w := walk{graph: g, follow: positive}
	w.from(root)
	found := w.seeds()
	h := Holders{Unknown: found.open}
	if found.intersects {
		if exact, ok := w.solve(root, found.subjects); ok {
			found.subjects, h.Unknown = exact.subjects, exact.open
		} else {
			w = walk{graph: g, follow: firstPositive}
			w.from(root)
			found = w.seeds()
			h.Unknown = found.open
		}
	}
	for _, id := range found.subjects {
		if subject := g.subjects[id]; found.named[id] {
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

// walk visits nodes once, each after its kids except in cycles.
type walk struct {
	graph  *graph
	follow func(*node) []int32
	order  []int32
	at     map[int32]int32 // node to its place in order; -1 until it has one
}

func (w *walk) from(root int32) {
	w.at = map[int32]int32{root: -1}
	type frame struct {
		node int32
		next int
	}
	stack := []frame{{node: root}}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		kids := w.follow(&w.graph.nodes[top.node])
		if top.next == len(kids) {
			w.at[top.node] = int32(len(w.order)) //nolint:gosec // at most as many as nodes
			w.order = append(w.order, top.node)
			stack = stack[:len(stack)-1]

			continue
		}
		kid := kids[top.next]
		top.next++
		if _, seen := w.at[kid]; !seen {
			w.at[kid] = -1
			stack = append(stack, frame{node: kid})
		}
	}
}

// seeds are the subjects that a walk has met.
type seeds struct {
	subjects         []int32
	named            map[int32]bool // by tuples, and types
	open, intersects bool
}

func (w *walk) seeds() seeds {
	found := seeds{named: map[int32]bool{}}
	for _, id := range w.order {
		n := &w.graph.nodes[id]
		found.open = found.open || n.op == opOpen
		found.intersects = found.intersects || n.op == opIntersection
		for _, subject := range n.seeds {
			named, seen := found.named[subject]
			if !seen {
				found.subjects = append(found.subjects, subject)
			}
			found.named[subject] = named || n.op != opRelation
		}
	}

	return found
}

// solve returns which of the subjects reach the root if intersections need all of their
// parts: the least solution, for 64 subjects at a time. It reports false if that would
// take too long.
func (w *walk) solve(root int32, subjects []int32) (seeds, bool) {
	var found seeds
	place := make(map[int32]int, len(subjects))
	for i, subject := range subjects {
		place[subject] = i + 1 // the first place is for what isn't known
	}
	work := 0
	values := make([]uint64, len(w.order))
	for low := 0; low <= len(subjects); low += 64 {
		clear(values)
		for changed := true; changed; {
			changed = false
			for i, id := range w.order {
				n := &w.graph.nodes[id]
				if work += 1 + len(n.kids) + len(n.seeds); work > maxExact {
					return seeds{}, false
				}
				if value := w.value(n, values, place, low); value != values[i] {
					values[i], changed = value, true
				}
			}
		}
		value := values[w.at[root]]
		for bit := range min(64, len(subjects)+1-low) {
			switch {
			case value&(1<<bit) == 0:
			case low+bit == 0:
				found.open = true
			default:
				found.subjects = append(found.subjects, subjects[low+bit-1])
			}
		}
	}

	return found, true
}

func (w *walk) value(n *node, values []uint64, place map[int32]int, low int) uint64 {
	if n.op == opOpen {
		return ^uint64(0)
	}
	var value uint64
	for _, subject := range n.seeds {
		if i := place[subject] - low; i >= 0 && i < 64 {
			value |= 1 << i
		}
	}
	if n.op == opIntersection {
		value = ^uint64(0)
	}
	for _, kid := range w.follow(n) {
		if n.op == opIntersection {
			value &= values[w.at[kid]]
		} else {
			value |= values[w.at[kid]]
		}
	}

	return value
}
