package schema

import "slices"

// reads are what takes part in a relation.
type reads struct {
	conditions []string
	complete   bool
}

// ConditionsOf returns the names of the conditions that tuples may have which take part in
// a relation, sorted: those of the relation itself, and of all that it is computed from,
// excludes, or goes through. Without [Schema.Complete], there may be others.
func (s *Schema) ConditionsOf(typeName, relation string) []string {
	return slices.Clone(s.reads(typeName, relation).conditions)
}

// Complete reports whether the schema tells all that takes part in a relation: no
// [Unknown] without Reads does. It is false for a relation that isn't defined.
func (s *Schema) Complete(typeName, relation string) bool {
	return s.reads(typeName, relation).complete
}

func (s *Schema) reads(typeName, relation string) reads {
	g := s.graph()
	id, ok := g.relations[Reference{typeName, relation}]
	if !ok {
		return reads{}
	}

	return s.answers.conditions.get(id, func() (reads, int) {
		found := reads{complete: true}
		w := g.walk(everything)
		defer w.end()
		w.from(id)
		seen := map[string]bool{}
		for _, id := range w.order {
			n := &g.nodes[id]
			found.complete = found.complete && n.op != opOpen
			for _, name := range n.conditions {
				if !seen[name] {
					seen[name] = true
					found.conditions = append(found.conditions, name)
				}
			}
		}
		slices.Sort(found.conditions)

		return found, len(found.conditions)
	})
}

// everything returns all nodes that a node reads.
func everything(n *node) []int32 { return n.kids }
