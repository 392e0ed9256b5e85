package load

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz/lint"
)

// BenchmarkReview is what usher lint and usher breaking do with an image of 1,000 and
// 10,000 methods: read it, lint it, and compare it with one in which every tenth rule is
// another.
func BenchmarkReview(b *testing.B) {
	for _, services := range []int{10, 100} {
		b.Run(fmt.Sprintf("methods=%d", services*100), func(b *testing.B) {
			files, old := map[string]string{}, map[string]string{}
			for i := range services {
				name := fmt.Sprintf("many%d.proto", i)
				files[name] = manyMethods(fmt.Sprintf("many%d", i), 100)
				old[name] = strings.ReplaceAll(files[name], `"s3"`, `"other"`)
			}
			now, before := encode(b, image(b, files)), encode(b, image(b, old))
			b.ReportMetric(float64(len(now)), "image-bytes")
			for b.Loop() {
				oldPolicy, _, err := read(b, Config{Inputs: []string{"-"}, Stdin: bytes.NewReader(before)})
				if err != nil {
					b.Fatal(err)
				}
				policy, _, err := read(b, Config{Inputs: []string{"-"}, Stdin: bytes.NewReader(now)})
				if err != nil {
					b.Fatal(err)
				}
				if findings := lint.Lint(policy, lint.Config{}); len(findings) > 0 {
					b.Fatal(findings[0])
				}
				if changes := lint.Compare(oldPolicy, policy, lint.CompareConfig{}).Changes; len(changes) != services*14 {
					b.Fatalf("%d changes", len(changes))
				}
			}
		})
	}
}

// BenchmarkCompile is what reading 1,000 methods from .proto files adds.
func BenchmarkCompile(b *testing.B) {
	files := map[string]string{}
	for i := range 10 {
		files[fmt.Sprintf("many%d.proto", i)] = manyMethods(fmt.Sprintf("many%d", i), 100)
	}
	root := folder(b, files)
	for b.Loop() {
		if _, err := Read(b.Context(), Config{Inputs: []string{root}, Roots: []string{filepath.Clean(root)}}); err != nil {
			b.Fatal(err)
		}
	}
}
