package lint

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/schema"
)

// comparer compares two policies.
type comparer struct {
	relations

	// usersets is set if a caller may be a userset to the engine.
	usersets bool
	// subjects are the kinds of callers that have one, and issuers those that both
	// versions or one of them trust, if they are known.
	subjects mappings
	issuers  []string
	// differing are the issuers of which other kinds have subjects than of the rest.
	differing []string
	// claims is set if permissions are those of the caller's token.
	claims bool
	// steps is the work that is left.
	steps int
	pair  rulePair
}

func newComparer(old, new *authz.Policy, model *schema.Schema) *comparer { //nolint:predeclared // the words for it
	c := &comparer{relations: newRelations(model), steps: maxSteps, claims: old.ClaimPermissions && new.ClaimPermissions}
	before, after := mappingsOf(old), mappingsOf(new)
	c.subjects = before.either(&after)
	for _, policy := range []*authz.Policy{old, new} {
		c.usersets = c.usersets || usersets(policy)
	}
	if len(old.Issuers) > 0 && len(new.Issuers) > 0 {
		c.issuers = slices.Concat(old.Issuers, new.Issuers)
		slices.Sort(c.issuers)
		c.issuers = slices.Compact(c.issuers)
	}
	for name, kinds := range c.subjects.issuers {
		if kinds != c.subjects.rest {
			c.differing = append(c.differing, name)
		}
	}
	slices.Sort(c.differing)

	return c
}

// compare returns how the rules of one method differ. One of them may be nil.
func (c *comparer) compare(old, new *authz.MethodPolicy) []Difference { //nolint:predeclared // the words for it
	if old != nil && new != nil && wordForWord(old, new) {
		return nil
	}
	if faultHides(old, new) {
		return []Difference{{CantTell, "rule", "can't tell: the rule has a fault, so it is denied only as long as servers are configured as it is assumed here"}}
	}
	if c.steps <= 0 {
		return []Difference{{CantTell, "policy", tooLarge}}
	}
	p := &c.pair
	p.begin(c, old, new)
	before, after := p.build(old, sideOld), p.build(new, sideNew)
	c.steps -= stepsOfNode * (len(p.nodes) + len(p.atoms.list))
	differences := p.admission(&before, &after)
	if !before.denied && !after.denied {
		differences = append(differences, p.settings(old, new, &before, &after)...)
	}
	if old != nil && new != nil && old.Rule != nil && new.Rule != nil {
		differences = append(differences, refusalsTold(old.Rule, new.Rule)...)
	}
	if len(differences) > maxDifferences {
		last := Difference{verdictOf(differences[maxDifferences-1:]), "rule", "and more"}
		differences = append(differences[:maxDifferences-1], last)
	}

	return differences
}

// faultHides reports whether the new rule has a fault and isn't the old one: what is a
// fault depends on issuers and subjects, which another server may have otherwise, and
// which a comparison of .proto files assumes.
func faultHides(old, new *authz.MethodPolicy) bool { //nolint:predeclared // the words for it
	if new == nil || len(new.Faults) == 0 || new.Rule.GetPolicy() == nil || new.Rule.GetDeny() != nil {
		return false
	}

	return old == nil || !proto.Equal(old.Rule, new.Rule)
}

// wordForWord reports whether two methods are the same, word by word.
func wordForWord(a, b *authz.MethodPolicy) bool {
	return (len(a.Faults) > 0) == (len(b.Faults) > 0) && a.ClientStreaming == b.ClientStreaming && a.ServerStreaming == b.ServerStreaming &&
		(a.Rule == nil) == (b.Rule == nil) && proto.Equal(a.Rule, b.Rule)
}
