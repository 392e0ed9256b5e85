package schema

// maxExact bounds what solve does for one relation, in steps of a few nanoseconds.
const maxExact = 1 << 20

// walk visits what a node reads, each node once, and after its kids except in cycles. It
// is for one goroutine; its slices are used again by the next walk.
type walk struct {
	graph  *graph
	follow func(*node) []int32
	order  []int32
	place  []int32 // of each node in order, from one; zero if it wasn't visited
	stack  []frame

	subjects         []int32 // met, and after solve those that remain
	met              []byte  // of each subject
	bit              []int32 // of each subject in solve
	values           []uint64
	open, intersects bool
}

type frame struct {
	node int32
	next int
}

const (
	metComputed = 1 + iota
	metNamed    // by tuples, or a type
)

func (g *graph) walk(follow func(*node) []int32) *walk {
	w, _ := g.walks.Get().(*walk)
	if w == nil {
		w = &walk{graph: g, place: make([]int32, len(g.nodes)), met: make([]byte, len(g.subjects)), bit: make([]int32, len(g.subjects))}
	}
	w.follow = follow

	return w
}

// end gives the walk back for the next.
func (w *walk) end() {
	w.clear()
	w.graph.walks.Put(w)
}

func (w *walk) clear() {
	for _, id := range w.order {
		w.place[id] = 0
		for _, subject := range w.graph.nodes[id].seeds {
			w.met[subject] = 0
		}
	}
	w.order, w.subjects, w.open, w.intersects = w.order[:0], w.subjects[:0], false, false
}

func (w *walk) from(root int32) {
	w.place[root] = -1
	w.stack = append(w.stack[:0], frame{node: root})
	for len(w.stack) > 0 {
		top := &w.stack[len(w.stack)-1]
		kids := w.follow(&w.graph.nodes[top.node])
		if top.next == len(kids) {
			w.order = append(w.order, top.node)
			w.place[top.node] = int32(len(w.order))
			w.stack = w.stack[:len(w.stack)-1]

			continue
		}
		kid := kids[top.next]
		top.next++
		if w.place[kid] == 0 {
			w.place[kid] = -1
			w.stack = append(w.stack, frame{node: kid})
		}
	}
}

// collect gathers the subjects of all nodes that were visited.
func (w *walk) collect() {
	for _, id := range w.order {
		n := &w.graph.nodes[id]
		w.open = w.open || n.op == opOpen
		w.intersects = w.intersects || n.op == opIntersection
		met := byte(metNamed)
		if n.op == opRelation {
			met = metComputed
		}
		for _, subject := range n.seeds {
			if w.met[subject] == 0 {
				w.subjects = append(w.subjects, subject)
			}
			w.met[subject] = max(w.met[subject], met)
		}
	}
}

// solve keeps those of the subjects that reach the root if intersections need all of
// their parts: the least solution, for 64 subjects at a time. It reports false if that
// would take too long.
func (w *walk) solve(root int32) bool {
	for i, subject := range w.subjects {
		w.bit[subject] = int32(i + 1) // the first bit is for what isn't known
	}
	if cap(w.values) < len(w.order) {
		w.values = make([]uint64, len(w.order))
	}
	w.values = w.values[:len(w.order)]
	all, work, open := len(w.subjects)+1, 0, false
	var kept []int32
	for low := 0; low < all; low += 64 {
		clear(w.values)
		for changed := true; changed; {
			changed = false
			for i, id := range w.order {
				n := &w.graph.nodes[id]
				if work += 1 + len(n.kids) + len(n.seeds); work > maxExact {
					return false
				}
				if value := w.value(n, low); value != w.values[i] {
					w.values[i], changed = value, true
				}
			}
		}
		value := w.values[w.place[root]-1]
		for bit := range min(64, all-low) {
			switch {
			case value&(1<<bit) == 0:
			case low+bit == 0:
				open = true
			default:
				kept = append(kept, w.subjects[low+bit-1])
			}
		}
	}
	w.open = open
	w.subjects = append(w.subjects[:0], kept...)

	return true
}

func (w *walk) value(n *node, low int) uint64 {
	switch n.op {
	case opOpen:
		return ^uint64(0)
	case opIntersection:
		value := ^uint64(0)
		for _, kid := range n.kids {
			value &= w.values[w.place[kid]-1]
		}

		return value
	default:
	}
	var value uint64
	for _, subject := range n.seeds {
		if i := int(w.bit[subject]) - low; i >= 0 && i < 64 {
			value |= 1 << i
		}
	}
	for _, kid := range w.follow(n) {
		value |= w.values[w.place[kid]-1]
	}

	return value
}
