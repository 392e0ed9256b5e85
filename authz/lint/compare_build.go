package lint

import (
	"slices"
	"strconv"
	"strings"

	"github.com/usher-auth/usher/authz"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// The two sides of a comparison, as bits.
const (
	sideOld uint8 = 1 << iota
	sideNew
)

// maxNesting is how deep groups may nest. Rules that compile don't come near it.
const maxNesting = 32

// requirement is one part of a rule that must hold.
type requirement struct {
	node formulaID
	part string
}

// built is a rule as a formula.
type built struct {
	// public is set if the rule admits callers without a token, too.
	public bool
	// denied is set if the rule admits nobody.
	denied bool
	// handler is set if the method's handler decides, condition if a condition does.
	handler, condition bool
	// asks is set if an engine is asked, or may be.
	asks         bool
	requirements []requirement
	whole        formulaID
	// missing are the conditions that read an object.
	missing []missingObject
}

// missingObject is what a condition does if the request names no object.
type missingObject struct {
	atom atomID
	// condition counts the conditions that an engine decides, in the order of the rule.
	condition int
	deny      bool
}

// builder builds the formula of one rule.
type builder struct {
	*rulePair

	side uint8
	out  *built
	// mapped is true of callers whose kind has a subject.
	mapped formulaID
	// conditions counts those that an engine decides.
	conditions int
}

// build returns the rule of a method as a formula.
func (p *rulePair) build(m *authz.MethodPolicy, side uint8) built {
	out := built{}
	if m == nil || m.Rule == nil || m.Rule.GetPolicy() == nil || m.Rule.GetDeny() != nil || len(m.Faults) > 0 {
		out.denied, out.whole = true, formulaFalse
		out.requirements = []requirement{{formulaFalse, "policy"}}

		return out
	}
	if m.Rule.GetPublic() != nil {
		out.public, out.whole = true, formulaTrue

		return out
	}
	b := &builder{rulePair: p, side: side, out: &out}
	b.mapped = b.mapping()
	b.token(m.Rule.GetAccessToken())
	b.require("policy", b.policy(m.Rule))
	parts := make([]formulaID, len(out.requirements))
	for i := range parts {
		parts[i] = out.requirements[i].node
	}
	out.whole = p.and(parts...)

	return out
}

// require adds a part, split into what must hold of it.
func (b *builder) require(part string, node formulaID) {
	for _, conjunct := range b.conjuncts(node) {
		b.out.requirements = append(b.out.requirements, requirement{conjunct, part})
	}
}

func (b *builder) is(a atom) formulaID { return b.atomNode(b.atoms.id(a, b.side)) }

// any returns what holds if one of the names does.
func (b *builder) any(kind atomKind, names []string) formulaID {
	parts := make([]formulaID, len(names))
	for i, name := range names {
		parts[i] = b.is(atom{kind: kind, name: name})
	}

	return b.or(parts...)
}

// token adds what a rule requires of the access token.
func (b *builder) token(token *authzv1.AccessToken) {
	if kinds := token.GetKinds(); len(kinds) > 0 {
		var parts []formulaID
		if slices.Contains(kinds, authzv1.Kind_KIND_SERVICE) {
			parts = append(parts, b.kind(atomKindService))
		}
		if slices.Contains(kinds, authzv1.Kind_KIND_USER) {
			parts = append(parts, b.kind(atomKindUser))
		}
		if len(parts) < 2 {
			b.require("access_token.kinds", b.or(parts...))
		}
	} else {
		b.require("access_token.kinds", b.mapped)
	}
	if names := token.GetIssuers(); len(names) > 0 {
		b.require("access_token.issuers", b.issuers(names))
	}
	for _, scope := range token.GetScopes() {
		b.require("access_token.scopes", b.is(atom{kind: atomScope, name: scope}))
	}
	if scopes := token.GetAnyScope(); len(scopes) > 0 {
		b.require("access_token.any_scope", b.any(atomScope, scopes))
	}
	if values := token.GetAcrValues(); len(values) > 0 {
		b.require("access_token.acr_values", b.any(atomACR, values))
	}
	if age := token.GetMaxAge(); age != nil && age.AsDuration() > 0 {
		b.require("access_token.max_age", b.is(atom{kind: atomAge, age: age.AsDuration()}))
	}
}

// kind returns what is true of tokens of a kind. Every token is of one.
func (b *builder) kind(kind atomKind) formulaID {
	b.atoms.id(atom{kind: atomKindService}, 0)
	b.atoms.id(atom{kind: atomKindUser}, 0)

	return b.is(atom{kind: kind})
}

// issuers returns what is true of the tokens of some issuers. If the servers' issuers are
// known, there are no others.
func (b *builder) issuers(names []string) formulaID {
	var parts []formulaID
	all := true
	for _, name := range b.named {
		if slices.Contains(names, name) {
			parts = append(parts, b.is(atom{kind: atomIssuer, name: name}))
		} else {
			all = false
		}
	}
	if all && !b.others {
		return formulaTrue
	}
	// Every token is of an issuer.
	for _, name := range b.named {
		b.atoms.id(atom{kind: atomIssuer, name: name}, 0)
	}
	if b.others {
		b.atoms.id(atom{kind: atomOtherIssuer}, 0)
	}

	return b.or(parts...)
}

// policy returns what a rule requires beside the token.
func (b *builder) policy(rule *authzv1.Rule) formulaID {
	b.out.condition = true
	switch rule.GetPolicy().(type) {
	case *authzv1.Rule_Authenticated:
		b.out.condition = false

		return formulaTrue
	case *authzv1.Rule_Handler:
		b.out.condition, b.out.handler, b.out.asks = false, true, true

		return b.is(atom{kind: atomHandler})
	default:
		// Groups count their depth from one.
		return b.of(conditionOf(rule), 0)
	}
}

func (b *builder) group(conditions []*authzv1.Condition, join func(...formulaID) formulaID, depth int) formulaID {
	if depth > maxNesting || len(conditions) > maxNodes {
		b.large = true
	}
	if len(conditions) == 0 || b.large {
		return formulaFalse
	}
	parts := make([]formulaID, len(conditions))
	for i, condition := range conditions {
		if parts[i] = b.of(condition, depth); b.large {
			return formulaFalse
		}
	}

	return join(parts...)
}

func (b *builder) of(condition *authzv1.Condition, depth int) formulaID {
	switch part := condition.GetCondition().(type) {
	case *authzv1.Condition_Check:
		return b.check(part.Check)
	case *authzv1.Condition_Match:
		return b.match(part.Match)
	case *authzv1.Condition_HasScope:
		return b.is(atom{kind: atomScope, name: part.HasScope.GetScope()})
	case *authzv1.Condition_Permission:
		return b.permission(part.Permission)
	case *authzv1.Condition_Attributes:
		return b.attributes(part.Attributes)
	case *authzv1.Condition_Expression:
		return b.is(atom{kind: atomExpression, name: part.Expression.GetCel()})
	case *authzv1.Condition_HasRole:
		return b.is(atom{kind: atomRole, name: part.HasRole.GetRole()})
	case *authzv1.Condition_InGroup:
		return b.is(atom{kind: atomGroup, name: part.InGroup.GetGroup()})
	case *authzv1.Condition_HasClaim:
		return b.claim(part.HasClaim)
	case *authzv1.Condition_AllOf:
		return b.group(part.AllOf.GetConditions(), b.and, depth+1)
	case *authzv1.Condition_AnyOf:
		return b.group(part.AnyOf.GetConditions(), b.or, depth+1)
	default:
		return formulaFalse
	}
}

func (b *builder) claim(rule *authzv1.HasClaim) formulaID {
	parts := make([]formulaID, len(rule.GetAnyOf()))
	for i, value := range rule.GetAnyOf() {
		parts[i] = b.is(atom{kind: atomClaim, name: value, object: rule.GetPath()})
	}

	return b.or(parts...)
}

// match returns the condition, whichever way around it is written.
func (b *builder) match(rule *authzv1.Match) formulaID {
	left, right := rule.GetLeft(), rule.GetRight()
	if literalText(left) || !literalText(right) && right < left {
		left, right = right, left
	}

	return b.is(atom{kind: atomMatch, object: left, name: right})
}

func (b *builder) check(rule *authzv1.Check) formulaID {
	return b.asked(atom{
		kind: atomCheck, name: rule.GetRelation(), object: rule.GetObject(), subject: rule.GetSubject(), given: givenText("", rule.GetContext()),
	}, rule.GetOnMissing())
}

func (b *builder) permission(rule *authzv1.Permission) formulaID {
	if b.claims {
		b.conditions++

		return b.is(atom{kind: atomHeldPermission, name: rule.GetName()})
	}

	return b.asked(atom{
		kind: atomPermission, name: rule.GetName(), object: rule.GetOn(), subject: rule.GetSubject(), given: givenText("", rule.GetContext()),
	}, rule.GetOnMissing())
}

func (b *builder) attributes(rule *authzv1.Attributes) formulaID {
	of := givenText("", rule.GetContext()) + givenText("resource.", rule.GetResourceProperties()) +
		givenText("subject.", rule.GetSubjectProperties()) + givenText("action.", rule.GetActionProperties())

	return b.asked(atom{
		kind: atomAttributes, name: rule.GetAction(), object: rule.GetResource(), subject: rule.GetSubject(), given: of,
	}, rule.GetOnMissing())
}

// asked returns a condition that an engine decides. A caller without a subject is denied.
func (b *builder) asked(a atom, onMissing authzv1.OnMissing) formulaID {
	b.out.asks = true
	node := b.is(a)
	if !literalText(a.object) {
		b.out.missing = append(b.out.missing, missingObject{b.nodes[node].atom, b.conditions, onMissing == authzv1.OnMissing_ON_MISSING_DENY})
	}
	b.conditions++
	if a.subject == "" {
		return b.and(b.mapped, node)
	}

	return node
}

// givenText returns values that a rule gives the engine as one text, in any order the same.
func givenText(prefix string, values []*authzv1.ContextValue) string {
	if len(values) == 0 {
		return ""
	}
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = prefix + givenName(value.GetName()) + "=" + strconv.Quote(value.GetValue()) + ";"
	}
	slices.Sort(texts)

	return strings.Join(texts, "")
}

// givenName returns a name as it is, or quoted if it could be taken for more than a name:
// an engine's names may be any text.
func givenName(name string) string {
	if strings.ContainsAny(name, `=";.`) {
		return strconv.Quote(name)
	}

	return name
}
