package lint_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	_ "google.golang.org/protobuf/types/known/fieldmaskpb" // the realistic services import it

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lint"
)

//go:generate buf build ../.. --config "{\"version\":\"v2\",\"modules\":[{\"path\":\"proto\"},{\"path\":\"authz/lint/testdata/seedsproto\"}]}" --path ../../authz/lint/testdata/seedsproto/usher --path ../../authz/lint/testdata/seedsproto/google --exclude-imports --as-file-descriptor-set -o testdata/seeds.binpb

const (
	seedsFolder  = "testdata/seedsproto/"
	seedsPackage = "usher.test.seeds.v1."
)

// seedFiles is testdata/seedsproto, built by buf with source info.
func seedFiles(tb testing.TB) *protoregistry.Files {
	tb.Helper()
	wire, err := os.ReadFile("testdata/seeds.binpb")
	if err != nil {
		tb.Fatal(err)
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(wire, set); err != nil {
		tb.Fatal(err)
	}

	return register(tb, set.GetFile()...)
}

// register makes descriptors of files, each of which may import those before it.
func register(tb testing.TB, set ...*descriptorpb.FileDescriptorProto) *protoregistry.Files {
	tb.Helper()
	files := &protoregistry.Files{}
	for _, file := range set {
		descriptor, err := protodesc.NewFile(file, both{files, protoregistry.GlobalFiles})
		if err != nil {
			tb.Fatal(err)
		}
		if err := files.RegisterFile(descriptor); err != nil {
			tb.Fatal(err)
		}
	}

	return files
}

func compiled(tb testing.TB, files authz.Resolver) *authz.Policy {
	tb.Helper()
	policy, err := lint.Compile(lint.Source{Files: files})
	if err != nil {
		tb.Fatal(err)
	}

	return policy
}

// seed is a finding of a mistake: its kind, its path in the rule, and how the source goes
// on at its line and column.
type seed struct{ id, path, at string }

// seeds are the mistakes of testdata/seedsproto by method. A method of the same name in
// the service Fixes has the fix of each of Mistakes.
var seeds = map[string][]seed{
	"Mistakes/ReadUnruled":          {{authz.FaultRuleMissing, "", "rpc ReadUnruled"}},
	"Mistakes/ReadUnknownField":     {{authz.FaultRuleInvalid, "rule.check.object", `object: "document:{id}"`}},
	"Mistakes/ReadEmptyGroup":       {{authz.FaultRuleInvalid, "rule.all_of.conditions", "(.usher.authz.v1.rule)"}},
	"Mistakes/ReadWithoutPolicy":    {{authz.FaultRuleInvalid, "rule", "(.usher.authz.v1.rule)"}},
	"Mistakes/ReadAsStream":         {{authz.FaultRuleInvalid, "rule.stream", "(.usher.authz.v1.rule)"}},
	"Mistakes/ReadAdjacent":         {{authz.FaultRuleInvalid, "rule.check.object", `object: "comment:`}},
	"Mistakes/PingWithoutReason":    {{lint.IDReason, "rule.public", "(.usher.authz.v1.rule)"}},
	"Mistakes/SearchInHandler":      {{lint.IDReason, "rule.handler", "(.usher.authz.v1.rule)"}},
	"Mistakes/PurgeClosed":          {{lint.IDReason, "rule.deny", "(.usher.authz.v1.rule)"}},
	"Mistakes/GetDocument":          {{lint.IDFieldRead, "rule.authenticated", "(.usher.authz.v1.rule)"}},
	"Mistakes/GetComment":           {{lint.IDFieldRead, "rule.check", "(.usher.authz.v1.rule)"}},
	"Mistakes/UpdateDocument":       {{lint.IDFieldRead, "rule.permission", "(.usher.authz.v1.rule)"}},
	"Mistakes/GetBook":              {{lint.IDFieldRead, "rule.authenticated", "(.usher.authz.v1.rule)"}},
	"Mistakes/ListBooks":            {{lint.IDFieldRead, "rule.permission", "(.usher.authz.v1.rule)"}},
	"Mistakes/BatchGetBooks":        {{lint.IDFieldRead, "rule.check", "(.usher.authz.v1.rule)"}},
	"Mistakes/GetTarget":            {{lint.IDFieldRead, "rule.authenticated", "(.usher.authz.v1.rule)"}},
	"Mistakes/CreateDocument":       {{lint.IDFieldRead, "rule.authenticated", "(.usher.authz.v1.rule)"}},
	"Mistakes/MoveDocument":         {{lint.IDFieldRead, "rule.check", "(.usher.authz.v1.rule)"}},
	"Mistakes/UploadDocument":       {{lint.IDFieldRead, "rule.authenticated", "(.usher.authz.v1.rule)"}},
	"Mistakes/ReadByScope":          {{lint.IDFieldRead, "rule.all_of", "(.usher.authz.v1.rule)"}},
	"Mistakes/ReadByRole":           {{lint.IDFieldRead, "rule.any_of", "(.usher.authz.v1.rule)"}},
	"Mistakes/ReadAsClient":         {{lint.IDRulePassable, "rule.check.subject", `subject: "service:{$client_id}"`}},
	"Mistakes/ReadBothChoices":      {{lint.IDRulePassable, "rule.all_of.conditions[1].check.object", "conditions: {"}},
	"Mistakes/ReadTwoPatterns":      {{lint.IDRulePassable, "rule.all_of.conditions[1].check.object", "conditions: {"}},
	"Mistakes/PaintUnknown":         {{lint.IDRulePassable, "rule.match", "(.usher.authz.v1.rule)"}},
	"Mistakes/PaintNumber":          {{lint.IDRulePassable, "rule.match", "(.usher.authz.v1.rule)"}},
	"Mistakes/ReadTenant":           {{lint.IDRulePassable, "rule.match", "(.usher.authz.v1.rule)"}},
	"Mistakes/ReadPrefixed":         {{lint.IDRulePassable, "rule.match", "(.usher.authz.v1.rule)"}},
	"Mistakes/ReadTwoTenants":       {{lint.IDRulePassable, "rule.all_of.conditions[1].match", "conditions: {"}},
	"Mistakes/ReadNever":            {{lint.IDRulePassable, "rule.expression", "(.usher.authz.v1.rule)"}},
	"Mistakes/ReadForeign":          {{lint.IDRulePassable, "rule.match", "(.usher.authz.v1.rule)"}},
	"Mistakes/GetNamed":             {{lint.IDNameSegment, "rule.check.object", `object: "document:`}},
	"Mistakes/GetNamedInBranch":     {{lint.IDNameSegment, "rule.any_of.conditions[0].check.object", "conditions: {"}, {lint.IDNameSegment, "rule.any_of.conditions[1].check.object", "conditions: {"}},
	"Mistakes/GetNamedTenant":       {{lint.IDNameSegment, "rule.match.left", `left: "{name|name(tenants`}},
	"Mistakes/DeleteByScope":        {{lint.IDConditionEffect, "rule.any_of.conditions[0].has_scope", "conditions: {"}},
	"Mistakes/DeleteTwice":          {{lint.IDConditionEffect, "rule.all_of.conditions[1].check", "conditions: {"}},
	"Mistakes/DeleteAbsorbed":       {{lint.IDConditionEffect, "rule.any_of.conditions[1].all_of", "conditions: {"}},
	"Mistakes/DeleteByNobody":       {{lint.IDConditionEffect, "rule.any_of.conditions[1].match", "conditions: {"}},
	"Mistakes/DeleteAlways":         {{lint.IDConditionEffect, "rule.any_of.conditions[0].expression", "conditions: {"}},
	"DefaultMistakes":               {{lint.IDReason, "service_rule.default.handler", "(.usher.authz.v1.service_rule)"}},
	"InheritedMistakes/GetDocument": {{lint.IDFieldRead, "service_rule.default.authenticated", "rpc GetDocument"}},
	"EverythingService/Do":          {{authz.FaultRuleMissing, "", "rpc Do"}},
	"Ignored/GetOther":              {{lint.IDFieldRead, "rule.authenticated", "(.usher.authz.v1.rule)"}},
}

// TestLintFindsEachSeededMistake also shows that the fixes, and what comments leave out,
// have no finding: each finding must be one of the table.
func TestLintFindsEachSeededMistake(t *testing.T) {
	found := map[string][]lint.Finding{}
	for _, f := range lint.Lint(compiled(t, seedFiles(t)), lint.Config{}) {
		name := strings.TrimPrefix(f.Method, seedsPackage)
		found[name] = append(found[name], f)
		if _, expected := seeds[name]; !expected {
			t.Errorf("not a mistake: %s", f)
		}
	}
	policy := compiled(t, seedFiles(t))
	for name, want := range seeds {
		t.Run(name, func(t *testing.T) {
			got := found[name]
			if len(got) != len(want) {
				t.Fatalf("got %v, want %v", got, want)
			}
			for i, f := range got {
				if f.ID != want[i].id || f.Path != want[i].path || !strings.HasPrefix(sourceAt(t, f), want[i].at) {
					t.Errorf("got %s, at %q; want %+v", f, sourceAt(t, f), want[i])
				}
				if f.Problem == "" || f.Fix == "" && f.ID != authz.FaultRuleInvalid || f.Descriptor == nil {
					t.Errorf("it lacks a problem, a fix or a descriptor: %+v", f)
				}
				at := f.Descriptor.ParentFile().SourceLocations().ByPath(f.SourcePath())
				if at.Path == nil || at.StartLine+1 != f.Line || at.StartColumn+1 != f.Column {
					t.Errorf("the source path %v isn't at %d:%d", f.SourcePath(), f.Line, f.Column)
				}
			}
			service, method, _ := strings.Cut(name, "/")
			fixed := seedsPackage + strings.Replace(service, "Mistakes", "Fixes", 1) + "/" + method
			hasFix := slices.ContainsFunc(policy.Methods, func(m authz.MethodPolicy) bool { return m.Rule != nil && strings.HasPrefix(m.Method, fixed) })
			if strings.HasSuffix(service, "Mistakes") && !hasFix {
				t.Errorf("there is no fix %s", fixed)
			}
		})
	}
}

// sourceAt returns how the source goes on at a finding's line and column.
func sourceAt(t *testing.T, f lint.Finding) string {
	t.Helper()
	text, err := os.ReadFile(seedsFolder + f.File)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	if f.Line < 1 || f.Line > len(lines) || f.Column < 1 || f.Column > len(lines[f.Line-1]) {
		t.Fatalf("no such place: %s", f)
	}

	return lines[f.Line-1][f.Column-1:]
}
