package schema

import (
	"slices"
	"sync"
)

// maxEdges bounds the graph of a schema, about 16 MB. Arrows over many types that lead to
// many types exceed it; what they lead to counts as unknown from there on.
const maxEdges = 4_000_000

type op uint8

const (
	opRelation     op = iota // its kid is the relation's expression
	opDirect                 // seeds, and the usersets' relations as kids
	opThrough                // the tupleset's relation, then those that the arrow leads to
	opUnion                  // any of the kids
	opIntersection           // all of the kids
	opExclusion              // the first kid without the second
	opSelf                   // seeds
	opUnknown                // at most seeds and kids
	opOpen                   // anything; it may read its kids
)

// node is a relation or a part of its expression. A reference to a relation is that
// relation's node itself, and equal arrows of a type are one node.
type node struct {
	op    op
	kids  []int32
	seeds []int32 // of graph.subjects

	ref        Reference // opRelation: the relation; opThrough: the type, and the relation of the objects
	all        bool      // opThrough
	conditions []string  // opDirect
}

// graph is a schema's expressions with their references resolved. It is immutable.
type graph struct {
	nodes     []node // relations first
	relations map[Reference]int32
	arrows    map[throughKey]int32
	subjects  []Subject // types and usersets
	cycles    cycles
	walks     sync.Pool // of *walk
}

func (s *Schema) graph() *graph {
	s.once.Do(func() {
		b := &builder{schema: s, subjects: map[Subject]int32{}, objects: map[Reference]objects{}}
		b.graph.arrows = map[throughKey]int32{}
		b.graph.relations = make(map[Reference]int32, len(s.relations))
		s.compiled = b.build()
	})

	return s.compiled
}

type throughKey struct {
	typeName, tupleset, relation string
	all                          bool
}

type builder struct {
	schema   *Schema
	graph    graph
	subjects map[Subject]int32
	objects  map[Reference]objects
	edges    int
}

// build goes through types and relations in the same order each time, so that the same
// schema has the same graph whatever exceeds the limit.
func (b *builder) build() *graph {
	g := &b.graph
	for _, name := range b.schema.Types() {
		for i := range b.schema.types[name].Relations {
			ref := Reference{name, b.schema.types[name].Relations[i].Name}
			g.relations[ref] = int32(len(g.nodes))
			g.nodes = append(g.nodes, node{op: opRelation, ref: ref, seeds: []int32{b.subject(Subject{Type: ref.Type, Relation: ref.Relation})}})
		}
	}
	for i := range len(g.relations) {
		ref := g.nodes[i].ref
		kid := b.expression(ref, b.schema.relations[ref].Expression)
		g.nodes[i].kids = []int32{kid}
	}
	g.cycles = findCycles(g)

	return g
}

func (b *builder) add(n node) int32 {
	b.edges += len(n.kids)
	b.graph.nodes = append(b.graph.nodes, n)

	return int32(len(b.graph.nodes) - 1)
}

func (b *builder) subject(s Subject) int32 {
	s = Subject{Type: s.Type, Relation: s.Relation}
	id, ok := b.subjects[s]
	if !ok {
		id = int32(len(b.graph.subjects))
		b.subjects[s] = id
		b.graph.subjects = append(b.graph.subjects, s)
	}

	return id
}

// relation returns a relation's node, or one that holds nobody if it isn't defined.
func (b *builder) relation(ref Reference) int32 {
	if id, ok := b.graph.relations[ref]; ok {
		return id
	}

	return b.add(node{op: opUnion})
}

func (b *builder) expression(of Reference, e Expression) int32 {
	switch e := e.(type) {
	case Direct:
		return b.direct(e)
	case Computed:
		return b.relation(Reference{of.Type, e.Relation})
	case Through:
		return b.arrow(of, e)
	case Self:
		return b.add(node{op: opSelf, seeds: []int32{b.subject(Subject{Type: of.Type})}})
	case Union:
		return b.add(node{op: opUnion, kids: b.expressions(of, e)})
	case Intersection:
		if len(e) == 0 { // an engine refuses it, or grants everybody
			return b.add(node{op: opOpen})
		}

		return b.add(node{op: opIntersection, kids: b.expressions(of, e)})
	case Exclusion:
		return b.add(node{op: opExclusion, kids: []int32{b.expression(of, e.Base), b.expression(of, e.Except)}})
	case Unknown:
		return b.unknown(e)
	default:
		return b.add(node{op: opOpen})
	}
}

