package cel_test

import (
	"testing"

	"github.com/usher-auth/usher/authz/cel"
)

// row 69: a time that no protobuf Timestamp may hold, which Go's arithmetic wraps to
// another one, and a duration beyond its range, are errors.
func TestTimesOutOfRange(t *testing.T) {
	of := order(t)
	c := compiler(t, cel.Config{})
	for _, field := range []string{
		"at { seconds: 9223372036854775807 }",
		"at { seconds: -9223372036854775808 }",
		"at { seconds: 253402300800 }",
		"at { seconds: -62135596801 }",
		"at { seconds: 1 nanos: -1 }",
		"at { seconds: 1 nanos: 1000000000 }",
		"within { seconds: 9223372036854775807 }",
		"within { seconds: 315576000001 }",
		"within { seconds: 1 nanos: -1 }",
		"within { nanos: 1000000000 }",
	} {
		for _, text := range []string{"request.at < now", "request.at >= now", "request.within < duration('1h')", "request.within >= duration('1h')"} {
			if (text[8] == 'a') != (field[0] == 'a') {
				continue
			}
			e, err := c.CompileExpression(text, of)
			if err != nil {
				t.Fatal(err)
			}
			holds, err := e.Evaluate(input(dynamic(t, of, field)))
			if holds || err == nil {
				t.Errorf("%s of %s: %v, %v; want an error", text, field, holds, err)
			}
		}
	}
	for _, field := range []string{"at {}", "at { seconds: 253402300799 nanos: 999999999 }", "at { seconds: -62135596800 }", "within { seconds: 315576000000 }", "within { seconds: -1 nanos: -1 }"} {
		e, err := c.CompileExpression("request.at != now && request.within != duration('1h')", of)
		if err != nil {
			t.Fatal(err)
		}
		if holds, err := e.Evaluate(input(dynamic(t, of, field))); err != nil || !holds {
			t.Errorf("%s: %v, %v; want true", field, holds, err)
		}
	}
}
