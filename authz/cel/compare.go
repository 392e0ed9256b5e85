package cel

import (
	"cmp"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// comparison is an operator between two values that are ordered.
type comparison uint8

const (
	isEqual comparison = iota
	isNotEqual
	isLess
	isLessOrEqual
	isGreater
	isGreaterOrEqual
)

var comparisons = map[string]comparison{
	operators.Equals: isEqual, operators.NotEquals: isNotEqual,
	operators.Less: isLess, operators.LessEquals: isLessOrEqual,
	operators.Greater: isGreater, operators.GreaterEquals: isGreaterOrEqual,
}

// swapped is the comparison with its sides exchanged.
func (c comparison) swapped() comparison {
	switch c {
	case isLess:
		return isGreater
	case isLessOrEqual:
		return isGreaterOrEqual
	case isGreater:
		return isLess
	case isGreaterOrEqual:
		return isLessOrEqual
	default:
		return c
	}
}

// of returns the result for the order of the sides, as [cmp.Compare] returns it.
func (c comparison) of(order int) ref.Val {
	switch c {
	case isEqual:
		return types.Bool(order == 0)
	case isNotEqual:
		return types.Bool(order != 0)
	case isLess:
		return types.Bool(order < 0)
	case isLessOrEqual:
		return types.Bool(order <= 0)
	case isGreater:
		return types.Bool(order > 0)
	default:
		return types.Bool(order >= 0)
	}
}

// compareNode compares a slot with a literal, without allocating CEL's values. Whatever
// it isn't sure of is left to cel-go's node.
type compareNode struct {
	interpreter.InterpretableCall

	e       *expression
	at      int
	how     comparison
	literal ref.Val
}

// newCompareNode returns a node for a call, or nil if it isn't such a comparison.
func (e *expression) newCompareNode(call interpreter.InterpretableCall, left, right interpreter.InterpretableV2) interpreter.InterpretableV2 {
	how, ok := comparisons[call.Function()]
	if !ok {
		return nil
	}
	at, isSlot := slotOf(left)
	literal, isLiteral := right.(interpreter.InterpretableConst)
	if !isSlot || !isLiteral {
		how = how.swapped()
		at, isSlot = slotOf(right)
		literal, isLiteral = left.(interpreter.InterpretableConst)
	}
	if !isSlot || !isLiteral {
		return nil
	}
	made := &compareNode{InterpretableCall: call, e: e, at: at, how: how, literal: literal.Value()}
	switch made.literal.(type) {
	case types.String, types.Int, types.Uint, types.Double:
	case types.Bool:
		if how != isEqual && how != isNotEqual {
			return nil
		}
	default:
		return nil
	}

	return made
}

// Eval implements [interpreter.Interpretable].
func (n *compareNode) Eval(vars interpreter.Activation) ref.Val {
	return interpreter.EvalActivation(vars, n.Exec)
}

// Exec implements [interpreter.InterpretableV2].
func (n *compareNode) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	if frame.CostTracker() == nil {
		if a := activationOf(frame); a.cells[n.at].value == nil {
			if result := n.compare(a); result != nil {
				return result
			}
		}
	}

	return n.InterpretableCall.Exec(frame)
}

// compare returns the result, or nil if cel-go's node must decide.
func (n *compareNode) compare(a *activation) ref.Val {
	s := &n.e.slots[n.at]
	switch s.kind {
	case slotField:
		return n.compareField(a, s)
	case slotClaim:
		if a.in.Principal == nil {
			return nil
		}
		if raw, found := a.claim(n.at); found {
			return n.compareClaim(raw)
		}
	case slotSubject, slotClientID, slotIssuer, slotACR:
		if literal, ok := n.literal.(types.String); ok && a.in.Principal != nil {
			if text := a.text(s.kind); text != "" {
				return n.how.of(cmp.Compare(text, string(literal)))
			}
		}
	default:
	}

	return nil
}

func (n *compareNode) compareField(a *activation, s *slot) ref.Val {
	if s.composite() {
		return nil
	}
	message, wrong := a.request()
	if wrong != "" {
		return nil
	}
	holder, field, wrong := walk(message, s.fields)
	if wrong != "" {
		return nil
	}
	value := holder.Get(field)
	switch literal := n.literal.(type) {
	case types.String:
		if field.Kind() == protoreflect.StringKind && a.weighText(n.at, len(value.String())) {
			return n.how.of(cmp.Compare(value.String(), string(literal)))
		}
	case types.Int:
		switch field.Kind() {
		case protoreflect.EnumKind:
			return n.how.of(cmp.Compare(int64(value.Enum()), int64(literal)))
		case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind,
			protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
			return n.how.of(cmp.Compare(value.Int(), int64(literal)))
		default:
		}
	case types.Uint:
		switch field.Kind() {
		case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
			return n.how.of(cmp.Compare(value.Uint(), uint64(literal)))
		default:
		}
	case types.Double:
		if field.Kind() == protoreflect.DoubleKind || field.Kind() == protoreflect.FloatKind {
			return n.compareDouble(value.Float(), float64(literal))
		}
	case types.Bool:
		if field.Kind() == protoreflect.BoolKind {
			return types.Bool((value.Bool() == bool(literal)) == (n.how == isEqual))
		}
	}

	return nil
}

func (n *compareNode) compareDouble(value, literal float64) ref.Val {
	if math.IsNaN(value) || math.IsNaN(literal) {
		return nil
	}

	return n.how.of(cmp.Compare(value, literal))
}

func (n *compareNode) compareClaim(raw any) ref.Val {
	switch literal := n.literal.(type) {
	case types.String:
		if text, ok := raw.(string); ok {
			return n.how.of(cmp.Compare(text, string(literal)))
		}
	case types.Int:
		if number, ok := raw.(json.Number); ok && !strings.ContainsAny(string(number), ".eE") {
			if i, err := strconv.ParseInt(string(number), 10, 64); err == nil {
				return n.how.of(cmp.Compare(i, int64(literal)))
			}
		}
	case types.Bool:
		if truth, ok := raw.(bool); ok {
			return types.Bool((truth == bool(literal)) == (n.how == isEqual))
		}
	}

	return nil
}