func (b *builder) expressions(of Reference, parts []Expression) []int32 {
	kids := make([]int32, len(parts))
	for i, part := range parts {
		kids[i] = b.expression(of, part)
	}

	return kids
}

func (b *builder) direct(e Direct) int32 {
	n := node{op: opDirect}
	b.name(&n, e.Subjects)

	return b.add(n)
}

// name adds subjects to a node, and the relations of usersets.
func (b *builder) name(n *node, subjects []Subject) {
	for _, subject := range subjects {
		n.seeds = append(n.seeds, b.subject(subject))
		if subject.Condition != "" {
			n.conditions = append(n.conditions, subject.Condition)
		}
		if id, ok := b.graph.relations[Reference{subject.Type, subject.Relation}]; ok && subject.Relation != "" {
			n.kids = append(n.kids, id)
		}
	}
}

func (b *builder) unknown(e Unknown) int32 {
	n := node{op: opUnknown}
	if e.Reads == nil {
		n.op = opOpen
	}
	b.name(&n, e.Subjects)
	for _, ref := range e.Reads {
		id, ok := b.graph.relations[ref]
		if !ok { // then the others needn't be all either
			n.op = opOpen
		} else {
			n.kids = append(n.kids, id)
		}
	}

	return b.add(n)
}

// arrow leads to the relation of every type that the tupleset may name. Of a userset it
// is the object that counts: SpiceDB goes on from there, and OpenFGA has none in a
// tupleset.
func (b *builder) arrow(of Reference, e Through) int32 {
	key := throughKey{of.Type, e.Tupleset, e.Relation, e.All}
	if id, ok := b.graph.arrows[key]; ok {
		return id
	}
	tupleset := Reference{of.Type, e.Tupleset}
	n := node{op: opThrough, ref: Reference{of.Type, e.Relation}, kids: []int32{b.relation(tupleset)}, all: e.All}
	to := b.objectsOf(tupleset)
	if !to.known {
		n.op = opOpen
	}
	for _, name := range to.types {
		if id, ok := b.graph.relations[Reference{name, e.Relation}]; ok {
			n.kids = append(n.kids, id)
		}
	}
	if b.edges+len(n.kids) > maxEdges {
		n.op, n.kids = opOpen, n.kids[:1:1]
	}
	id := b.add(n)
	b.graph.arrows[key] = id

	return id
}

// objects are the types of those that a tupleset may name.
type objects struct {
	types []string // sorted
	known bool
}

func (b *builder) objectsOf(tupleset Reference) objects {
	if found, ok := b.objects[tupleset]; ok {
		return found
	}
	found := objects{known: true}
	seen := map[Reference]bool{}
	var collect func(ref Reference, e Expression)
	follow := func(ref Reference) {
		if relation := b.schema.relations[ref]; relation != nil && !seen[ref] {
			seen[ref] = true
			collect(ref, relation.Expression)
		}
	}
	collect = func(ref Reference, e Expression) {
		switch e := e.(type) {
		case Direct:
			for _, subject := range e.Subjects {
				found.types = append(found.types, subject.Type)
			}
		case Computed:
			follow(Reference{ref.Type, e.Relation})
		case Self:
			found.types = append(found.types, ref.Type)
		case Union:
			for _, part := range e {
				collect(ref, part)
			}
		case Intersection:
			for _, part := range e {
				collect(ref, part)
			}
		case Exclusion:
			collect(ref, e.Base)
		default: // no engine has an arrow over an arrow
			found.known = false
		}
	}
	follow(tupleset)
	slices.Sort(found.types)
	found.types = slices.Compact(found.types)
	b.objects[tupleset] = found

	return found
}
