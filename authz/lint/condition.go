package lint

import (
	"strconv"

	"google.golang.org/protobuf/proto"

	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// nodeKind is what a node of a rule's policy is.
type nodeKind uint8

const (
	// nodeOther is a leaf that is taken to hold for some callers.
	nodeOther nodeKind = iota
	nodeAll
	nodeAny
	nodeMatch
	nodeScope
	nodeExpression
)

// text is one template of a leaf.
type text struct {
	// part is the path of the template, as in "check.object".
	part   string
	pieces []piece
	// needed is set if the leaf can't hold unless the template has a value, and object if
	// that value names what is decided about.
	needed, object bool
}

// node is a condition of a rule's policy.
type node struct {
	kind nodeKind
	// part is the path of the condition in the rule, as in "all_of.conditions[0].check".
	part     string
	children []*node
	texts    []text
	// word is the scope, or the text of the expression.
	word string
	// asks is set if the leaf is about the configured subject of the caller, and permission
	// if it is a permission, too.
	asks, permission bool
	// check is the leaf's check, nil if it is another condition.
	check *authzv1.Check
	// key is equal for equal conditions.
	key string
}

const (
	// maxDepth is more than the depth of a rule that compiles.
	maxDepth = 8
	// maxLeaves bounds the conditions of a rule that are judged together. A rule with more
	// of them isn't judged by what its conditions say of each other.
	maxLeaves = 512
)

// conditionOf returns a rule's policy as a condition, nil if it is none: public,
// authenticated, handler and deny aren't.
func conditionOf(rule *authzv1.Rule) *authzv1.Condition {
	c := &authzv1.Condition{}
	switch policy := rule.GetPolicy().(type) {
	case *authzv1.Rule_Check:
		c.Condition = &authzv1.Condition_Check{Check: policy.Check}
	case *authzv1.Rule_Match:
		c.Condition = &authzv1.Condition_Match{Match: policy.Match}
	case *authzv1.Rule_Permission:
		c.Condition = &authzv1.Condition_Permission{Permission: policy.Permission}
	case *authzv1.Rule_Attributes:
		c.Condition = &authzv1.Condition_Attributes{Attributes: policy.Attributes}
	case *authzv1.Rule_Expression:
		c.Condition = &authzv1.Condition_Expression{Expression: policy.Expression}
	case *authzv1.Rule_AllOf:
		c.Condition = &authzv1.Condition_AllOf{AllOf: policy.AllOf}
	case *authzv1.Rule_AnyOf:
		c.Condition = &authzv1.Condition_AnyOf{AnyOf: policy.AnyOf}
	default:
		return nil
	}

	return c
}

// conditions returns the tree of a rule's policy and the number of its leaves. It is nil
// if no condition decides.
func conditions(rule *authzv1.Rule) (*node, int) {
	c := conditionOf(rule)
	if c == nil {
		return nil, 0
	}
	leaves := 0

	return newNode(c, "", 1, &leaves), leaves
}

// newNode returns the tree of a condition at a path, which ends with a dot unless it is
// empty.
func newNode(c *authzv1.Condition, at string, depth int, leaves *int) *node {
	n := &node{}
	key, err := proto.MarshalOptions{Deterministic: true}.Marshal(c)
	if err == nil {
		n.key = string(key)
	}
	var group []*authzv1.Condition
	switch part := c.GetCondition().(type) {
	case *authzv1.Condition_AllOf:
		n.kind, n.part, group = nodeAll, at+"all_of", part.AllOf.GetConditions()
	case *authzv1.Condition_AnyOf:
		n.kind, n.part, group = nodeAny, at+"any_of", part.AnyOf.GetConditions()
	default:
		*leaves++
		n.leaf(c, at)
	}
	if depth > maxDepth {
		n.kind = nodeOther

		return n
	}
	for i, child := range group {
		n.children = append(n.children, newNode(child, n.part+".conditions["+strconv.Itoa(i)+"].", depth+1, leaves))
	}

	return n
}

func (n *node) leaf(c *authzv1.Condition, at string) {
	switch part := c.GetCondition().(type) {
	case *authzv1.Condition_Check:
		n.part, n.check = at+"check", part.Check
		n.object("object", part.Check.GetObject())
		n.subject(part.Check.GetSubject())
		n.values("context", part.Check.GetContext())
	case *authzv1.Condition_Match:
		n.part, n.kind = at+"match", nodeMatch
		n.object("left", part.Match.GetLeft())
		n.object("right", part.Match.GetRight())
	case *authzv1.Condition_HasScope:
		n.part, n.kind, n.word = at+"has_scope", nodeScope, part.HasScope.GetScope()
	case *authzv1.Condition_Permission:
		n.part, n.permission = at+"permission", true
		if part.Permission.GetOn() != "" {
			n.object("on", part.Permission.GetOn())
		}
		n.subject(part.Permission.GetSubject())
		n.values("context", part.Permission.GetContext())
	case *authzv1.Condition_Attributes:
		n.part = at + "attributes"
		n.object("resource", part.Attributes.GetResource())
		n.subject(part.Attributes.GetSubject())
		n.values("resource_properties", part.Attributes.GetResourceProperties())
		n.values("subject_properties", part.Attributes.GetSubjectProperties())
		n.values("action_properties", part.Attributes.GetActionProperties())
		n.values("context", part.Attributes.GetContext())
	case *authzv1.Condition_Expression:
		n.part, n.kind, n.word = at+"expression", nodeExpression, part.Expression.GetCel()
	case *authzv1.Condition_HasRole:
		n.part = at + "has_role"
	case *authzv1.Condition_InGroup:
		n.part = at + "in_group"
	case *authzv1.Condition_HasClaim:
		n.part = at + "has_claim"
	}
}

// object adds a template that must have a value.
func (n *node) object(name, template string) {
	n.texts = append(n.texts, text{part: n.part + "." + name, pieces: pieces(template), needed: true, object: true})
}

// subject adds the leaf's own subject, if it has one.
func (n *node) subject(template string) {
	if template == "" {
		n.asks = true

		return
	}
	n.texts = append(n.texts, text{part: n.part + ".subject", pieces: pieces(template), needed: true})
}

// values adds templates of a context or of properties.
func (n *node) values(name string, values []*authzv1.ContextValue) {
	for i, value := range values {
		n.texts = append(n.texts, text{part: n.part + "." + name + "[" + strconv.Itoa(i) + "].value", pieces: pieces(value.GetValue())})
	}
}

// each calls a function for each node of the tree, parents first.
func (n *node) each(do func(*node)) {
	do(n)
	for _, child := range n.children {
		child.each(do)
	}
}
