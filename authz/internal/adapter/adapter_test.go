package adapter_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/adapter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStruct(t *testing.T) {
	deep := any("x")
	for range 40 {
		deep = []any{deep}
	}
	fifteen := any("x") // as deep as a template lets a claim be
	for range 15 {
		fifteen = []any{fifteen}
	}
	for _, c := range []struct {
		name  string
		value any
		want  string // "" for refused
	}{
		{"a string", "x", `"x"`},
		{"a bool", true, `true`},
		{"null", nil, `null`},
		{"an int", int64(-7), `-7`},
		{"the largest exact integer", int64(1 << 53), `9007199254740992`},
		{"one above keeps its digits as text", int64(1<<53 + 1), `"9007199254740993"`},
		{"one below the smallest", int64(-1<<53 - 1), `"-9007199254740993"`},
		{"the largest unsigned", uint64(math.MaxUint64), `"18446744073709551615"`},
		{"a small unsigned", uint32(7), `7`},
		{"a json.Number", json.Number("12"), `12`},
		{"a json.Number beyond a float", json.Number("18446744073709551615"), `"18446744073709551615"`},
		{"a fraction", json.Number("1.5"), `1.5`},
		{"a json.Number that is none", json.Number("12x"), ""},
		{"a json.Number beyond all floats", json.Number("1e999"), ""},
		{"a float", 2.5, `2.5`},
		{"NaN", math.NaN(), ""},
		{"infinity", math.Inf(1), ""},
		{"a time", time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), `"2026-01-02T03:04:05.000000006Z"`},
		{"a duration", 90 * time.Second, `"1m30s"`},
		{"an address", netip.MustParseAddr("192.0.2.1"), `"192.0.2.1"`},
		{"a network", netip.MustParsePrefix("192.0.2.0/24"), `"192.0.2.0/24"`},
		{"strings", []string{"a", "b"}, `["a","b"]`},
		{"integers", []int64{1}, `[1]`},
		{"an empty list", []any{}, `[]`},
		{"a list of a template's types", []any{"a,b", "", true, int64(-7), uint64(7), 2.5}, `["a,b","",true,-7,7,2.5]`},
		{"a list beyond exact integers", []any{int64(1<<53 + 1), uint64(math.MaxUint64), int64(math.MinInt64)}, `["9007199254740993","18446744073709551615","-9223372036854775808"]`},
		{"lists 15 deep", fifteen, strings.Repeat("[", 15) + `"x"` + strings.Repeat("]", 15)},
		{"lists 16 deep", []any{fifteen}, ""},
		{"NaN in a list", []any{math.NaN()}, ""},
		{"the largest float", math.MaxFloat64, `1.7976931348623157e+308`},
		{"nested", map[string]any{"a": []any{map[string]any{"b": true}}}, `{"a":[{"b":true}]}`},
		{"a channel", make(chan int), ""},
		{"a struct", struct{ A int }{1}, ""},
		{"a pointer", new(int), ""},
		{"invalid UTF-8", "\xff", ""},
		{"an invalid name", map[string]any{"\xff": 1}, ""},
		{"nested 40 deep", deep, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := adapter.Struct(map[string]any{"v": c.value})
			if c.want == "" {
				if !errors.Is(err, adapter.ErrContextType) {
					t.Fatalf("err = %v, want ErrContextType", err)
				}

				return
			}
			if err != nil {
				t.Fatal(err)
			}
			text, err := protojson.Marshal(got.GetFields()["v"])
			if err != nil {
				t.Fatal(err)
			}
			if compact := strings.ReplaceAll(string(text), " ", ""); compact != c.want {
				t.Errorf("got %s, want %s", compact, c.want)
			}
		})
	}
	if got, err := adapter.Struct(nil); got != nil || err != nil {
		t.Errorf("Struct(nil) = %v, %v", got, err)
	}
}

