package authz

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz/internal/template"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// maxDepth is how deep groups may nest; deeper logic belongs in the engine's model.
const maxDepth = 4

type nodeKind uint8

const (
	nodeNever nodeKind = iota
	nodeCheck
	nodeMatch
	nodeScope
	nodeHeld
	nodeExpression
	nodeAll
	nodeAny
)

// node is a condition: a leaf with its number, or a group.
type node struct {
	kind     nodeKind
	leaf     int
	children []*node
	check    *check
	match    *match
	scope    string
	held     *held

	expression *expression
}

// check is a compiled Check, or a Permission or Attributes that an engine answers.
type check struct {
	kind QueryKind
	// object is nil for a permission that isn't on one.
	object *template.Template
	// relation is the relation, the permission or the action.
	relation string
	// subject is nil if the check uses the configured subject of the token's kind.
	subject *subjectTemplate
	deny    bool
	context []contextValue
	// properties is nil if there are none.
	properties *properties
	// prefix is the start of the query's key: its kind, the relation and the object's
	// type.
	prefix string
	// cacheable is false if equal calls have different queries.
	cacheable bool
}

// asksOnce reports whether the condition is one check of one object, whose query is
// determined by the object and the subject alone.
func (n *node) asksOnce() bool {
	return n.kind == nodeCheck && n.check.fan() == nil && len(n.check.context) == 0 && n.check.properties == nil && n.check.cacheable
}

// isLeaf reports whether the condition is decided by itself, and not by parts.
func (n *node) isLeaf() bool {
	switch n.kind {
	case nodeCheck, nodeMatch, nodeScope, nodeHeld, nodeExpression:
		return true
	case nodeNever, nodeAll, nodeAny:
		return false
	default:
		return false
	}
}

type contextValue struct {
	name  string
	value *template.Template
}

type match struct{ left, right *template.Template }

// conditions compiles the conditions of one method.
type conditions struct {
	site   *site
	input  protoreflect.MessageDescriptor
	leaves int
	checks []*check
	// asksAboutCaller is set if a check uses the configured subjects.
	asksAboutCaller bool
	reads           bool
	connection      bool
	pins            []*template.Part
	// copies are fields that expressions read. Later messages of a stream can't be
	// held to them, which unpinned tells.
	copies   []protoreflect.FieldDescriptor
	unpinned bool
	// compiler compiles expressions, and claims says that permissions are the token's.
	compiler ExpressionCompiler
	claims   bool
	// named is set if the rule names the issuers that it admits.
	named bool
	// issuers are those whose tokens the rule admits.
	issuers issuerNames
	// unlisted is set if the rule's own list of issuers is at fault. What depends
	// on the list isn't judged then, since the list is the fault to report.
	unlisted bool
	subjects *compiledSubjects
	// ruled are the rule's own subjects that read the token.
	ruled []*ruledSubject
	// servicesOnly is set if the rule admits no user.
	servicesOnly bool
}

func (c *conditions) leafNode(n *node) *node {
	n.leaf = c.leaves
	c.leaves++

	return n
}

// template parses a template that must tell issuers apart by itself, and reports
// its fault.
func (c *conditions) template(text, path string, in template.Role) *template.Template {
	t := c.parse(text, path, in)
	if t != nil && !c.unlisted {
		c.site.fault(path, c.issuers.apart(t))
	}

	return t
}

// parse parses one template and reports its fault.
func (c *conditions) parse(text, path string, in template.Role) *template.Template {
	t, bad := template.Parse(text, in, c.input)
	if bad != nil {
		c.site.fault(path, bad)

		return nil
	}
	c.site.fault(path, c.issuers.unusable(t))
	c.pins = append(c.pins, t.Fields()...)
	c.reads = c.reads || len(t.Fields()) > 0
	c.connection = c.connection || t.Reads(template.SourceMetadata, template.SourcePeerIP) != nil

	return t
}

func (c *conditions) check(rule *authzv1.Check, path string) *node {
	compiled := &check{relation: rule.GetRelation()}
	compiled.object = c.template(rule.GetObject(), path+".object", template.RoleObject)
	if at := template.BadName(rule.GetRelation()); at >= 0 {
		problem := "the relation isn't a name of letters, digits and _-./"
		if rule.GetRelation() == "" {
			problem, at = "the relation is empty", -1
		}
		c.site.fail(path+".relation", at, problem, "write a relation or permission of the engine's model")
	}
	compiled.subject = c.subject(rule.GetSubject(), path)
	compiled.context = c.context(rule.GetContext(), path+".context", template.RoleContext)

	return c.asked(compiled, rule.GetOnMissing(), path)
}

// subject compiles a rule's own subject, nil if it has none.
func (c *conditions) subject(text, path string) *subjectTemplate {
	if text == "" {
		c.asksAboutCaller = true

		return nil
	}
	path += ".subject"
	subject := c.template(text, path, template.RoleSubject)
	if subject == nil {
		return nil
	}
	if p := readsClient(subject); p != nil && !c.servicesOnly {
		c.site.fault(path, p.Fault("{"+p.Name()+"} would give a user's token the rights of the client that it was minted through",
			"use {$client_id}, which only a service's token has, or admit KIND_SERVICE alone"))
	}
	if of := c.subjects.taken(subject, c.issuers); of != nil && !c.unlisted && c.issuers.apart(subject) == nil {
		c.site.fail(path, -1, "a token that the rule admits can name the subject of another issuer's, by "+of.where+" "+strconv.Quote(of.template.String()),
			"leave subject out, or give it a type, a prefix or a suffix of its own")
	}
	if readsPrincipal(subject) != nil {
		c.ruled = append(c.ruled, &ruledSubject{site: c.site, path: path, template: subject, issuers: c.issuers})
	}

	return newSubjectTemplate(subject, "the check's subject")
}

