package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	cookbookv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/cookbook/v1"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	"github.com/usher-auth/usher/authz/lint"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func committed(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}

	return string(text)
}

func TestPageIsCurrent(t *testing.T) {
	text, err := page("../..")
	if err != nil {
		t.Fatal(err)
	}
	if text != committed(t) {
		t.Error("authz/llms.txt isn't what its sources make: run make generate")
	}
	if len(text) >= maxBytes {
		t.Errorf("%d bytes", len(text))
	}
	for _, leftover := range []string{"](", "Example_cookbook", "\n\n\n", `\|`, "|---"} {
		if strings.Contains(text, leftover) {
			t.Errorf("the page has %q", leftover)
		}
	}
}

var (
	blocks = regexp.MustCompile("(?s)```proto\n(.*?)```")
	method = regexp.MustCompile(`rpc (\w+)\(`)
	option = regexp.MustCompile(`(?s)option \(\.usher\.authz\.v1\.(rule|service_rule)\) = \{\n?(.*)\};`)
)

// TestRulesAreTheCookbooks: each rule of the page is the rule that a service of the
// cookbook's tests has, it compiles, and lint finds nothing in it.
func TestRulesAreTheCookbooks(t *testing.T) {
	cookbook, err := os.ReadFile("../../cookbook.md")
	if err != nil {
		t.Fatal(err)
	}
	files := &protoregistry.Files{}
	methods := map[string]protoreflect.MethodDescriptor{}
	for _, file := range []protoreflect.FileDescriptor{docsv1.File_usher_test_docs_v1_docs_proto, cookbookv1.File_usher_test_cookbook_v1_cookbook_proto} {
		if err := files.RegisterFile(file); err != nil {
			t.Fatal(err)
		}
		for s := range file.Services().Len() {
			for m := range file.Services().Get(s).Methods().Len() {
				one := file.Services().Get(s).Methods().Get(m)
				methods[string(one.Name())] = one
			}
		}
	}
	found := findings(t, files)
	_, recipes, _ := strings.Cut(committed(t), "\n# Recipes\n")
	rules := 0
	for _, block := range blocks.FindAllStringSubmatch(recipes, -1) {
		if !strings.Contains(string(cookbook), block[1]) {
			t.Errorf("the cookbook doesn't have:\n%s", block[1])
		}
		rule := option.FindStringSubmatch(block[1])
		if rule == nil {
			t.Errorf("no option in:\n%s", block[1])

			continue
		}
		rules++
		if rule[1] == "service_rule" {
			if err := prototext.Unmarshal([]byte(rule[2]), &authzv1.ServiceRule{}); err != nil {
				t.Errorf("%v in:\n%s", err, block[1])
			}

			continue
		}
		var got authzv1.Rule
		if err := prototext.Unmarshal([]byte(rule[2]), &got); err != nil {
			t.Errorf("%v in:\n%s", err, block[1])

			continue
		}
		name := method.FindStringSubmatch(block[1])
		if name == nil || methods[name[1]] == nil {
			t.Errorf("no method of the tests in:\n%s", block[1])

			continue
		}
		if want := proto.GetExtension(methods[name[1]].Options(), authzv1.E_Rule); !proto.Equal(&got, want.(proto.Message)) {
			t.Errorf("%s has another rule in its tests: %v", name[1], want)
		}
		full := string(methods[name[1]].Parent().FullName()) + "/" + name[1]
		for _, finding := range found[full] {
			t.Errorf("lint: %s", finding)
		}
	}
	if rules < 20 {
		t.Errorf("%d rules", rules)
	}
	// What is before the recipes is the schema alone: no rule that nothing tests.
	before, _, _ := strings.Cut(committed(t), "\n# Recipes\n")
	if n := strings.Count(before, "```proto"); n != 1 {
		t.Errorf("%d blocks of rules outside of the recipes", n-1)
	}
}

// findings returns what lint finds in the services, by the full name of the method.
func findings(t *testing.T, files *protoregistry.Files) map[string][]lint.Finding {
	t.Helper()
	policy, err := lint.Compile(lint.Source{Files: files, Issuers: []string{"corp"}})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]lint.Finding{}
	for _, finding := range lint.Lint(policy, lint.Config{}) {
		name := strings.TrimPrefix(finding.Method, "/")
		found[name] = append(found[name], finding)
	}
	if slices.ContainsFunc(found[""], func(lint.Finding) bool { return true }) {
		t.Errorf("%v", found[""])
	}

	return found
}

// TestSchemaIsWhole: each message, field and value of the rules' schema is on the page.
func TestSchemaIsWhole(t *testing.T) {
	text := committed(t)
	file := protodesc.ToFileDescriptorProto(authzv1.File_usher_authz_v1_authz_proto)
	for _, message := range file.GetMessageType() {
		if !strings.Contains(text, "message "+message.GetName()+" {") {
			t.Errorf("no message %s", message.GetName())
		}
		for _, field := range message.GetField() {
			if !regexp.MustCompile(` ` + field.GetName() + ` = \d+;`).MatchString(text) {
				t.Errorf("no field %s.%s", message.GetName(), field.GetName())
			}
		}
	}
	for _, enum := range file.GetEnumType() {
		for _, value := range enum.GetValue() {
			if !strings.Contains(text, " "+value.GetName()+" = ") {
				t.Errorf("no value %s", value.GetName())
			}
		}
	}
}

// TestCodeInTablesIsAsItIsWritten: a template with | is in the README's table with the
// escape that a table needs, which isn't part of it.
func TestCodeInTablesIsAsItIsWritten(t *testing.T) {
	if want := "- `document:{id|uuid}`: "; !strings.Contains(committed(t), want) {
		t.Errorf("no %s", want)
	}
	const table = "Text.\n\n| template | gives |\n|---|---|\n| `{id\\|uuid}` | a UUID |\n\n| a | b | c |\n|---|---|---|\n| 1 | 2 | 3 |\n\nAn | outside.\n```proto\n| no table |\n```\n"
	const want = "Text.\n\n- `{id|uuid}`: a UUID\n\n- 1: b: 2; c: 3\n\nAn | outside.\n```proto\n| no table |\n```\n"
	if got := lists(table); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSourcesThatAreNot(t *testing.T) {
	if _, err := page(t.TempDir()); err == nil {
		t.Error("no error without sources")
	}
	if _, err := section("# a\n", "Which policy"); err == nil {
		t.Error("no error without the section")
	}
	if _, err := recipes("# a\n"); err == nil {
		t.Error("no error without a recipe")
	}
}
