package model

import (
	"slices"
	"strconv"
	"strings"

	"github.com/usher-auth/usher/authz/schema"
)

// refused returns what an engine refuses in a model whose language it understands: a
// reference to what isn't defined, a relation that is computed from itself, and an arrow
// over a relation that tuples don't name objects for. Rules that fit such a model fit no
// engine. What a model's conditions compute isn't judged.
func refused(src source, s *schema.Schema, lang language) error {
	var list faults
	for _, one := range s.Undefined() {
		line, problem := undefinedPlace(s, one)
		list.addf(src.file, line, 0, "%s", problem)
	}
	for _, name := range s.Types() {
		t := s.Type(name)
		for i := range t.Relations {
			r := &t.Relations[i]
			if computedFromItself(s, name, r, lang) {
				list.addf(src.file, r.Line, 0, "relation %q of type %q is computed from itself", r.Name, name)
			}
			for _, tupleset := range tuplesets(r.Expression, nil) {
				if why := noTupleset(s.Relation(name, tupleset), lang); why != "" {
					list.addf(src.file, r.Line, 0, "relation %q of type %q leads through %q, %s", r.Name, name, tupleset, why)
				}
			}
		}
	}

	return list.err()
}

// undefinedPlace returns the line and the text of a fault of Undefined, which writes
// "schema: SOURCE:LINE: PROBLEM".
func undefinedPlace(s *schema.Schema, err error) (line int, problem string) {
	problem = strings.TrimPrefix(strings.TrimPrefix(err.Error(), "schema: "), s.Source()+":")
	if number, rest, ok := strings.Cut(problem, ":"); ok {
		if n, err := strconv.Atoi(number); err == nil {
			return n, rest
		}
	}

	return 0, problem
}

// computedFromItself reports whether a relation is reached from its own expression by
// computed relations of the same object. SpiceDB minds only permissions that are nothing
// but another one.
func computedFromItself(s *schema.Schema, typeName string, r *schema.Relation, lang language) bool {
	read := func(e schema.Expression, names []string) []string {
		if _, alias := e.(schema.Computed); lang == spicedbSchema && !alias {
			return names
		}

		return computed(e, names)
	}
	seen := map[string]bool{}
	next := read(r.Expression, nil)
	for len(next) > 0 {
		name := next[len(next)-1]
		next = next[:len(next)-1]
		if name == r.Name {
			return true
		}
		if other := s.Relation(typeName, name); other != nil && !seen[name] {
			seen[name] = true
			next = read(other.Expression, next)
		}
	}

	return false
}

// computed appends the relations of the same object that an expression reads.
func computed(e schema.Expression, names []string) []string {
	if c, ok := e.(schema.Computed); ok {
		return append(names, c.Relation)
	}
	for _, part := range parts(e) {
		names = computed(part, names)
	}

	return names
}

// tuplesets appends the relations that an expression leads through.
func tuplesets(e schema.Expression, names []string) []string {
	if t, ok := e.(schema.Through); ok {
		return append(names, t.Tupleset)
	}
	for _, part := range parts(e) {
		names = tuplesets(part, names)
	}

	return names
}

func parts(e schema.Expression) []schema.Expression {
	switch e := e.(type) {
	case schema.Union:
		return e
	case schema.Intersection:
		return e
	case schema.Exclusion:
		return []schema.Expression{e.Base, e.Except}
	default:
		return nil
	}
}

// noTupleset returns why an arrow can't lead through a relation, empty if it can. One that
// isn't defined is told elsewhere.
func noTupleset(r *schema.Relation, lang language) string {
	if r == nil {
		return ""
	}
	direct, ok := r.Expression.(schema.Direct)
	switch {
	case !ok:
		return "which tuples alone must name, and which is computed"
	case slices.ContainsFunc(direct.Subjects, func(s schema.Subject) bool { return s.Wildcard }):
		return "which has a wildcard, so that it leads to no object"
	case lang != spicedbSchema && slices.ContainsFunc(direct.Subjects, func(s schema.Subject) bool { return s.Relation != "" }):
		return "which has usersets beside objects"
	}

	return ""
}
