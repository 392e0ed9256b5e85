package lint

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// atomID is one thing that is true of a call or isn't.
type atomID int32

type atomKind uint8

const (
	atomKindService atomKind = iota // the token is a service's
	atomKindUser
	atomIssuer      // the token is of the issuer
	atomOtherIssuer // the token is of an issuer that no rule names
	atomScope
	atomACR
	atomAge // the caller authenticated at most so long ago
	atomRole
	atomGroup
	atomClaim
	atomHeldPermission
	atomMatch
	atomCheck
	atomPermission
	atomAttributes
	atomExpression // opaque from here on
	atomHandler
	atomMapped // the server has a subject for callers of the kind
)

// atom is one thing that a rule may require. Two atoms are the same if all their texts
// are.
type atom struct {
	kind atomKind
	// name is the scope, the relation, the expression and so on; object is what it is
	// about, subject the rule's own subject, and given its context and properties.
	name, object, subject, given string
	age                          time.Duration
}

// opaque reports whether nothing is known of what makes the atom true.
func (a *atom) opaque() bool { return a.kind >= atomExpression }

// compareAtoms orders atoms by what they are, so that what is told of two rules doesn't
// depend on which one was read first.
func compareAtoms(a, b *atom) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.age, b.age), cmp.Compare(a.object, b.object), cmp.Compare(a.name, b.name),
		cmp.Compare(a.subject, b.subject), cmp.Compare(a.given, b.given))
}

// atoms are the atoms of two rules.
type atoms struct {
	list  []atom
	known map[atom]atomID
	// in tells which of the two rules has the atom: bit 0 the old one, bit 1 the new one.
	in []uint8
}

func (a *atoms) reset() {
	clear(a.list)
	a.list, a.in = a.list[:0], a.in[:0]
	a.known = emptied(a.known)
}

func (a *atoms) id(of atom, side uint8) atomID {
	id, ok := a.known[of]
	if !ok {
		id = atomID(len(a.list))
		a.known[of] = id
		a.list, a.in = append(a.list, of), append(a.in, 0)
	}
	a.in[id] |= side

	return id
}

// implication is an atom that is true wherever another one is.
type implication struct{ from, to atomID }

// axioms returns what is known of the atoms: which imply which, and of which at most one
// is true.
func (p *rulePair) axioms() (implied []implication, exclusive [][]atomID) {
	byObject := map[atom][]atomID{}
	bySide := map[string][]atomID{}
	var ages, kinds, issuers, acrs []atomID
	for i := range p.atoms.list {
		id, a := atomID(i), &p.atoms.list[i]
		switch a.kind {
		case atomCheck:
			// The schema tells nothing of usersets.
			if p.schema != nil && !strings.Contains(a.subject, "#") && (a.subject != "" || !p.usersets) {
				about := *a
				about.name = ""
				byObject[about] = append(byObject[about], id)
			}
		case atomMatch:
			switch {
			case literalText(a.name) != literalText(a.object) && literalText(a.name):
				bySide[a.object] = append(bySide[a.object], id)
			case literalText(a.name) != literalText(a.object):
				bySide[a.name] = append(bySide[a.name], id)
			}
		case atomAge:
			ages = append(ages, id)
		case atomKindService, atomKindUser:
			kinds = append(kinds, id)
		case atomIssuer, atomOtherIssuer:
			issuers = append(issuers, id)
		case atomACR:
			acrs = append(acrs, id)
		case atomScope, atomRole, atomGroup, atomClaim, atomHeldPermission, atomPermission, atomAttributes, atomExpression, atomHandler, atomMapped:
		}
	}
	slices.SortFunc(ages, func(a, b atomID) int { return cmp.Compare(p.atoms.list[a].age, p.atoms.list[b].age) })
	for i := 1; i < len(ages); i++ {
		implied = append(implied, implication{ages[i-1], ages[i]})
	}
	for about, ids := range byObject {
		if len(ids) > maxImplied {
			p.large = true

			continue
		}
		objectType, _, _ := strings.Cut(about.object, ":")
		for _, from := range ids {
			for _, to := range ids {
				if from == to {
					continue
				}
				answer, known := p.implies(objectType, p.atoms.list[from].name, p.atoms.list[to].name)
				if !known {
					p.large = true

					return nil, nil
				}
				if answer {
					implied = append(implied, implication{from, to})
				}
			}
		}
	}
	for _, ids := range bySide {
		exclusive = append(exclusive, ids)
	}

	return implied, append(exclusive, kinds, issuers, acrs)
}

// literalText reports whether a template has no placeholder.
func literalText(template string) bool { return !strings.ContainsAny(template, "{}") }
