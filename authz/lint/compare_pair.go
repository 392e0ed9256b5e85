package lint

import (
	"slices"

	"github.com/usher-auth/usher/authz"
)

// maxWitnesses bounds the witnesses of one method for each direction.
const maxWitnesses = 5

// maxNamed is how many of the issuers that servers trust are told by name, though no rule
// names them.
const maxNamed = 8

// rulePair is the comparison of one method's two rules.
type rulePair struct {
	*comparer
	formulas

	atoms atoms
	// named are the issuers that the rules or the subjects name, and others is set if
	// there may be more.
	named  []string
	others bool
	solver solver
	// left are the steps for this method.
	left int
	// positive and negative are the solver's variables for a node that must hold, or
	// must not.
	positive, negative map[formulaID]literal
	implications       []implication
}

func (p *rulePair) begin(c *comparer, old, new *authz.MethodPolicy) { //nolint:predeclared // the words for it
	p.comparer = c
	p.empty()
	p.atoms.reset()
	p.left = min(c.steps, maxMethodSteps)
	p.named = append(p.named[:0], c.differing...)
	if len(c.issuers) <= maxNamed {
		p.named = append(p.named, c.issuers...)
	}
	for _, m := range []*authz.MethodPolicy{old, new} {
		if m != nil {
			p.named = append(p.named, m.Rule.GetAccessToken().GetIssuers()...)
		}
	}
	slices.Sort(p.named)
	p.named = slices.Compact(p.named)
	p.others = len(c.issuers) == 0
	if !p.others {
		p.named = slices.DeleteFunc(p.named, func(name string) bool { return !slices.Contains(c.issuers, name) })
		p.others = len(p.named) < len(c.issuers)
	}
}

// admission returns whom the new rule admits and the old one doesn't, and the reverse.
func (p *rulePair) admission(old, new *built) []Difference { //nolint:predeclared // the words for it
	switch {
	case old.public && new.public:
		return nil
	case new.public:
		return []Difference{{Looser, "policy", "now also: anyone, without a token"}}
	case old.public:
		return []Difference{{Tighter, "policy", "no longer: anyone without a token"}}
	}
	before := p.left
	differences := p.direction(new, old, Looser)
	differences = append(differences, p.direction(old, new, Tighter)...)
	p.steps -= before - max(p.left, 0)
	if p.large || p.left <= 0 {
		return []Difference{{CantTell, "policy", tooLarge}}
	}

	return distinct(differences)
}

func distinct(differences []Difference) []Difference {
	kept := differences[:0]
	for _, d := range differences {
		if !slices.Contains(kept, d) {
			kept = append(kept, d)
		}
	}

	return kept
}

// direction returns whom one rule admits and the other one refuses.
func (p *rulePair) direction(admits, refuses *built, verdict Verdict) []Difference {
	if p.large || admits.whole == formulaFalse || admits.whole == refuses.whole {
		return nil
	}
	var open []requirement
	held := p.conjuncts(admits.whole)
	for _, r := range refuses.requirements {
		same := func(o requirement) bool { return o.node == r.node }
		if _, found := slices.BinarySearch(held, r.node); !found && !slices.ContainsFunc(open, same) {
			open = append(open, r)
		}
	}
	if len(open) == 0 {
		return nil
	}
	if p.encode(admits); p.large {
		return nil
	}
	cautious, hint := p.caution(admits, refuses, verdict)
	var differences []Difference
	for _, r := range open {
		differences = append(differences, p.refused(admits, refuses, r, verdict, cautious, hint)...)
		if p.large || p.left <= 0 {
			return nil
		}
		if len(differences) >= maxWitnesses {
			differences = differences[:maxWitnesses]
			differences[maxWitnesses-1].Witness += ", and others"

			break
		}
	}

	return differences
}

