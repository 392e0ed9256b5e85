package authzen_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/usher-auth/usher/authz"
)

// The values that templates give arrive as JSON has them.
func TestContextOfEveryType(t *testing.T) {
	p := &pdp{}
	e := engine(t, serve(t, p.ServeHTTP))
	q := query("0")
	q.Context = map[string]any{
		"text": "a,b", "flag": false, "number": int64(-7), "large": uint64(math.MaxUint64), "ratio": 2.5, "claim": json.Number("12"),
		"at": "2030-01-02T03:04:05.500Z", "none": []any{}, "list": []any{"a", "", true, int64(1), uint64(1 << 60), 0.5, []any{"b"}},
	}
	if _, err := e.Check(deadline(t), authz.Batch{Queries: []authz.Query{q}}); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"text": "a,b", "flag": false, "number": -7.0, "large": "18446744073709551615", "ratio": 2.5, "claim": 12.0,
		"at": "2030-01-02T03:04:05.500Z", "none": []any{}, "list": []any{"a", "", true, 1.0, "1152921504606846976", 0.5, []any{"b"}},
	}
	if !reflect.DeepEqual(p.bodies[0]["context"], want) {
		t.Errorf("got %v", p.bodies[0]["context"])
	}
}
