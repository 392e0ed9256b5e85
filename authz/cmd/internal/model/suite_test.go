package model_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openfga/language/pkg/go/transformer"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/cmd/internal/model"
	"github.com/usher-auth/usher/authz/schema"
)

// describe returns what a schema tells of each relation, for comparison.
func describe(s *schema.Schema, skip func(schema.Reference) bool) map[string]string {
	out := map[string]string{}
	for _, name := range s.Types() {
		out[name] = "type"
		relations := s.Type(name).Relations
		for _, r := range relations {
			ref := schema.Reference{Type: name, Relation: r.Name}
			if skip(ref) {
				continue
			}
			implies := []string{}
			for _, other := range relations {
				if !skip(schema.Reference{Type: name, Relation: other.Name}) && s.Implies(name, r.Name, other.Name) {
					implies = append(implies, other.Name)
				}
			}
			slices.Sort(implies)
			out[name+"#"+r.Name] = fmt.Sprint(s.Holders(name, r.Name), implies, s.ConditionsOf(name, r.Name))
		}
	}

	return out
}

func nothing(schema.Reference) bool { return false }

func load(tb testing.TB, name string) *schema.Schema {
	tb.Helper()
	s, err := model.Load(tb.Context(), name, model.Config{})
	if err != nil {
		tb.Fatal(err)
	}

	return s
}

// suiteFiles returns the suite's model in every language, as files.
func suiteFiles(tb testing.TB) map[string]string {
	tb.Helper()
	dir := "testdata/suite/"
	files := map[string]string{
		"OpenFGA's language":          dir + "model.fga",
		"OpenFGA's modules":           dir + "fga.mod",
		"OpenFGA's store file":        dir + "store.fga.yaml",
		"a model that a store names":  dir + "named.fga.yaml",
		"SpiceDB's language":          dir + "schema.zed",
		"SpiceDB's imports":           dir + "composed.zed",
		"SpiceDB's validation file":   dir + "validation.yaml",
		"a schema that is named":      dir + "named.yaml",
		"OpenFGA's JSON":              "",
		"an answer of OpenFGA's API":  "",
		"LumoAuth's YAML, as it goes": dir + "namespaces.yaml",
	}
	text, err := os.ReadFile(dir + "model.fga")
	if err != nil {
		tb.Fatal(err)
	}
	m, err := transformer.TransformDSLToProto(string(text))
	if err != nil {
		tb.Fatal(err)
	}
	plain, err := protojson.MarshalOptions{Multiline: true, UseProtoNames: true}.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	files["OpenFGA's JSON"] = write(tb, "model.json", string(plain))
	files["an answer of OpenFGA's API"] = write(tb, "answer.json", `{"authorization_model":`+string(plain)+"}\n")

	return files
}

// write returns a new file with the text.
func write(tb testing.TB, name, text string) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}

	return file
}

// TestOneModelInEveryLanguage: the suite's model means the same in each of them.
func TestOneModelInEveryLanguage(t *testing.T) {
	want := describe(load(t, "testdata/suite/model.fga"), nothing)
	for typeName, relations := range authztest.SuiteModel() {
		for relation := range relations {
			if want[typeName+"#"+relation] == "" {
				t.Errorf("the model lacks %s#%s of the suite's", typeName, relation)
			}
		}
	}
	for name, file := range suiteFiles(t) {
		t.Run(name, func(t *testing.T) {
			s := load(t, file)
			skip := nothing
			if filepath.Base(file) == "namespaces.yaml" {
				skip = func(r schema.Reference) bool {
					return r.Type == "document" && slices.Contains([]string{"guest", "visit", "read"}, r.Relation)
				}
			}
			got, want := describe(s, skip), describe(load(t, "testdata/suite/model.fga"), skip)
			for key, value := range want {
				if got[key] != value {
					t.Errorf("%s: %s, want %s", key, got[key], value)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%d types and relations, want %d", len(got), len(want))
			}
			if faults := s.Undefined(); len(faults) != 0 {
				t.Errorf("undefined: %v", faults)
			}
		})
	}
}

// TestLines: a name's line is the line of the file that defines it, also where the model
// is within a YAML file.
func TestLines(t *testing.T) {
	for file, starts := range map[string][3]string{ // type document, its relation view, the condition
		"model.fga":       {"type document", "define view:", "condition on_network"},
		"store.fga.yaml":  {"type document", "define view:", "condition on_network"},
		"schema.zed":      {"definition document", "permission view", "caveat on_network"},
		"validation.yaml": {"definition document", "permission view", "caveat on_network"},
		"namespaces.yaml": {"document:", "view: [viewer, edit, parent.view]", "?"},
		"fga.mod":         {"?", "?", "?"},
		"composed.zed":    {"?", "?", "?"},
	} {
		text, err := os.ReadFile("testdata/suite/" + file)
		if err != nil {
			t.Fatal(err)
		}
		var want [3]int
		for i, line := range strings.Split(string(text), "\n") {
			for j, start := range starts {
				if strings.HasPrefix(strings.TrimSpace(line), start) {
					want[j] = i + 1 // the last one: folder comes before document
				}
			}
		}
		s := load(t, "testdata/suite/"+file)
		got := [3]int{s.Type("document").Line, s.Relation("document", "view").Line}
		if c := s.Condition("on_network"); c != nil {
			got[2] = c.Line
		}
		if got != want {
			t.Errorf("%s: lines %v, want %v", file, got, want)
		}
	}
}

func TestParameters(t *testing.T) {
	for name, text := range map[string]string{
		"model.fga": "model\n  schema 1.1\ntype user\ntype d\n  relations\n    define r: [user with c]\ncondition c(a: list<string>, b: timestamp, m: map<int>) {\n  b > timestamp(\"2030-01-01T00:00:00Z\")\n}\n",
		"s.zed":     "caveat c(a list<string>, b timestamp, m map<int>) {\n b > timestamp(\"2030-01-01T00:00:00Z\")\n}\ndefinition user {}\ndefinition doc {\n relation rel: user with c\n}\n",
	} {
		got := fmt.Sprint(load(t, write(t, name, text)).Condition("c").Parameters)
		if want := "map[a:list<string> b:timestamp m:map<int>]"; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
