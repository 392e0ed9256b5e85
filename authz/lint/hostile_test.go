package lint_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lint"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// The descriptors that lie. Each is a real one but for the methods that it overrides.
type (
	noFile      struct{ protoreflect.MethodDescriptor }
	noParent    struct{ protoreflect.MethodDescriptor }
	lyingIndex  struct{ protoreflect.MethodDescriptor }
	noInput     struct{ protoreflect.MethodDescriptor }
	panics      struct{ protoreflect.MethodDescriptor }
	brokenInput struct{ protoreflect.MethodDescriptor }
	brokenType  struct{ protoreflect.MessageDescriptor }
	unhashable  struct {
		protoreflect.MessageDescriptor

		_ []int
	}
	oddInput   struct{ protoreflect.MethodDescriptor }
	deepFile   struct{ protoreflect.MethodDescriptor }
	brokenFile struct{ protoreflect.FileDescriptor }
)

func (noFile) ParentFile() protoreflect.FileDescriptor { return nil }
func (noParent) Parent() protoreflect.Descriptor       { return nil }
func (lyingIndex) Index() int                          { return 1 << 40 }
func (noInput) Input() protoreflect.MessageDescriptor  { return nil }
func (panics) Input() protoreflect.MessageDescriptor   { panic(strings.Repeat("x", 1<<20)) }
func (d brokenInput) Input() protoreflect.MessageDescriptor {
	return brokenType{d.MethodDescriptor.Input()}
}
func (brokenType) Fields() protoreflect.FieldDescriptors { return nil }
func (d oddInput) Input() protoreflect.MessageDescriptor {
	return unhashable{MessageDescriptor: d.MethodDescriptor.Input()}
}

func (d deepFile) ParentFile() protoreflect.FileDescriptor {
	return brokenFile{d.MethodDescriptor.ParentFile()}
}
func (brokenFile) SourceLocations() protoreflect.SourceLocations { panic("no locations") }

// TestLintOfDescriptorsThatLie is about policies whose descriptors are broken in ways that
// only show when they are read.
func TestLintOfDescriptorsThatLie(t *testing.T) {
	md := must(seedFiles(t).FindDescriptorByName(seedsPackage + "Mistakes.GetDocument")).(protoreflect.MethodDescriptor)
	open := &authzv1.Rule{Policy: &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}}}
	for name, d := range map[string]struct {
		of protoreflect.MethodDescriptor
		id string // empty: none
	}{
		"no file":                 {noFile{md}, lint.IDFieldRead},
		"no parent":               {noParent{md}, lint.IDFieldRead},
		"a lying index":           {lyingIndex{md}, lint.IDFieldRead},
		"no input":                {noInput{md}, ""},
		"an input that panics":    {panics{md}, authz.FaultRuleInvalid},
		"an input without fields": {brokenInput{md}, authz.FaultRuleInvalid},
		"an input without a hash": {oddInput{md}, authz.FaultRuleInvalid},
		"locations that panic":    {deepFile{md}, lint.IDFieldRead},
		"none":                    {nil, ""},
	} {
		t.Run("row 54: "+name, func(t *testing.T) {
			policy := &authz.Policy{Methods: []authz.MethodPolicy{{
				Method: "a.B/GetDocument", Descriptor: d.of, File: "a.proto", Rule: open,
			}}}
			findings := lint.Lint(policy, lint.Config{})
			if d.id == "" && len(findings) == 0 {
				return
			}
			if len(findings) != 1 || findings[0].ID != d.id {
				t.Fatalf("got %v, want %s", findings, d.id)
			}
			if len(findings[0].String()) > 1024 || findings[0].Method != "a.B/GetDocument" {
				t.Errorf("got %.2000s", findings[0])
			}
		})
	}
}

// TestLintOfRulesThatCantBeRead is about options that are no rule.
func TestLintOfRulesThatCantBeRead(t *testing.T) {
	const number = 417100233
	tag := protowire.AppendTag(nil, number, protowire.BytesType)
	for name, wire := range map[string][]byte{
		"bytes that end":        protowire.AppendBytes(tag, []byte{0x1a, 0x7f, 1}),
		"an unknown field":      protowire.AppendBytes(tag, protowire.AppendVarint(protowire.AppendTag(nil, 999, protowire.VarintType), 1)),
		"no message":            protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), 1),
		"an unknown enum value": protowire.AppendBytes(tag, protowire.AppendVarint(protowire.AppendTag(nil, 14, protowire.VarintType), 99)),
	} {
		t.Run("row 54: "+name, func(t *testing.T) {
			options := &descriptorpb.MethodOptions{}
			options.ProtoReflect().SetUnknown(wire)
			fieldOptions := &descriptorpb.FieldOptions{}
			fieldOptions.ProtoReflect().SetUnknown([]byte{0xe2, 0x41, 0x7f}) // field_behavior that ends
			id := field("document_id", 1)
			id.Options = fieldOptions
			file := oneMethod("unreadable", options, id)
			findings := lint.Lint(compiled(t, register(t, file)), lint.Config{})
			if len(findings) != 1 || findings[0].ID != authz.FaultRuleInvalid || findings[0].Descriptor == nil {
				t.Errorf("got %v", findings)
			}
		})
	}
}

