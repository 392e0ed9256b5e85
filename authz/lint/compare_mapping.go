package lint

import (
	"maps"
	"slices"

	"github.com/usher-auth/usher/authz"
)

// mappedKinds are the kinds of callers that have a subject.
type mappedKinds struct{ service, user bool }

// mappings are the kinds that have a subject, by issuer.
type mappings struct {
	// known is false if the subjects aren't.
	known   bool
	rest    mappedKinds
	issuers map[string]mappedKinds
}

func mappingsOf(p *authz.Policy) mappings {
	m := mappings{known: p.Subjects != (authz.Subjects{}) || len(p.IssuerSubjects) > 0, issuers: map[string]mappedKinds{}}
	m.rest = mappedOf(p.Subjects)
	for name, subjects := range p.IssuerSubjects {
		m.issuers[name] = mappedOf(subjects)
	}

	return m
}

func mappedOf(s authz.Subjects) mappedKinds { return mappedKinds{s.Service != "", s.User != ""} }

// of returns what an issuer's callers have.
func (m *mappings) of(issuer string) mappedKinds {
	if own, ok := m.issuers[issuer]; ok {
		return own
	}

	return m.rest
}

// either returns the kinds that have a subject in one version or in the other. What
// changed between them is a difference of its own, and not one of each method.
func (m *mappings) either(other *mappings) mappings {
	switch {
	case !m.known:
		return *other
	case !other.known:
		return *m
	}
	join := func(a, b mappedKinds) mappedKinds { return mappedKinds{a.service || b.service, a.user || b.user} }
	both := mappings{known: true, rest: join(m.rest, other.rest), issuers: map[string]mappedKinds{}}
	for _, of := range []*mappings{m, other} {
		for name := range maps.Keys(of.issuers) {
			both.issuers[name] = join(m.of(name), other.of(name))
		}
	}

	return both
}

// mapping returns what is true of callers whose kind has a subject.
func (b *builder) mapping() formulaID {
	if !b.subjects.known {
		return b.or(
			b.and(b.kind(atomKindService), b.is(atom{kind: atomMapped, name: "service"})),
			b.and(b.kind(atomKindUser), b.is(atom{kind: atomMapped, name: "user"})),
		)
	}
	of := func(m mappedKinds) formulaID {
		var parts []formulaID
		if m.service && m.user {
			return formulaTrue
		}
		if m.service {
			parts = append(parts, b.kind(atomKindService))
		}
		if m.user {
			parts = append(parts, b.kind(atomKindUser))
		}

		return b.or(parts...)
	}
	var own []string
	for _, name := range b.named {
		if m, ok := b.subjects.issuers[name]; ok && m != b.subjects.rest {
			own = append(own, name)
		}
	}
	if len(own) == 0 {
		return of(b.subjects.rest)
	}
	var parts, rest []formulaID
	for _, name := range own {
		parts = append(parts, b.and(b.issuers([]string{name}), of(b.subjects.issuers[name])))
	}
	for _, name := range b.named {
		if !slices.Contains(own, name) {
			rest = append(rest, b.issuers([]string{name}))
		}
	}
	if b.others {
		rest = append(rest, b.is(atom{kind: atomOtherIssuer}))
	}

	return b.or(append(parts, b.and(b.or(rest...), of(b.subjects.rest)))...)
}
