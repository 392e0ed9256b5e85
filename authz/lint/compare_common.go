package lint

import (
	"maps"
	"slices"

	"github.com/usher-auth/usher/authz"
)

// common returns how that differs which the rules of all methods have in common.
func (c *comparer) common(old, new *authz.Policy) []Difference { //nolint:predeclared // the words for it
	differences := compareIssuers(old.Issuers, new.Issuers)
	before, after := mappingsOf(old), mappingsOf(new)
	if before.known != after.known {
		differences = append(differences, Difference{CantTell, "subjects", "can't tell: the subjects of callers are known in one version only"})
	} else {
		differences = append(differences, compareSubjects("subjects", old.Subjects, new.Subjects)...)
		names := maps.Clone(before.issuers)
		maps.Copy(names, after.issuers)
		for _, name := range slices.Sorted(maps.Keys(names)) {
			differences = append(differences, compareSubjects("issuer_subjects["+worded(name)+"]", subjectsOf(old, name), subjectsOf(new, name))...)
		}
	}
	if old.ClaimPermissions != new.ClaimPermissions {
		from := map[bool]string{true: "the caller's token", false: "an engine"}
		differences = append(differences, Difference{
			CantTell, "permissions", "can't tell: permissions are from " + from[new.ClaimPermissions] + " now, and were from " + from[old.ClaimPermissions],
		})
	}
	if len(differences) > maxDifferences {
		last := Difference{verdictOf(differences[maxDifferences-1:]), "subjects", "and more"}
		differences = append(differences[:maxDifferences-1], last)
	}

	return differences
}

// subjectsOf returns what an issuer's callers have.
func subjectsOf(p *authz.Policy, issuer string) authz.Subjects {
	if own, ok := p.IssuerSubjects[issuer]; ok {
		return own
	}

	return p.Subjects
}

func compareIssuers(old, new []string) []Difference { //nolint:predeclared // the words for it
	if (len(old) == 0) != (len(new) == 0) {
		return []Difference{{CantTell, "issuers", "can't tell: the issuers that are trusted are known in one version only"}}
	}
	var differences []Difference
	if added := missingFrom(new, old); len(added) > 0 {
		differences = append(differences, Difference{
			Looser, "issuers", "now also: a token of issuer " + enumerated(added, "or") + ", for methods that don't name their issuers",
		})
	}
	if removed := missingFrom(old, new); len(removed) > 0 {
		differences = append(differences, Difference{Tighter, "issuers", "no longer: a token of issuer " + enumerated(removed, "or")})
	}

	return differences
}

// missingFrom returns the names, as they are shown, that others don't have.
func missingFrom(names, others []string) []string {
	have := make(map[string]bool, len(others))
	for _, name := range others {
		have[name] = true
	}
	var left []string
	for _, name := range slices.Sorted(slices.Values(names)) {
		if !have[name] {
			left = append(left, worded(name))
		}
	}

	return left
}

// compareSubjects compares the subjects of some issuer's callers.
func compareSubjects(part string, old, new authz.Subjects) []Difference { //nolint:predeclared // the words for it
	var differences []Difference
	for _, kind := range []struct{ name, old, new string }{{"service", old.Service, new.Service}, {"user", old.User, new.User}} {
		part := part + "." + kind.name
		switch {
		case kind.old == kind.new:
		case kind.old == "":
			differences = append(differences, Difference{Looser, part, "now also: a " + kind.name + ", as " + worded(kind.new) + ", for methods that don't name their kinds"})
		case kind.new == "":
			differences = append(differences, Difference{Tighter, part, "no longer: a " + kind.name + ", for methods that don't name their kinds"})
		default:
			differences = append(differences, Difference{
				CantTell, part, "can't tell: a " + kind.name + " is " + worded(kind.new) + " to the engine now, and was " + worded(kind.old),
			})
		}
	}

	return differences
}
