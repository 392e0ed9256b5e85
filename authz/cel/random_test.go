package cel_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	celgo "cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/cel"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

// writer writes random expressions, of which most are well typed.
type writer struct{ *rand.Rand }

func (w writer) of(texts ...string) string { return texts[w.IntN(len(texts))] }

var claimPaths = []string{"caller.claims.a", "caller.claims.b", "caller.claims['a']", "caller.claims.o.v", "caller.claims.o['w']", "caller.claims['o'].v", "caller.claims.l[0]", "caller.claims[request.text]", "caller.claims.o[request.text]"}

func (w writer) text(depth int) string {
	if depth <= 0 || w.IntN(3) == 0 {
		return w.of("request.text", "request.item.id", "request.nested.text", "request.optional_text", "request.first", "'a'", "''", "'b'", "'5'", "'räd'",
			"caller.subject", "caller.client_id", "caller.acr", "caller.issuer", "caller.kind", "request.texts[0]", "request.labels['a']", "request.labels.b", "string(peer.ip)")
	}
	switch w.IntN(4) {
	case 0:
		return "(" + w.text(depth-1) + " + " + w.text(depth-1) + ")"
	case 1:
		return "string(" + w.number(depth-1) + ")"
	case 2:
		return "(" + w.truth(depth-1) + " ? " + w.text(depth-1) + " : " + w.text(depth-1) + ")"
	default:
		return w.text(0)
	}
}

func (w writer) number(depth int) string {
	if depth <= 0 || w.IntN(3) == 0 {
		return w.of("request.small", "request.large", "request.item.number", "request.optional_large", "request.nested.nested.large", "request.numbers[0]",
			"0", "1", "-1", "5", "9223372036854775807", "-9223372036854775808", "request.color", "int(request.text)", "size(request.texts)", "size(request.items)", "size(request.text)", "int(request.ratio)")
	}
	switch w.IntN(3) {
	case 0:
		return "(" + w.number(depth-1) + w.of(" + ", " - ", " * ", " / ", " % ") + w.number(depth-1) + ")"
	case 1:
		return "(" + w.truth(depth-1) + " ? " + w.number(depth-1) + " : " + w.number(depth-1) + ")"
	default:
		return "-" + w.number(0)
	}
}

func (w writer) any(depth int) string {
	switch w.IntN(6) {
	case 0:
		return "dyn(" + w.text(depth-1) + ")"
	case 1:
		return "dyn(" + w.number(depth-1) + ")"
	case 2:
		return w.of("dyn(request.ratio)", "dyn(request.large_unsigned)", "dyn(request.flag)", "dyn(request.wrapped_text)", "dyn(request.wrapped_large)", "dyn(request.texts)", "dyn(null)", "dyn(0.0)", "dyn(-0.0)", "dyn(1u)", "dyn(request.raw)", "dyn(request.labels)", "dyn([1, 'a'])")
	default:
		return claimPaths[w.IntN(len(claimPaths))]
	}
}

func (w writer) truth(depth int) string {
	operator := func() string { return w.of(" == ", " != ", " < ", " <= ", " > ", " >= ") }
	if depth <= 0 {
		switch w.IntN(8) {
		case 0:
			return w.text(0) + operator() + w.text(0)
		case 1:
			return w.number(0) + operator() + w.number(0)
		case 2, 3:
			return w.any(0) + operator() + w.any(0)
		case 4:
			return w.any(0) + operator() + w.of("'a'", "5", "5.0", "5u", "true", "''", "0", "9007199254740993")
		case 5:
			return w.of("request.large_unsigned == 0u", "request.ratio == 0.0", "request.ratio < 1.5", "request.ratio != 0.25", "request.small_unsigned < 5u", "request.large_unsigned > 5", "request.flag == true", "false != request.flag",
				"request.color == usher.test.docs.v1.Color.COLOR_RED", "request.wrapped_text == 'a'", "request.wrapped_large == null", "5.0 >= request.ratio", "request.wrapped_large < 6")
		case 6:
			return w.of("'a' in caller.scopes", "request.text in caller.scopes", "'' in caller.scopes", "size(caller.scopes) == 1", "caller.scopes.exists(s, s == 'a')", "caller.claims.a in caller.scopes", "caller.scopes == ['a', 'b']",
				"peer.ip.inRange('10.0.0.0/8')", "!peer.ip.inRange('::/0')", "peer.ip.inRange('2001:db8::/32')", "caller.kind == 'user'", "caller.kind != 'service'")
		default:
			return w.of("has(request.text)", "has(request.item)", "has(request.optional_text)", "has(request.nested.item.id)", "has(request.labels.a)", "has(request.wrapped_text)", "has(request.first)", "has(caller.claims.a)", "'a' in caller.claims", "request.text in caller.claims",
				"'a' in request.labels", "request.text in request.texts", "request.flag", "true", "false", "request.text.matches('^[a-z]$')", "request.text.startsWith('a')", "request.item == request.items[0]", "request.texts == ['a']", "request == request", "request.nested == request")
		}
	}
	switch w.IntN(12) {
	case 0, 1, 2:
		return "(" + w.truth(depth-1) + " && " + w.truth(depth-1) + ")"
	case 3, 4, 5:
		return "(" + w.truth(depth-1) + " || " + w.truth(depth-1) + ")"
	case 6, 7:
		return "!(" + w.truth(depth-1) + ")"
	case 8:
		return "(" + w.truth(depth-1) + " ? " + w.truth(depth-1) + " : " + w.truth(depth-1) + ")"
	case 9:
		inner := w.truth(depth - 1)
		list, member := "request.items", "x.id"
		switch w.IntN(4) {
		case 0:
			list, member = "request.texts", "x"
		case 1:
			list, member = "caller.claims.l", "x"
		case 2:
			list, member = "request.labels", "x"
		}
		inner = strings.Replace(inner, w.of("request.text", "'a'", "caller.subject", "request.item.id"), member, 1)

		return list + "." + w.of("all", "exists", "exists_one") + "(x, " + inner + ")"
	case 10:
		return "(" + w.text(depth-1) + operator() + w.text(depth-1) + ")"
	default:
		return "(" + w.number(depth-1) + operator() + w.number(depth-1) + ")"
	}
}

