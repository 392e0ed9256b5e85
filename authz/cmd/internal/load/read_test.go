package load

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lint"
)

const docs = `syntax = "proto3";
package docs.v1;
import "usher/authz/v1/authz.proto";
service Docs {
  rpc Get(GetRequest) returns (GetRequest) {
    option (usher.authz.v1.rule) = {
      check: {
        object: "document:{id}"
        relation: "viewer"
      }
    };
  }
}
message GetRequest { string id = 1; }
`

// folder makes a folder of files.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	return root
}

// read reads inputs and compiles them.
func read(t testing.TB, config Config) (*authz.Policy, []*Source, error) {
	t.Helper()
	sources, err := Read(t.Context(), config)
	if err != nil {
		return nil, nil, err
	}
	policy, err := Policy(sources, lint.Source{})

	return policy, sources, err
}

func methods(policy *authz.Policy) string {
	var names []string
	for _, m := range policy.Methods {
		names = append(names, m.Method)
	}

	return strings.Join(names, " ")
}

// image compiles files and returns them as a descriptor set.
func image(t testing.TB, files map[string]string) *descriptorpb.FileDescriptorSet {
	t.Helper()
	sources, err := Read(t.Context(), Config{Inputs: []string{folder(t, files)}})
	if err != nil {
		t.Fatal(err)
	}
	set, seen := &descriptorpb.FileDescriptorSet{}, map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(file protoreflect.FileDescriptor) {
		if seen[file.Path()] {
			return
		}
		seen[file.Path()] = true
		for i := range file.Imports().Len() {
			add(file.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
	}
	sources[0].Files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		add(file)

		return true
	})

	return set
}

func encode(t testing.TB, set *descriptorpb.FileDescriptorSet) []byte {
	t.Helper()
	data, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}

	return data
}

func zip(t testing.TB, data []byte) []byte {
	t.Helper()
	var zipped bytes.Buffer
	writer := gzip.NewWriter(&zipped)
	if _, err := writer.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}

	return zipped.Bytes()
}

