package lint

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// passable reports a rule that no caller can pass, otherwise conditions without effect.
// The root is nil if no condition decides.
func (l *linter) passable(m *authz.MethodPolicy, root *node) {
	switch m.Rule.GetPolicy().(type) {
	case *authzv1.Rule_Public, *authzv1.Rule_Deny, nil:
		return // no token is looked at, or no caller is meant to pass
	default:
	}
	worlds := l.worlds(m)
	var blocked *obstacle
	switch {
	case len(worlds) == 0:
		blocked = &obstacle{"access_token.issuers", -1, "no token that it admits has a configured subject", "set Subjects or IssuerSubjects for the issuers"}
	case root != nil:
		blocked = impossible(root, worlds)
	}
	if blocked != nil {
		l.add(m, Finding{
			ID: IDRulePassable, Path: m.Path(blocked.part), Offset: blocked.offset, Problem: "no caller can pass the rule: " + blocked.problem, Fix: blocked.fix,
		}, false)
	} else if root != nil {
		l.effects(m, root, worlds)
	}
}

// obstacle is why a condition can't hold.
type obstacle struct {
	part         string
	offset       int
	problem, fix string
}

// impossible returns why a condition holds for no caller of any world, nil if it may hold
// for some. It errs on the side of nil: each answer is a proof.
func impossible(n *node, worlds []world) *obstacle {
	var first *obstacle
	for i := range worlds {
		blocked := worlds[i].blocks(n, &facts{equal: map[string]string{}, chosen: map[string]string{}, names: map[string][][]string{}})
		if blocked == nil {
			return nil
		}
		if first == nil {
			first = blocked
		}
	}

	return first
}

// facts are what conditions that hold together say of one call.
type facts struct {
	// equal has the literal that a template is equal to.
	equal map[string]string
	// chosen has the field of a oneof that must be set.
	chosen map[string]string
	// names has the name patterns that a field must match.
	names map[string][][]string
}

func (f *facts) clone() *facts {
	return &facts{equal: maps.Clone(f.equal), chosen: maps.Clone(f.chosen), names: maps.Clone(f.names)}
}

// blocks returns why a condition can't hold for a caller of the world if the facts do, nil
// if it may. It adds what the condition says to the facts.
func (w *world) blocks(n *node, f *facts) *obstacle {
	switch n.kind {
	case nodeAll:
		for _, child := range n.children {
			if child.kind != nodeAny {
				if blocked := w.blocks(child, f); blocked != nil {
					return blocked
				}
			}
		}
		for _, child := range n.children {
			if child.kind == nodeAny {
				if blocked := w.blocks(child, f); blocked != nil {
					return blocked
				}
			}
		}

		return nil
	case nodeAny:
		var first *obstacle
		for _, child := range n.children {
			blocked := w.blocks(child, f.clone())
			if blocked == nil {
				return nil
			}
			if first == nil {
				first = blocked
			}
		}

		return first
	case nodeExpression:
		if strings.TrimSpace(n.word) == "false" {
			return &obstacle{n.part, -1, "the expression is always false", "write deny, or what the expression should say"}
		}

		return nil
	case nodeScope, nodeOther, nodeMatch:
		return w.leaf(n, f)
	default:
		return nil
	}
}

func (w *world) leaf(n *node, f *facts) *obstacle {
	if n.asks && !w.subject && (!n.permission || !w.claims) {
		return &obstacle{n.part, -1, "the callers that it admits have no configured subject", "set Subjects for them, or admit others in access_token.kinds"}
	}
	for _, t := range n.texts {
		if !t.needed {
			continue
		}
		for _, p := range t.pieces {
			if p.name == "$client_id" && !w.service {
				return &obstacle{t.part, p.column, "only a service's token has {$client_id}, and the rule admits users alone", "use {$sub}, or admit KIND_SERVICE"}
			}
			if blocked := w.needs(f, t.part, p); blocked != nil {
				return blocked
			}
		}
	}
	if n.kind == nodeMatch && len(n.texts) == 2 {
		return w.match(n, f)
	}

	return nil
}

// needs adds to the facts that a field has a value.
func (w *world) needs(f *facts, part string, p piece) *obstacle {
	field := p.field()
	if field == "" {
		return nil
	}
	if segments, _ := p.segments(); segments != nil {
		for _, other := range f.names[field] {
			if !meet(segments, other) {
				return &obstacle{
					part, p.column, "{" + field + "} can't match " + strings.Join(other, "/") + " and " + strings.Join(segments, "/") + ", and both must hold",
					"use any_of, with on_missing: ON_MISSING_DENY, or one pattern",
				}
			}
		}
		f.names[field] = append(slices.Clip(f.names[field]), segments)
	}
	message := w.input
	at := ""
	for name := range strings.SplitSeq(field, ".") {
		if message == nil {
			return nil
		}
		fd := message.Fields().ByName(protoreflect.Name(name))
		if fd == nil {
			return nil
		}
		if oneof := fd.ContainingOneof(); oneof != nil && !oneof.IsSynthetic() {
			key := at + string(oneof.Name())
			if other, found := f.chosen[key]; found && other != name {
				return &obstacle{
					part, p.column, "the request has " + at + other + " or " + at + name + ", one of " + string(oneof.Name()) + ", and both must be set",
					"use any_of: a condition for each",
				}
			}
			f.chosen[key] = name
		}
		at += name + "."
		message = fd.Message()
	}

	return nil
}

// meet reports whether a name can match two patterns.
func meet(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	free := func(segment string) bool { return segment == "*" || segment == "{}" }
	for i := range a {
		if !free(a[i]) && !free(b[i]) && a[i] != b[i] {
			return false
		}
	}

	return true
}

// match returns why two templates can't give one text, and adds that they do to the facts.
func (w *world) match(n *node, f *facts) *obstacle {
	left, right := w.known(n.texts[0].pieces), w.known(n.texts[1].pieces)
	never := func(problem, fix string) *obstacle { return &obstacle{n.part, -1, problem, fix} }
	if a, b := bounds(left), bounds(right); !a.meets(b) {
		return never("the two sides of the match can't be equal: "+show(left)+" and "+show(right), "compare texts of one form")
	}
	want, isLiteral := onlyLiteral(right)
	one := left
	if !isLiteral {
		want, isLiteral = onlyLiteral(left)
		one = right
	}
	if !isLiteral || len(one) == 0 {
		return nil
	}
	if len(one) == 1 && one[0].name != "" && !w.takes(one[0], want) {
		return never(show(one)+" can't be "+strconv.Quote(want), "compare it with a value that it can have")
	}
	key := show(one)
	if other, found := f.equal[key]; found && other != want {
		return never(key+" can't be "+strconv.Quote(other)+" and "+strconv.Quote(want)+", and both must hold", "use any_of")
	}
	f.equal[key] = want

	return nil
}
