package model

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/usher-auth/usher/authz/schema"
)

// lumoauth reads LumoAuth's YAML of namespaces, as its policy author writes it:
//
//	namespaces:
//	  folder:
//	    relations:
//	      parent: [workspace]
//	      editor: [user, workspace#admin]
//	    permissions:
//	      can_edit: [editor, parent.can_manage]
//
// The language has no published grammar, so this is what its documentation shows and
// nothing else. A relation lists who may have it: a type, the holders of a relation of a
// type (workspace#admin), and those who have a relation to a parent (parent.editor). A
// permission lists relations and permissions of its own namespace, and of a parent. The
// type user need not be a namespace. What isn't understood is a fault: a model that is
// read more loosely than the engine reads it would hide mistakes.
type lumoauth struct {
	file   string
	faults faults
	// defined holds each namespace's relations and permissions, true for a relation.
	defined map[string]map[string]bool
}

// userType is the type that needs no namespace.
const userType = "user"

var lumoauthName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

// lumoauthSchema returns the schema of a file's namespaces. The file may also have roles
// and policies, which the policy author writes, too: they are no relations.
func lumoauthSchema(file string, root *yaml.Node) (*schema.Schema, error) {
	l := &lumoauth{file: file, defined: map[string]map[string]bool{}}
	var namespaces []entry
	for _, top := range l.entries(root, "the file") {
		switch top.key.Value {
		case "namespaces":
			namespaces = l.entries(top.value, "namespaces")
		case "roles", "policies":
		default:
			l.failf(top.key, "%q isn't understood; the file may have namespaces, roles and policies", top.key.Value)
		}
	}
	parts := make([]namespace, 0, len(namespaces))
	for _, n := range namespaces {
		parts = append(parts, l.define(n))
	}
	if len(parts) == 0 {
		l.failf(root, "the file has no namespace")
	}
	types := make([]schema.Type, 0, len(parts)+1)
	for _, part := range parts {
		types = append(types, l.build(part))
	}
	if l.defined[userType] == nil {
		types = append(types, schema.Type{Name: userType})
	}
	if err := l.faults.err(); err != nil {
		return nil, err
	}
	s, err := schema.New(file, types, nil)
	if err != nil {
		return nil, fault(file, 0, 0, "%v", err)
	}

	return s, nil
}

type entry struct{ key, value *yaml.Node }

type namespace struct {
	entry

	relations, permissions []entry
}

func (l *lumoauth) failf(at *yaml.Node, format string, args ...any) {
	l.faults.addf(l.file, at.Line, at.Column, format, args...)
}

// entries returns the entries of a mapping. A mapping that is left empty has none.
func (l *lumoauth) entries(node *yaml.Node, what string) []entry {
	if node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" {
		return nil
	}
	if node.Kind != yaml.MappingNode {
		l.failf(node, "%s must be a mapping", what)

		return nil
	}
	list := make([]entry, 0, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		list = append(list, entry{node.Content[i], node.Content[i+1]})
	}

	return list
}

// define records a namespace's names.
func (l *lumoauth) define(n entry) namespace {
	part := namespace{entry: n}
	if !lumoauthName.MatchString(n.key.Value) {
		l.failf(n.key, "%q is no name of a namespace", n.key.Value)
	}
	names := map[string]bool{}
	l.defined[n.key.Value] = names
	for _, section := range l.entries(n.value, "the namespace "+n.key.Value) {
		switch section.key.Value {
		case "relations":
			part.relations = l.entries(section.value, "relations")
		case "permissions":
			part.permissions = l.entries(section.value, "permissions")
		default:
			l.failf(section.key, "%q isn't understood; a namespace has relations and permissions", section.key.Value)
		}
	}
	for i, e := range append(slices.Clip(part.relations), part.permissions...) {
		if !lumoauthName.MatchString(e.key.Value) {
			l.failf(e.key, "%q is no name of a relation", e.key.Value)
		}
		if _, twice := names[e.key.Value]; twice {
			l.failf(e.key, "%q is a relation and a permission of %s", e.key.Value, n.key.Value)
		}
		names[e.key.Value] = i < len(part.relations)
	}

	return part
}

func (l *lumoauth) build(part namespace) schema.Type {
	t := schema.Type{Name: part.key.Value, Line: part.key.Line}
	for _, e := range part.relations {
		t.Relations = append(t.Relations, schema.Relation{Name: e.key.Value, Line: e.key.Line, Expression: l.relation(t.Name, e)})
	}
	for _, e := range part.permissions {
		t.Relations = append(t.Relations, schema.Relation{Name: e.key.Value, Line: e.key.Line, Expression: l.permission(t.Name, e)})
	}

	return t
}

// items returns the texts that a relation or a permission lists.
func (l *lumoauth) items(e entry) []*yaml.Node {
	if e.value.Kind != yaml.SequenceNode {
		l.failf(e.value, "%s must be a list, such as [user]", e.key.Value)

		return nil
	}
	var items []*yaml.Node
	for _, item := range e.value.Content {
		if item.Kind != yaml.ScalarNode || item.ShortTag() != "!!str" {
			l.failf(item, "an entry of %s isn't a text", e.key.Value)

			continue
		}
		items = append(items, item)
	}

	return items
}

// relation returns who has a relation: those that tuples name, and those that follow.
func (l *lumoauth) relation(typeName string, e entry) schema.Expression {
	var (
		direct schema.Direct
		parts  schema.Union
	)
	for _, item := range l.items(e) {
		switch {
		case strings.Contains(item.Value, "."):
			parts = append(parts, l.through(typeName, item))
		case strings.Contains(item.Value, "#"):
			of, relation, _ := strings.Cut(item.Value, "#")
			if _, ok := l.defined[of][relation]; !ok {
				l.failf(item, "%q: there is no relation %q of a namespace %q", item.Value, relation, of)
			}
			direct.Subjects = append(direct.Subjects, schema.Subject{Type: of, Relation: relation})
		case l.defined[item.Value] == nil && item.Value != userType:
			l.failf(item, "%q is no namespace; a relation of %s itself is included by a permission", item.Value, typeName)
		default:
			direct.Subjects = append(direct.Subjects, schema.Subject{Type: item.Value})
		}
	}
	if len(parts) == 0 {
		return direct
	}

	return append(schema.Union{direct}, parts...)
}

// permission returns who has a permission.
func (l *lumoauth) permission(typeName string, e entry) schema.Expression {
	var parts schema.Union
	for _, item := range l.items(e) {
		if strings.Contains(item.Value, ".") {
			parts = append(parts, l.through(typeName, item))

			continue
		}
		if _, ok := l.defined[typeName][item.Value]; !ok {
			l.failf(item, "%q is no relation or permission of %s", item.Value, typeName)
		}
		parts = append(parts, schema.Computed{Relation: item.Value})
	}
	if len(parts) == 1 {
		return parts[0]
	}

	return parts
}

// through returns those who have a relation to a parent, as in parent.editor. A parent's
// namespace that has no such relation gives nobody, as in the documentation's example.
func (l *lumoauth) through(typeName string, item *yaml.Node) schema.Expression {
	tupleset, relation, _ := strings.Cut(item.Value, ".")
	switch {
	case !l.defined[typeName][tupleset]:
		l.failf(item, "%q: %q is no relation of %s", item.Value, tupleset, typeName)
	case !lumoauthName.MatchString(relation):
		l.failf(item, "%q isn't understood; write RELATION.RELATION", item.Value)
	}

	return schema.Through{Tupleset: tupleset, Relation: relation}
}