func TestReadGivesRulesOfEveryKindOfInput(t *testing.T) {
	root := folder(t, map[string]string{"proto/docs/v1/docs.proto": docs, "proto/docs/v1/README.md": "", "proto/.git/old.proto": "broken"})
	set := image(t, map[string]string{"docs/v1/docs.proto": docs})
	binary := encode(t, set)
	asJSON, err := protojson.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"image.binpb": binary, "image.binpb.gz": zip(t, binary), "image.json": asJSON, "image.json.gz": zip(t, asJSON)} {
		if err := os.WriteFile(filepath.Join(root, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	proto := filepath.Join(root, "proto")
	file := filepath.Join(proto, "docs", "v1", "docs.proto")
	for name, row := range map[string]struct {
		config Config
		path   string
	}{
		"a directory":                  {Config{Inputs: []string{proto}}, file},
		"a directory within a root":    {Config{Inputs: []string{filepath.Join(proto, "docs")}, Roots: []string{proto}}, file},
		"a file within a root":         {Config{Inputs: []string{file}, Roots: []string{proto}}, file},
		"a file by itself":             {Config{Inputs: []string{file}}, file},
		"a file twice":                 {Config{Inputs: []string{file, proto}, Roots: []string{proto}}, file},
		"a binary image":               {Config{Inputs: []string{filepath.Join(root, "image.binpb")}}, "docs/v1/docs.proto"},
		"a binary image, compressed":   {Config{Inputs: []string{filepath.Join(root, "image.binpb.gz")}}, "docs/v1/docs.proto"},
		"an image in JSON":             {Config{Inputs: []string{filepath.Join(root, "image.json")}}, "docs/v1/docs.proto"},
		"an image in JSON, compressed": {Config{Inputs: []string{filepath.Join(root, "image.json.gz")}, Roots: []string{proto}}, file},
		"an image on stdin":            {Config{Inputs: []string{"-"}, Stdin: bytes.NewReader(binary)}, "docs/v1/docs.proto"},
		"a file in memory":             {Config{Sources: map[string][]byte{"docs/v1/docs.proto": []byte(docs)}}, "docs/v1/docs.proto"},
	} {
		t.Run(name, func(t *testing.T) {
			policy, sources, err := read(t, row.config)
			if err != nil {
				t.Fatal(err)
			}
			if got := methods(policy); got != "docs.v1.Docs/Get" {
				t.Errorf("methods %s", got)
			}
			m := policy.Methods[0]
			if m.Rule.GetCheck().GetObject() != "document:{id}" || len(m.Faults) > 0 || m.Line != 6 {
				t.Errorf("%+v", m)
			}
			if got := sources[0].Path(m.File); got != filepath.ToSlash(row.path) {
				t.Errorf("path %s, want %s", got, row.path)
			}
		})
	}
}

func TestReadKnowsThePlaceWithinARule(t *testing.T) {
	policy, _, err := read(t, Config{Sources: map[string][]byte{"docs.proto": []byte(docs)}})
	if err != nil {
		t.Fatal(err)
	}
	locations := policy.Methods[0].Descriptor.ParentFile().SourceLocations()
	// Service 0, method 0, options, rule, check, object.
	location := locations.ByPath(protoreflect.SourcePath{6, 0, 2, 0, 4, 417100233, 3, 1})
	if location.StartLine != 7 || location.StartColumn != 8 {
		t.Errorf("object is at %d:%d, want 7:8 (from zero)", location.StartLine, location.StartColumn)
	}
}

func TestReadJudgesNoImports(t *testing.T) {
	user := strings.NewReplacer("docs.v1", "user.v1", `import "usher`, "import \"docs/v1/docs.proto\";\nimport \"google/api/annotations.proto\";\nimport \"google/protobuf/any.proto\";\nimport \"usher",
		"GetRequest)", ".docs.v1.GetRequest)", "message GetRequest { string id = 1; }", "message Other { google.protobuf.Any any = 1; }").Replace(docs)
	files := map[string]string{"docs/v1/docs.proto": docs, "user/v1/user.proto": user}
	root := folder(t, files)
	policy, _, err := read(t, Config{Inputs: []string{filepath.Join(root, "user")}, Roots: []string{root}})
	if err != nil || methods(policy) != "user.v1.Docs/Get" {
		t.Errorf("%v, %v", policy, err)
	}
	// An image of buf marks imports.
	set := image(t, files)
	for _, file := range set.GetFile() {
		if file.GetName() == "docs/v1/docs.proto" {
			mark := protowire.AppendTag(nil, 8042, protowire.BytesType)
			file.ProtoReflect().SetUnknown(protowire.AppendBytes(mark, protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1)))
		}
	}
	policy, _, err = read(t, Config{Inputs: []string{"-"}, Stdin: bytes.NewReader(encode(t, set))})
	if err != nil || methods(policy) != "user.v1.Docs/Get" {
		t.Errorf("%v, %v", policy, err)
	}
	asJSON, err := protojson.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	asJSON = bytes.Replace(asJSON, []byte(`"name":"docs/v1/docs.proto"`), []byte(`"name":"docs/v1/docs.proto","bufExtension":{"isImport":true}`), 1)
	asJSON = bytes.Replace(asJSON, []byte(`"name": "docs/v1/docs.proto"`), []byte(`"name":"docs/v1/docs.proto","bufExtension":{"isImport":true}`), 1)
	policy, _, err = read(t, Config{Inputs: []string{"-"}, Stdin: bytes.NewReader(asJSON)})
	if err != nil || methods(policy) != "user.v1.Docs/Get" {
		t.Errorf("%v, %v", policy, err)
	}
	// Common imports that a set lacks are known.
	set.File = slices.DeleteFunc(set.GetFile(), func(file *descriptorpb.FileDescriptorProto) bool {
		return strings.HasPrefix(file.GetName(), "usher/") || strings.HasPrefix(file.GetName(), "google/")
	})
	policy, _, err = read(t, Config{Inputs: []string{"-"}, Stdin: bytes.NewReader(encode(t, set))})
	if err != nil || methods(policy) != "user.v1.Docs/Get" {
		t.Errorf("%v, %v", policy, err)
	}
}

func TestReadRefusesBadProtos(t *testing.T) {
	for name, row := range map[string]struct {
		files  map[string]string
		inputs []string // within the folder; default all
		roots  []string
		want   []string
	}{
		"a file that doesn't parse": {
			files: map[string]string{"docs.proto": "syntax = \"proto3\";\nservice {\n"}, want: []string{"docs.proto:2:9: syntax error"},
		},
		"two faults are both named": {
			files: map[string]string{"docs.proto": "syntax = \"proto3\";\nmessage A { B b = 1; }\nmessage C { D d = 1; }\n"},
			want:  []string{"docs.proto:2:13: ", "docs.proto:3:13: "},
		},
		"a rule that isn't one": {
			files: map[string]string{"docs.proto": strings.Replace(docs, "relation:", "relatoin:", 1)}, want: []string{"docs.proto:9:9: ", "relatoin"},
		},
		"a rule without the import": {
			files: map[string]string{"docs.proto": strings.Replace(docs, "import \"usher/authz/v1/authz.proto\";\n", "", 1)},
			want:  []string{"docs.proto:", "unknown extension", `import "usher/authz/v1/authz.proto"`, "option (.usher.authz.v1.rule)"},
		},
		"an option that is nearly a rule": {
			files: map[string]string{"docs.proto": strings.Replace(docs, "usher.authz.v1.rule)", "usher.authz.v1.rules)", 1)},
			want:  []string{"docs.proto:", "unknown extension", "option (.usher.authz.v1.rule)"},
		},
		"an import that isn't there": {
			files: map[string]string{"docs.proto": strings.Replace(docs, "usher/authz", "usher/auth", 1)}, want: []string{"docs.proto:3:8: ", "there is no usher/auth/v1/authz.proto in"},
		},
		"an import of what is outside": {
			files: map[string]string{"docs.proto": strings.Replace(docs, "usher/authz/v1", "../../etc", 1)}, want: []string{"docs.proto:3:8: ", `"../../etc/authz.proto"`},
		},
		"cyclic imports": {
			files: map[string]string{
				"a.proto": "syntax = \"proto3\";\nimport \"b.proto\";\n", "b.proto": "syntax = \"proto3\";\nimport \"a.proto\";\n",
			}, want: []string{"cycle"},
		},
		"a service in two files": {
			files: map[string]string{"a.proto": docs, "b.proto": strings.Replace(docs, "GetRequest", "OtherRequest", 3)}, want: []string{"docs.v1.Docs", "a.proto", "b.proto:4:9"},
		},
		"a directory without files":  {files: map[string]string{"README.md": ""}, want: []string{"no .proto file in it"}},
		"files without services":     {files: map[string]string{"a.proto": "syntax = \"proto3\";\n"}, want: []string{"there is no service in the input"}},
		"an input that isn't there":  {inputs: []string{"none"}, want: []string{"none: no such file or directory"}},
		"a root that isn't there":    {files: map[string]string{"a.proto": docs}, roots: []string{"none"}, want: []string{"-I: ", "no such file or directory"}},
		"a root that is a file":      {files: map[string]string{"a.proto": docs}, roots: []string{"a.proto"}, want: []string{"-I: ", "not a directory"}},
		"a file outside of roots":    {files: map[string]string{"a/a.proto": docs, "b/b.proto": docs}, inputs: []string{"a"}, roots: []string{"b"}, want: []string{"a.proto: in none of the directories of -I (", "begin in, too, as in -I ", "/a"}},
		"a file that another hides":  {files: map[string]string{"a/x.proto": docs, "b/x.proto": docs}, inputs: []string{"a", "b"}, roots: []string{"a", "b"}, want: []string{"hidden by"}},
		"deep nesting":               {files: map[string]string{"a.proto": "syntax = \"proto3\";\n" + strings.Repeat("message A {", 100_000)}, want: []string{"a.proto", "line 2: nested deeper than 200"}},
		"deep nesting in a rule":     {files: map[string]string{"a.proto": strings.Replace(docs, `relation: "viewer"`, strings.Repeat("x: {", 100_000), 1)}, want: []string{"line 9: nested deeper"}},
		"a file that is too large":   {files: map[string]string{"a.proto": docs + strings.Repeat("// 345678\n", MaxFile/10)}, want: []string{"a.proto: larger than 4 MiB"}},
		"a file that isn't a text":   {files: map[string]string{"a.proto": "\x00\x01\xff\xfe"}, want: []string{"a.proto:1:"}},
		"a rule of a type too large": {files: map[string]string{"a.proto": strings.Replace(docs, `"viewer"`, "1"+strings.Repeat("0", 400), 1)}, want: []string{"a.proto:9:19: "}},
	} {
		t.Run(name, func(t *testing.T) {
			root := folder(t, row.files)
			var inputs, roots []string
			for _, input := range row.inputs {
				inputs = append(inputs, filepath.Join(root, input))
			}
			for _, path := range row.roots {
				roots = append(roots, filepath.Join(root, path))
			}
			if inputs == nil {
				inputs = []string{root}
			}
			policy, _, err := read(t, Config{Inputs: inputs, Roots: roots})
			if err == nil {
				t.Fatalf("no error; methods %s", methods(policy))
			}
			for _, want := range row.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nwant %q in it", err, want)
				}
			}
			if len(err.Error()) > 8<<10 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestReadRefusesBadImages(t *testing.T) {
	good := image(t, map[string]string{"docs.proto": docs})
	broken := func(change func(file *descriptorpb.FileDescriptorProto)) []byte {
		set := proto.CloneOf(good)
		for _, file := range set.GetFile() {
			if file.GetName() == "docs.proto" {
				change(file)
			}
		}

		return encode(t, set)
	}
	renamed := proto.CloneOf(good.GetFile()[len(good.GetFile())-1])
	renamed.Name = new("other.proto")
	two := encode(t, &descriptorpb.FileDescriptorSet{File: append(slices.Clone(good.GetFile()), renamed)})
	same := encode(t, &descriptorpb.FileDescriptorSet{File: append(slices.Clone(good.GetFile()), good.GetFile()[0])})
	for name, row := range map[string]struct {
		data []byte
		want string
	}{
		"empty":                     {nil, "empty"},
		"white space":               {[]byte(" \n"), "empty"},
		"text":                      {[]byte("hello"), "not an image"},
		"another message":           {[]byte{0x12, 0x00}, "not an image"},
		"cut short":                 {encode(t, good)[:100], "not an image"},
		"zstd":                      {[]byte{0x28, 0xb5, 0x2f, 0xfd, 0}, "zstd"},
		"gzip that is broken":       {zip(t, encode(t, good))[:30], "unexpected EOF"},
		"JSON that is broken":       {[]byte("{\n\"file\": [\n{]}"), "line 3: "},
		"JSON of another type":      {[]byte(`{"file": 7}`), "not an image"},
		"JSON with a wrong field":   {[]byte(`{"file": [{"name": 7}]}`), "not an image"},
		"JSON that is nested":       {[]byte(`{"file":` + strings.Repeat("[", 100_000)), "depth"},
		"a service in two files":    {two, "service docs.v1.Docs is in docs.proto and in other.proto"},
		"a file twice":              {same, "is in it twice"},
		"an import that is missing": {broken(func(file *descriptorpb.FileDescriptorProto) { file.Dependency = append(file.Dependency, "lost.proto") }), "imports lost.proto, which isn't in it"},
		"an import of itself":       {broken(func(file *descriptorpb.FileDescriptorProto) { file.Dependency = append(file.Dependency, "docs.proto") }), "broken descriptor"},
		"a type that isn't there": {broken(func(file *descriptorpb.FileDescriptorProto) {
			file.Service[0].Method[0].InputType = new(".docs.v1.Lost")
		}), "Lost"},
		"a type that is no message": {broken(func(file *descriptorpb.FileDescriptorProto) {
			file.Service[0].Method[0].InputType = new(".docs.v1.Docs")
		}), "docs.v1.Docs"},
		"a field of a wrong type": {broken(func(file *descriptorpb.FileDescriptorProto) {
			file.MessageType[0].Field[0].Type = descriptorpb.FieldDescriptorProto_TYPE_GROUP.Enum()
		}), "docs.v1.GetRequest"},
		"a field outside its oneof": {broken(func(file *descriptorpb.FileDescriptorProto) { file.MessageType[0].Field[0].OneofIndex = proto.Int32(7) }), "oneof"},
		"a field's negative oneof": {broken(func(file *descriptorpb.FileDescriptorProto) {
			file.MessageType[0].Field[0].OneofIndex = proto.Int32(-7)
		}), "oneof"},
		"a name that isn't one":        {broken(func(file *descriptorpb.FileDescriptorProto) { file.Service[0].Name = new("1\n") }), "broken descriptor"},
		"a file without a name":        {broken(func(file *descriptorpb.FileDescriptorProto) { file.Name = nil }), "broken descriptor"},
		"a public import out of range": {broken(func(file *descriptorpb.FileDescriptorProto) { file.PublicDependency = []int32{9} }), "broken descriptor"},
		"a syntax that isn't one":      {broken(func(file *descriptorpb.FileDescriptorProto) { file.Syntax = new("proto9") }), "broken descriptor"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := read(t, Config{Inputs: []string{"-"}, Stdin: bytes.NewReader(row.data)})
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("%v, want %q", err, row.want)
			}
		})
	}
	t.Run("no stdin", func(t *testing.T) {
		if _, err := Read(t.Context(), Config{Inputs: []string{"-"}}); err == nil {
			t.Error("no error")
		}
	})
	t.Run("no input", func(t *testing.T) {
		if _, err := Read(t.Context(), Config{}); err == nil {
			t.Error("no error")
		}
	})
	t.Run("a method in two images", func(t *testing.T) {
		path := filepath.Join(folder(t, map[string]string{"image": string(encode(t, good))}), "image")
		_, _, err := read(t, Config{Inputs: []string{path, "-"}, Stdin: bytes.NewReader(encode(t, good))})
		if err == nil || !strings.Contains(err.Error(), "method docs.v1.Docs/Get is in ") {
			t.Error(err)
		}
	})
}

// endless is a stream without an end, which counts what is read.
type endless struct{ read int }

func (e *endless) Read(data []byte) (int, error) {
	e.read += len(data)

	return len(data), nil
}

func TestReadBoundsWhatItHolds(t *testing.T) {
	const limit = 1 << 20
	stream := &endless{}
	if _, err := readAll("-", stream, limit); err == nil || err.Error() != "larger than 1 MiB" {
		t.Error(err)
	}
	if stream.read > 2*limit {
		t.Errorf("%d bytes were read", stream.read)
	}
	// A small file that grows: 8 MiB of zeros have 8 kB.
	for size, want := range map[int]bool{limit: true, limit + 1: false, 8 * limit: false} {
		data, err := readAll("-", bytes.NewReader(zip(t, make([]byte, size))), limit)
		if (err == nil) != want || len(data) > limit+1 {
			t.Errorf("%d bytes: %d, %v", size, len(data), err)
		}
	}
}

func TestReadTakesThousandsOfMethods(t *testing.T) {
	one := image(t, map[string]string{"many.proto": manyMethods("many", 1_000)})
	many := &descriptorpb.FileDescriptorSet{}
	for _, file := range one.GetFile() {
		if file.GetName() != "many.proto" {
			many.File = append(many.File, file)

			continue
		}
		for i := range 10 {
			text := strings.ReplaceAll(protojson.Format(file), ".many.R", fmt.Sprintf(".many%d.R", i))
			again := &descriptorpb.FileDescriptorProto{}
			if err := protojson.Unmarshal([]byte(text), again); err != nil {
				t.Fatal(err)
			}
			again.Name, again.Package = new(fmt.Sprintf("many%d.proto", i)), new(fmt.Sprintf("many%d", i))
			many.File = append(many.File, again)
		}
	}
	started := time.Now()
	policy, _, err := read(t, Config{Inputs: []string{"-"}, Stdin: bytes.NewReader(encode(t, many))})
	if err != nil || len(policy.Methods) != 10_000 {
		t.Fatalf("%v", err)
	}
	t.Logf("%d methods in %v", len(policy.Methods), time.Since(started))
}

// manyMethods is a file with methods of one service.
func manyMethods(pkg string, n int) string {
	var text strings.Builder
	fmt.Fprintf(&text, "syntax = \"proto3\";\npackage %s;\nimport \"usher/authz/v1/authz.proto\";\nservice S {\n", pkg)
	for i := range n {
		fmt.Fprintf(&text, "  rpc M%d(R) returns (R) { option (usher.authz.v1.rule) = { check: { object: \"document:{id}\" relation: \"viewer\" } access_token: { scopes: \"s%d\" } }; }\n", i, i%7)
	}
	text.WriteString("}\nmessage R { string id = 1; }\n")

	return text.String()
}

func TestNestingIsMeasuredOutsideOfTextsAndComments(t *testing.T) {
	open := strings.Repeat("{", MaxNesting+1)
	for text, want := range map[string]int{
		open:                          1,
		"\n\n" + open:                 3,
		`"` + open + `"`:              0,
		`'` + open + `'`:              0,
		`"\"` + open + `"`:            0,
		"// " + open + "\n":           0,
		"/* " + open + " */":          0,
		"/*/ " + open + " */":         0,
		"/* \n */" + open:             2,
		"// x\n" + open:               2,
		`"` + "\n" + open:             2,
		"/" + open:                    1,
		"/" + "/":                     0,
		"/" + "*":                     0,
		`"\`:                          0,
		strings.Repeat("{}", 1_000):   0,
		strings.Repeat("}", 9) + open: 1,
		strings.Repeat("[(<{", MaxNesting/4) + "[": 1,
	} {
		if _, got := measure([]byte(text)); got != want {
			t.Errorf("%.20q: line %d, want %d", text, got, want)
		}
	}
}

func TestReadBoundsFullNames(t *testing.T) {
	long := strings.Repeat("a", 1<<20)
	siblings := strings.Repeat("message M {}\n", 1_000)
	for name, source := range map[string]string{
		"of a package":             "syntax = \"proto3\";\npackage " + long + ";\n" + siblings,
		"of a package, with space": "syntax = \"proto3\";\npackage " + strings.Repeat("a . ", 1<<19) + "a;\n" + siblings,
		"of messages":              "syntax = \"proto3\";\nmessage " + long + " {\n" + siblings + "}\n",
		"of nested messages":       "syntax = \"proto3\";\n" + strings.Repeat("message "+long[:10_000]+" {\n", 150) + siblings + strings.Repeat("}", 150),
		"of fields":                "syntax = \"proto3\";\nmessage " + long + " {\n" + strings.Repeat("string a = 1;\n", 1_000) + "}\n",
		"of values":                "syntax = \"proto3\";\nenum " + long + " {\n" + strings.Repeat("A = 0;\n", 1_000) + "}\n",
		"of methods":               "syntax = \"proto3\";\nservice " + long + " {\n" + strings.Repeat("rpc A (B) returns (B) {}\n", 1_000) + "}\n",
	} {
		_, err := Read(t.Context(), Config{Sources: map[string][]byte{"a.proto": []byte(source)}})
		if err == nil || !strings.Contains(err.Error(), "full names are larger") {
			t.Errorf("%s: %.200v", name, err)
		}
	}
	message := &descriptorpb.DescriptorProto{Name: new(long)}
	for range 1_000 {
		message.NestedType = append(message.NestedType, &descriptorpb.DescriptorProto{Name: new("M")})
	}
	deep := &descriptorpb.DescriptorProto{Name: new("M")}
	for range MaxNesting + 1 {
		deep = &descriptorpb.DescriptorProto{Name: new("M"), NestedType: []*descriptorpb.DescriptorProto{deep}}
	}
	field := &descriptorpb.DescriptorProto{Name: new(long)}
	enum := &descriptorpb.EnumDescriptorProto{Name: new("E")}
	service := &descriptorpb.ServiceDescriptorProto{Name: new(long)}
	for range 1_000 {
		field.Field = append(field.Field, &descriptorpb.FieldDescriptorProto{Name: new("f")})
		enum.Value = append(enum.Value, &descriptorpb.EnumValueDescriptorProto{Name: new("V")})
		service.Method = append(service.Method, &descriptorpb.MethodDescriptorProto{Name: new("M")})
	}
	for name, file := range map[string]*descriptorpb.FileDescriptorProto{
		"messages":       {MessageType: []*descriptorpb.DescriptorProto{message}},
		"depth":          {MessageType: []*descriptorpb.DescriptorProto{deep}},
		"fields":         {MessageType: []*descriptorpb.DescriptorProto{field}},
		"values":         {Package: new(long), EnumType: []*descriptorpb.EnumDescriptorProto{enum}},
		"methods":        {Service: []*descriptorpb.ServiceDescriptorProto{service}},
		"a long package": {Package: new(long), MessageType: message.GetNestedType()},
	} {
		file.Name = new("a.proto")
		_, err := Read(t.Context(), Config{Inputs: []string{"-"}, Stdin: bytes.NewReader(encode(t, &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}}))})
		if err == nil || !strings.Contains(err.Error(), "full names are larger") {
			t.Errorf("%s: %.200v", name, err)
		}
	}
}

func FuzzImage(f *testing.F) {
	set := &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{{
		Name: new("a.proto"), Package: new("a"), Syntax: new("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: new("M")}},
		Service: []*descriptorpb.ServiceDescriptorProto{{
			Name: new("S"), Method: []*descriptorpb.MethodDescriptorProto{{Name: new("M"), InputType: new(".a.M"), OutputType: new(".a.M")}},
		}},
	}}}
	f.Add(encode(f, set))
	asJSON, err := protojson.Marshal(set)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(asJSON)
	f.Add(zip(f, asJSON))
	f.Fuzz(func(t *testing.T, image []byte) {
		policy, _, err := read(t, Config{Inputs: []string{"-"}, Stdin: bytes.NewReader(image)})
		if (policy == nil) == (err == nil) {
			t.Errorf("%v, %v", policy, err)
		}
	})
}

func FuzzMeasure(f *testing.F) {
	f.Add([]byte(docs))
	f.Add([]byte("/* \" */ package a; message M { '{' // }\n}"))
	f.Fuzz(func(t *testing.T, source []byte) {
		names, line := measure(source)
		if names < 0 || line < 0 || line > 1+bytes.Count(source, []byte("\n")) {
			t.Errorf("%d bytes of names, line %d", names, line)
		}
	})
}