func (w writer) message(depth int) *docsv1.Kinds {
	m := &docsv1.Kinds{
		Text: w.of("", "a", "b", "5", "räd", "o", "v"), Small: []int32{0, 1, -1, 5, math.MaxInt32}[w.IntN(5)], Large: []int64{0, 1, -1, 5, math.MaxInt64, math.MinInt64}[w.IntN(6)],
		SmallUnsigned: []uint32{0, 5, math.MaxUint32}[w.IntN(3)], LargeUnsigned: []uint64{0, 5, math.MaxUint64}[w.IntN(3)], Color: docsv1.Color(w.IntN(4)),
		Flag: w.IntN(2) == 0, Ratio: []float64{0, math.Copysign(0, -1), 0.25, 5, math.NaN(), math.Inf(1), 1e300}[w.IntN(7)], Raw: []byte(w.of("", "a")),
	}
	item := func() *docsv1.Item { return &docsv1.Item{Id: w.of("", "a", "b"), Number: []int64{0, 5}[w.IntN(2)]} }
	if w.IntN(2) == 0 {
		text := w.of("", "a")
		m.OptionalText = &text
	}
	if w.IntN(2) == 0 {
		m.Item = item()
	}
	for range w.IntN(3) {
		m.Items, m.Texts, m.Numbers = append(m.Items, item()), append(m.Texts, w.of("a", "b", "")), append(m.Numbers, w.Int64N(9))
	}
	if w.IntN(2) == 0 {
		m.Labels = map[string]string{w.of("a", "b"): w.of("a", "")}
	}
	if w.IntN(2) == 0 {
		m.WrappedText, m.WrappedLarge = wrapperspb.String(w.of("", "a")), wrapperspb.Int64(w.Int64N(9))
	}
	if w.IntN(2) == 0 {
		m.Choice = &docsv1.Kinds_First{First: w.of("", "a")}
	}
	if depth > 0 && w.IntN(2) == 0 {
		m.Nested = w.message(depth - 1)
	}

	return m
}

func (w writer) claim(depth int) any {
	switch w.IntN(9) {
	case 0:
		return w.of("", "a", "5")
	case 1, 2:
		return w.IntN(7) - 1
	case 3:
		return json.Number(w.of("5.0", "0.5", "-0.0", "5e0", "9007199254740993", "18446744073709551615", "-9223372036854775808"))
	case 4:
		return w.IntN(2) == 0
	case 5:
		return []string{"a", "b"}
	default:
		if depth == 0 {
			return "b"
		}

		return map[string]any{"v": w.claim(depth - 1), "w": w.claim(depth - 1)}
	}
}

// asCEL is a value of JSON as the claims are documented.
func asCEL(value any) any {
	switch v := value.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		var u uint64
		if _, err := fmt.Sscan(string(v), &u); err == nil && !strings.ContainsAny(string(v), ".e") {
			return u
		}
		f, _ := v.Float64()

		return f
	case []any:
		made := make([]any, len(v))
		for i := range v {
			made[i] = asCEL(v[i])
		}

		return made
	case map[string]any:
		made := map[string]any{}
		for name := range v {
			made[name] = asCEL(v[name])
		}

		return made
	default:
		return value
	}
}

