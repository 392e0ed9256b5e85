package lint_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lint"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// realisticFields are the fields of the realistic services that identify objects, by
// method. What is missing here is no object's: display names, pages, ids of calls and of
// what a method makes.
var realisticFields = map[string]string{
	"Library/GetShelf":           "name",
	"Library/ListVolumes":        "parent",
	"Library/CreateVolume":       "parent",
	"Library/BatchCreateVolumes": "parent",
	"Library/UpdateVolume":       "volume.name",
	"Library/SetPolicy":          "target",
	"Library/MergeShelves":       "name, other_shelf",
	"Shop/RenameOrder":           "order_id",
	"Shop/UpdateOrder":           "order.id, order.customer_id, order.lines.id, order.lines.product_id",
	"Shop/ListOrders":            "organization_id, customer_ids, product_id, shop_id, filter.line_id",
	"Shop/CreateOrder":           "organization_id, order.customer_id, order.lines.product_id",
	"Shop/AddMember":             "team_id, user_id",
	"Shop/GetProfile":            "user_id",
	"Shop/GetWrapped":            "order_id, region_id",
	"Shop/GetTyped":              "order_id",
	"Shop/ListMine":              "user_id",
	"Shop/GetStatus":             "document_id",
	"Shop/Ingest":                "order_id",
	"Shop/Walk":                  "id",
}

// TestLintTellsIdentifiersFromOtherFields gives the realistic services a rule in code that
// reads nothing. With their own rules no method has a finding: see
// TestLintFindsEachSeededMistake.
func TestLintTellsIdentifiersFromOtherFields(t *testing.T) {
	files := &protoregistry.Files{}
	seedFiles(t).RangeFiles(func(file protoreflect.FileDescriptor) bool {
		p := protodesc.ToFileDescriptorProto(file)
		for _, service := range p.GetService() {
			for _, method := range service.GetMethod() {
				method.Options = nil
			}
			service.Options = nil
		}
		if err := files.RegisterFile(must(protodesc.NewFile(p, both{seedFiles(t), protoregistry.GlobalFiles}))); err != nil {
			t.Fatal(err)
		}

		return true
	})
	open := &authzv1.Rule{Policy: &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}}}
	policy, err := lint.Compile(lint.Source{Files: files, Rules: []authz.MethodRule{
		{Selector: seedsPackage + "Library/*", Rule: open}, {Selector: seedsPackage + "Shop/*", Rule: open},
	}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	rules := []authz.MethodRule{}
	for _, f := range lint.Lint(policy, lint.Config{}) {
		if f.ID != lint.IDFieldRead {
			continue
		}
		fields, _, _ := strings.Cut(f.Problem, " of the request")
		got[strings.TrimPrefix(f.Method, seedsPackage)] = fields
		if f.File != "code" || f.Line != 0 || f.SourcePath() != nil {
			t.Errorf("a rule in code has a place: %+v", f)
		}
		_, object, _ := strings.Cut(f.Fix, `object: "`)
		object, _, _ = strings.Cut(object, `"`)
		rules = append(rules, authz.MethodRule{Selector: f.Method, Rule: &authzv1.Rule{Policy: &authzv1.Rule_Check{Check: &authzv1.Check{Object: object, Relation: "viewer"}}}})
	}
	// What the fix shows compiles, and reads the field that it is for.
	fixed, err := lint.Compile(lint.Source{Files: files, Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range lint.Lint(fixed, lint.Config{Except: []string{authz.FaultRuleMissing}}) {
		name := strings.TrimPrefix(f.Method, seedsPackage)
		first, _, _ := strings.Cut(got[name], ",")
		if f.ID != lint.IDFieldRead || first != "" && (strings.HasPrefix(f.Problem, first+" ") || strings.HasPrefix(f.Problem, first+",")) {
			t.Errorf("after the fix: %s", f)
		}
	}
	for method, want := range realisticFields {
		if got[method] != want {
			t.Errorf("%s: got %q, want %q", method, got[method], want)
		}
		delete(got, method)
	}
	if len(got) > 0 {
		t.Errorf("no identifiers: %v", got)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}

	return value
}

// TestLintReadsWhatExpressionsRead has a compiler that tells one field.
func TestLintReadsWhatExpressionsRead(t *testing.T) {
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("expressions.proto"), Package: proto.String("expressions"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Request"), Field: []*descriptorpb.FieldDescriptorProto{
			field("folder_id", 1), field("document_id", 2), field("text", 3),
		}}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Service"), Method: []*descriptorpb.MethodDescriptorProto{{
			Name: proto.String("Get"), InputType: proto.String(".expressions.Request"), OutputType: proto.String(".expressions.Request"),
		}}}},
	}
	rule := &authzv1.Rule{Policy: &authzv1.Rule_Expression{Expression: &authzv1.Expression{Cel: "request.folder_id == 'a'"}}}
	for name, c := range map[string]struct {
		compiler authz.ExpressionCompiler
		want     int
	}{
		"a compiler that tells what is read": {readsFolder{}, 1},
		"no compiler":                        {nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			policy, err := lint.Compile(lint.Source{
				Files: register(t, file), Rules: []authz.MethodRule{{Selector: "expressions.Service/Get", Rule: rule}}, Expressions: c.compiler,
			})
			if err != nil {
				t.Fatal(err)
			}
			findings := lint.Lint(policy, lint.Config{})
			if len(findings) != c.want {
				t.Fatalf("got %v", findings)
			}
			if c.want > 0 && !strings.HasPrefix(findings[0].Problem, "document_id of the request") {
				t.Error(findings[0])
			}
		})
	}
}

func field(name string, number int32) *descriptorpb.FieldDescriptorProto {
	return &descriptorpb.FieldDescriptorProto{
		Name: &name, Number: &number, Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
	}
}

// readsFolder compiles expressions that read the folder.
type readsFolder struct{}

func (readsFolder) CompileExpression(string, protoreflect.MessageDescriptor) (authz.Expression, error) {
	return readsFolder{}, nil
}

func (readsFolder) Reads() authz.ExpressionReads {
	return authz.ExpressionReads{Message: true, Fields: []protoreflect.Name{"folder_id"}}
}

func (readsFolder) Evaluate(*authz.ExpressionInput) (bool, error) { return false, nil }