func (c *conditions) context(values []*authzv1.ContextValue, path string, in template.Role) []contextValue {
	compiled := make([]contextValue, 0, len(values))
	names := map[string]bool{}
	for i, value := range values {
		at := path + "[" + strconv.Itoa(i) + "]"
		switch name := value.GetName(); {
		case name == "":
			c.site.fail(at+".name", -1, "the name is empty", "name it as the engine's schema does")
		case names[name]:
			c.site.fail(at+".name", -1, "the name "+strconv.Quote(name)+" is given twice", "remove one")
		}
		names[value.GetName()] = true
		compiled = append(compiled, contextValue{value.GetName(), c.template(value.GetValue(), at+".value", in)})
	}
	// Sorted, so that equal contexts have equal keys.
	slices.SortFunc(compiled, func(a, b contextValue) int { return cmp.Compare(a.name, b.name) })

	return compiled
}

// zeroInContext returns the name of a context value whose zero value can't be told
// from unset, so that a later message of a stream could change it unnoticed.
func (c *conditions) zeroInContext() (name string, found bool) {
	for _, check := range c.checks {
		check.values(func(values []contextValue) {
			for _, value := range values {
				if !found && value.value != nil && value.value.ZeroIsUnset() {
					name, found = value.name, true
				}
			}
		})
	}

	return name, found
}

func (c *conditions) match(rule *authzv1.Match, path string) *node {
	compiled := &match{
		left:  c.parse(rule.GetLeft(), path+".left", template.RoleMatch),
		right: c.parse(rule.GetRight(), path+".right", template.RoleMatch),
	}
	if compiled.left != nil && compiled.right != nil {
		switch {
		case compiled.left.Fan() != nil && compiled.right.Fan() != nil:
			c.site.fail(path+".right", -1, "both sides fan out", "leave [] on one side")
		case compiled.left.IsLiteral() && compiled.right.IsLiteral():
			c.site.fail(path, -1, "both sides are literals", "compare a field with the caller")
		case compiled.left.String() == compiled.right.String():
			c.site.fail(path, -1, "both sides are the same", "compare a field with the caller")
		default:
			if side, bad := c.issuers.matched(compiled.left, compiled.right); bad != nil && !c.unlisted {
				at := path + ".left"
				if side == compiled.right {
					at = path + ".right"
				}
				c.site.fault(at, bad)
			}
		}
	}

	return c.leafNode(&node{kind: nodeMatch, match: compiled})
}

func (c *conditions) scope(rule *authzv1.HasScope, path string) *node {
	c.site.checkScope(rule.GetScope(), path+".scope")

	return c.leafNode(&node{kind: nodeScope, scope: rule.GetScope()})
}

func (c *conditions) group(kind nodeKind, conditions []*authzv1.Condition, path string, depth int) *node {
	n := &node{kind: kind}
	if depth > maxDepth {
		c.site.fail(path, -1, "groups nest deeper than "+strconv.Itoa(maxDepth), "say it in the engine's model")

		return &node{}
	}
	if len(conditions) == 0 {
		c.site.fail(path+".conditions", -1, "the group is empty", "give it a condition")
	}
	for i, condition := range conditions {
		at := path + ".conditions[" + strconv.Itoa(i) + "]"
		n.children = append(n.children, c.condition(condition, at, depth))
	}

	return n
}

func (c *conditions) condition(condition *authzv1.Condition, path string, depth int) *node {
	switch part := condition.GetCondition().(type) {
	case *authzv1.Condition_Check:
		return c.check(part.Check, path+".check")
	case *authzv1.Condition_Match:
		return c.match(part.Match, path+".match")
	case *authzv1.Condition_HasScope:
		return c.scope(part.HasScope, path+".has_scope")
	case *authzv1.Condition_Permission:
		return c.permission(part.Permission, path+".permission")
	case *authzv1.Condition_Attributes:
		return c.attributes(part.Attributes, path+".attributes")
	case *authzv1.Condition_Expression:
		return c.expression(part.Expression, path+".expression")
	case *authzv1.Condition_HasRole:
		return c.role(part.HasRole, path+".has_role")
	case *authzv1.Condition_InGroup:
		return c.inGroup(part.InGroup, path+".in_group")
	case *authzv1.Condition_HasClaim:
		return c.claim(part.HasClaim, path+".has_claim")
	case *authzv1.Condition_AllOf:
		return c.group(nodeAll, part.AllOf.GetConditions(), path+".all_of", depth+1)
	case *authzv1.Condition_AnyOf:
		return c.group(nodeAny, part.AnyOf.GetConditions(), path+".any_of", depth+1)
	default:
		c.site.fail(path, -1, "the condition is empty", "set check, permission, attributes, match, expression, has_scope, has_role, in_group, has_claim, all_of or any_of")

		return &node{}
	}
}

// text returns the condition on one line, as decisions show it.
func (n *node) text() string {
	switch n.kind {
	case nodeCheck:
		return n.check.text()
	case nodeMatch:
		return "match " + n.match.left.String() + " = " + n.match.right.String()
	case nodeScope:
		return "has_scope " + n.scope
	case nodeHeld:
		return n.held.String()
	case nodeExpression:
		return "expression " + quoted(n.expression.text)
	case nodeAll, nodeAny:
		parts := make([]string, len(n.children))
		for i, child := range n.children {
			parts[i] = child.text()
		}
		name := "any_of"
		if n.kind == nodeAll {
			name = "all_of"
		}

		return name + "(" + strings.Join(parts, ", ") + ")"
	case nodeNever:
		return "never"
	default:
		return "never"
	}
}
