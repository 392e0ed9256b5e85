package schema

import "slices"

// maxProof bounds the search for one implication, in steps of less than a microsecond.
const maxProof = 1 << 14

// Implies reports whether every single subject that has relation a of an object also has
// relation b of it, by the schema alone: as the owner does who is a viewer by "viewer:
// [user] or owner". If it is true then no engine allows a and denies b, for the same
// subject, object, context and state of its tuples; b may still fail or lack context. It
// errs on the side of false: for relations that aren't defined, that are unknown, and for
// proofs that take too long.
//
// A single subject is one without a relation, such as user:ann. Implies says nothing of
// usersets, since each has its own relation whatever the schema says: document:1#editor
// has editor of document:1, even if the editors are those that are owner and active.
func (s *Schema) Implies(typeName, a, b string) bool {
	if a == b {
		return true
	}
	g := s.graph()
	from, fromOK := g.relations[Reference{typeName, a}]
	to, toOK := g.relations[Reference{typeName, b}]
	if !fromOK || !toOK {
		return false
	}

	return s.answers.implies.get([2]int32{from, to}, func() (bool, int) {
		p := proof{graph: g, open: map[goal]int{}, holders: map[int32]Holders{}}

		return p.deepen(from, to), 1
	})
}

// proof is a search for why all that one node holds, another holds, for the same object.
//
// Left is taken apart as what is given, right as what is to be shown. A goal that comes up
// again within its own proof is taken for granted if a relation on the left was unfolded
// in between: an engine allows by a finite tree of reasons, and what is given then is a
// smaller part of that tree.
//
// The proof is about what engines do, and those that stop at a cycle of tuples, as
// OpenFGA does, answer false there, and false also to an exclusion of that. So if what an
// exclusion excludes leads back to it, its answer depends on where the engine came from.
// Such a relation is used only where the engine can't have come from its own cycle; see
// sameAnswer.
type proof struct {
	graph   *graph
	steps   int
	limit   int // of steps
	depth   int // of goals within goals
	failed  map[goal]bool
	open    map[goal]int // with the number of relations unfolded on the left by then
	path    []int32      // relations unfolded, of both sides
	left    int          // how many of the path are of the left
	nested  int          // how many goals of an exclusion the search is in
	holders map[int32]Holders
}

type goal struct{ left, right int32 }

// deepen looks for a short proof first: a long way into recursive relations would take
// all steps.
func (p *proof) deepen(left, right int32) bool {
	for _, p.depth = range []int{4, 8, 32, maxProof} {
		p.failed = map[goal]bool{}
		p.limit = p.steps + maxProof/4
		if p.prove(left, right) {
			return true
		}
	}

	return false
}

func (p *proof) prove(left, right int32) bool {
	if p.steps++; p.steps > p.limit || len(p.open) > p.depth {
		return false
	}
	if left == right {
		return p.sameAnswer(left)
	}
	l, r := &p.graph.nodes[left], &p.graph.nodes[right]
	switch {
	case l.op == opUnion:
		return p.all(l.kids, func(kid int32) bool { return p.prove(kid, right) })
	case r.op == opIntersection:
		return p.all(r.kids, func(kid int32) bool { return p.prove(left, kid) })
	case l.op == opDirect && len(l.seeds) == 0, l.op == opSelf && r.op == opSelf:
		return true
	}

	this := goal{left, right}
	if progress, again := p.open[this]; again {
		return p.nested == 0 && p.left > progress && !p.knotted(left) && !p.knotted(right)
	}
	if p.failed[this] {
		return false
	}
	p.open[this] = p.left
	defer delete(p.open, this)
	if p.showRight(left, right) || p.takeLeft(left, right) {
		return true
	}
	p.failed[this] = true

	return false
}

func (p *proof) all(kids []int32, holds func(int32) bool) bool {
	for _, kid := range kids {
		if !holds(kid) {
			return false
		}
	}

	return true
}

// showRight proves by taking the right apart.
func (p *proof) showRight(left, right int32) bool {
	r := &p.graph.nodes[right]
	switch r.op {
	case opRelation:
		return p.unfold(right, 0, func(kid int32) bool { return p.prove(left, kid) })
	case opUnion:
		return slices.ContainsFunc(r.kids, func(kid int32) bool { return p.prove(left, kid) })
	case opExclusion:
		return p.prove(left, r.kids[0]) && p.apart(left, r.kids[1])
	case opThrough:
		l := &p.graph.nodes[left]

		return l.op == opThrough && p.arrows(l, r)
	default:
		return false
	}
}

