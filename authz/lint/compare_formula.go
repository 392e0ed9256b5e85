package lint

import (
	"encoding/binary"
	"slices"
)

// maxNodes bounds the conditions of the two rules of one method. Rules with more aren't
// compared, unless they are equal.
const maxNodes = 20_000

// formulaID is a node of a formula. Equal formulas have the same one.
type formulaID int32

const (
	formulaFalse formulaID = iota
	formulaTrue
	firstFormula
)

type formulaKind uint8

const (
	formulaConstant formulaKind = iota
	formulaAtom
	formulaAnd
	formulaOr
)

// formulaNode is an atom, or a group of others. No formula has a negation: whatever a
// caller has more can't take a grant away.
type formulaNode struct {
	kind     formulaKind
	atom     atomID
	children []formulaID
}

// formulas holds the formulas of two rules, each one once.
type formulas struct {
	nodes []formulaNode
	known map[string]formulaID
	key   []byte
	// large is set if there are more than maxNodes; what is built then means nothing.
	large bool
}

func (f *formulas) empty() {
	clear(f.nodes)
	f.nodes = append(f.nodes[:0], formulaNode{}, formulaNode{})
	f.known = emptied(f.known)
	f.large = false
}

// emptied returns an empty map: a large one isn't kept, since to clear it takes as long
// as it is large.
func emptied[K comparable, V any](m map[K]V) map[K]V {
	const most = 256
	if m == nil || len(m) > most {
		return map[K]V{}
	}
	clear(m)

	return m
}

func (f *formulas) intern(node formulaNode) formulaID {
	f.key = append(f.key[:0], byte(node.kind))
	f.key = binary.AppendUvarint(f.key, uint64(node.atom))
	for _, child := range node.children {
		f.key = binary.AppendUvarint(f.key, uint64(child))
	}
	if id, ok := f.known[string(f.key)]; ok {
		return id
	}
	if len(f.nodes) >= maxNodes {
		f.large = true

		return formulaFalse
	}
	id := formulaID(len(f.nodes))
	f.nodes = append(f.nodes, node)
	f.known[string(f.key)] = id

	return id
}

func (f *formulas) atomNode(atom atomID) formulaID {
	return f.intern(formulaNode{kind: formulaAtom, atom: atom})
}

// and returns the conjunction, true if there is nothing to hold.
func (f *formulas) and(parts ...formulaID) formulaID {
	return f.group(formulaAnd, formulaTrue, formulaFalse, parts)
}

// or returns the disjunction, false if there is none.
func (f *formulas) or(parts ...formulaID) formulaID {
	return f.group(formulaOr, formulaFalse, formulaTrue, parts)
}

// group builds a group. The neutral part is left out, and the other constant decides.
func (f *formulas) group(kind formulaKind, neutral, decides formulaID, parts []formulaID) formulaID {
	children := make([]formulaID, 0, len(parts))
	for _, part := range parts {
		switch {
		case part == decides:
			return decides
		case part == neutral:
		case f.nodes[part].kind == kind:
			children = append(children, f.nodes[part].children...)
		default:
			children = append(children, part)
		}
		if len(children) > maxNodes {
			f.large = true

			return formulaFalse
		}
	}
	slices.Sort(children)
	children = slices.Compact(children)
	switch len(children) {
	case 0:
		return neutral
	case 1:
		return children[0]
	default:
		return f.intern(formulaNode{kind: kind, children: children})
	}
}

// conjuncts returns the parts that must all hold for the formula to hold.
func (f *formulas) conjuncts(id formulaID) []formulaID {
	switch {
	case id == formulaTrue:
		return nil
	case f.nodes[id].kind == formulaAnd:
		return f.nodes[id].children
	default:
		return []formulaID{id}
	}
}

// holds evaluates a formula in a world.
func (f *formulas) holds(id formulaID, world []bool, steps *int) bool {
	*steps--
	node := &f.nodes[id]
	switch node.kind {
	case formulaAtom:
		return world[node.atom]
	case formulaAnd:
		for _, child := range node.children {
			if !f.holds(child, world, steps) {
				return false
			}
		}

		return true
	case formulaOr:
		for _, child := range node.children {
			if f.holds(child, world, steps) {
				return true
			}
		}

		return false
	case formulaConstant:
		return id == formulaTrue
	default:
		return false
	}
}

// reads adds the atoms of a formula to a set.
func (f *formulas) reads(id formulaID, atoms []bool, steps *int) {
	*steps--
	node := &f.nodes[id]
	if node.kind == formulaAtom {
		atoms[node.atom] = true
	}
	for _, child := range node.children {
		f.reads(child, atoms, steps)
	}
}
