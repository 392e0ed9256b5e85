package lint_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/usher-auth/usher/authz"
	cookbookv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/cookbook/v1"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	"github.com/usher-auth/usher/authz/lint"
	"github.com/usher-auth/usher/authz/schema"
)

var update = flag.Bool("update", false, "write golden files")

//go:generate buf build ../.. --config "{\"version\":\"v2\",\"modules\":[{\"path\":\"proto\"},{\"path\":\"examples/quickstart/proto\"}]}" --path ../../examples/quickstart/proto/docs --exclude-imports --as-file-descriptor-set -o testdata/quickstart.binpb

// quickstartFiles are the protos of examples/quickstart, built by buf with source info.
func quickstartFiles(tb testing.TB) *protoregistry.Files {
	tb.Helper()
	wire, err := os.ReadFile("testdata/quickstart.binpb")
	if err != nil {
		tb.Fatal(err)
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(wire, set); err != nil {
		tb.Fatal(err)
	}

	return filesOf(tb, set.GetFile()...)
}

func filesOf(tb testing.TB, protos ...*descriptorpb.FileDescriptorProto) *protoregistry.Files {
	tb.Helper()
	files := &protoregistry.Files{}
	for _, file := range protos {
		descriptor, err := protodesc.NewFile(file, protoregistry.GlobalFiles)
		if err != nil {
			tb.Fatal(err)
		}
		if err := files.RegisterFile(descriptor); err != nil {
			tb.Fatal(err)
		}
	}

	return files
}

func linked(tb testing.TB, descriptors ...protoreflect.FileDescriptor) *protoregistry.Files {
	tb.Helper()
	files := &protoregistry.Files{}
	for _, file := range descriptors {
		if err := files.RegisterFile(file); err != nil {
			tb.Fatal(err)
		}
	}

	return files
}

// quickstartSchema is the quickstart's model.fga.
func quickstartSchema(tb testing.TB) *schema.Schema {
	tb.Helper()
	direct := schema.Direct{Subjects: []schema.Subject{{Type: "user"}, {Type: "service"}, {Type: "team", Relation: "member"}}}
	tree := func(more ...schema.Relation) []schema.Relation {
		return append([]schema.Relation{
			{Name: "parent", Expression: schema.Direct{Subjects: []schema.Subject{{Type: "folder"}}}},
			{Name: "owner", Expression: schema.Union{direct, schema.Through{Tupleset: "parent", Relation: "owner"}}},
			{Name: "editor", Expression: schema.Union{direct, schema.Computed{Relation: "owner"}, schema.Through{Tupleset: "parent", Relation: "editor"}}},
			{Name: "viewer", Expression: schema.Union{direct, schema.Computed{Relation: "editor"}, schema.Through{Tupleset: "parent", Relation: "viewer"}}},
		}, more...)
	}
	s, err := schema.New("model.fga", []schema.Type{
		{Name: "user"},
		{Name: "service"},
		{Name: "team", Relations: []schema.Relation{{Name: "member", Expression: direct}}},
		{Name: "folder", Relations: tree()},
		{Name: "document", Relations: tree(schema.Relation{Name: "publish", Expression: schema.Union{
			schema.Direct{Subjects: []schema.Subject{{Type: "service", Condition: "internal"}}}, schema.Computed{Relation: "editor"},
		}})},
	}, []schema.Condition{{Name: "internal", Parameters: map[string]string{"action_audience": "string"}}})
	if err != nil {
		tb.Fatal(err)
	}

	return s
}

func compiledSource(tb testing.TB, source lint.Source) *authz.Policy {
	tb.Helper()
	policy, err := lint.Compile(source)
	if err != nil {
		tb.Fatal(err)
	}

	return policy
}

func newMatrix(tb testing.TB, config lint.MatrixConfig) *lint.Matrix {
	tb.Helper()
	m, err := lint.NewMatrix(config)
	if err != nil {
		tb.Fatal(err)
	}

	return m
}

// written returns what one of the matrix's writers writes.
func written(tb testing.TB, write func(io.Writer) error) string {
	tb.Helper()
	var out bytes.Buffer
	if err := write(&out); err != nil {
		tb.Fatal(err)
	}

	return out.String()
}

func quickstart(tb testing.TB) *lint.Matrix {
	tb.Helper()

	return newMatrix(tb, lint.MatrixConfig{
		Policies: []lint.NamedPolicy{{Name: "quickstart", Policy: compiledSource(tb, lint.Source{
			Files:    quickstartFiles(tb),
			Subjects: authz.Subjects{Service: "service:{$client_id}", User: "user:{$sub}"},
		})}},
		Schema: quickstartSchema(tb),
	})
}

func cookbook(tb testing.TB) *lint.Matrix {
	tb.Helper()

	return newMatrix(tb, lint.MatrixConfig{Policies: []lint.NamedPolicy{{Policy: compiledSource(tb, lint.Source{
		Files: linked(tb, docsv1.File_usher_test_docs_v1_docs_proto, cookbookv1.File_usher_test_cookbook_v1_cookbook_proto),
	})}}})
}

func TestMatrixIsWhatReviewersRead(t *testing.T) {
	for name, m := range map[string]*lint.Matrix{"quickstart": quickstart(t), "cookbook": cookbook(t)} {
		for extension, write := range map[string]func(io.Writer) error{"txt": m.Text, "md": m.Markdown, "json": m.JSON} {
			got := written(t, write)
			path := filepath.Join("testdata", "matrix_"+name+"."+extension)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s isn't what the matrix is now: go test -update writes it:\n%s", path, got)
			}
		}
	}
}

