package cel

import (
	"net/netip"

	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
)

// decorate replaces nodes of the program: those that must be bounded, and those that
// are common enough to be worth a way without allocations.
func (e *expression) decorate(node interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	if made, ok := node.(interpreter.InterpretableConstructor); ok && made.Type() != types.ListType && made.Type() != types.MapType {
		return &createNode{made}, nil
	}
	call, ok := node.(interpreter.InterpretableCall)
	if !ok {
		return node, nil
	}
	args := call.Args()
	switch overload := call.OverloadID(); {
	case call.Function() == overloads.Matches && len(args) == 2:
		return newMatchNode(call)
	case zonedOverloads[overload] != nil && len(args) == 2:
		return newZonedNode(call, zonedOverloads[overload])
	case overload == overloadInRange:
		return e.newRangeNode(call)
	case call.Function() == operators.In:
		if at, ok := slotOf(args[1]); ok && e.slots[at].kind == slotScopes {
			return &scopeNode{id: call.ID(), arg: args[0]}, nil
		}
	}
	if len(args) == 2 && !e.plain {
		if fast := e.newCompareNode(call, args[0], args[1]); fast != nil {
			return fast, nil
		}
	}

	return node, nil
}

// createNode makes a message, and counts what is copied into it.
type createNode struct {
	interpreter.InterpretableConstructor
}

var _ interpreter.InterpretableCall = (*createNode)(nil)

// Function implements [interpreter.InterpretableCall].
func (n *createNode) Function() string { return overloadCreate }

// OverloadID implements [interpreter.InterpretableCall].
func (n *createNode) OverloadID() string { return overloadCreate }

// Args implements [interpreter.InterpretableCall].
func (n *createNode) Args() []interpreter.InterpretableV2 { return n.InitVals() }

// Eval implements [interpreter.Interpretable].
func (n *createNode) Eval(vars interpreter.Activation) ref.Val {
	return interpreter.EvalActivation(vars, n.Exec)
}

// Exec implements [interpreter.InterpretableV2].
func (n *createNode) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	made := n.InterpretableConstructor.Exec(frame)
	if costs := frame.CostTracker(); costs != nil && !types.IsUnknownOrError(made) {
		costs.EvalUnary(frame, n.ID(), n, made, made)
	}

	return made
}

// slotOf returns the slot that a node reads and nothing else.
func slotOf(node interpreter.InterpretableV2) (int, bool) {
	attribute, ok := node.(interpreter.InterpretableAttribute)
	if !ok {
		return 0, false
	}
	named, ok := attribute.Attr().(interpreter.NamespacedAttribute)
	if !ok || len(named.Qualifiers()) > 0 || len(named.CandidateVariableNames()) != 1 {
		return 0, false
	}

	return slotIndex(named.CandidateVariableNames()[0])
}

// scopeNode is in over the caller's scopes.
type scopeNode struct {
	id  int64
	arg interpreter.InterpretableV2
}

// ID implements [interpreter.Interpretable].
func (n *scopeNode) ID() int64 { return n.id }

// Eval implements [interpreter.Interpretable].
func (n *scopeNode) Eval(vars interpreter.Activation) ref.Val {
	return interpreter.EvalActivation(vars, n.Exec)
}

// Exec implements [interpreter.InterpretableV2].
func (n *scopeNode) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	value := n.arg.Exec(frame)
	if costs := frame.CostTracker(); costs != nil {
		costs.Qualify(n.id)
	}
	if types.IsUnknownOrError(value) {
		return value
	}
	scope, ok := value.(types.String)
	if !ok {
		return types.False // as in a list of texts
	}
	a := activationOf(frame)
	if a.in.Principal == nil {
		return types.LabelErrNode(n.id, fail(errNoCaller))
	}

	return types.Bool(a.in.Principal.HasScope(string(scope)))
}

// rangeNode is inRange with a literal range.
type rangeNode struct {
	call   interpreter.InterpretableCall
	at     int
	direct bool
	within netip.Prefix
}

func (e *expression) newRangeNode(call interpreter.InterpretableCall) (interpreter.InterpretableV2, error) {
	text, ok := constText(call.Args()[1])
	if !ok {
		return nil, problem("the range isn't literal")
	}
	within, wrong, _ := parseRange(text)
	if wrong != "" {
		return nil, problem("the range isn't valid")
	}
	node := &rangeNode{call: call, within: within}
	if at, ok := slotOf(call.Args()[0]); ok && e.slots[at].kind == slotIP {
		node.at, node.direct = at, true
	}

	return node, nil
}

// ID implements [interpreter.Interpretable].
func (n *rangeNode) ID() int64 { return n.call.ID() }

// Eval implements [interpreter.Interpretable].
func (n *rangeNode) Eval(vars interpreter.Activation) ref.Val {
	return interpreter.EvalActivation(vars, n.Exec)
}

// Exec implements [interpreter.InterpretableV2].
func (n *rangeNode) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	if costs := frame.CostTracker(); costs != nil {
		costs.Qualify(n.ID())
	}
	if n.direct {
		addr := activationOf(frame).in.PeerIP
		if !addr.IsValid() {
			return types.LabelErrNode(n.ID(), fail(errNoPeer))
		}

		return types.Bool(n.within.Contains(addr.Unmap().WithZone("")))
	}
	value := n.call.Args()[0].Exec(frame)
	addr, ok := value.(ipValue)
	if !ok {
		return types.LabelErrNode(n.ID(), types.MaybeNoSuchOverloadErr(value))
	}

	return types.Bool(n.within.Contains(addr.addr))
}
