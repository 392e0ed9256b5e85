package cel

import (
	"fmt"
	"sync"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz"
)

// CompileExpression compiles an expression over requests of a type. An error is an
// [*authz.ExpressionError], or several joined: at most 10. Its column is the byte offset
// in the whole text, over all of its lines.
func (c *Compiler) CompileExpression(text string, input protoreflect.MessageDescriptor) (compiled authz.Expression, err error) {
	defer func() {
		if recover() != nil {
			compiled, err = nil, &authz.ExpressionError{Column: -1, Problem: "the compiler panicked", Fix: "write the expression otherwise, and report it"}
		}
	}()
	switch {
	case text == "":
		return nil, &authz.ExpressionError{Column: -1, Problem: "the expression is empty"}
	case len(text) > maxText:
		return nil, &authz.ExpressionError{Column: -1, Problem: fmt.Sprintf("the expression has %d bytes; at most %d", len(text), maxText), Fix: "what is so long belongs into the engine's model or the handler"}
	case !utf8.ValidString(text):
		return nil, &authz.ExpressionError{Column: -1, Problem: "the expression isn't valid UTF-8"}
	}
	env, err := c.environmentOf(input)
	if err != nil {
		return nil, &authz.ExpressionError{Column: -1, Problem: oneLine(err.Error())}
	}

	return c.compile(newSource(text), env)
}

func (c *Compiler) compile(text *source, env *environment) (authz.Expression, error) {
	var found faults
	checked, issues := env.env.Compile(text.text)
	if issues.Err() != nil {
		found.addIssues(text, env, issues)

		return nil, found.err()
	}
	switch {
	case checked.OutputType().IsExactType(cel.BoolType):
	case checked.OutputType().IsExactType(cel.DynType):
		found.add(0, "the expression may have a result of any type; it must be boolean", "compare it: … == true")
	default:
		found.add(0, "the expression is of type "+checked.OutputType().String()+"; it must be boolean", "compare it with something")
	}
	expected, err := env.highestCost(checked, estimator{assume: true})
	if err != nil {
		return nil, &authz.ExpressionError{Column: -1, Problem: oneLine(err.Error())}
	}
	if expected > c.maxCost {
		found.add(-1, fmt.Sprintf("the expression may cost %d with lists of %d members and texts of %d bytes; at most %d", expected, assumedMembers, assumedBytes, c.maxCost),
			"nest fewer of all, exists, exists_one, map and filter over lists of the call, or raise cel.Config.MaxCost")
	}
	certain, err := env.highestCost(checked, estimator{})
	if err != nil {
		return nil, &authz.ExpressionError{Column: -1, Problem: oneLine(err.Error())}
	}

	tree := ast.Copy(checked.NativeRep())
	x := &analysis{source: text, env: env, tree: tree, factory: ast.NewExprFactory(), byKey: map[string]int{}, faults: found}
	x.visit(tree.Expr())
	if len(x.faults) > 0 {
		return nil, x.faults.err()
	}

	return c.plan(text, env, x, certain > c.maxCost)
}

// plan makes a program of an analysed expression. Only if its cost isn't certain to be
// within the limit does it count the cost at run time.
func (c *Compiler) plan(text *source, env *environment, x *analysis, uncertain bool) (authz.Expression, error) {
	made := &expression{env: env, slots: x.slots, reads: readsOf(x.slots), maxInput: c.maxInput, plain: c.plain, columns: map[int64]int{}}
	for id := range x.tree.IDs() {
		made.columns[id] = text.columnOf(x.tree.SourceInfo(), id)
	}
	made.pool = sync.Pool{New: func() any { return &activation{expression: made, cells: make([]cell, len(made.slots))} }}
	options := []cel.ProgramOption{
		cel.EvalOptions(cel.OptOptimize),
		cel.CustomDecoratorV2(made.decorate),
	}
	if made.counts = uncertain || x.heavy; made.counts {
		options = append(options, cel.CostLimit(c.maxCost), cel.CostTracking(dispatched{}), cel.CostTrackerOptions(trackerOptions()...))
	}
	program, err := env.env.PlanProgram(x.tree, options...)
	if err != nil {
		return nil, &authz.ExpressionError{Column: -1, Problem: oneLine(err.Error())}
	}
	made.program = program

	return made, nil
}
