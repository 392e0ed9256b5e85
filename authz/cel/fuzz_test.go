package cel_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	celgo "cel.dev/cel-go/cel"
	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/cel"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

// comparable are the expressions for which a way of this package replaces cel-go's.
func comparisons() []string {
	var texts []string
	for _, operator := range []string{"==", "!=", "<", "<=", ">", ">="} {
		for left, rights := range map[string][]string{
			"request.text": {"'räd'", "''", "'a'"}, "request.small": {"-7", "0", "2147483647"}, "request.large": {"9999", "0", "-1"},
			"request.small_unsigned": {"7u", "0u"}, "request.large_unsigned": {"18446744073709551615u", "0u"}, "request.color": {"1", "0"},
			"request.ratio": {"0.25", "0.0", "-0.0"}, "request.flag": {"true", "false"}, "request.item.number": {"5", "0"}, "request.nested.nested.large": {"42"},
			"caller.subject": {"'ann'", "''"}, "caller.client_id": {"'a'"}, "caller.issuer": {"'test'"}, "caller.acr": {"'mfa'"},
			"caller.claims.v": {"'a'", "1", "0", "true", "false", "1.5", "2u", "9007199254740993", "null"}, "caller.claims.o.v": {"'a'", "1"},
		} {
			for _, right := range rights {
				if right == "null" && operator != "==" && operator != "!=" {
					continue
				}
				texts = append(texts, left+" "+operator+" "+right, right+" "+operator+" "+left)
			}
		}
	}

	return texts
}

// twice is an expression that is compiled in more than one way.
type twice struct {
	text       string
	own, plain authz.Expression
	// pure is cel-go without this package, nil if the expression reads more than the
	// request.
	pure celgo.Program
}

// pure compiles expressions over the request by cel-go alone.
func pure(t testing.TB) func(text string) celgo.Program {
	t.Helper()
	env, err := celgo.NewEnv(celgo.Types(&docsv1.Kinds{}), celgo.Variable("request", celgo.ObjectType("usher.test.docs.v1.Kinds")), celgo.CrossTypeNumericComparisons(true))
	if err != nil {
		t.Fatal(err)
	}

	return func(text string) celgo.Program {
		if strings.Contains(text, "caller") || strings.Contains(text, "peer") || strings.Contains(text, "now") {
			return nil
		}
		tree, issues := env.Compile(text)
		if issues.Err() != nil {
			t.Fatal(issues.Err())
		}
		program, err := env.Program(tree)
		if err != nil {
			t.Fatal(err)
		}

		return program
	}
}

// bothWays compiles expressions with and without this package's comparisons.
func bothWays(t testing.TB, texts []string) []twice {
	t.Helper()
	own, plain := compiler(t, cel.Config{}), cel.Plain(compiler(t, cel.Config{}))
	all, compilePure := make([]twice, 0, len(texts)), pure(t)
	for _, text := range texts {
		a, errA := own.CompileExpression(text, kinds)
		b, errB := plain.CompileExpression(text, kinds)
		if errA != nil || errB != nil {
			t.Fatalf("%s: %v, %v", text, errA, errB)
		}
		all = append(all, twice{text, a, b, compilePure(text)})
	}

	return all
}

func (e twice) check(t *testing.T, in *authz.ExpressionInput) {
	t.Helper()
	holds, err := e.own.Evaluate(in)
	want, wantErr := e.plain.Evaluate(in)
	if holds != want || fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Errorf("%s of %v: %v, %v; cel-go: %v, %v", e.text, in.Message, holds, err, want, wantErr)
	}
	if err != nil && holds {
		t.Errorf("%s holds with the error %v", e.text, err)
	}
	if e.pure == nil {
		return
	}
	// Only a limit may differ.
	result, _, pureErr := e.pure.Eval(map[string]any{"request": in.Message})
	if (err == nil) != (pureErr == nil) && (pureErr != nil || !limited(err)) || err == nil && result.Value() != holds {
		t.Errorf("%s of %v: %v, %v; cel-go alone: %v, %v", e.text, in.Message, holds, err, result, pureErr)
	}
}

