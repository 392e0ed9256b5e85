package authz

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"
)

// Values that JSON writes alike may reach an engine as different ones. No two of
// these may have one key, and no key may be the beginning of another's.
func TestValuesHaveKeysOfTheirOwn(t *testing.T) {
	day := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	values := []any{
		nil,
		[]any(nil),
		[]any{},
		map[string]any(nil),
		map[string]any{},
		[]string(nil),
		[]string{},
		[]int64(nil),
		[]int64{},
		true, false, "true",
		[]any{true},
		[]any{false},
		"90000000000", json.Number("90000000000"), 90 * time.Second, "1m30s", int64(90e9), uint64(90e9), int(90e9), uint(90e9), float64(90e9),
		int64(1), uint64(1), float64(1), int(1), int32(1), uint(1), uint32(1), float32(1), json.Number("1"), json.Number("1.0"), json.Number("-1"), json.Number("1e0"),
		0.1, float32(0.1), json.Number("0.1"), 0.0, math.Copysign(0, -1),
		"\ufffd", "\xff", "\xfe", "\xff\xfe",
		day, day.Format(time.RFC3339Nano), day.Add(1), netip.MustParseAddr("10.0.0.1"), "10.0.0.1", netip.MustParsePrefix("10.0.0.1/32"), "10.0.0.1/32",
		[]any{"a", "b"},
		[]string{"a", "b"},
		[]any{"ab"},
		[]string{"ab"},
		[]any{[]any{"a"}, "b"},
		[]any{[]any{"a", "b"}},
		[]any{"a", []any{"b"}},
		[]any{int64(1)},
		[]int64{1},
		[]any{json.Number("1")},
		[]int64{12},
		[]int64{1, 2},
		map[string]any{"a": "b"},
		map[string]any{"a": nil},
		map[string]any{"a": "b", "c": nil},
		map[string]any{"ab": ""},
		map[string]any{"": "ab"},
		map[string]any{"a": int64(1), "1": int64(2)},
		map[string]any{"a": map[string]any{"b": "c"}},
		[]any{map[string]any{"a": "b"}},
		"\x00", "",
	}
	keys := make([][]byte, len(values))
	for i, value := range values {
		key, ok := appendValue(nil, value, maxContextDepth)
		if !ok {
			t.Errorf("%T %v is refused", value, value)
		}
		keys[i] = key
		if again, _ := appendValue(nil, value, maxContextDepth); string(again) != string(key) {
			t.Errorf("%T %v has two keys", value, value)
		}
	}
	for i, a := range keys {
		for j, b := range keys {
			if i != j && len(a) <= len(b) && string(a) == string(b[:len(a)]) {
				t.Errorf("%T %#v and %T %#v: %q begins %q", values[i], values[i], values[j], values[j], a, b)
			}
		}
	}
}

func TestValuesThatHaveNoKey(t *testing.T) {
	type named string
	number, cycle := 1, map[string]any{}
	cycle["a"] = []any{cycle}
	for name, value := range map[string]any{
		"a struct": struct{ A int }{1}, "bytes": []byte("a"), "raw JSON": json.RawMessage("1"), "a pointer": &number, "a named string": named("a"),
		"another map": map[string]string{"a": "b"}, "names that are numbers": map[int]any{1: 2}, "another list": []map[string]any{{}}, "a function": func() {},
		"a cycle": cycle, "one inside": []any{map[string]any{"a": []byte("a")}},
		"NaN": math.NaN(), "infinity": []any{math.Inf(1)}, "a small infinity": float32(math.Inf(-1)),
		"a number that is none": json.Number("x"), "an empty number": json.Number(""), "a number in quotes": json.Number(`"1"`),
		"two numbers": json.Number("1 2"), "a padded number": json.Number(" 1"), "a number and a line": json.Number("1\n"), "true": json.Number("true"), "a list": json.Number("[1]"),
	} {
		if key, ok := appendValue(nil, value, maxContextDepth); ok {
			t.Errorf("%s has the key %q", name, key)
		}
	}
	deep := any("a")
	for range maxContextDepth {
		deep = []any{deep}
	}
	if _, ok := appendValue(nil, deep, maxContextDepth); !ok {
		t.Errorf("%d levels are refused", maxContextDepth)
	}
	if _, ok := appendValue(nil, []any{deep}, maxContextDepth); ok {
		t.Errorf("%d levels are too many", maxContextDepth+1)
	}
}

// What a token can hold has one key only if it is one value.
func FuzzValueKeys(f *testing.F) {
	f.Add(`{"a":[1,"x",null,{"b":true}]}`, `{"a":[1,"x",null,{"b":false}]}`)
	f.Add(`[1,2]`, `[12]`)
	f.Add(`{"a":1,"1":2}`, `{"1":2,"a":1}`)
	decode := func(text string) any {
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			return nil
		}

		return value
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := decode(a), decode(b)
		keyX, okX := appendValue(nil, x, maxContextDepth)
		keyY, okY := appendValue(nil, y, maxContextDepth)
		if okX && okY && (string(keyX) == string(keyY)) != (fmt.Sprintf("%#v", x) == fmt.Sprintf("%#v", y)) {
			t.Errorf("%#v has %q, %#v has %q", x, keyX, y, keyY)
		}
	})
}
