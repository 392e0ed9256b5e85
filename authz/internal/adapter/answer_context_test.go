package adapter_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz/internal/adapter"
)

func TestAnswerContext(t *testing.T) {
	nested := func(levels int) map[string]any {
		m := map[string]any{"x": true}
		for range levels - 1 {
			m = map[string]any{"x": m}
		}

		return m
	}
	wide := map[string]any{}
	for i := range 1000 {
		wide[strings.Repeat("k", i%7)+string(rune('a'+i%26))+strings.Repeat("x", i/26)] = nil
	}
	for name, c := range map[string]struct {
		in   map[string]any
		kept bool
	}{
		"a reason":                      {map[string]any{"reason_admin": map[string]any{"en": "no"}, "n": json.Number("1")}, true},
		"4 KiB":                         {map[string]any{"a": strings.Repeat("x", 4096-len(`{"a":""}`))}, true},
		"4 KiB and a byte":              {map[string]any{"a": strings.Repeat("x", 4096+1-len(`{"a":""}`))}, false},
		"4 KiB by escapes":              {map[string]any{"a": strings.Repeat("\x00", 1000)}, false},
		"a long name":                   {map[string]any{strings.Repeat("x", 5000): true}, false},
		"a long number":                 {map[string]any{"n": json.Number(strings.Repeat("1", 5000))}, false},
		"many members":                  {wide, false},
		"a list of many":                {map[string]any{"l": make([]any, 5000)}, false},
		"8 levels":                      {nested(8), true},
		"9 levels":                      {nested(9), false},
		"9 levels, of which a list one": {map[string]any{"l": []any{nested(7)}}, false},
	} {
		t.Run("row 61: "+name, func(t *testing.T) {
			got := adapter.AnswerContext(c.in)
			if c.kept != reflect.DeepEqual(got, c.in) {
				t.Errorf("kept = %v", !c.kept)
			}
			if !c.kept && (len(got) != 1 || got[adapter.Dropped] == nil) {
				t.Errorf("not marked: %v", got)
			}
		})
	}
	for _, empty := range []map[string]any{nil, {}} {
		if got := adapter.AnswerContext(empty); got != nil {
			t.Errorf("of an empty one: %v", got)
		}
	}
}