// limited reports whether an evaluation hit a limit.
func limited(err error) bool {
	var evaluation *cel.EvaluationError
	if !errors.As(err, &evaluation) {
		return false
	}
	for _, limit := range []string{"too large", "too deep", "too long", "costs more"} {
		if strings.Contains(evaluation.Problem, limit) {
			return true
		}
	}

	return false
}

// claimValues are values of a claim of each type.
var claimValues = []any{
	"a", "", "b", 0, 1, 2, -1, 1.5, number2("1e400"), number2("1.0"), number2("1e0"), int64(9007199254740993), number2("9007199254740993.0"),
	number2("18446744073709551615"), true, false,
	[]any{1},
	[]any{},
	map[string]any{"a": 1},
}

func TestComparisonsAreThoseOfCEL(t *testing.T) {
	all := bothWays(t, append(comparisons(), holding...))
	ratio := proto.CloneOf(sample())
	ratio.Ratio = nan
	for _, e := range all {
		for _, message := range []*docsv1.Kinds{sample(), {}, ratio, secretMessage()} {
			e.check(t, input(message))
		}
		if strings.Contains(e.text, ".v") {
			for _, value := range claimValues {
				e.check(t, input(sample(), authztest.Claims{"v": value, "o": map[string]any{"v": value}}))
			}
		}
	}
}

func FuzzEvaluate(f *testing.F) {
	var texts []string
	for _, one := range failing {
		texts = append(texts, one.text)
	}
	all := bothWays(f, append(append(comparisons(), holding...), texts...))
	for at := range 40 {
		raw, err := proto.Marshal(sample())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint16(at*9), raw, "claim", int64(at))
	}
	f.Fuzz(func(t *testing.T, at uint16, raw []byte, claim string, number int64) {
		message := &docsv1.Kinds{}
		if proto.Unmarshal(raw, message) != nil {
			return
		}
		claim = strings.ToValidUTF8(claim, "?")
		values := []any{claim, number, []any{claim, number}, map[string]any{"v": claim, claim: number}, number%2 == 0}
		value := values[uint64(number)%uint64(len(values))]
		start := time.Now()
		all[int(at)%len(all)].check(t, input(message, authztest.Claims{"v": value, "o": map[string]any{"v": value}, "department": value, claim + "x": 1}))
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("it takes %v", took)
		}
	})
}

func FuzzCompileExpression(f *testing.F) {
	for _, text := range append(append([]string{}, holding...), comparisons()[:20]...) {
		f.Add(text)
	}
	for _, one := range failing {
		f.Add(one.text)
	}
	for _, text := range []string{"request.", "((((", "[[[[", "{{{", "'''", "r'\\'", "b'\\xff'", "1e999", "-", "@0", "@", "`a`.b", "a.b.c.d()", "has(1)", "request.items.all(@0, true)", "caller.claims['a'][request.text][0].b == 1", strings.Repeat("!(", 200)} {
		f.Add(text)
	}
	c := compiler(f, cel.Config{})
	in := secretInput()
	f.Fuzz(func(t *testing.T, text string) {
		start := time.Now()
		e, err := c.CompileExpression(text, kinds)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%q takes %v to compile", text, took)
		}
		if err != nil {
			if e != nil {
				t.Errorf("%q: an expression beside the error %v", text, err)
			}
			if strings.Contains(err.Error(), "panicked") {
				t.Errorf("%q: %v", text, err)
			}

			return
		}
		start = time.Now()
		holds, err := e.Evaluate(in)
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%q takes %v", text, took)
		}
		if err != nil && (holds || strings.Contains(err.Error(), secret) && !strings.Contains(text, secret)) {
			t.Errorf("%q: %v, %v", text, holds, err)
		}
		e.Reads()
	})
}