func TestMatrixTextFitsALine(t *testing.T) {
	for _, m := range []*lint.Matrix{quickstart(t), cookbook(t)} {
		for line := range strings.SplitSeq(written(t, m.Text), "\n") {
			if n := len([]rune(line)); n > 140 || strings.TrimRight(line, " ") != line {
				t.Errorf("%d characters: %q", n, line)
			}
		}
	}
}

func TestMatrixJSONCanBeReadBack(t *testing.T) {
	m := quickstart(t)
	var again lint.Matrix
	decoder := json.NewDecoder(strings.NewReader(written(t, m.JSON)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&again); err != nil {
		t.Fatal(err)
	}
	if again.Version != lint.MatrixVersion || len(again.Methods) != len(m.Methods) || again.Counts != m.Counts {
		t.Errorf("read back: %+v", again)
	}
	if written(t, again.JSON) != written(t, m.JSON) || written(t, again.HTML) != written(t, m.HTML) {
		t.Error("what was read back is written otherwise")
	}
}

func TestMatrixRefusesWhatItCantShow(t *testing.T) {
	policy := compiledSource(t, lint.Source{Files: quickstartFiles(t)})
	for name, policies := range map[string][]lint.NamedPolicy{
		"no policy":        nil,
		"a nil policy":     {{Name: "a"}},
		"two of one name":  {{Name: "a", Policy: policy}, {Name: "a", Policy: policy}},
		"too many methods": {{Policy: &authz.Policy{Methods: make([]authz.MethodPolicy, lint.MaxMatrixMethods+1)}}},
	} {
		if m, err := lint.NewMatrix(lint.MatrixConfig{Policies: policies}); err == nil || m != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMatrixSaysThatFaultyMethodsAreDenied(t *testing.T) {
	policy := compiledSource(t, lint.Source{Files: quickstartFiles(t)})
	get := policy.Methods[slices.IndexFunc(policy.Methods, func(m authz.MethodPolicy) bool { return strings.HasSuffix(m.Method, "/GetDocument") })]
	get.Faults = []*authz.RuleError{{ID: authz.FaultRuleInvalid, File: "docs.proto", Line: 7, Method: get.Method, Path: "rule.check.object", Column: 9, Problem: "no such field", Fix: "name one"}}
	bare := authz.MethodPolicy{Method: "docs.v1.DocumentService/Forgotten"}
	unread := &authz.RuleError{ID: authz.FaultRuleInvalid, Method: "docs.v1.Other", Column: -1, Problem: "can't be read"}
	m := newMatrix(t, lint.MatrixConfig{Policies: []lint.NamedPolicy{{Policy: &authz.Policy{Methods: []authz.MethodPolicy{get, bare}, Faults: []*authz.RuleError{unread}}}}})
	if m.Counts.Denied != 2 || m.Counts.Faulty != 2 || m.Counts.Condition != 0 {
		t.Errorf("counts: %+v", m.Counts)
	}
	for i, want := range map[int]lint.MatrixRefusal{
		0: {When: "every call", Code: "PERMISSION_DENIED", Reason: authz.ReasonRuleMissing},
		1: {When: "every call", Code: "INTERNAL", Reason: authz.ReasonMisconfigured},
	} {
		if row := m.Methods[i]; row.Access != lint.AccessDenied || len(row.Refusals) != 1 || row.Refusals[0] != want {
			t.Errorf("%s: %+v", row.Method, row)
		}
	}
	for name, write := range map[string]func(io.Writer) error{"text": m.Text, "Markdown": m.Markdown, "HTML": m.HTML} {
		got := written(t, write)
		for _, want := range []string{"FAULT", "NO RULE", "byte 9: no such field", "docs.v1.Other"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s doesn't say %q:\n%s", name, want, got)
			}
		}
	}
}

func TestMatrixSaysWhatHeldByMeans(t *testing.T) {
	m := newMatrix(t, lint.MatrixConfig{
		Policies: []lint.NamedPolicy{{Policy: compiledSource(t, lint.Source{Files: quickstartFiles(t)})}}, Schema: impliedModel(t),
	})
	const sentence = "Held by: subjects that can have the relation, by the schema "
	for name, c := range map[string]struct {
		write func(io.Writer) error
		want  string
	}{"text": {m.Text, "model.fga"}, "Markdown": {m.Markdown, "`model.fga`"}, "HTML": {m.HTML, "<code>model.fga</code>"}} {
		if got := written(t, c.write); !strings.Contains(got, sentence+c.want) {
			t.Errorf("%s doesn't say %q:\n%.1000s", name, sentence, got)
		}
	}
}

func TestMatrixMarksWhatChanged(t *testing.T) {
	m := newMatrix(t, lint.MatrixConfig{
		Policies: []lint.NamedPolicy{{Policy: compiledSource(t, lint.Source{Files: quickstartFiles(t)})}},
		Comparison: &lint.Comparison{Changes: []lint.Change{
			{Method: "docs.v1.DocumentService/GetDocument", Verdict: lint.Looser, Differences: []lint.Difference{
				{Verdict: lint.Looser, Part: "access_token.scopes", Witness: "now also: a service token without scope admin"},
			}},
			{Method: "docs.v1.DocumentService/Gone", Verdict: lint.Tighter, Differences: []lint.Difference{{Verdict: lint.Tighter, Witness: "now refused: every call"}}},
			{Method: "docs.v1.DocumentService/DeleteDocument", Verdict: lint.CantTell, Differences: []lint.Difference{
				{Verdict: lint.CantTell, Part: "policy", Witness: "can't tell: how two expressions relate isn't known"},
			}},
			{Method: "docs.v1.DocumentService/WhoAmI", Verdict: lint.Same},
		}},
	})
	if m.Counts.Changed != 2 || len(m.Removed) != 1 {
		t.Errorf("%+v, removed: %+v", m.Counts, m.Removed)
	}
	for name, write := range map[string]func(io.Writer) error{"text": m.Text, "Markdown": m.Markdown, "HTML": m.HTML, "JSON": m.JSON} {
		got := written(t, write)
		for _, want := range []string{"looser", "now also: a service token without scope admin", "docs.v1.DocumentService/Gone", "now refused: every call"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s doesn't say %q:\n%s", name, want, got)
			}
		}
		once := strings.Join(strings.Fields(strings.ReplaceAll(got, "&#39;", "'")), " ")
		if name != "JSON" && !strings.Contains(once, "can't tell, policy: how two expressions relate isn't known") {
			t.Errorf("%s doesn't say once that it can't tell:\n%s", name, got)
		}
		if name == "HTML" && (!strings.Contains(got, `data-verdict="looser">looser<`) || !strings.Contains(got, `data-verdict="can&#39;t tell">can&#39;t tell<`)) {
			t.Errorf("HTML doesn't tell verdicts apart:\n%s", got)
		}
	}
}

func TestMatrixSaysWhoCanHoldWhatTheRuleAsksFor(t *testing.T) {
	holders := func(unknown bool, subjects ...string) lint.MatrixCondition {
		return lint.MatrixCondition{Kind: "check", Holders: &lint.MatrixHolders{Subjects: subjects, Unknown: unknown}}
	}
	scope := lint.MatrixCondition{Kind: "has_scope"}
	group := func(kind string, conditions ...lint.MatrixCondition) lint.MatrixCondition {
		return lint.MatrixCondition{Kind: kind, Conditions: conditions}
	}
	for name, tc := range map[string]struct {
		condition lint.MatrixCondition
		want      []string
		unknown   bool
	}{
		"one":                        {holders(false, "service", "user"), []string{"service", "user"}, false},
		"no relation":                {scope, nil, false},
		"all of two":                 {group("all_of", holders(false, "service", "user"), holders(false, "user")), []string{"user"}, false},
		"all of none together":       {group("all_of", holders(false, "service"), holders(false, "user")), nil, false},
		"any of two":                 {group("any_of", holders(false, "service"), holders(false, "user"), scope), []string{"service", "user"}, false},
		"all of a known and unknown": {group("all_of", holders(true), holders(false, "user")), []string{"user"}, false},
		"all of two unknown":         {group("all_of", holders(true, "a"), holders(true, "b")), []string{"a", "b"}, true},
		"any of a known and unknown": {group("any_of", holders(true), holders(false, "user")), []string{"user"}, true},
		"a group in a group":         {group("all_of", scope, group("any_of", holders(false, "a"), holders(false, "b")), holders(false, "b")), []string{"b"}, false},
	} {
		got, unknown := lint.WhoOf(&tc.condition)
		if !slices.Equal(got, tc.want) || unknown != tc.unknown {
			t.Errorf("%s: %q, %t", name, got, unknown)
		}
	}
}
