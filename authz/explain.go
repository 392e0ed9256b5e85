package authz

import (
	"context"
	"errors"
	"strings"
)

var errUndecided = errors.New("the call was refused before this was decided")

// Part is one part of a rule, as [Method.Explain] found it for one call.
type Part struct {
	// Path is where the part is, as faults have it: "rule.access_token.scopes", or
	// "service_rule.default.all_of.conditions[1].check".
	Path string
	// Text is the part on one line.
	Text string
	// Effect is EffectAllowed for a part that the call meets, EffectDenied for one that
	// it doesn't meet, and EffectUnknown for one that isn't decided: Err is why, or nil
	// if other parts decided the call.
	Effect Effect
	// Err is why the part isn't met or can't be decided. It is for operators, and may
	// hold values of the token and of the request.
	Err error
	// Checks are the queries of the part that were asked, with their answers.
	Checks []Checked
	// Parts are the conditions of a group.
	Parts []Part
}

// Explain decides the call as [Method.Authorize] does, by the same code and with the
// same effects, and returns what each part of the rule came to. It is for operators and
// tools, and slower. Without a principal, or if the method has no rule, a faulty one or
// one that looks at no token, there are no parts. What the rule asks of the token is told
// in full, and not only its first part that isn't met.
func (m *Method) Explain(ctx context.Context, call *Call) (*Decision, []Part, error) {
	if call == nil || call.Principal == nil || m.missing || len(m.faults) > 0 || m.policy == policyPublic || m.policy == policyDeny {
		decision, err := m.Authorize(ctx, call)

		return decision, nil, err
	}
	var conditions []Part
	asked := *call
	asked.Explain, asked.explained = true, &conditions
	parts := m.tokenParts(call.Principal)
	decision, err := m.Authorize(ctx, &asked)
	if m.policy == policyCondition && len(conditions) == 0 {
		// The token, or the request as a whole, was refused before any condition.
		conditions = []Part{m.undecidedPart(m.root, m.policyPath())}
	}

	return decision, append(parts, conditions...), err
}

// tokenParts judges each thing that the rule asks of the token by itself.
func (m *Method) tokenParts(principal Principal) []Part {
	var parts []Part
	judge := func(part, text string, err *Error) {
		name, element, _ := strings.Cut(part, "[")
		path := m.whole.at("access_token." + name)
		if element != "" {
			path += "[" + element
		}
		p := Part{Path: path, Text: text, Effect: EffectAllowed}
		if err != nil {
			p.Effect, p.Err = EffectDenied, err
		}
		parts = append(parts, p)
	}
	token := &m.token
	if len(token.issuers) > 0 {
		judge("issuers", "issuer is one of "+quotedAll(token.issuers), token.admits(principal))
	}
	if token.kinds {
		kinds := []string{}
		if token.service {
			kinds = append(kinds, "a service's")
		}
		if token.user {
			kinds = append(kinds, "a user's")
		}
		judge("kinds", "the token is "+strings.Join(kinds, " or "), (&tokenRule{kinds: true, service: token.service, user: token.user}).check(principal, m.owner.now))
	}
	for i, scope := range token.scopes {
		judge("scopes"+index(i), "scope "+quoted(scope), (&tokenRule{scopes: []string{scope}}).check(principal, m.owner.now))
	}
	if len(token.anyScope) > 0 {
		judge("any_scope", "any scope of "+quotedAll(token.anyScope), (&tokenRule{anyScope: token.anyScope}).check(principal, m.owner.now))
	}
	if len(token.acrValues) > 0 {
		judge("acr_values", "acr is one of "+quotedAll(token.acrValues), (&tokenRule{acrValues: token.acrValues}).check(principal, m.owner.now))
	}
	if token.maxAge > 0 {
		judge("max_age", "authenticated in the last "+token.maxAge.String(), (&tokenRule{maxAge: token.maxAge}).check(principal, m.owner.now))
	}

	return parts
}

// policyPath returns the path of the rule's condition.
func (m *Method) policyPath() string {
	reflected := m.whole.rule.ProtoReflect()
	set := reflected.WhichOneof(reflected.Descriptor().Oneofs().ByName("policy"))
	path := strings.TrimSuffix(m.whole.at("policy"), ".policy")
	if set == nil {
		return path
	}

	return path + "." + string(set.Name())
}

// explain keeps what the parts of the condition came to.
func (e *evaluation) explain() {
	*e.kept.explained = []Part{e.part(e.method.root, e.method.policyPath())}
}

// part returns what a condition came to.
func (e *evaluation) part(n *node, path string) Part {
	p := Part{Path: path, Text: n.text()}
	switch v := e.fold(n); v {
	case verdictAllowed:
		p.Effect = EffectAllowed
	case verdictDenied:
		p.Effect = EffectDenied
		p.Err = e.whyOf(n)
	case verdictPending:
	case verdictRequest, verdictSubject, verdictRevision, verdictMisconfigured, verdictUnavailable:
		fallthrough
	default:
		if err := e.cause(n, v); err != nil {
			p.Err = err
		}
	}
	for i, child := range n.children {
		p.Parts = append(p.Parts, e.part(child, childPath(path, i, child)))
	}
	if n.kind == nodeCheck {
		at := &e.leaves[n.leaf]
		for i := at.from; i < at.to; i++ {
			if q := &e.questions[i]; q.verdict != verdictPending {
				p.Checks = append(p.Checks, Checked{Query: e.query(q), Answer: *q.answer, Cached: q.cached})
			}
		}
	}

	return p
}

// whyOf returns why a leaf is denied without asking an engine. The engine's own answers,
// and the parts of a group, speak for themselves.
func (e *evaluation) whyOf(n *node) error {
	if !n.isLeaf() {
		return nil
	}
	var found causes
	e.collect(n, &found)

	return found.first
}

// undecidedPart returns a condition that wasn't decided.
func (m *Method) undecidedPart(n *node, path string) Part {
	p := Part{Path: path, Text: n.text(), Err: errUndecided}
	for i, child := range n.children {
		p.Parts = append(p.Parts, m.undecidedPart(child, childPath(path, i, child)))
	}

	return p
}

// childPath returns the path of a condition of a group.
func childPath(path string, i int, child *node) string {
	return path + ".conditions" + index(i) + "." + child.field()
}

// field returns the name of the condition's field in a rule.
func (n *node) field() string {
	switch n.kind {
	case nodeCheck:
		return map[QueryKind]string{QueryRelation: "check", QueryPermission: "permission", QueryAttributes: "attributes"}[n.check.kind]
	case nodeMatch:
		return "match"
	case nodeScope:
		return "has_scope"
	case nodeHeld:
		return map[heldKind]string{heldRole: "has_role", heldGroup: "in_group", heldPermission: "permission", heldClaim: "has_claim"}[n.held.kind]
	case nodeExpression:
		return "expression"
	case nodeAll:
		return "all_of"
	case nodeAny:
		return "any_of"
	case nodeNever:
		return "condition"
	default:
		return "condition"
	}
}
