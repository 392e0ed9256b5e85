package strictjson_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/usher-auth/usher/internal/strictjson"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const manyMembers = 1 << 16

func TestObjectKeepsNamesAndNumbersExactly(t *testing.T) {
	got, err := strictjson.Object([]byte(` {"a": [1, {"b": null}], "c": "\u0064\ud83d\ude00", "A": 1e400, "d\\ud800": true} `), manyMembers)
	want := map[string]any{
		"a": []any{json.Number("1"), map[string]any{"b": nil}}, "c": "d😀", "A": json.Number("1e400"), `d\ud800`: true,
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestObjectRefuses(t *testing.T) {
	for _, text := range []string{
		``, ` `, `null`, `1`, `"a"`, `[]`, `{`, `}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1}{}`, `{"a":1} x`, `{a:1}`, `{"a":[1}`, `{"a":[1,]}`,
		`{"a":NaN}`, `{"a":01}`, `{"a":tru}`, `{"a" 1}`, `{"a":1 "b":2}`, "{\"a\":\"\n\"}", `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\`,
	} {
		if got, err := strictjson.Object([]byte(text), manyMembers); !errors.Is(err, strictjson.ErrSyntax) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

// Before there was one decoder, token endpoints, metadata of key sets and engines
// had one each. Each row on which they differed has the strictest of their rules.
func TestObjectIsTheStrictestOfThree(t *testing.T) {
	nested := func(depth int) string {
		return `{"a":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + `}`
	}
	members := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"%d":{}`, i)
		}
		return "{" + b.String()[1:] + "}"
	}
	for name, c := range map[string]struct {
		text string
		want error
		// What the earlier decoders did.
		tokenEndpoint, keySetMetadata, engine bool
	}{
		"a member twice":               {`{"a":1,"a":1}`, strictjson.ErrDuplicate, false, false, false},
		"a member twice by an escape":  {`{"a":1,"\u0061":1}`, strictjson.ErrDuplicate, false, false, false},
		"a member twice further in":    {`{"x":{"b":1,"\u0062":2}}`, strictjson.ErrDuplicate, true, false, false},
		"a member twice in an array":   {`{"x":[{"b":1,"b":1}]}`, strictjson.ErrDuplicate, true, false, false},
		"equal names at other places":  {`{"a":{"a":1},"b":[{"a":1},{"a":1}]}`, nil, true, true, true},
		"invalid UTF-8":                {"{\"a\":\"\xff\"}", strictjson.ErrSyntax, true, false, false},
		"invalid UTF-8 in a name":      {"{\"\xff\":1}", strictjson.ErrSyntax, true, false, false},
		"a lone high surrogate":        {`{"a":"\ud800"}`, strictjson.ErrSyntax, true, false, true},
		"a lone low surrogate":         {`{"a":"\uDC00"}`, strictjson.ErrSyntax, true, false, true},
		"two high surrogates":          {`{"a":"\ud800\ud800"}`, strictjson.ErrSyntax, true, false, true},
		"a surrogate before an escape": {`{"a":"\ud800\n"}`, strictjson.ErrSyntax, true, false, true},
		"a byte order mark":            {"\ufeff{}", strictjson.ErrSyntax, false, false, false}, // package verify removes one before it decodes
		"32 levels":                    {nested(32), nil, true, true, true},
		"33 levels":                    {nested(33), strictjson.ErrDepth, true, false, false},
		"512 members":                  {members(512), nil, true, true, true},
		"513 members":                  {members(513), strictjson.ErrMembers, true, false, true}, // engines' limit is higher
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := strictjson.Object([]byte(c.text), 512); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if all := c.tokenEndpoint && c.keySetMetadata && c.engine; (c.want == nil) != all {
				t.Error("the row is not the strictest of the three")
			}
		})
	}
}

// Elements are counted over all arrays, however they nest.
func TestObjectBoundsElements(t *testing.T) {
	list := func(n int) string { return "[" + strings.Repeat("0,", n-1) + "0]" }
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"as many as a server lists":  {`{"scopes_supported":` + list(8192) + `}`, nil},
		"the most":                   {`{"a":` + list(strictjson.MaxElements) + `}`, nil},
		"one more":                   {`{"a":` + list(strictjson.MaxElements+1) + `}`, strictjson.ErrElements},
		"the most, in two arrays":    {`{"a":` + list(strictjson.MaxElements-1) + `,"b":[0]}`, nil},
		"one more, in two arrays":    {`{"a":` + list(strictjson.MaxElements) + `,"b":[0]}`, strictjson.ErrElements},
		"one more, in a nested one":  {`{"a":[` + list(strictjson.MaxElements) + `]}`, strictjson.ErrElements},
		"arrays of arrays":           {`{"a":[[]` + strings.Repeat(",[]", strictjson.MaxElements) + `]}`, strictjson.ErrElements},
		"members don't count as one": {`{"a":{"b":` + list(strictjson.MaxElements) + `},"c":{"d":1}}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := strictjson.Object([]byte(c.text), manyMembers); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// What Object accepts, encoding/json accepts, and understands in the same way.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"decision": true}`, `{"a": [1, 2.5e3, "x", null, {"b": {}}]}`, `{"a":1,"a":2}`, `{"\u0061":1}`, `{"a":"\ud83d\ude00"}`, `{"a":"\ud800"}`, `{"a":"\\ud800"}`,
		`{"a":[[],[[0],"x"],{"b":[null,true]}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := strictjson.Object(text, 512)
		if err != nil {
			return
		}
		if !json.Valid(text) || !utf8.Valid(text) {
			t.Fatalf("%q is not JSON", text)
		}
		encoded, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		back, err := strictjson.Object(encoded, 512)
		if err != nil || !reflect.DeepEqual(back, got) {
			t.Fatalf("%q came back as %v, %v", text, back, err)
		}
	})
}