func oneMethod(name string, options *descriptorpb.MethodOptions, fields ...*descriptorpb.FieldDescriptorProto) *descriptorpb.FileDescriptorProto {
	return &descriptorpb.FileDescriptorProto{
		Name: proto.String(name + ".proto"), Package: proto.String(name), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Request"), Field: fields}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Service"), Method: []*descriptorpb.MethodDescriptorProto{{
			Name: proto.String("Get"), InputType: proto.String("." + name + ".Request"), OutputType: proto.String("." + name + ".Request"), Options: options,
		}}}},
	}
}

func ruleOptions(rule *authzv1.Rule) *descriptorpb.MethodOptions {
	options := &descriptorpb.MethodOptions{}
	proto.SetExtension(options, authzv1.E_Rule, rule)

	return options
}

// TestLintOfPlaceholders is about files whose imports are missing.
func TestLintOfPlaceholders(t *testing.T) {
	open := &authzv1.Rule{Policy: &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}}}
	file := oneMethod("placeholders", ruleOptions(open), field("document_id", 1))
	file.Service[0].Method[0].InputType = proto.String(".nowhere.Request")
	file.Dependency = []string{"nowhere.proto"}
	descriptor := must(protodesc.FileOptions{AllowUnresolvable: true}.New(file, protoregistry.GlobalFiles))
	if findings := lint.Lint(compiled(t, one{descriptor}), lint.Config{}); len(findings) != 0 {
		t.Errorf("got %v", findings)
	}
}

// TestLintOfOtherPackages is about services that are compiled into every server.
func TestLintOfOtherPackages(t *testing.T) {
	for name, c := range map[string]struct {
		pkg   string
		rules []authz.MethodRule
		want  int
	}{
		"a service of gRPC without a rule":   {"grpc.health.v9", nil, 0},
		"a service of Google without a rule": {"google.test", nil, 0},
		"a package that only begins alike":   {"grpcweb", nil, 1},
		"another service without a rule":     {"company", nil, 1},
		"a service of gRPC with a rule that says so": {"grpc.health.v9", []authz.MethodRule{{Selector: "grpc.health.v9.Service/Get", Rule: &authzv1.Rule{
			Policy: &authzv1.Rule_Public{Public: &authzv1.Public{}},
		}}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			policy, err := lint.Compile(lint.Source{Files: register(t, oneMethod(c.pkg, nil)), Rules: c.rules})
			if err != nil {
				t.Fatal(err)
			}
			if findings := lint.Lint(policy, lint.Config{}); len(findings) != c.want {
				t.Errorf("got %v", findings)
			}
			if findings := lint.Lint(policy, lint.Config{Except: []string{authz.FaultRuleMissing, lint.IDReason}}); len(findings) != 0 {
				t.Errorf("not left out: %v", findings)
			}
		})
	}
}

// manyMethods returns a file with services of 100 methods, each with a rule that reads
// one of two fields of its request. The requests have types in common.
func manyMethods(methods int, extra ...*descriptorpb.DescriptorProto) *descriptorpb.FileDescriptorProto {
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("many.proto"), Package: proto.String("many"), Syntax: proto.String("proto3"),
		MessageType: append([]*descriptorpb.DescriptorProto{
			{Name: proto.String("Request"), Field: []*descriptorpb.FieldDescriptorProto{field("folder_id", 1), field("document_id", 2)}},
		}, extra...),
	}
	if len(extra) > 0 {
		inner := field("inner", 3)
		inner.Type, inner.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String(".many."+extra[0].GetName())
		file.MessageType[0].Field = append(file.MessageType[0].Field, inner)
	}
	options := ruleOptions(&authzv1.Rule{Policy: &authzv1.Rule_Check{Check: &authzv1.Check{Object: "folder:{folder_id}", Relation: "viewer"}}})
	for i := range methods {
		if i%100 == 0 {
			file.Service = append(file.Service, &descriptorpb.ServiceDescriptorProto{Name: proto.String(fmt.Sprintf("Service%d", i/100))})
		}
		service := file.GetService()[i/100]
		service.Method = append(service.Method, &descriptorpb.MethodDescriptorProto{
			Name: proto.String(fmt.Sprintf("Get%d", i)), InputType: proto.String(".many.Request"), OutputType: proto.String(".many.Request"), Options: options,
		})
	}

	return file
}