// reference compiles an expression by cel-go alone, with the same variables.
func reference(t testing.TB) func(text string) celgo.Program {
	t.Helper()
	env, err := celgo.NewEnv(celgo.Types(&docsv1.Kinds{}), celgo.Variable("request", celgo.ObjectType("usher.test.docs.v1.Kinds")), celgo.CrossTypeNumericComparisons(true),
		celgo.Variable("caller.subject", celgo.StringType), celgo.Variable("caller.client_id", celgo.StringType), celgo.Variable("caller.acr", celgo.StringType),
		celgo.Variable("caller.issuer", celgo.StringType), celgo.Variable("caller.kind", celgo.StringType), celgo.Variable("caller.scopes", celgo.ListType(celgo.StringType)),
		celgo.Variable("caller.claims", celgo.MapType(celgo.StringType, celgo.DynType)), celgo.Variable("peer.ip", celgo.StringType),
		celgo.Function("inRange", celgo.MemberOverload("address_in_range", []*celgo.Type{celgo.StringType, celgo.StringType}, celgo.BoolType, celgo.BinaryBinding(func(a, b ref.Val) ref.Val {
			return types.Bool(netip.MustParsePrefix(b.Value().(string)).Contains(netip.MustParseAddr(a.Value().(string))))
		}))))
	if err != nil {
		t.Fatal(err)
	}

	return func(text string) celgo.Program {
		tree, issues := env.Compile(text)
		if issues.Err() != nil {
			return nil
		}
		program, err := env.Program(tree)
		if err != nil {
			return nil
		}

		return program
	}
}

// byMember reports whether an expression looks a claim up by the variable of a macro.
func byMember(text string) bool {
	return strings.Contains(text, "x in caller.claims") || strings.Contains(text, "x.id in caller.claims") || strings.Contains(text, "[x")
}

func TestRandomExpressionsAreThoseOfCEL(t *testing.T) {
	runs := 1500
	if testing.Short() {
		runs = 200
	}
	w := writer{rand.New(rand.NewPCG(15, 26))}
	c, plain, alone := compiler(t, cel.Config{MaxCost: 1e7}), cel.Plain(compiler(t, cel.Config{MaxCost: 1e7})), reference(t)
	compiled, held, failed := 0, 0, 0
	for range runs {
		text := w.truth(1 + w.IntN(3))
		want := alone(text)
		got, err := c.CompileExpression(text, kinds)
		if err != nil && strings.Contains(err.Error(), "may cost") {
			continue
		}
		if (err == nil) != (want != nil) {
			t.Fatalf("%s: %v; cel-go alone: %v", text, err, want != nil)
		}
		if err != nil {
			continue
		}
		slow, err := plain.CompileExpression(text, kinds)
		if err != nil {
			t.Fatal(err)
		}
		compiled++
		for range 12 {
			claims := authztest.Claims{"a": w.claim(2), "b": w.claim(2), "o": map[string]any{"v": w.claim(1), "w": w.claim(1)}, "l": []any{w.claim(1), w.of("a", "b")}, "acr": "mfa"}
			for _, name := range []string{"a", "o", "l"} {
				if w.IntN(4) == 0 {
					delete(claims, name)
				}
			}
			in := &authz.ExpressionInput{Message: w.message(2), Principal: lister{authztest.User("ann", claims, authztest.Claims{"scope": "a b"}), []string{"a", "b"}}, PeerIP: netip.MustParseAddr(w.of("10.1.2.3", "2001:db8::1", "::ffff:10.1.2.3"))}
			holds, gotErr := got.Evaluate(in)
			holds2, gotErr2 := slow.Evaluate(in)
			if holds != holds2 || fmt.Sprint(gotErr) != fmt.Sprint(gotErr2) {
				t.Errorf("%s of %v: %v, %v; without the comparisons: %v, %v", text, in.Message, holds, gotErr, holds2, gotErr2)
			}
			result, _, wantErr := want.Eval(map[string]any{
				"request": in.Message, "caller.subject": "ann", "caller.client_id": "test-client", "caller.acr": "mfa", "caller.issuer": "test", "caller.kind": "user",
				"caller.scopes": []string{"a", "b"}, "caller.claims": asCEL(map[string]any(in.Principal.(lister).Claims())), "peer.ip": in.PeerIP.Unmap().String(),
			})
			if gotErr != nil && wantErr == nil && byMember(text) {
				continue // a claim's name must be a text, where cel-go finds no such key
			}
			if (gotErr == nil) != (wantErr == nil) || gotErr == nil && holds != (result == types.True) {
				t.Errorf("%s of %v, %v: %v, %v; cel-go alone: %v, %v", text, in.Message, in.Principal.(lister).Claims(), holds, gotErr, result, wantErr)
			}
			if holds {
				held++
			}
			if gotErr != nil {
				failed++
			}
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d compiled, %d held, %d failed", compiled, held, failed)
}
