package cel

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
)

// EvaluationError is why an evaluation has no result. It holds texts of the rule only:
// no value of the request, of a claim or of the token.
type EvaluationError struct {
	// Column is the byte offset within the expression of what failed, from zero, or -1
	// if it isn't known.
	Column int
	// Problem is what went wrong, as in "the claim department is missing".
	Problem string
}

// Error returns the column and the problem on one line.
func (e *EvaluationError) Error() string {
	if e.Column < 0 {
		return "cel: " + e.Problem
	}

	return "cel: column " + strconv.Itoa(e.Column) + ": " + e.Problem
}

// The problems that cel-go reports in texts that may quote values.
const (
	problemKey        = "there is no such key"
	problemIndex      = "the index is out of range"
	problemZero       = "division by zero"
	problemOverflow   = "the result is out of range"
	problemTypes      = "the operation doesn't take values of these types"
	problemConversion = "the value can't be converted"
	problemOther      = "the evaluation failed"
	problemCost       = "the evaluation costs more than its limit"
	problemPanic      = "the evaluation panicked"
	problemResult     = "the result isn't a boolean"
)

// problem is an error of our own within an evaluation: a constant text, or one of the
// rule.
type problem string

// Error returns the text.
func (p problem) Error() string { return string(p) }

// fail returns a problem as a value.
func fail(p problem) ref.Val { return types.WrapErr(p) }

// classes maps beginnings of cel-go's texts to problems. What isn't among them is
// problemOther.
var classes = []struct{ start, problem string }{
	{"no such key", problemKey},
	{"no such field", problemKey},
	{"no such attribute", problemKey},
	{"index out of bounds", problemIndex},
	{"index", problemIndex},
	{"invalid_argument", problemIndex},
	{"division by zero", problemZero},
	{"modulus by zero", problemZero},
	{"integer overflow", problemOverflow},
	{"unsigned integer overflow", problemOverflow},
	{"duration overflow", problemOverflow},
	{"timestamp overflow", problemOverflow},
	{"range error", problemOverflow},
	{"no such overload", problemTypes},
	{"unsupported", problemConversion},
	{"type conversion error", problemConversion},
	{"NaN values cannot be ordered", "NaN can't be ordered"},
}

// failure returns what happened, without values.
func (e *expression) failure(err error) *EvaluationError {
	var cancelled interpreter.EvalCancelledError
	if errors.As(err, &cancelled) {
		if cancelled.Cause == interpreter.CostLimitExceeded {
			return &EvaluationError{Column: -1, Problem: problemCost}
		}

		return &EvaluationError{Column: -1, Problem: problemOther}
	}
	var inner *types.Err
	if !errors.As(err, &inner) {
		return &EvaluationError{Column: -1, Problem: problemPanic} // Eval makes it of what it recovers
	}
	made := &EvaluationError{Column: e.columnOf(inner.NodeID()), Problem: problemOther}
	var own problem
	if errors.As(inner.Unwrap(), &own) {
		made.Problem = string(own)

		return made
	}
	text := inner.Error()
	for _, class := range classes {
		if strings.HasPrefix(text, class.start) {
			made.Problem = class.problem

			break
		}
	}

	return made
}

// cel-go has two errors that all evaluations share, and writes the id of the node into
// one that has none, without a lock. Here they get the id of no node.
var _ = []ref.Val{
	types.LabelErrNode(math.MinInt64, types.NoSuchOverloadErr()),
	types.LabelErrNode(math.MinInt64, types.Int(math.MaxInt64).ConvertToType(types.TimestampType)),
}
