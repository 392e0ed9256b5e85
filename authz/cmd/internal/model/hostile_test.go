package model_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz/cmd/internal/model"
)

const (
	dslHead = "model\n  schema 1.1\ntype user\ntype doc\n  relations\n"
	zedHead = "definition user {}\ndefinition doc {\n"
)

// TestFaults: what a model's file gets wrong is told with its place, and nothing panics.
// The first file is the one that is loaded; a fault is FILE:LINE:COLUMN: PROBLEM.
func TestFaults(t *testing.T) {
	deep := func(open string) string { return strings.Repeat(open, 200_000) }
	for name, c := range map[string]struct {
		files []string // name, text, …
		want  []string // each in the error, in this order
	}{
		"no such kind":        {[]string{"model.txt", "model\n"}, []string{"model.txt: unknown kind of model"}},
		"a folder":            {[]string{"model.fga/x", ""}, []string{"model.fga: is a folder"}},
		"empty":               {[]string{"model.fga", " \n\r\n"}, []string{"model.fga: the file is empty"}},
		"a mark and no text":  {[]string{"model.zed", "\ufeff"}, []string{"model.zed: the file is empty"}},
		"binary":              {[]string{"model.json", "\x7fELF\x00\x01"}, []string{"model.json: the file is binary"}},
		"UTF-16":              {[]string{"model.fga", "\xff\xfem\x00o\x00"}, []string{"model.fga: the file is UTF-16"}},
		"invalid UTF-8":       {[]string{"model.zed", "definition user {}\n// caf\xe9\n"}, []string{"model.zed:2:7: the file isn't valid UTF-8"}},
		"a control character": {[]string{"model.fga", dslHead + "    define r\x1b: [user]\n"}, []string{"model.fga:6:13: the file has a control character"}},

		"DSL: syntax, all at once": {
			[]string{"model.fga", dslHead + "    define a [user]\n    define b: [user]\ntype\n  relations\n    define c: a or\n"},
			[]string{"model.fga:6:14: ", "model.fga:8:5: "},
		},
		"DSL: a relation twice":     {[]string{"model.fga", dslHead + "    define a: [user]\n    define a: [user]\n"}, []string{"model.fga:7:12: 'a' is already defined in 'doc'"}},
		"DSL: a type twice":         {[]string{"model.fga", dslHead + "    define a: [user]\ntype user\n"}, []string{`type "user" is defined twice`}},
		"DSL: a type without text":  {[]string{"model.fga", "model\n  schema 1.1\ntype \n"}, []string{"model.fga:3:"}},
		"DSL: version 1.0":          {[]string{"model.fga", "model\n  schema 1.0\ntype user\n"}, []string{`model.fga: the model has schema version "1.0"; it needs 1.1 or 1.2`}},
		"DSL: no type":              {[]string{"model.fga", "model\n  schema 1.1\n"}, []string{"model.fga: "}},
		"DSL: a module alone":       {[]string{"model.fga", "module docs\n\ntype user\n"}, []string{"model.fga:1: the file is a module of a modular model"}},
		"DSL: no model":             {[]string{"model.fga", "Lorem ipsum\n"}, []string{"model.fga:1:1: "}},
		"DSL: nested deep":          {[]string{"model.fga", dslHead + "    define r: " + strings.Repeat("(", 30_000) + "a\n"}, []string{"model.fga:6: the brackets are nested deeper than 64"}},
		"DSL: nested over lines":    {[]string{"model.fga", dslHead + "    define r: " + deep("(\n") + "a\n"}, []string{"the brackets are nested deeper than 64"}},
		"DSL: lines of definitions": {[]string{"model.fga", dslHead + strings.Repeat("    define r: (\n", 20_000)}, []string{"model.fga:6:"}},

		"DSL: undefined": {
			[]string{"model.fga", dslHead + "    define a: [team, user with c]\n    define b: x or y from a\n    define p: [user]\n    define c: z from p\n"},
			[]string{`model.fga:6: relation "a" of type "doc" names the undefined condition "c"`, `names the undefined type "team"`, `model.fga:7: relation "b" of type "doc" reads `, `model.fga:9: relation "c" of type "doc" reads relation "z" through "p"`},
		},
		"zed: undefined": {
			[]string{"s.zed", zedHead + "\trelation viewer: usr\n\tpermission view = viewr + parent->view\n}\n"},
			[]string{`s.zed:3: relation "viewer" of type "doc" names the undefined type "usr"`, `s.zed:4: relation "view" of type "doc" reads the undefined relation "parent"`, `s.zed:4: relation "view" of type "doc" reads the undefined relation "viewr"`},
		},
		"DSL: refused": {
			[]string{"model.fga", dslHead + "    define w: [doc:*]\n    define u: [doc] or p\n    define p: [doc]\n    define a: a or x from w\n    define b: a but not b\n    define x: x from u and x from p\n"},
			[]string{`model.fga:9: relation "a" of type "doc" is computed from itself`, `model.fga:9: relation "a" of type "doc" leads through "w", which has a wildcard`, `model.fga:10: relation "b" of type "doc" is computed from itself`, `model.fga:11: relation "x" of type "doc" leads through "u", which tuples alone must name`},
		},
		"zed: refused": {
			[]string{"s.zed", zedHead + "\trelation all: doc:*\n\tpermission aaa = bbb\n\tpermission bbb = aaa\n\tpermission see = all->aaa + aaa->aaa\n}\n"},
			[]string{`s.zed:4: relation "aaa" of type "doc" is computed from itself`, `s.zed:5: relation "bbb" of type "doc" is computed from itself`, `s.zed:6: relation "see" of type "doc" leads through "aaa"`, `s.zed:6: relation "see" of type "doc" leads through "all", which has a wildcard`},
		},
		"store: undefined":  {[]string{"m.yaml", "name: x\nmodel: |\n  model\n    schema 1.1\n  type doc\n    relations\n      define a: [user]\n"}, []string{`m.yaml:7: relation "a" of type "doc" names the undefined type "user"`}},
		"DSL: a megabyte":   {[]string{"model.fga", dslHead + strings.Repeat("    define a: [user]\n", 60_000)}, []string{"model.fga: the model has 1260050 bytes; one in OpenFGA's language has at most 1048576"}},
		"DSL: a long line":  {[]string{"model.fga", dslHead + "    define a: b" + strings.Repeat(" or b", 10_000) + "\n"}, []string{"model.fga:6: the line or definition is longer than 32768 bytes"}},
		"DSL: all the same": {[]string{"model.fga", dslHead + strings.Repeat("    define a: [user]\n", 3000)}, []string{"model.fga:7:12: 'a' is already defined in 'doc'", "… and 2899 faults more"}},

		"modules: not a list":       {[]string{"fga.mod", "schema: '1.2'\ncontents: core.fga\n"}, []string{"fga.mod:2:11: unexpected contents type"}},
		"modules: no schema":        {[]string{"fga.mod", "contents: [core.fga]\n", "core.fga", "module core\ntype user\n"}, []string{"fga.mod: missing schema field"}},
		"modules: out of it":        {[]string{"sub/fga.mod", "schema: '1.2'\ncontents:\n  - ../core.fga\n", "core.fga", "module core\ntype user\n"}, []string{"fga.mod:3:5: invalid contents item ../core.fga"}},
		"modules: out of it, coded": {[]string{"sub/fga.mod", "schema: '1.2'\ncontents:\n  - '%2e%2e/core.fga'\n", "core.fga", "module core\ntype user\n"}, []string{"fga.mod:3:5: invalid contents item"}},
		"modules: absolute":         {[]string{"fga.mod", "schema: '1.2'\ncontents:\n  - /etc/core.fga\n"}, []string{"fga.mod:3:5: invalid contents item /etc/core.fga"}},
		"modules: one is missing":   {[]string{"fga.mod", "schema: '1.2'\ncontents:\n  - core.fga\n"}, []string{"core.fga: no such file or directory"}},
		"modules: one is a model":   {[]string{"fga.mod", "schema: '1.2'\ncontents: [core.fga]\n", "core.fga", "model\n  schema 1.1\ntype user\n"}, []string{"core.fga:1: the file is no module"}},
		"modules: syntax of two": {
			[]string{"fga.mod", "schema: '1.2'\ncontents: [a.fga, b.fga]\n", "a.fga", "module a\ntype\n", "b.fga", "module b\ntype doc\n  relations\n    define x: [\n"},
			[]string{"a.fga:2:5: ", "b.fga:4:16: "},
		},
		"modules: a type of two":     {[]string{"fga.mod", "schema: '1.2'\ncontents: [a.fga, b.fga]\n", "a.fga", "module a\ntype user\n", "b.fga", "module b\ntype user\n"}, []string{"b.fga:2:6: duplicate type definition user"}},
		"modules: one of them twice": {[]string{"fga.mod", "schema: '1.2'\ncontents: [a.fga, a.fga]\n", "a.fga", "module a\ntype user\n"}, []string{"a.fga:2:6: duplicate type definition user"}},
		"modules: extends nothing":   {[]string{"fga.mod", "schema: '1.2'\ncontents: [a.fga]\n", "a.fga", "module a\ntype user\nextend type org\n  relations\n    define m: [user]\n"}, []string{"a.fga:3:13: extended type org does not exist"}},

		"JSON: syntax":            {[]string{"model.json", "{\n \"schema_version\": \"1.1\",\n \"type_definitions\": [,]\n}"}, []string{"model.json:3: invalid character"}},
		"JSON: ends early":        {[]string{"model.json", "{\n \"type_definitions\": ["}, []string{"model.json:2: the JSON ends early"}},
		"JSON: a list":            {[]string{"model.json", "[]"}, []string{"model.json:1: the JSON isn't an object"}},
		"JSON: something else":    {[]string{"package.json", `{"name": "x"}`}, []string{"package.json: the JSON is no OpenFGA model"}},
		"JSON: several models":    {[]string{"model.json", `{"authorization_models": []}`}, []string{"the JSON is a list of models"}},
		"JSON: text after it":     {[]string{"model.json", "{\"schema_version\":\"1.1\",\"type_definitions\":[{\"type\":\"user\"}]}\n{}"}, []string{"model.json:2: there is text after the JSON"}},
		"JSON: a key twice":       {[]string{"model.json", `{"schema_version":"1.1","type_definitions":[{"type":"user"}],"typeDefinitions":[]}`}, []string{`"typeDefinitions" is in the JSON twice`}},
		"JSON: an unknown field":  {[]string{"model.json", "{\"schema_version\":\"1.1\",\n\"type_definitions\":[{\"type\":\"user\",\"relation\":{}}]}"}, []string{`model.json:2:36: unknown field "relation"`}},
		"JSON: wrapped, unknown":  {[]string{"model.json", "{\"authorization_model\":\n\n{\"schema_version\":\"1.1\",\n\"type_definition\":[]}}"}, []string{`model.json:4:1: unknown field "type_definition"`}},
		"JSON: a name with hash":  {[]string{"model.json", `{"schema_version":"1.1","type_definitions":[{"type":"us#er"}]}`}, []string{"model.json: invalid WriteAuthorizationModelRequest"}},
		"JSON: no rewrite":        {[]string{"model.json", `{"schema_version":"1.1","type_definitions":[{"type":"d","relations":{"r":{}}}]}`}, []string{"model.json: "}},
		"JSON: nested deep":       {[]string{"model.json", `{"schema_version":"1.1","type_definitions":[{"type":"d","relations":{"r":` + deep(`{"union":{"child":[`) + "}]}"}, []string{"model.json:1: "}},
		"JSON: nested less deep":  {[]string{"model.json", `{"schema_version":"1.1","type_definitions":[{"type":"d","relations":{"r":` + strings.Repeat(`{"union":{"child":[`, 200) + `{"this":{}}` + strings.Repeat(`]}}`, 200) + "}}]}"}, []string{"model.json: exceeded max recursion depth"}},
		"JSON: brackets in array": {[]string{"model.json", `{"type_definitions":` + deep("[")}, []string{"model.json:1: "}},

		"zed: syntax":             {[]string{"s.zed", zedHead + "\trelation viewer user\n}\n"}, []string{"s.zed:3:18: "}},
		"zed: ends early":         {[]string{"s.zed", zedHead + "\trelation viewer: user\n"}, []string{"s.zed: the schema ends early"}},
		"zed: no definition":      {[]string{"s.zed", "// nothing\n"}, []string{"s.zed: the schema has no definition"}},
		"zed: a name twice":       {[]string{"s.zed", zedHead + "\trelation viewer: user\n\trelation viewer: user\n}\n"}, []string{`relation "viewer" of type "doc" is defined twice`}},
		"zed: a type twice":       {[]string{"s.zed", zedHead + "}\ndefinition doc {}\n"}, []string{"s.zed:4:1: found name reused"}},
		"zed: nested arrows":      {[]string{"s.zed", zedHead + "\trelation parent: doc\n\tpermission view = parent->parent->view\n}\n"}, []string{"s.zed:4:20: Nested arrows not yet supported"}},
		"zed: unknown function":   {[]string{"s.zed", zedHead + "\trelation parent: doc\n\tpermission view = parent.some(view)\n}\n"}, []string{"s.zed:4:"}},
		"zed: a caveat's type":    {[]string{"s.zed", "caveat c(a strin) { a == \"x\" }\n"}, []string{"s.zed:1:", "strin"}},
		"zed: a caveat's error":   {[]string{"s.zed", "caveat c(a string) {\n  a + 1\n}\n"}, []string{"s.zed:2:"}},
		"zed: brackets":           {[]string{"s.zed", zedHead + "\tpermission view = " + deep("(") + "\n}\n"}, []string{"s.zed:3: the brackets are nested deeper than 64"}},
		"zed: brackets in lines":  {[]string{"s.zed", zedHead + "\tpermission view = " + deep("(\n") + "\n}\n"}, []string{"the brackets are nested deeper than 64"}},
		"zed: brackets and text":  {[]string{"s.zed", "caveat c(a string) { a == \"/*\" }\n" + zedHead + "\tpermission view = " + deep("(") + "\n}\n"}, []string{"s.zed:4: the brackets are nested deeper than 64"}},
		"zed: types of types":     {[]string{"s.zed", "caveat c(a " + deep("list<") + "int) { true }\n"}, []string{"s.zed:1: the brackets are nested deeper than 64"}},
		"zed: a long sum":         {[]string{"s.zed", zedHead + "\tpermission view = a" + deep(" + a") + "\n}\n"}, []string{"s.zed:3: the expression has more than 1000 operators"}},
		"zed: a long difference":  {[]string{"s.zed", zedHead + "\trelation viewer: user\n\tpermission view = viewer" + strings.Repeat(" - viewer", 900) + "\n}\n"}, []string{"s.zed:4: ", "deeper than 64"}},
		"zed: an expression deep": {[]string{"s.zed", "caveat c(a bool) { " + strings.Repeat("!(", 60) + "a" + strings.Repeat(")", 60) + " && " + strings.Repeat("!", 100_000) + "a }\n"}, []string{"s.zed:1:"}},
		"zed: import, missing":    {[]string{"s.zed", "use import\n" + "import \"other.zed\"\n"}, []string{"other.zed: no such file or directory"}},
		"zed: import, above":      {[]string{"sub/s.zed", "use import\n" + "import \"../other.zed\"\n", "other.zed", "definition user {}\n"}, []string{"s.zed:2:1: import path \"../other.zed\" contains '..'"}},
		"zed: import, absolute":   {[]string{"s.zed", "use import\n" + "import \"/etc/passwd\"\n"}, []string{"s.zed:2:1: import path \"/etc/passwd\" is outside"}},
		"zed: import, a cycle":    {[]string{"s.zed", "use import\n" + "import \"a.zed\"\n", "a.zed", "use import\n" + "import \"b.zed\"\n", "b.zed", "use import\n" + "import \"a.zed\"\n"}, []string{"circular import detected"}},
		"zed: import, its fault":  {[]string{"s.zed", "use import\n" + "import \"a.zed\"\n", "a.zed", "definition user {\n\trelation\n}\n"}, []string{"a.zed:2:"}},
		"zed: partials, a cycle":  {[]string{"s.zed", "use partial\n" + "partial a {\n\t...b\n}\npartial b {\n\t...a\n}\ndefinition user {\n\t...a\n}\n"}, []string{"could not resolve partials"}},

		"YAML: syntax":             {[]string{"m.yaml", "namespaces:\n  doc: {\n"}, []string{"m.yaml:"}},
		"YAML: a tab":              {[]string{"m.yaml", "namespaces:\n\tdoc: {}\n"}, []string{"m.yaml:2: found character that cannot start any token"}},
		"YAML: a list":             {[]string{"m.yaml", "- a\n"}, []string{"m.yaml:1:1: the YAML isn't a mapping"}},
		"YAML: comments alone":     {[]string{"m.yaml", "# nothing\n"}, []string{"m.yaml:1:1: the YAML is empty"}},
		"YAML: something else":     {[]string{"m.yaml", "services: {}\n"}, []string{"m.yaml:1:1: the file has no model"}},
		"YAML: two models":         {[]string{"m.yaml", "model: x\nmodel_file: y.fga\n"}, []string{"m.yaml:1:1: the file has no model: it needs one key"}},
		"YAML: two documents":      {[]string{"m.yaml", "namespaces: {user: {}}\n---\nnamespaces: {user: {}}\n"}, []string{"m.yaml:2: the file has more than one YAML document"}},
		"YAML: anchor and alias":   {[]string{"m.yaml", "namespaces:\n  a: &a {}\n  b: *a\n"}, []string{"m.yaml:2:6: an anchor isn't allowed", "m.yaml:3:6: an alias isn't allowed"}},
		"YAML: merge":              {[]string{"m.yaml", "namespaces:\n  b: {<<: {relations: {}}}\n"}, []string{"m.yaml:2:7: a merge isn't allowed"}},
		"YAML: tag":                {[]string{"m.yaml", "namespaces:\n  a: !!map {}\n"}, []string{"m.yaml:2:6: the tag"}},
		"YAML: a key twice":        {[]string{"m.yaml", "namespaces:\n  a: {}\n  a: {}\n"}, []string{`m.yaml:3:3: "a" is there twice, first on line 2`}},
		"YAML: aliases of aliases": {[]string{"m.yaml", "a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b]\nnamespaces: {}\n"}, []string{"m.yaml:1:4: an anchor"}},
		"YAML: nested deep":        {[]string{"m.yaml", "namespaces: " + deep("[")}, []string{"m.yaml:"}},
		"YAML: nested less deep":   {[]string{"m.yaml", "namespaces: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "\n"}, []string{"the YAML is deeper than 32"}},
		"YAML: mappings deep":      {[]string{"m.yaml", "namespaces: " + strings.Repeat("{a: ", 5000) + strings.Repeat("}", 5000) + "\n"}, []string{"the YAML is deeper than 32"}},

		"LumoAuth: not understood": {
			[]string{"m.yaml", "version: 1\nnamespaces:\n  doc:\n    relation: {}\n    relations:\n      viewer: user\n      editor: [true, usr, team#member, user:*, 'user #x', doc#none]\n    permissions:\n      view: [viewr, a.b, viewer.b.c, user, -viewer]\n"},
			[]string{
				`m.yaml:1:1: "version" isn't understood`, `m.yaml:4:5: "relation" isn't understood`, "m.yaml:6:15: viewer must be a list",
				"m.yaml:7:16: an entry of editor isn't a text", `m.yaml:7:22: "usr" is no namespace`, `m.yaml:7:27: "team#member": there is no relation "member" of a namespace "team"`,
				`m.yaml:7:40: "user:*" is no namespace`, `m.yaml:7:48: "user #x": there is no relation`, `m.yaml:7:59: "doc#none": there is no relation`,
				`m.yaml:9:14: "viewr" is no relation or permission of doc`, `m.yaml:9:21: "a.b": "a" is no relation of doc`, `m.yaml:9:26: "viewer.b.c" isn't understood`,
				`m.yaml:9:38: "user" is no relation or permission of doc`, `m.yaml:9:44: "-viewer" is no relation or permission of doc`,
			},
		},
		"LumoAuth: nothing in it":     {[]string{"m.yaml", "namespaces: {}\n"}, []string{"m.yaml:1:1: the file has no namespace"}},
		"LumoAuth: a name":            {[]string{"m.yaml", "namespaces:\n  do#c:\n    relations: {'a b': [user]}\n"}, []string{`m.yaml:2:3: "do#c" is no name of a namespace`, `m.yaml:3:17: "a b" is no name of a relation`}},
		"LumoAuth: both":              {[]string{"m.yaml", "namespaces:\n  doc:\n    relations: {a: [user]}\n    permissions: {a: [a]}\n"}, []string{`m.yaml:4:19: "a" is a relation and a permission of doc`}},
		"LumoAuth: a parent computed": {[]string{"m.yaml", "namespaces:\n  doc:\n    relations: {a: [user]}\n    permissions: {p: [a], q: [p.a]}\n"}, []string{`m.yaml:4:31: "p.a": "p" is no relation of doc`}},

		"store: no text":     {[]string{"m.yaml", "model: {a: b}\n"}, []string{"m.yaml:1:8: the model isn't a text"}},
		"store: empty":       {[]string{"m.yaml", "model: ''\n"}, []string{"m.yaml:1:8: the model is empty"}},
		"store: syntax":      {[]string{"m.yaml", "name: x\nmodel: |\n  model\n    schema 1.1\n  type user\n  type\n"}, []string{"m.yaml:6:"}},
		"store: JSON string": {[]string{"m.yaml", "name: x\nmodel: \"model\\n  schema 1.1\\ntype\\n\"\n"}, []string{"m.yaml: "}},
		"store: other file":  {[]string{"m.yaml", "model_file: model.zed\n"}, []string{`m.yaml:1:13: "model.zed" isn't a file of this engine's models`}},
		"store: itself":      {[]string{"m.yaml", "model_file: m.yaml\n"}, []string{`m.yaml:1:13: "m.yaml" isn't a file of this engine's models`}},
		"store: above":       {[]string{"sub/m.yaml", "model_file: ../model.fga\n", "model.fga", "model\n  schema 1.1\ntype user\n"}, []string{`m.yaml:1:13: "../model.fga" isn't in the folder of this file`}},
		"schema: syntax":     {[]string{"m.yaml", "schema: |-\n  definition user {\n    relation\n  }\n"}, []string{"m.yaml:3:"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for i := 0; i < len(c.files); i += 2 {
				put(t, filepath.Join(dir, c.files[i]), c.files[i+1])
			}
			start := time.Now()
			_, err := model.Load(t.Context(), filepath.Join(dir, strings.TrimSuffix(c.files[0], "/x")), model.Config{})
			if err == nil {
				t.Fatal("no error")
			}
			text := err.Error()
			if len(text) > 100*500 {
				t.Errorf("the error has %d bytes", len(text))
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
			for _, want := range c.want {
				_, rest, ok := strings.Cut(text, want)
				if !ok {
					t.Fatalf("want %q, in this order, in:\n%s", want, err)
				}
				text = rest
			}
			if _, ok := errors.AsType[*model.FileError](err); !ok {
				t.Errorf("%T is no fault", err)
			}
		})
	}
}

func put(tb testing.TB, file, text string) {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// TestTooLarge: a file of 100 MB isn't read, and neither are modules that are too large or
// too many together.
func TestTooLarge(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "model.fga")
	put(t, large, "model\n")
	if err := os.Truncate(large, 100<<20); err != nil {
		t.Fatal(err)
	}
	mod := filepath.Join(dir, "fga.mod")
	var contents strings.Builder
	for range 1100 {
		contents.WriteString("  - m.fga\n")
	}
	put(t, filepath.Join(dir, "m.fga"), "module m\n"+strings.Repeat("#", 8192)+"\n")
	put(t, mod, "schema: '1.2'\ncontents:\n"+contents.String())
	many := filepath.Join(dir, "many", "fga.mod")
	put(t, filepath.Join(dir, "many", "m.fga"), "module m\n")
	put(t, many, "schema: '1.2'\ncontents:\n"+contents.String())
	for file, want := range map[string]string{
		large: "model.fga: the file has 104857600 bytes; a model has at most 4194304",
		mod:   "m.fga: the modules have more than 1048576 bytes",
		many:  "m.fga: the model has more than 1000 files",
	} {
		_, err := model.Load(t.Context(), file, model.Config{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestSymbolicLinks: what a model includes isn't read through a link that leads out of its
// folder.
func TestSymbolicLinks(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "outside.fga"), "module m\ntype user\n")
	put(t, filepath.Join(dir, "outside.zed"), "definition user {}\n")
	put(t, filepath.Join(dir, "in", "fga.mod"), "schema: '1.2'\ncontents: [m.fga]\n")
	put(t, filepath.Join(dir, "in", "s.zed"), "use import\n"+"import \"m.zed\"\n")
	put(t, filepath.Join(dir, "in", "store.yaml"), "model_file: m.fga\n")
	for _, ext := range []string{"fga", "zed"} {
		if err := os.Symlink("../outside."+ext, filepath.Join(dir, "in", "m."+ext)); err != nil {
			t.Skipf("no symbolic links: %v", err)
		}
	}
	for _, name := range []string{"fga.mod", "s.zed", "store.yaml"} {
		_, err := model.Load(t.Context(), filepath.Join(dir, "in", name), model.Config{})
		if err == nil || !strings.Contains(err.Error(), "path escapes from parent") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLineEndings: files of Windows have the same lines and the same meaning.
func TestLineEndings(t *testing.T) {
	for _, name := range []string{"model.fga", "schema.zed", "namespaces.yaml", "store.fga.yaml"} {
		text, err := os.ReadFile("testdata/suite/" + name)
		if err != nil {
			t.Fatal(err)
		}
		windows := load(t, write(t, name, "\ufeff"+strings.ReplaceAll(string(text), "\n", "\r\n")))
		unix := load(t, "testdata/suite/"+name)
		if got, want := windows.Type("document").Line, unix.Type("document").Line; got != want || want == 0 {
			t.Errorf("%s: document on line %d, want %d", name, got, want)
		}
		if got, want := len(windows.Types()), len(unix.Types()); got != want {
			t.Errorf("%s: %d types, want %d", name, got, want)
		}
	}
}