// pathological returns types of many fields that contain each other.
func pathological(types, fields int) []*descriptorpb.DescriptorProto {
	all := make([]*descriptorpb.DescriptorProto, types)
	for i := range all {
		all[i] = &descriptorpb.DescriptorProto{Name: proto.String(fmt.Sprintf("Type%d", i))}
		for j := range fields {
			fd := field(fmt.Sprintf("f%d_id", j), int32(j+1))
			if j%2 == 0 {
				fd.Name, fd.Type = proto.String(fmt.Sprintf("f%d", j)), descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
				fd.TypeName = proto.String(fmt.Sprintf(".many.Type%d", (i+j)%types))
			}
			all[i].Field = append(all[i].Field, fd)
		}
	}

	return all
}

// TestLintIsBounded counts what the lint of ten thousand methods allocates, whose requests
// have cyclic types of five thousand fields.
func TestLintIsBounded(t *testing.T) {
	policy := compiled(t, register(t, manyMethods(10_000, pathological(5, 5000)...)))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	findings := lint.Lint(policy, lint.Config{})
	runtime.ReadMemStats(&after)
	if len(findings) != 10_000 {
		t.Errorf("%d findings", len(findings))
	}
	const most = 512 << 20
	if total := after.TotalAlloc - before.TotalAlloc; total > most {
		t.Errorf("%d MiB allocated", total>>20)
	} else {
		t.Logf("%d MiB allocated", total>>20)
	}
	if len(findings) > 0 && len(findings[0].String()) > 1024 {
		t.Errorf("a long finding: %s", findings[0])
	}
}

// TestLintOfLargeRules is about rules with very many conditions, as only a file that no
// server compiles may have.
func TestLintOfLargeRules(t *testing.T) {
	leaf := &authzv1.Condition{Condition: &authzv1.Condition_Match{Match: &authzv1.Match{Left: "{text}", Right: "a"}}}
	wide := &authzv1.AllOf{}
	for range 20_000 {
		wide.Conditions = append(wide.Conditions, leaf)
	}
	deep := leaf
	for range 2_000 {
		deep = &authzv1.Condition{Condition: &authzv1.Condition_AllOf{AllOf: &authzv1.AllOf{Conditions: []*authzv1.Condition{deep, nil, {}}}}}
	}
	for name, group := range map[string]*authzv1.AllOf{"wide": wide, "deep": deep.GetAllOf(), "empty": {}, "nil": nil} {
		t.Run(name, func(t *testing.T) {
			policy := &authz.Policy{Methods: []authz.MethodPolicy{{Method: "a.B/C", Rule: &authzv1.Rule{Policy: &authzv1.Rule_AllOf{AllOf: group}}}}}
			if findings := lint.Lint(policy, lint.Config{}); len(findings) > 100 {
				t.Errorf("%d findings", len(findings))
			}
		})
	}
	if findings := lint.Lint(nil, lint.Config{}); findings != nil {
		t.Errorf("got %v", findings)
	}
}

// BenchmarkLint lints a thousand methods, from descriptors to findings.
func BenchmarkLint(b *testing.B) {
	const methods = 1000
	files := register(b, manyMethods(methods))
	b.ReportAllocs()
	for b.Loop() {
		if findings := lint.Lint(compiled(b, files), lint.Config{}); len(findings) != methods {
			b.Fatalf("%d findings", len(findings))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*methods), "µs/method")
}

// FuzzLint lints whatever a file of rules may hold.
func FuzzLint(f *testing.F) {
	md := must(seedFiles(f).FindDescriptorByName(seedsPackage + "EverythingService.Do")).(protoreflect.MethodDescriptor)
	for _, m := range compiled(f, seedFiles(f)).Methods {
		if m.Rule != nil {
			f.Add(must(proto.Marshal(m.Rule)), true)
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte, known bool) {
		rule := &authzv1.Rule{}
		if proto.Unmarshal(wire, rule) != nil {
			return
		}
		m := authz.MethodPolicy{Method: "a.B/C", File: "a.proto", Rule: rule}
		if known {
			m.Descriptor, m.Method = md, everythingDo
		}
		for _, finding := range lint.Lint(&authz.Policy{Methods: []authz.MethodPolicy{m}}, lint.Config{}) {
			if finding.ID == "" || finding.Problem == "" || strings.Contains(finding.Problem, "descriptor can't be read") {
				t.Error(finding)
			}
		}
	})
}
