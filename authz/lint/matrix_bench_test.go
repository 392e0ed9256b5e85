package lint_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lint"
)

// longPolicy is the quickstart's policy with n methods.
func longPolicy(tb testing.TB, n int) *authz.Policy {
	tb.Helper()
	policy := compiledSource(tb, lint.Source{Files: quickstartFiles(tb)})
	rules := policy.Methods
	policy.Methods = nil
	for i := range n {
		m := rules[i%len(rules)]
		m.Method = fmt.Sprintf("example.s%d.Service/Method%d", i/100, i)
		policy.Methods = append(policy.Methods, m)
	}

	return policy
}

func TestMatrixOfTenThousandMethods(t *testing.T) {
	m := newMatrix(t, lint.MatrixConfig{Policies: []lint.NamedPolicy{{Policy: longPolicy(t, 10_000)}}, Schema: quickstartSchema(t)})
	for name, of := range map[string]struct {
		write func(io.Writer) error
		most  int // bytes for each method
	}{"text": {m.Text, 500}, "Markdown": {m.Markdown, 500}, "JSON": {m.JSON, 4000}, "HTML": {m.HTML, 4000}} {
		if got := len(written(t, of.write)) / len(m.Methods); got > of.most {
			t.Errorf("%s has %d bytes for each method, want at most %d", name, got, of.most)
		}
	}
}

func BenchmarkMatrix(b *testing.B) {
	config := lint.MatrixConfig{Policies: []lint.NamedPolicy{{Policy: longPolicy(b, 10_000)}}, Schema: quickstartSchema(b)}
	m := newMatrix(b, config)
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			newMatrix(b, config)
		}
	})
	for _, of := range []struct {
		name  string
		write func(io.Writer) error
	}{{"text", m.Text}, {"markdown", m.Markdown}, {"json", m.JSON}, {"html", m.HTML}} {
		b.Run(of.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := of.write(io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
