package lint

import (
	"slices"
	"strings"

	"github.com/usher-auth/usher/authz"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// maxFieldsNamed bounds the fields that one finding names.
const maxFieldsNamed = 8

// fields reports the fields of the request that look like identifiers and that no part of
// the rule reads: one finding for a method. Under public and deny there is nothing to
// read, and under handler the handler reads.
func (l *linter) fields(m *authz.MethodPolicy, root *node) {
	request := input(m)
	if request == nil {
		return
	}
	policy := m.Rule.ProtoReflect().WhichOneof(m.Rule.ProtoReflect().Descriptor().Oneofs().ByName("policy"))
	switch m.Rule.GetPolicy().(type) {
	case *authzv1.Rule_Public, *authzv1.Rule_Deny, *authzv1.Rule_Handler, nil:
		return
	default:
	}
	read := readBy(m, root)
	if read.all {
		return
	}
	candidates := l.idFields(request, 0)
	v := verbOf(string(m.Descriptor.Name()))
	anyRead := slices.ContainsFunc(candidates, func(f idField) bool { return read.field(f.path) })
	var unread []string
	var example string
	for i := range candidates {
		if len(unread) > maxFieldsNamed {
			break
		}
		f := &candidates[i]
		if !read.field(f.path) && !v.excuses(f, &read, anyRead) {
			if unread = append(unread, f.path); example == "" {
				example = f.written
			}
		}
	}
	if len(unread) == 0 {
		return
	}
	names, it := "names an object", "it"
	if len(unread) > 1 {
		names, it = "name objects", "them"
	}
	named := strings.Join(unread[:min(len(unread), maxFieldsNamed)], ", ")
	if len(unread) > maxFieldsNamed {
		named += ", …"
	}
	inherited := slices.Contains(m.Inherited, "policy")
	l.add(m, Finding{
		ID: IDFieldRead, Path: m.Path(string(policy.Name())), Offset: -1,
		Problem: named + " of the request probably " + names + ", and no part of the rule reads " + it + ", so a caller who passes may name any",
		Fix: "read " + it + " in the rule, as in check: { object: \"type:{" + example + "}\" relation: \"viewer\" }, or write buf:lint:ignore " +
			IDFieldRead + " and why into the comment of the method",
	}, inherited)
}

// readSet is what a rule reads of the request.
type readSet struct {
	all bool
	// paths are the fields that templates read, and the messages that they are in.
	paths map[string]bool
	// top are the fields that expressions read in part or as a whole.
	top []string
	// within are the messages of whose fields one that identifies them is read.
	within map[string]bool
}

// readBy returns what the rule of a method reads. A value in a context or a property
// counts: the engine decides by it.
func readBy(m *authz.MethodPolicy, root *node) readSet {
	r := readSet{paths: map[string]bool{}, within: map[string]bool{}, top: m.ExpressionReads, all: slices.Contains(m.ExpressionReads, "*")}
	if root == nil {
		return r
	}
	root.each(func(n *node) {
		for _, t := range n.texts {
			for _, p := range t.pieces {
				path := p.field()
				if path == "" {
					continue
				}
				for at := range len(path) {
					if path[at] == '.' {
						r.paths[path[:at]] = true
					}
				}
				r.paths[path] = true
				if at := strings.LastIndexByte(path, '.'); at >= 0 {
					kind, stem := identify(path[at+1:])
					if kind == idOwn || kind == idName || kind == idOther && stem == lastOf(path[:at]) {
						r.within[path[:at]] = true
					}
				}
			}
		}
	})

	return r
}

// lastOf returns the last name of a path, in snake case.
func lastOf(path string) string {
	return snake(path[strings.LastIndexByte(path, '.')+1:])
}

// field reports whether a field of the request is read, itself or within it.
func (r *readSet) field(path string) bool {
	head, _, _ := strings.Cut(path, ".")

	return r.paths[path] || slices.Contains(r.top, head)
}

// owner reports whether a field is of an object that the rule reads the identifier of, or
// of a part of one.
func (r *readSet) owner(path string) bool {
	for {
		at := strings.LastIndexByte(path, '.')
		if at < 0 {
			return false
		}
		if path = path[:at]; r.within[path] {
			return true
		}
	}
}
