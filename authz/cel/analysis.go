package cel

import (
	"regexp"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxPattern is how many instructions the program of a regular expression may have.
const maxPattern = 1000

// analysis goes through a checked expression: it refuses what isn't bounded, and
// replaces each read of the call by a slot.
type analysis struct {
	source  *source
	env     *environment
	tree    *ast.AST
	factory ast.ExprFactory

	slots  []slot
	byKey  map[string]int
	faults faults
	// heavy is set if the cost of an operation depends on the values.
	heavy bool
}

func (x *analysis) fault(e ast.Expr, problem, fix string) {
	x.faults.add(x.source.columnOf(x.tree.SourceInfo(), e.ID()), problem, fix)
}

// visit goes through an expression.
func (x *analysis) visit(e ast.Expr) {
	if s, ok := x.resolve(e); ok {
		if s.kind == slotClaims {
			x.fault(e, varClaims+" can't be used whole", "name the claim: caller.claims.department, or caller.claims['https://example.com/department']")

			return
		}
		x.replace(e, s)

		return
	}
	switch e.Kind() {
	case ast.SelectKind:
		if _, known := x.tree.ReferenceMap()[e.ID()]; !known {
			x.visit(e.AsSelect().Operand())
		}
	case ast.CallKind:
		x.visitCall(e)
	case ast.ListKind:
		for _, element := range e.AsList().Elements() {
			x.visit(element)
		}
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			x.visit(entry.AsMapEntry().Key())
			x.visit(entry.AsMapEntry().Value())
		}
	case ast.StructKind:
		x.heavy = true
		for _, field := range e.AsStruct().Fields() {
			x.visit(field.AsStructField().Value())
		}
	case ast.ComprehensionKind:
		x.visitComprehension(e)
	default:
	}
}

func (x *analysis) visitComprehension(e ast.Expr) {
	x.heavy = true
	loop := e.AsComprehension()
	for _, name := range []string{"request", "caller", "peer", "now"} {
		if loop.IterVar() == name || loop.IterVar2() == name {
			x.fault(e, "the macro's variable "+name+" hides the variable "+name, "name it otherwise")
		}
	}
	x.visit(loop.IterRange())
	x.visit(loop.AccuInit())
	x.visit(loop.LoopCondition())
	x.visit(loop.LoopStep())
	x.visit(loop.Result())
}

func (x *analysis) visitCall(e ast.Expr) {
	call := e.AsCall()
	args := call.Args()
	if call.IsMemberFunction() {
		x.visit(call.Target())
	}
	for i, arg := range args {
		// The claims may be searched by a computed name.
		byName := call.FunctionName() == operators.Index && i == 0 || call.FunctionName() == operators.In && i == 1
		if s, ok := x.resolve(arg); ok && byName && s.kind == slotClaims {
			x.heavy = true
			x.replace(arg, s)

			continue
		}
		x.visit(arg)
	}
	for _, overload := range x.tree.GetOverloadIDs(e.ID()) {
		x.checkOverload(e, overload, args)
	}
}

// checkOverload refuses arguments that must be literals and aren't, or aren't valid.
func (x *analysis) checkOverload(e ast.Expr, overload string, args []ast.Expr) {
	if _, sized := sizedOverloads[overload]; sized {
		x.heavy = true
	}
	switch {
	case overload == overloadInRange:
		if text, ok := x.literal(e, args[0], "the range"); ok {
			if _, problem, fix := parseRange(text); problem != "" {
				x.fault(args[0], problem, fix)
			}
		}
	case overload == overloads.Matches, overload == overloads.MatchesString:
		x.heavy = true
		pattern := args[len(args)-1]
		if text, ok := x.literal(e, pattern, "the pattern"); ok {
			if problem, fix := checkPattern(text); problem != "" {
				x.fault(pattern, problem, fix)
			}
		}
	case zonedOverloads[overload] != nil:
		if text, ok := x.literal(e, args[0], "the time zone"); ok {
			if _, err := zone(text); err != nil {
				x.fault(args[0], strconv.Quote(text)+" isn't a time zone", "write a name, as in 'Europe/Berlin', or an offset, as in '+01:00'")
			}
		}
	}
}

