package cel_test

import (
	"testing"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/cel"
)

// static is a principal whose claims are decoded already: what an expression costs
// beside the token.
type static struct {
	*authztest.Principal

	claims map[string]any
}

func (s static) Claim(path ...string) (any, bool) {
	if len(path) != 1 {
		return nil, false
	}
	value, ok := s.claims[path[0]]

	return value, ok
}

// BenchmarkExpression is the expression of three comparisons, with and without
// this package's comparisons, and others.
func BenchmarkExpression(b *testing.B) {
	const three = "request.large < 10000 && caller.claims.department == 'finance' && peer.ip.inRange('10.0.0.0/8')"
	in := input(sample())
	in.Principal = static{authztest.User("ann", authztest.Claims{"scope": "documents.read"}), map[string]any{"department": "finance", "groups": []any{"staff", "finance"}}}
	plain := cel.Plain(compiler(b, cel.Config{}))
	own := compiler(b, cel.Config{})
	for _, bench := range []struct {
		name     string
		compiler *cel.Compiler
		text     string
	}{
		{"nothing", own, "true"},
		{"three", own, three},
		{"three/plain", plain, three},
		{"texts", own, "request.text == 'räd' && caller.subject == 'ann' && 'documents.read' in caller.scopes"},
		{"nested", own, "request.nested.nested.large == 42 && request.color == usher.test.docs.v1.Color.COLOR_RED && request.flag == true"},
		{"hours", own, "now.getHours('Europe/Berlin') >= 8 && now.getHours('Europe/Berlin') < 18"},
		{"group", own, "'finance' in caller.claims.groups"},
		{"macro", own, "request.items.all(i, i.number < 100)"},
		{"failure", own, "caller.claims.missing == 'a'"},
	} {
		e, err := bench.compiler.CompileExpression(bench.text, kinds)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = e.Evaluate(in)
			}
		})
	}
}

// BenchmarkCompile is what one expression adds to the start.
func BenchmarkCompile(b *testing.B) {
	c := compiler(b, cel.Config{})
	for b.Loop() {
		if _, err := c.CompileExpression("request.large < 10000 && caller.claims.department == 'finance'", kinds); err != nil {
			b.Fatal(err)
		}
	}
}

var _ authz.Principal = static{}
