package model_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/usher-auth/usher/authz/cmd/internal/model"
)

// fuzz loads mutations of the seeds as a file of the name: they are schemas or faults.
func fuzz(f *testing.F, name string, seeds ...string) {
	f.Helper()
	for _, seed := range seeds {
		text, err := os.ReadFile(filepath.Join("testdata", "suite", seed))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	file := filepath.Join(f.TempDir(), name)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			return
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := model.Load(t.Context(), file, model.Config{})
		var fault *model.FileError
		switch {
		case err != nil && !errors.As(err, &fault):
			t.Errorf("%T is no fault: %v", err, err)
		case err == nil && len(s.Types()) == 0:
			t.Error("a schema without types")
		}
	})
}

func FuzzDSL(f *testing.F)     { fuzz(f, "model.fga", "model.fga", "core.fga") }
func FuzzModules(f *testing.F) { fuzz(f, "fga.mod", "fga.mod") }
func FuzzZed(f *testing.F)     { fuzz(f, "schema.zed", "schema.zed", "composed.zed", "parts/people.zed") }

func FuzzYAML(f *testing.F) {
	fuzz(f, "model.yaml", "namespaces.yaml", "store.fga.yaml", "named.fga.yaml", "validation.yaml")
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"schema_version":"1.1","type_definitions":[{"type":"user"},{"type":"doc","relations":{"r":{"this":{}},"s":{"union":{"child":[{"computedUserset":{"relation":"r"}},{"tupleToUserset":{"tupleset":{"relation":"r"},"computedUserset":{"relation":"s"}}}]}}},"metadata":{"relations":{"r":{"directly_related_user_types":[{"type":"user","condition":"c"}]}}}}],"conditions":{"c":{"name":"c","expression":"x","parameters":{"x":{"type_name":"TYPE_NAME_BOOL"}}}}}`))
	f.Add([]byte(`{"authorization_model":{"schema_version":"1.2","type_definitions":[]}}`))
	fuzz(f, "model.json")
}
