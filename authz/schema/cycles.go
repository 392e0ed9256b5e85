package schema

// cycles tells which relations depend on themselves.
type cycles struct {
	component []int32 // of each node
	knotted   []bool  // of each component: what is excluded, or an unknown part, is on a cycle in it
	recursive []bool  // of each component: one of its nodes, or of what they read, is on a cycle, or unknown
}

// findCycles finds the strongly connected components of all that nodes read, by Tarjan's
// algorithm without recursion, since a chain of relations may be long. A component is
// complete before those that read it.
func findCycles(g *graph) cycles {
	c := cycles{component: make([]int32, len(g.nodes))}
	var (
		index   = make([]int32, len(g.nodes)) // from one
		low     = make([]int32, len(g.nodes))
		pending []int32
		next    int32
	)
	type frame struct {
		node int32
		kid  int
	}
	for root := range g.nodes {
		if index[root] != 0 {
			continue
		}
		stack := []frame{{node: int32(root)}}
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			id := top.node
			if top.kid == 0 {
				next++
				index[id], low[id] = next, next
				c.component[id] = -1
				pending = append(pending, id)
			}
			if kids := g.nodes[id].kids; top.kid < len(kids) {
				kid := kids[top.kid]
				top.kid++
				switch {
				case index[kid] == 0:
					stack = append(stack, frame{node: kid})
				case c.component[kid] == -1:
					low[id] = min(low[id], index[kid])
				}

				continue
			}
			stack = stack[:len(stack)-1]
			if len(stack) > 0 {
				above := stack[len(stack)-1].node
				low[above] = min(low[above], low[id])
			}
			if low[id] == index[id] {
				pending = c.close(g, pending, id)
			}
		}
	}

	return c
}

// close makes a component of the pending nodes down to one.
func (c *cycles) close(g *graph, pending []int32, last int32) []int32 {
	number := int32(len(c.knotted))
	from := len(pending) - 1
	for pending[from] != last {
		from--
	}
	members := pending[from:]
	for _, id := range members {
		c.component[id] = number
	}
	knotted, recursive := false, len(members) > 1
	for _, id := range members {
		n := &g.nodes[id]
		recursive = recursive || n.op == opOpen
		for _, kid := range n.kids {
			if c.component[kid] == number {
				recursive = true
				knotted = knotted || n.op == opUnknown || n.op == opExclusion && kid == n.kids[1]
			} else {
				recursive = recursive || c.recursive[c.component[kid]]
			}
		}
	}
	c.knotted = append(c.knotted, knotted)
	c.recursive = append(c.recursive, recursive)

	return pending[:from]
}
