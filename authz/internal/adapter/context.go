package adapter

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/structpb"
)

// maxContextDepth bounds nesting of lists and maps in a condition context.
// The engines' own parameter types nest a handful of levels at most.
const maxContextDepth = 16

// maxExactInteger is the largest integer that a JSON number, a float64 for
// every engine, holds exactly (RFC 8259 §6).
const maxExactInteger = 1 << 53

// ErrContextType is wrapped by the error for a context value whose type has
// no meaning for an engine: a channel, a struct, a NaN.
var ErrContextType = errors.New("adapter: unsupported context value")

// Struct converts condition context to the protobuf form that gRPC engines
// take. A nil or empty map gives nil. See [Value] for the types.
func Struct(context map[string]any) (*structpb.Struct, error) {
	if len(context) == 0 {
		return nil, nil
	}

	return newStruct(context, maxContextDepth)
}

// Value converts one context value:
//
//   - string, bool, nil, float32, float64 (finite) as they are;
//   - integers as numbers, but as decimal strings beyond ±2^53, where a JSON
//     number loses digits (engines parse such strings for integer parameters);
//   - [json.Number] as a number when exact, else as its text;
//   - [time.Time] as RFC 3339 with nanoseconds, [time.Duration] in Go's
//     syntax ("90s"), [netip.Addr] and [netip.Prefix] as text;
//   - slices of any, string or int64, and maps from string to any.
//
// Anything else is an error that wraps [ErrContextType]: it is refused before
// a request is made. The error names the Go type and never the value.
func Value(v any) (*structpb.Value, error) { return newValue(v, maxContextDepth) }

func newStruct(m map[string]any, depth int) (*structpb.Struct, error) {
	fields := make(map[string]*structpb.Value, len(m))
	for name, v := range m {
		if !utf8.ValidString(name) {
			return nil, fmt.Errorf("%w: a name that is not UTF-8", ErrContextType)
		}
		converted, err := newValue(v, depth-1)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		fields[name] = converted
	}

	return &structpb.Struct{Fields: fields}, nil
}

func newValue(v any, depth int) (*structpb.Value, error) {
	if depth < 0 {
		return nil, fmt.Errorf("%w: nested deeper than %d", ErrContextType, maxContextDepth)
	}
	switch v := v.(type) {
	case nil:
		return structpb.NewNullValue(), nil
	case bool:
		return structpb.NewBoolValue(v), nil
	case string:
		return newString(v)
	case json.Number:
		return newJSONNumber(v)
	case time.Time:
		return structpb.NewStringValue(v.Format(time.RFC3339Nano)), nil
	case time.Duration:
		return structpb.NewStringValue(v.String()), nil
	case netip.Addr:
		return structpb.NewStringValue(v.String()), nil
	case netip.Prefix:
		return structpb.NewStringValue(v.String()), nil
	case map[string]any:
		s, err := newStruct(v, depth)
		if err != nil {
			return nil, err
		}

		return structpb.NewStructValue(s), nil
	case []any:
		return newList(v, depth)
	case []string:
		return newList(v, depth)
	case []int64:
		return newList(v, depth)
	default:
		return newNumber(v)
	}
}

func newList[T any](items []T, depth int) (*structpb.Value, error) {
	values := make([]*structpb.Value, len(items))
	for i, item := range items {
		v, err := newValue(item, depth-1)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}

	return structpb.NewListValue(&structpb.ListValue{Values: values}), nil
}

func newString(s string) (*structpb.Value, error) {
	if !utf8.ValidString(s) {
		return nil, fmt.Errorf("%w: a string that is not UTF-8", ErrContextType)
	}

	return structpb.NewStringValue(s), nil
}

func newNumber(v any) (*structpb.Value, error) {
	switch v := v.(type) {
	case int:
		return newInt(int64(v)), nil
	case int32:
		return newInt(int64(v)), nil
	case int64:
		return newInt(v), nil
	case uint:
		return newUint(uint64(v)), nil
	case uint32:
		return newUint(uint64(v)), nil
	case uint64:
		return newUint(v), nil
	case float32:
		return newFloat(float64(v))
	case float64:
		return newFloat(v)
	default:
		return nil, fmt.Errorf("%w: Go type %T", ErrContextType, v)
	}
}

func newInt(n int64) *structpb.Value {
	if n > maxExactInteger || n < -maxExactInteger {
		return structpb.NewStringValue(strconv.FormatInt(n, 10))
	}

	return structpb.NewNumberValue(float64(n))
}

func newUint(n uint64) *structpb.Value {
	if n > maxExactInteger {
		return structpb.NewStringValue(strconv.FormatUint(n, 10))
	}

	return structpb.NewNumberValue(float64(n))
}

func newFloat(f float64) (*structpb.Value, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%w: a number that is not finite", ErrContextType)
	}

	return structpb.NewNumberValue(f), nil
}

// newJSONNumber keeps the digits: claims decoded with UseNumber may be
// integers beyond what a float64 holds.
func newJSONNumber(n json.Number) (*structpb.Value, error) {
	if i, err := n.Int64(); err == nil {
		return newInt(i), nil
	}
	if u, err := strconv.ParseUint(n.String(), 10, 64); err == nil {
		return newUint(u), nil
	}
	f, err := n.Float64()
	if err != nil {
		return nil, fmt.Errorf("%w: a json.Number that is no number", ErrContextType)
	}

	return newFloat(f)
}