// takeLeft proves by taking the left apart.
func (p *proof) takeLeft(left, right int32) bool {
	l := &p.graph.nodes[left]
	switch l.op {
	case opRelation:
		return p.unfold(left, 1, func(kid int32) bool { return p.prove(kid, right) })
	case opIntersection:
		return slices.ContainsFunc(l.kids, func(kid int32) bool { return p.prove(kid, right) })
	case opExclusion:
		return p.prove(l.kids[0], right)
	default:
		return false
	}
}

// unfold replaces a relation by its expression.
func (p *proof) unfold(relation int32, left int, prove func(int32) bool) bool {
	p.path = append(p.path, relation)
	p.left += left
	ok := prove(p.graph.nodes[relation].kids[0])
	p.path = p.path[:len(p.path)-1]
	p.left -= left

	return ok
}

// arrows proves one arrow by another over the same tupleset: for each type of objects
// that it leads to.
func (p *proof) arrows(l, r *node) bool {
	if l.kids[0] != r.kids[0] || r.all && !l.all {
		return false
	}

	return p.all(l.kids[1:], func(kid int32) bool {
		of := p.graph.nodes[kid].ref
		to, ok := p.graph.relations[Reference{of.Type, r.ref.Relation}]

		return ok && p.prove(kid, to)
	})
}

// apart proves that nobody who has the left is excluded: the left excludes the same, or
// more, or no subject can have both.
func (p *proof) apart(left, excluded int32) bool {
	if p.steps++; p.steps > p.limit {
		return false
	}
	l := &p.graph.nodes[left]
	switch l.op {
	case opUnion:
		return p.all(l.kids, func(kid int32) bool { return p.apart(kid, excluded) })
	case opIntersection:
		if slices.ContainsFunc(l.kids, func(kid int32) bool { return p.apart(kid, excluded) }) {
			return true
		}
	case opExclusion:
		if l.kids[1] == excluded && p.sameAnswer(excluded) {
			return true
		}
		if p.steady(excluded) && p.nest(excluded, l.kids[1]) || p.apart(l.kids[0], excluded) {
			return true
		}
	case opRelation:
		if !slices.Contains(p.path, left) && p.unfold(left, 1, func(kid int32) bool { return p.apart(kid, excluded) }) {
			return true
		}
	default:
	}

	return p.steady(excluded) && p.strangers(left, excluded)
}

// nest proves a goal whose left isn't a part of what is given outside: nothing of the
// outer goals may be taken for granted in it.
func (p *proof) nest(left, right int32) bool {
	p.nested++
	defer func() { p.nested-- }()

	return p.prove(left, right)
}

// strangers reports whether no single subject can have both.
func (p *proof) strangers(left, right int32) bool {
	l, r := p.holdersOf(left), p.holdersOf(right)
	if l.Unknown || r.Unknown {
		return false
	}

	return !slices.ContainsFunc(l.Subjects, func(s Subject) bool {
		_, both := slices.BinarySearchFunc(r.Subjects, s, compareSubjects)

		return both && s.Relation == ""
	})
}

// holdersOf takes a hundred steps of a proof the first time, since it walks the schema.
func (p *proof) holdersOf(id int32) Holders {
	h, ok := p.holders[id]
	if !ok {
		h = p.graph.holders(id)
		p.holders[id] = h
		p.steps += maxProof / 100
	}

	return h
}

// sameAnswer reports whether a node's answer on the left is that on the right, wherever
// the engine came from.
func (p *proof) sameAnswer(id int32) bool {
	n := &p.graph.nodes[id]
	if n.op == opRelation {
		return !p.onPath(id)
	}

	return !slices.ContainsFunc(n.kids, p.onPath)
}

// onPath reports whether a relation unfolded so far is on a cycle with the node, on which
// something is excluded.
func (p *proof) onPath(id int32) bool {
	component := p.graph.cycles.component
	if !p.graph.cycles.knotted[component[id]] {
		return false
	}

	return slices.ContainsFunc(p.path, func(relation int32) bool { return component[relation] == component[id] })
}

func (p *proof) knotted(id int32) bool {
	return p.graph.cycles.knotted[p.graph.cycles.component[id]]
}

// steady reports whether nothing that a node reads is on a cycle: then no engine stops at
// a cycle of tuples, and what it denies isn't there.
func (p *proof) steady(id int32) bool {
	return !p.graph.cycles.recursive[p.graph.cycles.component[id]]
}
