package cel

import (
	"errors"
	"regexp"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
)

// maxSteps bounds one search for a pattern: the bytes of the text times the
// instructions of the pattern's program. It is some milliseconds.
const maxSteps = 1 << 20

const errTooLong problem = "the text is too long for the pattern"

var errPattern = errors.New("the pattern isn't literal")

// matchNode is matches with a literal pattern, whose time is bounded: cel-go counts the
// cost of a search after it.
type matchNode struct {
	call    interpreter.InterpretableCall
	arg     interpreter.InterpretableV2
	pattern *regexp.Regexp
	size    int
}

func newMatchNode(call interpreter.InterpretableCall) (interpreter.InterpretableV2, error) {
	text, ok := constText(call.Args()[1])
	if !ok {
		return nil, errPattern
	}
	pattern, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	size, err := types.RegexProgramSize(text)
	if err != nil {
		return nil, err
	}

	return &matchNode{call: call, arg: call.Args()[0], pattern: pattern, size: size}, nil
}

// ID implements [interpreter.Interpretable].
func (n *matchNode) ID() int64 { return n.call.ID() }

// Eval implements [interpreter.Interpretable].
func (n *matchNode) Eval(vars interpreter.Activation) ref.Val {
	return interpreter.EvalActivation(vars, n.Exec)
}

// Exec implements [interpreter.InterpretableV2].
func (n *matchNode) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	value := n.arg.Exec(frame)
	text, ok := value.(types.String)
	if !ok {
		return types.LabelErrNode(n.ID(), types.MaybeNoSuchOverloadErr(value))
	}
	steps := len(text) * n.size
	if steps > maxSteps {
		return types.LabelErrNode(n.ID(), fail(errTooLong))
	}
	if costs := frame.CostTracker(); costs != nil {
		costs.EvalUnary(frame, n.ID(), n.call, types.Int(steps), types.True)
	}

	return types.Bool(n.pattern.MatchString(string(text)))
}
