package model_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz/cmd/internal/model"
)

// BenchmarkLoad loads a model of 1,000 types with 10 relations each, in each language.
func BenchmarkLoad(b *testing.B) {
	var dsl, zed, yaml strings.Builder
	dsl.WriteString("model\n  schema 1.1\ntype user\n")
	zed.WriteString("definition user {}\n")
	yaml.WriteString("namespaces:\n")
	for i := range 1000 {
		fmt.Fprintf(&dsl, "type doc%d\n  relations\n    define rel0: [user, doc%d#rel0]\n", i, i)
		fmt.Fprintf(&zed, "definition doc%d {\n  relation rel0: user | doc%d#rel0\n", i, i)
		fmt.Fprintf(&yaml, "  doc%d:\n    relations:\n      rel0: [user, doc%d#rel0]\n    permissions:\n", i, i)
		for j := 1; j < 10; j++ {
			fmt.Fprintf(&dsl, "    define rel%d: rel%d or rel0\n", j, j-1)
			fmt.Fprintf(&zed, "  permission rel%d = rel%d + rel0\n", j, j-1)
			fmt.Fprintf(&yaml, "      rel%d: [rel%d, rel0]\n", j, j-1)
		}
		zed.WriteString("}\n")
	}
	for name, text := range map[string]string{"model.fga": dsl.String(), "schema.zed": zed.String(), "namespaces.yaml": yaml.String()} {
		file := write(b, name, text)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := model.Load(b.Context(), file, model.Config{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
