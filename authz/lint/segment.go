package lint

import (
	"slices"
	"strings"

	"github.com/usher-auth/usher/authz"
)

// segments reports each "*" of a name pattern whose segment no part of the rule reads that
// must hold together with the pattern's: the caller may write any value there, and a
// handler that finds the object by its whole name finds another than the one checked.
func (l *linter) segments(m *authz.MethodPolicy, root *node) {
	byExpression := m.ExpressionReads
	if m.Descriptor == nil {
		byExpression = []string{"*"} // it isn't known
	}
	told := map[string]bool{}
	var walk func(n *node, beside []*node)
	walk = func(n *node, beside []*node) {
		if n.kind == nodeAll {
			for i, child := range n.children {
				walk(child, slices.Concat(beside, n.children[:i], n.children[i+1:]))
			}

			return
		}
		for _, child := range n.children {
			walk(child, beside)
		}
		for _, t := range n.texts {
			if !t.needed {
				continue
			}
			for _, p := range t.pieces {
				l.pattern(m, n, beside, t, p, byExpression, told)
			}
		}
	}
	walk(root, nil)
}

// pattern judges one name pattern of a leaf, with the conditions that must hold beside it.
func (l *linter) pattern(m *authz.MethodPolicy, of *node, beside []*node, t text, p piece, byExpression []string, told map[string]bool) {
	segments, columns := p.segments()
	if p.field() == "" {
		return
	}
	for i, segment := range segments {
		if segment != "*" || reads(of, p, i, byExpression) {
			continue
		}
		if slices.ContainsFunc(beside, func(n *node) bool { return reads(n, p, i, byExpression) }) {
			continue
		}
		key := p.name + "|" + p.format + "|" + segmentName(segments, i)
		if told[key] {
			continue
		}
		told[key] = true
		captured := slices.Clone(segments)
		for j := range captured {
			if captured[j] == "{}" {
				captured[j] = "*"
			}
		}
		captured[i] = "{}"
		l.add(m, Finding{
			ID: IDNameSegment, Path: m.Path(t.part), Offset: columns[i],
			Problem: "no part of the rule that must hold with this one reads the segment " + segmentName(segments, i) + " of {" + p.name +
				"}, so the caller may write any value there",
			Fix: "add a condition to an all_of with this one that reads {" + p.name + "|name(" + strings.Join(captured, "/") +
				")}, or say in a comment why the id alone names the object",
		}, false)
	}
}

// segmentName returns a segment with the one before it, as in "organizations/*".
func segmentName(segments []string, i int) string {
	return strings.Join(segments[:i+1], "/")
}

// reads reports whether a condition that holds has read a segment of the name that the
// pattern of a piece matches.
func reads(n *node, p piece, segment int, byExpression []string) bool {
	read := func(child *node) bool { return reads(child, p, segment, byExpression) }
	switch n.kind {
	case nodeAll:
		return slices.ContainsFunc(n.children, read)
	case nodeAny:
		return len(n.children) > 0 && !slices.ContainsFunc(n.children, func(child *node) bool { return !read(child) })
	case nodeExpression:
		head, _, _ := strings.Cut(p.field(), ".")

		return slices.Contains(byExpression, "*") || slices.Contains(byExpression, head)
	case nodeOther, nodeMatch, nodeScope:
	}
	want, _ := p.segments()
	for _, t := range n.texts {
		for _, other := range t.pieces {
			if other.field() != p.field() {
				continue
			}
			got, _ := other.segments()
			if got == nil && other.format == "" {
				return true // the whole name
			}
			if len(got) == len(want) && got[segment] == "{}" {
				return true
			}
		}
	}

	return false
}
