package model

import (
	"fmt"
	"strings"

	core "github.com/authzed/spicedb/pkg/proto/core/v1"
	"github.com/authzed/spicedb/pkg/schemadsl/compiler"

	"github.com/usher-auth/usher/authz/schema"
)

// spicedbSchemaOf returns the schema of what SpiceDB's compiler made of a text.
func spicedbSchemaOf(src source, compiled *compiler.CompiledSchema, placed bool) (*schema.Schema, error) {
	line := func(at *core.SourcePosition) int {
		if at == nil || !placed {
			return 0
		}

		return src.line(int(min(at.GetZeroIndexedLineNumber(), MaxBytes)) + 1)
	}
	var list faults
	types := make([]schema.Type, 0, len(compiled.ObjectDefinitions))
	for _, definition := range compiled.ObjectDefinitions {
		t := schema.Type{Name: definition.GetName(), Line: line(definition.GetSourcePosition())}
		for _, r := range definition.GetRelation() {
			relation := schema.Relation{Name: r.GetName(), Line: line(r.GetSourcePosition())}
			var err error
			if relation.Expression, err = zedRelation(r); err != nil {
				list.addf(src.file, relation.Line, 0, "%q of %q: %v", r.GetName(), t.Name, err)
			}
			t.Relations = append(t.Relations, relation)
		}
		types = append(types, t)
	}
	conditions := make([]schema.Condition, 0, len(compiled.CaveatDefinitions))
	for _, caveat := range compiled.CaveatDefinitions {
		c := schema.Condition{Name: caveat.GetName(), Line: line(caveat.GetSourcePosition()), Parameters: map[string]string{}}
		for name, ref := range caveat.GetParameterTypes() {
			c.Parameters[name] = zedParameter(ref)
		}
		conditions = append(conditions, c)
	}
	if err := list.err(); err != nil {
		return nil, err
	}
	if len(types) == 0 {
		return nil, fault(src.file, 0, 0, "the schema has no definition")
	}
	s, err := schema.New(src.file, types, conditions)
	if err != nil {
		return nil, fault(src.file, 0, 0, "%v", err)
	}

	return s, nil
}

// zedRelation returns who has a relation, which tuples name, or a permission, which
// follows from others.
func zedRelation(r *core.Relation) (schema.Expression, error) {
	if rewrite := r.GetUsersetRewrite(); rewrite != nil {
		return zedRewrite(rewrite, 1)
	}
	direct := schema.Direct{}
	for _, allowed := range r.GetTypeInformation().GetAllowedDirectRelations() {
		subject := schema.Subject{
			Type: allowed.GetNamespace(), Wildcard: allowed.GetPublicWildcard() != nil, Condition: allowed.GetRequiredCaveat().GetCaveatName(),
		}
		if relation := allowed.GetRelation(); relation != compiler.Ellipsis {
			subject.Relation = relation
		}
		direct.Subjects = append(direct.Subjects, subject)
	}

	return direct, nil
}

func zedRewrite(rewrite *core.UsersetRewrite, depth int) (schema.Expression, error) {
	if depth > schema.MaxDepth {
		return nil, fmt.Errorf("its expression is deeper than %d", schema.MaxDepth)
	}
	var operation *core.SetOperation
	switch op := rewrite.GetRewriteOperation().(type) {
	case *core.UsersetRewrite_Union:
		operation = op.Union
	case *core.UsersetRewrite_Intersection:
		operation = op.Intersection
	case *core.UsersetRewrite_Exclusion:
		operation = op.Exclusion
	default:
		return nil, fmt.Errorf("its expression is of a kind that isn't known, %T", op)
	}
	parts := make([]schema.Expression, 0, len(operation.GetChild()))
	for _, child := range operation.GetChild() {
		part, err := zedChild(child, depth)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return schema.Direct{}, nil
	}
	switch rewrite.GetRewriteOperation().(type) {
	case *core.UsersetRewrite_Intersection:
		return single(parts, schema.Intersection(parts)), nil
	case *core.UsersetRewrite_Exclusion:
		out := parts[0]
		for _, except := range parts[1:] {
			out = schema.Exclusion{Base: out, Except: except}
		}

		return out, nil
	default:
		return single(parts, schema.Union(parts)), nil
	}
}

// single returns the only part if there is one, and otherwise all of them together.
func single(parts []schema.Expression, all schema.Expression) schema.Expression {
	if len(parts) == 1 {
		return parts[0]
	}

	return all
}

func zedChild(child *core.SetOperation_Child, depth int) (schema.Expression, error) {
	switch c := child.GetChildType().(type) {
	case *core.SetOperation_Child_ComputedUserset:
		return schema.Computed{Relation: c.ComputedUserset.GetRelation()}, nil
	case *core.SetOperation_Child_TupleToUserset:
		return schema.Through{
			Tupleset: c.TupleToUserset.GetTupleset().GetRelation(), Relation: c.TupleToUserset.GetComputedUserset().GetRelation(),
		}, nil
	case *core.SetOperation_Child_FunctionedTupleToUserset:
		return schema.Through{
			Tupleset: c.FunctionedTupleToUserset.GetTupleset().GetRelation(), Relation: c.FunctionedTupleToUserset.GetComputedUserset().GetRelation(),
			All: c.FunctionedTupleToUserset.GetFunction() == core.FunctionedTupleToUserset_FUNCTION_ALL,
		}, nil
	case *core.SetOperation_Child_UsersetRewrite:
		return zedRewrite(c.UsersetRewrite, depth+1)
	case *core.SetOperation_Child_XNil:
		return schema.Direct{}, nil
	case *core.SetOperation_Child_XSelf:
		return schema.Self{}, nil
	default:
		return nil, fmt.Errorf("its expression is of a kind that isn't known, %T", c)
	}
}

// zedParameter returns a parameter's type as SpiceDB's language writes it.
func zedParameter(ref *core.CaveatTypeReference) string {
	if len(ref.GetChildTypes()) == 0 {
		return ref.GetTypeName()
	}
	children := make([]string, 0, len(ref.GetChildTypes()))
	for _, child := range ref.GetChildTypes() {
		children = append(children, zedParameter(child))
	}

	return ref.GetTypeName() + "<" + strings.Join(children, ",") + ">"
}
