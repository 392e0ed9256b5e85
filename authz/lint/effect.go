package lint

import (
	"slices"
	"strings"

	"github.com/usher-auth/usher/authz"
)

// effects reports conditions that can't change the decision.
func (l *linter) effects(m *authz.MethodPolicy, root *node, worlds []world) {
	if root.kind == nodeExpression && root.certain(worlds) {
		l.effect(m, root.part, "the expression is always true, so every caller with a valid token passes", "write authenticated, or what the expression should say")
	}
	root.each(func(n *node) {
		if n.kind == nodeAll || n.kind == nodeAny {
			l.group(m, n, worlds)
		}
	})
}

func (l *linter) effect(m *authz.MethodPolicy, part, problem, fix string) {
	l.add(m, Finding{ID: IDConditionEffect, Path: m.Path(part), Offset: -1, Problem: problem, Fix: fix}, false)
}

// group judges the conditions of a group by each other.
func (l *linter) group(m *authz.MethodPolicy, n *node, worlds []world) {
	name, other := "all_of", "any_of"
	if n.kind == nodeAny {
		name, other = other, name
	}
	first := map[string]*node{}
	for _, child := range n.children {
		if twin := first[child.key]; twin != nil && child.key != "" {
			l.effect(m, child.part, "the condition is the same as "+twin.part, "remove one")

			continue
		}
		first[child.key] = child
	}
	var others []*node
	for _, child := range n.children {
		if first[child.key] != child || child.key == "" {
			continue
		}
		switch {
		case child.kind != n.kind && slices.ContainsFunc(child.children, func(inner *node) bool { return first[inner.key] != nil }):
			l.effect(m, child.part, "the "+other+" has no effect: one of its conditions is in the "+name+" around it", "remove it, or that condition from it")
		case child.certain(worlds) && n.kind == nodeAny:
			l.effect(m, child.part, "the condition always holds, so the others of any_of have no effect: "+child.why(m), "remove it, or use all_of")
		case child.certain(worlds):
			l.effect(m, child.part, "the condition always holds, so it has no effect: "+child.why(m), "remove it")
		default:
			if n.kind == nodeAny {
				if blocked := impossible(child, worlds); blocked != nil {
					l.effect(m, child.part, "no caller passes by this condition: "+blocked.problem, blocked.fix)

					continue
				}
			}
			others = append(others, child)
		}
	}
	l.implied(m, n.kind, others)
}

// certain reports whether a condition holds for every caller that the rest of the rule
// admits. It errs on the side of false.
func (n *node) certain(worlds []world) bool {
	holds := func(child *node) bool { return child.certain(worlds) }
	switch n.kind {
	case nodeAll:
		return len(n.children) > 0 && !slices.ContainsFunc(n.children, func(child *node) bool { return !holds(child) })
	case nodeAny:
		return slices.ContainsFunc(n.children, holds)
	case nodeScope:
		return !slices.ContainsFunc(worlds, func(w world) bool { return !w.hasScope(n.word) })
	case nodeExpression:
		return strings.TrimSpace(n.word) == "true"
	case nodeMatch:
		return !slices.ContainsFunc(worlds, func(w world) bool { return !w.equal(n) })
	case nodeOther:
		return false
	default:
		return false
	}
}

// why says why a condition always holds.
func (n *node) why(m *authz.MethodPolicy) string {
	switch n.kind {
	case nodeScope:
		part := "access_token.scopes"
		if !slices.Contains(m.Rule.GetAccessToken().GetScopes(), n.word) {
			part = "access_token.any_scope"
		}

		return m.Path(part) + " demands the scope already"
	case nodeMatch:
		return m.Path("access_token.issuers") + " demands the issuer already"
	case nodeExpression:
		return "it is written so"
	case nodeAll, nodeAny, nodeOther:
		return "what is in it always holds"
	default:
		return "it always holds"
	}
}
