package authz

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// maxExpression bounds the text of an expression, in bytes.
const maxExpression = 4 << 10

// expression is a compiled Expression.
type expression struct {
	text  string
	of    Expression
	reads ExpressionReads
}

// expression compiles an expression.
func (c *conditions) expression(rule *authzv1.Expression, path string) *node {
	path += ".cel"
	n := c.leafNode(&node{kind: nodeExpression, expression: &expression{text: rule.GetCel()}})
	switch text := rule.GetCel(); {
	case text == "":
		c.site.fail(path, -1, "the expression is empty", "write a boolean expression")
	case len(text) > maxExpression:
		c.site.fail(path, maxExpression, fmt.Sprintf("the expression is longer than %d bytes", maxExpression), "say it in the engine's model")
	case c.compiler == nil:
		c.site.fail(path, -1, "the rule has an expression and nothing compiles it", "set authz.Config.Expressions to what cel.New of the module authz/cel returns")
	default:
		compiled, reads, err := compileExpression(c.compiler, text, c.input)
		if err != nil {
			c.expressionFaults(path, err)

			break
		}
		n.expression.of, n.expression.reads = compiled, reads
		c.expressionReads(n.expression.reads, path)
	}

	return n
}

var errNoExpression = errors.New("the compiler returned neither an expression nor an error")

// compileExpression compiles an expression and asks it what it reads. A panic of either
// is an error.
func compileExpression(compiler ExpressionCompiler, text string, input protoreflect.MessageDescriptor) (compiled Expression, reads ExpressionReads, err error) {
	defer func() {
		if value := recover(); value != nil {
			compiled, err = nil, fmt.Errorf("the compiler panicked with a %T", value)
		}
	}()
	if compiled, err = compiler.CompileExpression(text, input); err != nil {
		return nil, reads, err
	}
	if compiled == nil {
		return nil, reads, errNoExpression
	}
	reads = compiled.Reads()
	for _, name := range reads.Fields {
		if input.Fields().ByName(name) == nil {
			// A stream would forget what the expression reads by that name.
			return nil, reads, fmt.Errorf("the compiled expression reads %s, and the request has no such field", quoted(string(name)))
		}
	}

	return compiled, reads, nil
}

// expressionFaults reports each of the joined errors of a compiler.
func (c *conditions) expressionFaults(path string, err error) {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range several.Unwrap() {
			c.expressionFaults(path, one)
		}

		return
	}
	at, fix := -1, "correct the expression"
	if fault := (*ExpressionError)(nil); errors.As(err, &fault) {
		if at = fault.Column; fault.Fix != "" {
			fix = fault.Fix
		}
	}
	c.site.fail(path, at, err.Error(), fix)
}

// expressionReads takes what an expression reads into account.
func (c *conditions) expressionReads(reads ExpressionReads, path string) {
	c.connection = c.connection || reads.Peer
	if reads.ClaimsOrSubject {
		c.oneAuthority("a subject or a claim, which the expression reads,", path)
	}
	if !reads.Message {
		return
	}
	c.reads, c.unpinned = true, true
	fields := c.input.Fields()
	if len(reads.Fields) == 0 {
		for i := range fields.Len() {
			c.copies = append(c.copies, fields.Get(i))
		}
	}
	for _, name := range reads.Fields {
		c.copies = append(c.copies, fields.ByName(name))
	}
}

// expressionError is why an expression was denied. Its cause is the expression's own.
type expressionError struct {
	text string
	err  error
}

// Error returns the expression, and why it has no value.
func (f *expressionError) Error() string {
	text := "expression " + quoted(f.text)
	if f.err == nil {
		return text + " is false"
	}

	return text + ": " + f.err.Error()
}

// Unwrap returns why the expression has no value, nil if it is false.
func (f *expressionError) Unwrap() error { return f.err }

var (
	errExpressionPanicked = errors.New("it panicked")
	errExpressionEnded    = errors.New("it didn't end in time")
)

// gatherExpression decides an expression.
func (e *evaluation) gatherExpression(x *expression, at *leaf) {
	*at = leaf{verdict: verdictDenied, reason: ReasonRelationDenied}
	e.expr = ExpressionInput{Principal: e.call.Principal, PeerIP: e.call.PeerIP, Now: e.method.owner.now}
	if x.reads.Message {
		e.expr.Message = e.in.Message.Interface()
	}
	var granted bool
	granted, at.cause = x.evaluate(&e.expr)
	if granted && at.cause == nil {
		at.verdict = verdictAllowed
	}
}

// evaluate makes a panic of an expression an error. The value may hold anything, so it
// isn't shown.
func (x *expression) evaluate(in *ExpressionInput) (granted bool, err error) {
	defer func() {
		if recover() != nil {
			granted, err = false, errExpressionPanicked
		}
	}()

	granted, err = x.of.Evaluate(in)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		// Not the call's end: the errors must not be mistaken for each other.
		err = errExpressionEnded
	}

	return granted, err
}
