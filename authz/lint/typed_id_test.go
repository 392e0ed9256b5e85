package lint_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lint"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// Some APIs give each sort of identifier a message of its own.
func TestLintFindsIdentifiersThatAreMessages(t *testing.T) {
	text := func(name string) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{Name: proto.String(name), Number: proto.Int32(1), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
	}
	for name, c := range map[string]struct {
		field, typeName, inner string
		want                   string
	}{
		"an id":                          {"id", "DocumentId", "value", "id"},
		"a document_id":                  {"document_id", "Identifier", "value", "document_id"},
		"a document of an id's type":     {"document", "DocumentId", "value", "document"},
		"a document of a UUID":           {"document", "UUID", "value", "document"},
		"a document by its own id":       {"document", "Document", "id", "document.id"},
		"an id's type that names a call": {"call", "RequestId", "value", ""},
		"a dashboard_uid":                {"dashboard_uid", "Dashboard", "value", "dashboard_uid"},
		"a fluid":                        {"fluid", "Fluid", "value", ""},
		"another message":                {"note", "Note", "value", ""},
	} {
		t.Run(name, func(t *testing.T) {
			files := filesOf(t, &descriptorpb.FileDescriptorProto{
				Name: proto.String("t.proto"), Package: proto.String("t"), Syntax: proto.String("proto3"),
				MessageType: []*descriptorpb.DescriptorProto{
					{Name: proto.String(c.typeName), Field: []*descriptorpb.FieldDescriptorProto{text(c.inner)}},
					{Name: proto.String("Request"), Field: []*descriptorpb.FieldDescriptorProto{{
						Name: proto.String(c.field), Number: proto.Int32(1), Type: descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(),
						TypeName: proto.String(".t." + c.typeName), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
					}}},
				},
				Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("S"), Method: []*descriptorpb.MethodDescriptorProto{
					{Name: proto.String("Get"), InputType: proto.String(".t.Request"), OutputType: proto.String(".t.Request")},
				}}},
			})
			for _, reads := range []bool{false, true} {
				rule := &authzv1.Rule{Policy: &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}}}
				want := c.want
				if reads {
					object := "document:{" + c.field + "." + c.inner + "}"
					rule, want = &authzv1.Rule{Policy: &authzv1.Rule_Check{Check: &authzv1.Check{Object: object, Relation: "viewer"}}}, ""
				}
				policy, err := lint.Compile(lint.Source{Files: files, Rules: []authz.MethodRule{{Selector: "t.S/Get", Rule: rule}}})
				if err != nil {
					t.Fatal(err)
				}
				var got, fix string
				for _, f := range lint.Lint(policy, lint.Config{}) {
					if f.ID != lint.IDFieldRead {
						t.Fatal(f)
					}
					got, _, _ = strings.Cut(f.Problem, " of the request")
					fix = f.Fix
				}
				if got != want {
					t.Errorf("rule %v: got %q, want %q", rule, got, want)
				}
				if template := c.field + "." + c.inner; got != "" && !strings.Contains(fix, "{"+template+"}") {
					t.Errorf("the fix doesn't read {%s}: %s", template, fix)
				}
			}
		})
	}
}
