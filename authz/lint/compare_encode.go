package lint

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
