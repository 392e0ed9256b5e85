package cel

import (
	"math"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// What the estimate before the start supposes about the call.
const (
	assumedMembers = 64  // of a list, map or message
	assumedBytes   = 256 // of a text
)

const (
	// bytesPerCost is how many bytes an operation reads for one unit of cost.
	bytesPerCost = 10
	// stepsPerCost is how many steps of a regular expression's program are one unit.
	stepsPerCost = 10
	// partCost is the cost of comparing one part of a value with members, and
	// memberCost of comparing one member of a list that is searched.
	partCost, memberCost = 4, 2
)

// estimator supposes sizes of what an expression reads of the call. Its zero value
// supposes none: whatever depends on one has no bound.
type estimator struct{ assume bool }

// EstimateSize implements [cost.Estimator].
func (e estimator) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	if !e.assume || node.ComputedSize() != nil || node.Type() == nil {
		return nil
	}
	switch node.Type().Kind() {
	case types.ListKind, types.MapKind, types.StructKind, types.OpaqueKind:
		return &cost.SizeEstimate{Max: assumedMembers}
	case types.StringKind, types.BytesKind, types.DynKind, types.AnyKind:
		return &cost.SizeEstimate{Max: assumedBytes}
	default:
		return nil
	}
}

// EstimateCallCost implements [cost.Estimator].
func (e estimator) EstimateCallCost(_, overload string, _ *cost.AstNode, args []cost.AstNode) *cost.CallEstimate {
	if overload == overloads.InList && len(args) == 2 && slices.Equal(args[1].Path(), []string{varScopes}) {
		return cost.NewCallEstimate(cost.FixedCostEstimate(1), nil) // the principal is asked
	}

	return nil
}

// highestCost returns the highest cost of an expression.
func (e *environment) highestCost(tree *cel.Ast, with estimator) (uint64, error) {
	estimate, err := e.env.EstimateCost(tree, with)

	return estimate.Max, err
}

// sizedOverloads are operations that read all of their first argument, which cel-go
// counts as one unit.
var sizedOverloads = map[string]cost.FunctionTracker{
	overloads.SizeString:        sizedCost,
	overloads.SizeStringInst:    sizedCost,
	overloads.StringToInt:       sizedCost,
	overloads.StringToUint:      sizedCost,
	overloads.StringToDouble:    sizedCost,
	overloads.StringToBool:      sizedCost,
	overloads.StringToDuration:  sizedCost,
	overloads.StringToTimestamp: sizedCost,
}

// trackerOptions are how the run-time costs differ from cel-go's.
func trackerOptions() []cost.TrackerOption {
	options := []cost.TrackerOption{
		cost.OverloadTracker(overloads.Equals, equalCost),
		cost.OverloadTracker(overloads.NotEquals, equalCost),
		cost.OverloadTracker(overloads.InList, searchCost),
		cost.OverloadTracker(overloads.Matches, stepsCost),
		cost.OverloadTracker(overloads.MatchesString, stepsCost),
	}
	options = append(options, cost.OverloadTracker(overloadCreate, createdCost))
	for overload, tracker := range sizedOverloads {
		options = append(options, cost.OverloadTracker(overload, tracker))
	}

	return options
}

// overloadCreate is the overload by which a [createNode] counts.
const overloadCreate = "@create"

// createdCost is the cost of a message that the expression makes: its fields are
// copied, which cel-go counts as a constant.
func createdCost(args []ref.Val, _ ref.Val) *uint64 {
	total := 1 + partCost*uint64(sizes.AggregateSize(args[0]))

	return &total
}

// dispatched counts the calls whose overload depends on the values, as on those of
// claims: cel-go counts each as one unit.
type dispatched struct{}

// CallCost implements [cost.ActualCostEstimator].
func (dispatched) CallCost(function, overload string, args []ref.Val, result ref.Val) *uint64 {
	if overload != "" {
		return nil
	}
	if function == operators.In && len(args) == 2 {
		if _, isList := args[1].(traits.Lister); isList {
			return searchCost(args, result)
		}
	}
	total := 1 + textLength(result)/bytesPerCost
	for _, arg := range args {
		total += textLength(arg) / bytesPerCost
	}

	return &total
}

// textLength returns the length of a text in bytes, and zero for other values.
func textLength(value ref.Val) uint64 {
	switch v := value.(type) {
	case types.String:
		return uint64(len(v))
	case types.Bytes:
		return uint64(len(v))
	default:
		return 0
	}
}

func sizedCost(args []ref.Val, _ ref.Val) *uint64 {
	total := uint64(1)
	if text, ok := args[0].(types.String); ok {
		total += uint64(len(text)) / bytesPerCost
	}

	return &total
}

// sizes measures values with members. The request's depth and size are bounded by the
// slots it is read by.
var sizes = types.NewSizeCalculator(types.SizeCalculatorMaxDepth(2*maxNesting), types.SizeCalculatorMaxTraversal(math.MaxInt32), types.SizeCalculatorStringUnitLength(bytesPerCost))

func nested(value ref.Val) bool {
	switch value.(type) {
	case traits.Lister, traits.Mapper:
		return true
	default:
		if value == nil {
			return false
		}
		of, ok := value.Type().(*types.Type)

		return ok && of.Kind() == types.StructKind
	}
}

// equalCost is the cost of comparing values with members: that of their parts, of which
// cel-go counts one level.
func equalCost(args []ref.Val, _ ref.Val) *uint64 {
	if len(args) != 2 || !nested(args[0]) || !nested(args[1]) {
		return nil
	}
	total := 1 + partCost*min(uint64(sizes.AggregateSize(args[0])), uint64(sizes.AggregateSize(args[1])))

	return &total
}

// searchCost is the cost of searching a list.
func searchCost(args []ref.Val, _ ref.Val) *uint64 {
	if len(args) != 2 {
		return nil
	}
	total := 1 + memberCost*uint64(sizes.AggregateSize(args[1]))

	return &total
}

// stepsCost is the cost of a regular expression, whose steps a [matchNode] passes.
func stepsCost(args []ref.Val, _ ref.Val) *uint64 {
	total := uint64(1)
	if steps, ok := args[0].(types.Int); ok && steps > 0 {
		total += uint64(steps) / stepsPerCost
	}

	return &total
}
