package cel

import (
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const (
	// maxFields is how many fields of a message a fix lists, and maxFieldBytes how long
	// their names may be together.
	maxFields     = 12
	maxFieldBytes = 400
)

// lacking returns the messages that the selections of a faulty expression are of, by the
// column of the selection and its field, where the request's fields alone tell them. The
// checker's faults don't have them.
func (e *environment) lacking(s *source) map[selection]protoreflect.MessageDescriptor {
	parsed, issues := e.env.Parse(s.text)
	if issues.Err() != nil {
		return nil
	}
	tree := parsed.NativeRep()
	found := map[selection]protoreflect.MessageDescriptor{}
	hidden := false // a variable of the expression's own is called request
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(node ast.Expr) {
		if node.Kind() == ast.ComprehensionKind {
			hidden = hidden || node.AsComprehension().IterVar() == varRequest || node.AsComprehension().IterVar2() == varRequest
		}
		if node.Kind() != ast.SelectKind {
			return
		}
		if message := e.messageOf(node.AsSelect().Operand()); message != nil {
			found[selection{s.columnOf(tree.SourceInfo(), node.ID()), node.AsSelect().FieldName()}] = message
		}
	}))
	if hidden {
		return nil
	}

	return found
}

// selection is one selection of a field in an expression.
type selection struct {
	column int
	field  string
}

// messageOf returns the message that a path of fields from the request leads to, nil if it
// isn't one.
func (e *environment) messageOf(node ast.Expr) protoreflect.MessageDescriptor {
	if node.Kind() == ast.IdentKind && node.AsIdent() == varRequest {
		return e.input
	}
	indexed := node.Kind() == ast.CallKind && node.AsCall().FunctionName() == operators.Index && len(node.AsCall().Args()) > 0
	if indexed {
		node = node.AsCall().Args()[0]
	}
	if node.Kind() != ast.SelectKind {
		return nil
	}
	within := e.messageOf(node.AsSelect().Operand())
	if within == nil {
		return nil
	}
	field := within.Fields().ByName(protoreflect.Name(node.AsSelect().FieldName()))
	switch {
	case field == nil, indexed != (field.IsList() || field.IsMap()):
		return nil
	case field.IsMap():
		return field.MapValue().Message()
	default:
		return field.Message()
	}
}

// fieldsOf lists the fields of a message.
func fieldsOf(message protoreflect.MessageDescriptor) string {
	fields := message.Fields()
	if fields.Len() == 0 {
		return "the message has no fields"
	}
	var list strings.Builder
	list.WriteString("it has ")
	for i := range fields.Len() {
		name := string(fields.Get(i).Name())
		if i > 0 {
			list.WriteString(", ")
		}
		if i == maxFields || list.Len()+len(name) > maxFieldBytes {
			list.WriteString("…")

			break
		}
		list.WriteString(name)
	}

	return list.String()
}
