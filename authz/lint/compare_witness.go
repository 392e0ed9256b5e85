package lint

import (
	"slices"
)

// witness is a call that one rule admits and the other one refuses, as little of it as
// tells them apart.
type witness struct {
	// has is what is true of it, and lacks what isn't.
	has, lacks []atomID
	// only are those of has that callers whom the other rule admits needn't have.
	only []atomID
	// world is all that is true of it.
	world []bool
}

// witness returns the call that the solver has found, without what doesn't matter.
func (p *rulePair) witness(admits, refuses *built, requirement formulaID) *witness {
	w := &witness{world: make([]bool, len(p.atoms.list))}
	for i := range w.world {
		w.world[i] = p.solver.value[i] == 1
	}
	for _, id := range p.support(requirement) {
		if !w.world[id] {
			w.lacks = append(w.lacks, id)
		}
	}
	for _, id := range p.support(admits.whole) {
		if w.world[id] {
			w.has = append(w.has, id)
		}
	}
	// What is true must be enough to be admitted.
	w.has = p.fewest(w.has, func(world []bool) bool {
		p.close(world)

		return p.holds(admits.whole, world, &p.left)
	}, false)
	// What isn't true must be enough to be refused.
	w.lacks = p.fewest(w.lacks, func(world []bool) bool { return !p.holds(requirement, world, &p.left) }, true)
	// What both rules require beside this one requirement goes without saying.
	w.only = p.apart(admits, refuses, requirement, w.has)

	return w
}

// apart returns what of a witness is needed for that which only the rule that admits it
// requires.
func (p *rulePair) apart(admits, refuses *built, refused formulaID, has []atomID) []atomID {
	var own []formulaID
	for _, r := range admits.requirements {
		both := func(o requirement) bool { return o.node == r.node && o.node != refused }
		if !slices.ContainsFunc(refuses.requirements, both) {
			own = append(own, r.node)
		}
	}
	of := p.and(own...)
	if of == formulaTrue {
		return nil
	}
	needed := p.support(of)
	needed = slices.DeleteFunc(needed, func(id atomID) bool { return !slices.Contains(has, id) })

	return p.fewest(needed, func(world []bool) bool {
		p.close(world)

		return p.holds(of, world, &p.left)
	}, false)
}

// support returns the atoms of a formula, in the order in which they are told.
func (p *rulePair) support(id formulaID) []atomID {
	set := make([]bool, len(p.atoms.list))
	p.reads(id, set, &p.left)
	var found []atomID
	for i, has := range set {
		if has {
			found = append(found, atomID(i))
		}
	}
	slices.SortFunc(found, func(a, b atomID) int { return compareAtoms(&p.atoms.list[a], &p.atoms.list[b]) })

	return found
}

// fewest drops atoms one by one as long as what is left is enough, those first that tell
// least. In the world that enough is given only these have their value, and all others
// have the other one.
func (p *rulePair) fewest(ids []atomID, enough func(world []bool) bool, absent bool) []atomID {
	world := make([]bool, len(p.atoms.list))
	for i := len(ids) - 1; i >= 0 && p.left > 0; i-- {
		for at := range world {
			world[at] = absent
		}
		for at, id := range ids {
			if at != i {
				world[id] = !absent
			}
		}
		p.left -= len(world)
		if enough(world) {
			ids = slices.Delete(ids, i, i+1)
		}
	}

	return ids
}

// close adds to a world all that it implies.
func (p *rulePair) close(world []bool) {
	for namedAgain := true; namedAgain; {
		namedAgain = false
		for _, i := range p.implications {
			if p.left--; world[i.from] && !world[i.to] {
				world[i.to], namedAgain = true, true
			}
		}
	}
}
