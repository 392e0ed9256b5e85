package cel

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

const errInexact problem = "a number of a claim is too large to be exact"

// adapter makes CEL's values of Go's: of the request's by the registry, of claims by
// itself.
type adapter struct{ *types.Registry }

// NativeToValue implements [types.Adapter].
func (a *adapter) NativeToValue(value any) ref.Val {
	switch v := value.(type) {
	case ref.Val:
		return v
	case string:
		return types.String(v)
	case json.Number:
		return numberValue(v)
	case []any:
		return types.NewDynamicList(a, v)
	case map[string]any:
		return types.NewStringInterfaceMap(a, v)
	}

	return a.Registry.NativeToValue(value)
}

// maxExact is the first whole number that a double doesn't tell from the next.
const maxExact = 1 << 53

// numberValue returns an int, or else a uint, for a number that is written as an
// integer, and a double for any other. A number that none of them holds, or whose
// double might be equal to another number, is an error: a rounded account number must
// never match another account.
func numberValue(number json.Number) ref.Val {
	text := string(number)
	if !strings.ContainsAny(text, ".eE") {
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return types.Int(i)
		}
		if u, err := strconv.ParseUint(text, 10, 64); err == nil {
			return types.Uint(u)
		}

		return fail(errInexact)
	}
	double, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(double) || math.Abs(double) >= maxExact {
		return fail(errInexact)
	}

	return types.Double(double)
}
