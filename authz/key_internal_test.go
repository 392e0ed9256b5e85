package authz

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// keyOf is the end of a key that has the context.
func keyOf(tb testing.TB, context map[string]any) string {
	tb.Helper()
	entries := make([]contextValue, 0, 4)
	for _, name := range []string{"a", "b", "c", "ab"} {
		entries = append(entries, contextValue{name: name})
	}
	slices.SortFunc(entries, func(a, b contextValue) int { return strings.Compare(a.name, b.name) })
	key, ok := appendContext(nil, 'c', entries, context)
	if !ok {
		tb.Fatalf("%v has no key", context)
	}

	return string(appendConsistency(key, Consistency{}))
}

func TestValuesThatLookAlikeHaveDifferentKeys(t *testing.T) {
	list := func(values ...any) []any { return values }
	alike := []map[string]any{
		{},
		{"a": []any{}},
		{"a": list([]any{})},
		{"a": list([]any{}, []any{})},
		{"a": "a,b"},
		{"a": list("a,b")},
		{"a": list("a", "b")},
		{"a": list("a"), "b": list("b")},
		{"a": list(list("a"), "b")},
		{"a": list(list("a", "b"))},
		{"a": "ab"},
		{"a": list("ab")},
		{"a": list("", "ab")},
		{"a": list("ab", "")},
		{"a": list("asb")},
		{"a": list("a", "", "b")},
		{"a": "1"},
		{"a": int64(1)},
		{"a": uint64(1)},
		{"a": 1.0},
		{"a": true},
		{"a": "true"},
		{"a": json.Number("1")},
		{"a": json.Number("1.0")},
		{"a": list("1")},
		{"a": list(int64(1))},
		{"a": list(uint64(1))},
		{"a": list(1.0)},
		{"a": list(true)},
		{"a": list(json.Number("1"))},
		{"a": list(nil)},
		{"a": list("null")},
		{"a": list(int64(1), int64(2))},
		{"a": list(int64(12))},
		{"a": list(int64(1), uint64(2))},
		{"a": list("i1", "i2")},
		{"a": list("1i2")},
		{"a": list(true, false)},
		{"a": list("truebfalse")},
		{"a": `["a"]`},
		{"a": list(`["a"]`)},
		{"a": "l\x01s\x01a"},
		{"a": map[string]any{"b": list("a")}},
		{"a": list(map[string]any{"b": "a"})},
		{"a": list(map[string]any{"b": list("a")})},
		{"a": "x\x00c\x01bs\x01y"},
		{"a": "x", "b": "y"},
		{"a": list("x\x00c\x01bs\x01y")},
		{"ab": "x"},
		{"b": "x"},
		{"a": list("a\x00m\x02")},
		{"a": 0.1},
		{"a": math.Nextafter(0.1, 1)},
		{"a": math.MaxFloat64},
		{"a": int64(math.MaxInt64)},
		{"a": uint64(math.MaxInt64)},
		{"a": uint64(math.MaxUint64)},
		{"a": int64(-1)},
	}
	seen := map[string]map[string]any{}
	for _, context := range alike {
		key := keyOf(t, context)
		if other, taken := seen[key]; taken {
			t.Errorf("%#v and %#v have one key", other, context)
		}
		seen[key] = context
	}
}

// The same values as the context and as each kind of properties are different queries.
func TestContextAndPropertiesHaveDifferentKeys(t *testing.T) {
	entries := []contextValue{{name: "a"}, {name: "b"}}
	asked := &check{context: entries, properties: &properties{subject: entries, action: entries, resource: entries}}
	seen := map[string]string{}
	for _, value := range []any{"x", []any{}, []any{"x"}, "x\x00s\x01as\x01y"} {
		for at := range 16 { // who has the value
			sets := make([]map[string]any, 4)
			for i := range sets {
				if at&(1<<i) != 0 {
					sets[i] = map[string]any{"a": value, "b": "c"}
				}
			}
			if at == 0 && value != "x" {
				continue
			}
			key, ok := asked.appendGiven(nil, sets[0], &Properties{Subject: sets[1], Action: sets[2], Resource: sets[3]})
			name := fmt.Sprintf("%v in %04b", value, at)
			if other, taken := seen[string(key)]; taken || !ok {
				t.Errorf("%s and %s have one key, %v", name, other, ok)
			}
			seen[string(key)] = name
		}
	}
}

func TestListsThatNestTooDeepHaveNoKey(t *testing.T) {
	value := any("x")
	for range maxContextDepth + 1 {
		value = []any{value}
	}
	endless := make([]any, 1)
	endless[0] = endless
	for name, value := range map[string]any{"deep": value, "endless": endless, "not JSON": []any{make(chan int)}} {
		if _, ok := appendContext(nil, 'c', []contextValue{{name: "a"}}, map[string]any{"a": value}); ok {
			t.Errorf("%s has a key", name)
		}
	}
}

// randomValue is a value as templates give it; few texts and numbers, so that values
// are often nearly equal.
func randomValue(random *rand.Rand, depth int) any {
	texts := []string{"", "a", "b", "ab", "1", "true", "\x00", "s\x01a", "i1", "l", `["a"]`, "a\x00cb"}
	kinds := 9
	if depth == 0 {
		kinds = 6
	}
	switch random.IntN(kinds) {
	case 0:
		return texts[random.IntN(len(texts))]
	case 1:
		return random.IntN(2) == 0
	case 2:
		return int64(random.IntN(24) - 12)
	case 3:
		return uint64(random.IntN(24))
	case 4:
		return float64(random.IntN(4)) / 2
	case 5:
		return json.Number(fmt.Sprint(random.IntN(24)))
	case 6:
		members := map[string]any{}
		for range random.IntN(3) {
			// Within an object, numbers are those of a token.
			members[texts[random.IntN(len(texts))]] = []any{texts[random.IntN(len(texts))], nil, json.Number("1")}[random.IntN(3)]
		}

		return members
	default:
		list := make([]any, random.IntN(4))
		for i := range list {
			list[i] = randomValue(random, depth-1)
		}

		return list
	}
}

func TestRandomContextsShareNoKey(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	seen, again := map[string]map[string]any{}, 0
	for range 50_000 {
		context := map[string]any{}
		for _, name := range []string{"a", "b", "ab"}[:1+random.IntN(3)] {
			if random.IntN(4) > 0 {
				context[name] = randomValue(random, 2)
			}
		}
		key := keyOf(t, context)
		other, taken := seen[key]
		if taken && !reflect.DeepEqual(other, context) {
			t.Fatalf("%#v and %#v have one key", other, context)
		}
		if taken {
			again++
		}
		seen[key] = context
	}
	if again < 1000 || len(seen) < 5_000 {
		t.Errorf("%d equal contexts of %d: the test tests little", again, len(seen))
	}
}