// refused returns whom one rule admits although the other one's requirement refuses them.
func (p *rulePair) refused(admits, refuses *built, r requirement, verdict Verdict, cautious []literal, hint string) []Difference {
	if p.tooMany() {
		return nil
	}
	assumed := []literal{p.encodePositive(admits.whole), p.encodeNegative(r.node)}
	if found, _ := p.solver.solve(assumed...); !found {
		return nil
	}
	prefix := map[Verdict]string{Looser: "now also: ", Tighter: "no longer: "}[verdict]
	alone := p.only(admits, refuses, r.node, slices.Concat(assumed, cautious))
	if alone {
		w := p.witness(admits, refuses, r.node)
		w.only = slices.DeleteFunc(w.only, func(id atomID) bool { return !requires(refuses, p.atomNode(id)) })

		return []Difference{{verdict, r.part, prefix + w.words(p)}}
	}
	if found, _ := p.solver.solve(slices.Concat(assumed, cautious)...); !found {
		return []Difference{{CantTell, r.part, "can't tell: " + hint}}
	}
	var differences []Difference
	clauses := len(p.solver.clauses)
	defer func() { p.solver.clauses = p.solver.clauses[:clauses] }()
	for len(differences) < maxWitnesses {
		w := p.witness(admits, refuses, r.node)
		differences = append(differences, Difference{verdict, r.part, prefix + w.words(p)})
		if len(w.only) == 0 {
			break
		}
		// The next one is admitted for another reason.
		var other []literal
		for _, id := range w.only {
			other = append(other, truth(int(id)).not())
		}
		p.solver.add(other...)
		if found, _ := p.solver.solve(slices.Concat(assumed, cautious)...); !found {
			break
		}
	}

	return differences
}

// requires reports whether a rule requires a formula by itself.
func requires(rule *built, node formulaID) bool {
	return slices.ContainsFunc(rule.requirements, func(r requirement) bool { return r.node == node })
}

// only reports whether the requirement is all that keeps callers out: whoever meets the
// other requirements is admitted by the other rule. The solver has found such a caller
// then.
func (p *rulePair) only(admits, refuses *built, requirement formulaID, assumed []literal) bool {
	var others []literal
	for _, r := range refuses.requirements {
		if r.node != requirement {
			others = append(others, p.encodePositive(r.node))
		}
	}
	if refuses.denied {
		return false
	}
	if found, known := p.solver.solve(append(others, p.encodeNegative(admits.whole))...); found || !known {
		return false
	}
	found, _ := p.solver.solve(slices.Concat(assumed, others)...)

	return found
}

// tooMany reports whether the work for this method is used up.
func (p *rulePair) tooMany() bool { return p.large || p.left <= 0 }

// caution returns what to assume, as unfavourable as can be, of what the rules don't
// tell: a rule whose caller is admitted then is looser for sure. The hint says what isn't
// told.
func (p *rulePair) caution(admits, refuses *built, verdict Verdict) (assumed []literal, hint string) {
	sideAdmits, sideRefuses := sideNew, sideOld
	if verdict == Tighter {
		sideAdmits, sideRefuses = sideRefuses, sideAdmits
	}
	var only [2][]literal // of the rule that admits, and of the one that refuses
	for i := range p.atoms.list {
		a, in := &p.atoms.list[i], p.atoms.in[i]
		switch {
		case !a.opaque():
		case a.kind == atomMapped:
			assumed = append(assumed, truth(i))
			hint = "whether " + a.name + " tokens have a subject is the server's configuration, which isn't known"
		case in == sideAdmits:
			only[0] = append(only[0], truth(i).not())
		case in == sideRefuses:
			only[1] = append(only[1], truth(i))
		}
	}
	handler := admits.handler != refuses.handler && (admits.condition || refuses.condition)
	if handler || len(only[0]) > 0 && len(only[1]) > 0 {
		assumed = append(assumed, slices.Concat(only[0], only[1])...)
		hint = "how two expressions relate isn't known"
		if handler {
			hint = "what the method's handler decides isn't known"
		}
	}

	return assumed, hint
}

