package cel

import (
	"slices"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/usher-auth/usher/authz"
)

// expression is a compiled expression.
type expression struct {
	env      *environment
	program  cel.Program
	slots    []slot
	reads    authz.ExpressionReads
	maxInput int
	plain    bool
	// counts is set if the cost is counted at run time.
	counts bool
	// columns are the offsets of the nodes in the text.
	columns map[int64]int
	pool    sync.Pool
}

var _ authz.Expression = (*expression)(nil)

// Reads returns what the expression reads.
func (e *expression) Reads() authz.ExpressionReads {
	reads := e.reads
	reads.Fields = slices.Clone(reads.Fields)

	return reads
}

// Evaluate reports whether the expression is true.
func (e *expression) Evaluate(in *authz.ExpressionInput) (holds bool, err error) {
	a, _ := e.pool.Get().(*activation)
	a.in, a.left = in, e.maxInput
	result, _, err := e.program.Eval(a)
	if err != nil {
		return false, e.failure(err) // the activation may be in use by what panicked
	}
	a.in, a.named = nil, nil
	clear(a.cells)
	e.pool.Put(a)
	verdict, ok := result.(types.Bool)
	if !ok {
		return false, &EvaluationError{Column: -1, Problem: problemResult}
	}

	return bool(verdict), nil
}

// columnOf returns the offset of a node in the text, or -1.
func (e *expression) columnOf(id int64) int {
	if column, ok := e.columns[id]; ok {
		return column
	}

	return -1
}