// literal returns the text of an argument that must be a literal.
func (x *analysis) literal(call, arg ast.Expr, what string) (string, bool) {
	if arg.Kind() == ast.LiteralKind {
		if text, ok := arg.AsLiteral().(types.String); ok {
			return string(text), true
		}
	}
	x.fault(call, what+" must be written literally", "write it in quotes")

	return "", false
}

func checkPattern(text string) (problem, fix string) {
	if _, err := regexp.Compile(text); err != nil {
		return "the pattern isn't a regular expression: " + oneLine(strings.TrimPrefix(err.Error(), "error parsing regexp: ")), "write it in the syntax of RE2, https://github.com/google/re2/wiki/Syntax"
	}
	if size, err := types.RegexProgramSize(text); err != nil || size > maxPattern {
		return "the pattern is too large: " + strconv.Itoa(size) + " instructions; at most " + strconv.Itoa(maxPattern), "repeat fewer parts, or fewer times"
	}

	return "", ""
}

// replace makes an expression read a slot.
func (x *analysis) replace(e ast.Expr, s slot) {
	at, known := x.byKey[s.key]
	if !known {
		at = len(x.slots)
		x.slots = append(x.slots, s)
		x.byKey[s.key] = at
	}
	if s.composite() {
		x.heavy = true
	}
	e.SetKindCase(x.factory.NewIdent(e.ID(), slotName(at)))
	x.tree.SetReference(e.ID(), ast.NewIdentReference(slotName(at), nil))
}

// resolve returns the slot that an expression reads, if it reads one.
func (x *analysis) resolve(e ast.Expr) (slot, bool) {
	if reference, known := x.tree.ReferenceMap()[e.ID()]; known && reference.Name != "" {
		name := strings.TrimPrefix(reference.Name, ".")
		kind, ok := variables[name]

		return slot{kind: kind, key: name}, ok && reference.Value == nil
	}
	switch e.Kind() {
	case ast.SelectKind:
		selected := e.AsSelect()
		base, ok := x.resolve(selected.Operand())
		if !ok {
			return slot{}, false
		}
		switch base.kind {
		case slotMessage, slotField:
			return x.resolveField(base, x.tree.GetType(selected.Operand().ID()), selected)
		case slotClaims, slotClaim:
			return base.withName(selected.FieldName(), selected.IsTestOnly()), true
		default:
			return slot{}, false
		}
	case ast.CallKind:
		call := e.AsCall()
		if call.FunctionName() != operators.Index || len(call.Args()) != 2 || call.Args()[1].Kind() != ast.LiteralKind {
			return slot{}, false
		}
		name, isText := call.Args()[1].AsLiteral().(types.String)
		if !isText {
			return slot{}, false
		}
		base, ok := x.resolve(call.Args()[0])
		if !ok || base.kind != slotClaims && base.kind != slotClaim {
			return slot{}, false
		}

		return base.withName(string(name), false), true
	default:
		return slot{}, false
	}
}

// resolveField returns the slot of a field of a message.
func (x *analysis) resolveField(base slot, of *types.Type, selected ast.SelectExpr) (slot, bool) {
	message := x.env.input
	if base.kind == slotField {
		field := base.fields[len(base.fields)-1]
		if field.Cardinality() == protoreflect.Repeated || field.Message() == nil {
			return slot{}, false
		}
		message = field.Message()
	}
	if of.Kind() != types.StructKind || of.TypeName() != string(message.FullName()) {
		return slot{}, false // a type that CEL has values of its own for, such as a Struct
	}
	field := message.Fields().ByName(protoreflect.Name(selected.FieldName()))
	last, ok := x.env.registry.FindStructFieldType(string(message.FullName()), selected.FieldName())
	if field == nil || !ok {
		return slot{}, false
	}

	return base.withField(field, last, selected.IsTestOnly()), true
}