// encode begins the clauses for one direction.
func (p *rulePair) encode(admits *built) {
	p.solver = solver{
		clauses: p.solver.clauses[:0], variables: len(p.atoms.list), steps: &p.left,
		value: p.solver.value, watches: p.solver.watches, trail: p.solver.trail, levels: p.solver.levels,
	}
	p.positive, p.negative = map[formulaID]literal{}, map[formulaID]literal{}
	implied, exclusive := p.axioms()
	p.implications = implied
	for _, i := range implied {
		p.solver.add(truth(int(i.from)).not(), truth(int(i.to)))
	}
	for _, ids := range exclusive {
		p.exclude(ids)
	}
	p.everyToken()
	p.encodePositive(admits.whole)
}

// exclude has at most one of some atoms be true. The clauses are three for each atom.
func (p *rulePair) exclude(ids []atomID) {
	var before literal
	for i, id := range ids {
		of := truth(int(id))
		if i > 0 {
			p.solver.add(before.not(), of.not())
		}
		if i == len(ids)-1 {
			return
		}
		next := truth(p.solver.variable())
		p.solver.add(of.not(), next)
		if i > 0 {
			p.solver.add(before.not(), next)
		}
		before = next
	}
}

// everyToken has every token be of a kind and of an issuer.
func (p *rulePair) everyToken() {
	var kinds, issuers []literal
	for i := range p.atoms.list {
		switch p.atoms.list[i].kind {
		case atomKindService, atomKindUser:
			kinds = append(kinds, truth(i))
		case atomIssuer, atomOtherIssuer:
			issuers = append(issuers, truth(i))
		default:
		}
	}
	for _, all := range [][]literal{kinds, issuers} {
		if len(all) > 0 {
			p.solver.add(all...)
		}
	}
}

// encodePositive returns a literal by which a formula holds.
func (p *rulePair) encodePositive(id formulaID) literal {
	if p.nodes[id].kind == formulaAtom {
		return truth(int(p.nodes[id].atom))
	}
	of, ok := p.positive[id]
	if ok {
		return of
	}
	of = truth(p.solver.variable())
	p.positive[id] = of
	p.left -= len(p.nodes[id].children)
	switch p.nodes[id].kind {
	case formulaAnd:
		for _, child := range p.nodes[id].children {
			p.solver.add(of.not(), p.encodePositive(child))
		}
	case formulaOr:
		clause := []literal{of.not()}
		for _, child := range p.nodes[id].children {
			clause = append(clause, p.encodePositive(child))
		}
		p.solver.add(clause...)
	case formulaConstant:
		if id == formulaFalse {
			p.solver.add(of.not())
		}
	case formulaAtom:
	}
	if other, ok := p.negative[id]; ok {
		p.solver.add(of.not(), other.not())
	}

	return of
}

// encodeNegative returns a literal by which a formula doesn't hold.
func (p *rulePair) encodeNegative(id formulaID) literal {
	if p.nodes[id].kind == formulaAtom {
		return truth(int(p.nodes[id].atom)).not()
	}
	of, ok := p.negative[id]
	if ok {
		return of
	}
	of = truth(p.solver.variable())
	p.negative[id] = of
	p.left -= len(p.nodes[id].children)
	switch p.nodes[id].kind {
	case formulaOr:
		for _, child := range p.nodes[id].children {
			p.solver.add(of.not(), p.encodeNegative(child))
		}
	case formulaAnd:
		clause := []literal{of.not()}
		for _, child := range p.nodes[id].children {
			clause = append(clause, p.encodeNegative(child))
		}
		p.solver.add(clause...)
	case formulaConstant:
		if id == formulaTrue {
			p.solver.add(of.not())
		}
	case formulaAtom:
	}
	if other, ok := p.positive[id]; ok {
		p.solver.add(of.not(), other.not())
	}

	return of
}
