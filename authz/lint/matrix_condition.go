package lint

import (
	"slices"
	"strings"

	"github.com/usher-auth/usher/authz/schema"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// MatrixCondition is one condition of a rule.
type MatrixCondition struct {
	// Kind is the condition as the .proto names it: "check", "match", "has_scope",
	// "permission", "attributes", "expression", "has_role", "in_group", "has_claim",
	// "all_of" or "any_of".
	Kind string `json:"kind"`
	// Conditions are the parts of all_of and any_of, in order.
	Conditions []MatrixCondition `json:"conditions,omitempty"`
	// Object is the object of a check, the resource of attributes, or what a permission
	// is needed on.
	Object string `json:"object,omitempty"`
	// Relation is the relation of a check, the permission's name, or the action of
	// attributes.
	Relation string `json:"relation,omitempty"`
	// Subject is the rule's own subject. Empty: the caller, by the server's
	// configuration.
	Subject string `json:"subject,omitempty"`
	// Holders are who can hold the relation of a check by the schema. Nil if there is no
	// schema.
	Holders *MatrixHolders `json:"holders,omitempty"`
	// Context to ActionProperties are values for the engine, in order.
	Context            []MatrixValue `json:"context,omitempty"`
	ResourceProperties []MatrixValue `json:"resource_properties,omitempty"`
	SubjectProperties  []MatrixValue `json:"subject_properties,omitempty"`
	ActionProperties   []MatrixValue `json:"action_properties,omitempty"`
	// OnMissing is "deny" if a request that doesn't name the object counts as denied.
	// Empty: it is refused with INVALID_ARGUMENT.
	OnMissing string `json:"on_missing,omitempty"`
	// Left and Right are the sides of a match.
	Left  string `json:"left,omitempty"`
	Right string `json:"right,omitempty"`
	// Name is the scope, the role, the group or the claim's path.
	Name string `json:"name,omitempty"`
	// AnyOf are the values of has_claim.
	AnyOf []string `json:"any_of,omitempty"`
	// Expression is the expression's text.
	Expression string `json:"expression,omitempty"`
}

// MatrixValue is a named value for the engine.
type MatrixValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// MatrixHolders are who can hold a relation by the schema.
type MatrixHolders struct {
	// Subjects are types such as "user" and usersets such as "team#member", sorted.
	Subjects []string `json:"subjects"`
	// Unknown is set if the schema doesn't tell all, so that others may hold it, too.
	Unknown bool `json:"unknown,omitempty"`
	// Conditions are those that tuples of the relation may have.
	Conditions []string `json:"conditions,omitempty"`
}

// holding finds who can hold relations, each once.
type holding struct {
	schema *schema.Schema
	known  map[schema.Reference]*MatrixHolders
}

func (h *holding) of(object, relation string) *MatrixHolders {
	typeName, _, typed := strings.Cut(object, ":")
	if h.schema == nil || !typed {
		return nil
	}
	ref := schema.Reference{Type: typeName, Relation: relation}
	if found, ok := h.known[ref]; ok {
		return found
	}
	holders := h.schema.Holders(typeName, relation)
	found := &MatrixHolders{Subjects: []string{}, Unknown: holders.Unknown, Conditions: h.schema.ConditionsOf(typeName, relation)}
	for _, subject := range holders.Subjects {
		found.Subjects = append(found.Subjects, subject.String())
	}
	slices.Sort(found.Subjects)
	h.known[ref] = found

	return found
}

// ruleCondition returns the condition of a rule, nil if its policy is none.
func ruleCondition(rule *authzv1.Rule, holders *holding) *MatrixCondition {
	c := conditionOf(rule)
	if c == nil {
		return nil
	}
	built := matrixCondition(c, holders, 0)

	return &built
}

// maxMatrixDepth bounds the nesting of groups of rules that have faults; those without
// nest to a depth of 4 at most.
const maxMatrixDepth = 8

func matrixCondition(condition *authzv1.Condition, holders *holding, depth int) MatrixCondition {
	if depth > maxMatrixDepth {
		return MatrixCondition{Kind: kindDeeper}
	}
	switch part := condition.GetCondition().(type) {
	case *authzv1.Condition_Check:
		check := part.Check

		return MatrixCondition{
			Kind: "check", Object: check.GetObject(), Relation: check.GetRelation(), Subject: check.GetSubject(),
			Holders: holders.of(check.GetObject(), check.GetRelation()),
			Context: matrixValues(check.GetContext()), OnMissing: onMissing(check.GetOnMissing()),
		}
	case *authzv1.Condition_Match:
		return MatrixCondition{Kind: "match", Left: part.Match.GetLeft(), Right: part.Match.GetRight()}
	case *authzv1.Condition_HasScope:
		return MatrixCondition{Kind: "has_scope", Name: part.HasScope.GetScope()}
	case *authzv1.Condition_Permission:
		permission := part.Permission

		return MatrixCondition{
			Kind: "permission", Object: permission.GetOn(), Relation: permission.GetName(), Subject: permission.GetSubject(),
			Context: matrixValues(permission.GetContext()), OnMissing: onMissing(permission.GetOnMissing()),
		}
	case *authzv1.Condition_Attributes:
		attributes := part.Attributes

		return MatrixCondition{
			Kind: "attributes", Object: attributes.GetResource(), Relation: attributes.GetAction(), Subject: attributes.GetSubject(),
			Context: matrixValues(attributes.GetContext()), ResourceProperties: matrixValues(attributes.GetResourceProperties()),
			SubjectProperties: matrixValues(attributes.GetSubjectProperties()), ActionProperties: matrixValues(attributes.GetActionProperties()),
			OnMissing: onMissing(attributes.GetOnMissing()),
		}
	case *authzv1.Condition_Expression:
		return MatrixCondition{Kind: "expression", Expression: part.Expression.GetCel()}
	case *authzv1.Condition_HasRole:
		return MatrixCondition{Kind: "has_role", Name: part.HasRole.GetRole()}
	case *authzv1.Condition_InGroup:
		return MatrixCondition{Kind: "in_group", Name: part.InGroup.GetGroup()}
	case *authzv1.Condition_HasClaim:
		return MatrixCondition{Kind: "has_claim", Name: part.HasClaim.GetPath(), AnyOf: part.HasClaim.GetAnyOf()}
	case *authzv1.Condition_AllOf:
		return matrixGroup(kindAllOf, part.AllOf.GetConditions(), holders, depth)
	case *authzv1.Condition_AnyOf:
		return matrixGroup(kindAnyOf, part.AnyOf.GetConditions(), holders, depth)
	default:
		return MatrixCondition{Kind: kindEmpty}
	}
}

// The kinds of conditions that have no content of their own.
const (
	kindAllOf  = "all_of"
	kindAnyOf  = "any_of"
	kindEmpty  = "empty"  // a fault: no condition is set
	kindDeeper = "deeper" // a fault: groups nest too deep to be shown
)

func matrixGroup(kind string, conditions []*authzv1.Condition, holders *holding, depth int) MatrixCondition {
	group := MatrixCondition{Kind: kind}
	for _, condition := range conditions {
		group.Conditions = append(group.Conditions, matrixCondition(condition, holders, depth+1))
	}

	return group
}

func matrixValues(values []*authzv1.ContextValue) []MatrixValue {
	var given []MatrixValue
	for _, value := range values {
		given = append(given, MatrixValue{value.GetName(), value.GetValue()})
	}

	return given
}

func onMissing(o authzv1.OnMissing) string {
	if o == authzv1.OnMissing_ON_MISSING_DENY {
		return "deny"
	}

	return ""
}

// each calls visit for the condition and all its parts, in order, until it returns false.
func (c *MatrixCondition) each(visit func(*MatrixCondition) bool) bool {
	if c == nil {
		return true
	}
	if !visit(c) {
		return false
	}
	for i := range c.Conditions {
		if !c.Conditions[i].each(visit) {
			return false
		}
	}

	return true
}

// asks reports whether an engine is asked.
func (c *MatrixCondition) asks(claimPermissions bool) bool {
	return !c.each(func(c *MatrixCondition) bool {
		return c.Kind != "check" && c.Kind != "attributes" && (c.Kind != "permission" || claimPermissions)
	})
}

// who returns who can hold the relations that the caller is asked for: all of them, or
// some where some are enough. Conditions that ask for no relation, or for one of a subject
// of their own, have no part in it. Unknown is set if others may hold them, too.
func (c *MatrixCondition) who() (subjects []string, unknown bool) {
	subjects, unknown, _ = c.whoAsked()

	return subjects, unknown
}

func (c *MatrixCondition) whoAsked() (subjects []string, unknown, asked bool) {
	if c.asksCaller() {
		return slices.Clone(c.Holders.Subjects), c.Holders.Unknown, true
	}
	for i := range c.Conditions {
		some, others, of := c.Conditions[i].whoAsked()
		switch {
		case !of:
		case !asked:
			subjects, unknown, asked = some, others, true
		case c.Kind == kindAnyOf:
			subjects, unknown = append(subjects, some...), unknown || others
		default:
			subjects, unknown = both(subjects, some, unknown, others), unknown && others
		}
	}
	slices.Sort(subjects)

	return slices.Compact(subjects), unknown, asked
}

// asksCaller reports whether the schema tells who can pass the condition: it asks for a
// relation of the caller.
func (c *MatrixCondition) asksCaller() bool { return c.Holders != nil && c.Subject == "" }

// both returns who is known to be in both of two sets, of which each may have others.
func both(a, b []string, aUnknown, bUnknown bool) []string {
	in := func(text string, set []string, unknown bool) bool { return unknown || slices.Contains(set, text) }

	return slices.DeleteFunc(append(slices.Clone(a), b...), func(text string) bool {
		return !in(text, a, aUnknown) || !in(text, b, bUnknown)
	})
}
