package authz

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// maxContextDepth bounds the nesting of a claim in a context. Package verify accepts
// no token that nests deeper than 32 levels.
const maxContextDepth = 32

// appendValue adds a context's value to a key. Values of two types have two keys,
// even if JSON writes them alike: an engine reads a [time.Duration] as text and a
// number as a number, so a grant for one is no grant for the other. The types are
// those of JSON and the others that the engines' adapters convert. Any other is
// refused, since it isn't known when two of its values are equal; so are a number
// that is not finite, a [json.Number] that is none, and deep nesting.
func appendValue(key []byte, value any, depth int) ([]byte, bool) {
	switch value := value.(type) {
	case nil:
		return append(key, 'z'), true
	case string:
		return appendSized(append(key, 's'), value), true
	case bool:
		if value {
			return append(key, 'b', 1), true
		}

		return append(key, 'b', 0), true
	case json.Number:
		return appendSized(append(key, 'n'), string(value)), isNumber(string(value))
	case map[string]any:
		return appendMap(key, value, depth)
	case []any:
		return appendList(append(key, 'l'), value, depth, appendValue)
	case []string:
		return appendList(append(key, 'S'), value, depth, appendAny)
	case []int64:
		return appendList(append(key, 'I'), value, depth, appendAny)
	case time.Time:
		return appendSized(append(key, 't'), value.Format(time.RFC3339Nano)), true
	case netip.Addr:
		return appendSized(append(key, 'a'), value.String()), true
	case netip.Prefix:
		return appendSized(append(key, 'p'), value.String()), true
	default:
		return appendNumber(key, value)
	}
}

// appendNumber adds a Go number. int64, uint64 and float64 are those of a message's
// fields.
func appendNumber(key []byte, value any) ([]byte, bool) {
	var tag byte
	var bits uint64
	switch value := value.(type) {
	case int64:
		tag, bits = 'i', uint64(value)
	case uint64:
		tag, bits = 'u', value
	case float64:
		tag, bits = 'f', math.Float64bits(value)
	case time.Duration:
		tag, bits = 'd', uint64(value)
	case int:
		tag, bits = 'j', uint64(value)
	case int32:
		tag, bits = 'k', uint64(value)
	case uint:
		tag, bits = 'v', uint64(value)
	case uint32:
		tag, bits = 'w', uint64(value)
	case float32:
		tag, bits = 'g', math.Float64bits(float64(value))
	default:
		return key, false
	}
	if tag == 'f' || tag == 'g' {
		if f := math.Float64frombits(bits); math.IsNaN(f) || math.IsInf(f, 0) {
			return key, false
		}
	}

	return binary.BigEndian.AppendUint64(append(key, tag), bits), true
}

func appendAny[T any](key []byte, value T, depth int) ([]byte, bool) {
	return appendValue(key, value, depth)
}

// appendList adds a list, a nil one as something else than an empty one.
func appendList[T any](key []byte, list []T, depth int, add func([]byte, T, int) ([]byte, bool)) ([]byte, bool) {
	if depth == 0 {
		return key, false
	}
	key = appendLen(key, len(list), list == nil)
	ok := true
	for _, value := range list {
		if key, ok = add(key, value, depth-1); !ok {
			break
		}
	}

	return key, ok
}

// appendMap adds a map, in the order of its names.
func appendMap(key []byte, members map[string]any, depth int) ([]byte, bool) {
	if depth == 0 {
		return key, false
	}
	key = appendLen(append(key, 'm'), len(members), members == nil)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		var ok bool
		if key, ok = appendValue(appendSized(key, name), members[name], depth-1); !ok {
			return key, false
		}
	}

	return key, true
}

// appendLen adds a length, as one more than it is so that zero is free for nil.
func appendLen(key []byte, n int, isNil bool) []byte {
	if isNil {
		return append(key, 0)
	}

	return binary.AppendUvarint(key, uint64(n)+1)
}

// isNumber reports whether a text is a JSON number (RFC 8259 §6).
func isNumber(text string) bool {
	return text != "" && strings.Trim(text[:1], "-0123456789") == "" && strings.Trim(text[len(text)-1:], "0123456789") == "" && json.Valid([]byte(text))
}