func TestChunks(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		name               string
		n, size            int
		fails              func(lo int) bool
		wantRuns, wantFail int
		wantErr            bool
	}{
		{"nothing asks nothing", 0, 10, nil, 0, 0, false},
		{"one run", 10, 10, nil, 1, 0, false},
		{"a remainder", 11, 10, nil, 2, 0, false},
		{"one of three fails", 30, 10, func(lo int) bool { return lo == 10 }, 3, 1, false},
		{"all fail", 30, 10, func(int) bool { return true }, 3, 3, true},
		{"the only one fails", 5, 10, func(int) bool { return true }, 1, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var runs atomic.Int64
			answers := make([]authz.Answer, c.n)
			err := adapter.Chunks(t.Context(), answers, c.size, 2, func(_ context.Context, lo, hi int) error {
				runs.Add(1)
				if hi-lo > c.size {
					t.Errorf("run of %d", hi-lo)
				}
				if c.fails != nil && c.fails(lo) {
					return boom
				}
				for i := lo; i < hi; i++ {
					answers[i].Effect = authz.EffectAllowed
				}

				return nil
			})
			failed := 0
			for lo := 0; lo < c.n; lo += c.size {
				if errors.Is(answers[lo].Err, boom) {
					failed++
				}
			}
			if (err != nil) != c.wantErr || int(runs.Load()) != c.wantRuns || failed != c.wantFail {
				t.Errorf("runs %d, failed %d, err %v", runs.Load(), failed, err)
			}
			for i, a := range answers {
				if (a.Err != nil) == (a.Effect == authz.EffectAllowed) {
					t.Errorf("answer %d = %+v", i, a)
				}
			}
		})
	}

	t.Run("runs that can't start fail with the context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		answers := make([]authz.Answer, 3)
		err := adapter.Chunks(ctx, answers, 1, 1, func(context.Context, int, int) error { cancel(); <-ctx.Done(); return ctx.Err() })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v", err)
		}
	})
	t.Run("a panic comes back to the caller", func(t *testing.T) {
		defer func() {
			if p := recover(); p != "here" {
				t.Errorf("recovered %v", p)
			}
		}()
		_ = adapter.Chunks(t.Context(), make([]authz.Answer, 2), 1, 2, func(context.Context, int, int) error { panic("here") })
		t.Error("no panic")
	})
}

func TestWithTimeout(t *testing.T) {
	soon, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	same, release := adapter.WithTimeout(soon, time.Hour)
	release()
	if same != soon || same.Err() != nil {
		t.Error("an earlier deadline was replaced")
	}
	for _, ctx := range []context.Context{t.Context(), soon} {
		bounded, release := adapter.WithTimeout(ctx, time.Second)
		if deadline, ok := bounded.Deadline(); !ok || time.Until(deadline) > time.Second {
			t.Error("no deadline of its own")
		}
		release()
	}
}

func plain(b byte) bool { return b >= 'a' && b <= 'z' || b >= '0' && b <= '9' }

func TestEncodeID(t *testing.T) {
	for id, want := range map[string]string{
		"ann":        "ann",
		"a@b":        "a=40b",
		"a=b":        "a=3Db",
		"=40":        "=3D40",
		"é":          "=C3=A9",
		"":           "",
		"\x00\xff\n": "=00=FF=0A",
	} {
		if got := adapter.EncodeID(id, plain); got != want {
			t.Errorf("EncodeID(%q) = %q, want %q", id, got, want)
		}
		if back, err := adapter.DecodeID(want, plain); err != nil || back != id {
			t.Errorf("DecodeID(%q) = %q, %v", want, back, err)
		}
	}
	for _, text := range []string{"a@b", "=", "=4", "=4g", "=c3", "=61", "ann=", "=3"} {
		if got, err := adapter.DecodeID(text, plain); !errors.Is(err, adapter.ErrNotEncoded) {
			t.Errorf("DecodeID(%q) = %q, %v", text, got, err)
		}
	}
}

func FuzzEncodeID(f *testing.F) {
	for _, seed := range []string{"", "a@b", "=3D", "é", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		encoded := adapter.EncodeID(id, plain)
		for i := range len(encoded) {
			if b := encoded[i]; !plain(b) && b != '=' && (b < 'A' || b > 'F') {
				t.Fatalf("%q has a byte outside the grammar", encoded)
			}
		}
		back, err := adapter.DecodeID(encoded, plain)
		if err != nil || back != id {
			t.Fatalf("%q came back as %q, %v", id, back, err)
		}
	})
}

func FuzzDecodeID(f *testing.F) {
	for _, seed := range []string{"", "a=40b", "=3D", "=C3=A9", "=61"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := adapter.DecodeID(text, plain)
		if err == nil && adapter.EncodeID(id, plain) != text {
			t.Fatalf("%q has two encoded forms", id)
		}
	})
}

func ExampleEncodeID() {
	plain := func(b byte) bool { return b >= 'a' && b <= 'z' }
	encoded := adapter.EncodeID("ann@example", plain)
	id, err := adapter.DecodeID(encoded, plain)
	fmt.Println(encoded, id, err)
	// Output: ann=40example ann@example <nil>
}

func ExampleStruct() {
	context, err := adapter.Struct(map[string]any{"ip": netip.MustParseAddr("192.0.2.1"), "count": int64(1<<53 + 1)})
	fmt.Println(context.GetFields()["ip"].GetStringValue(), context.GetFields()["count"].GetStringValue(), err)
	// Output: 192.0.2.1 9007199254740993 <nil>
}

func ExampleChunks() {
	err := adapter.Chunks(context.Background(), make([]authz.Answer, 120), 50, 1,
		func(_ context.Context, lo, hi int) error { fmt.Println("ask", lo, hi); return nil })
	fmt.Println(err)
	// Output:
	// ask 0 50
	// ask 50 100
	// ask 100 120
	// <nil>
}
