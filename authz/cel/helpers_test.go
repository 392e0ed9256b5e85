package cel_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	_ "google.golang.org/protobuf/types/known/durationpb" // shop.v1 imports it

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/cel"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

// now is the time of the tests: a Wednesday.
var now = time.Date(2026, 11, 25, 15, 4, 5, 6_000_000, time.UTC)

func compiler(t testing.TB, config cel.Config) *cel.Compiler {
	t.Helper()
	c, err := cel.New(config)
	if err != nil {
		t.Fatal(err)
	}

	return c
}

var kinds = (&docsv1.Kinds{}).ProtoReflect().Descriptor()

func compile(t testing.TB, text string) authz.Expression {
	t.Helper()
	e, err := compiler(t, cel.Config{}).CompileExpression(text, kinds)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}

	return e
}

// input is a call of Ann of finance, by message.
func input(message proto.Message, claims ...authztest.Claims) *authz.ExpressionInput {
	all := authztest.Claims{
		"scope": "documents.read documents.write", "acr": "mfa", "department": "finance", "level": 3, "ratio": 0.5,
		"large": int64(9007199254740993), "admin": true, "nothing": nil,
		"groups": []string{"staff", "finance"}, "realm": map[string]any{"roles": []string{"editor"}, "tier": "gold"},
		"https://example.com/unit": "blue",
	}
	principal := authztest.User("ann", append([]authztest.Claims{all}, claims...)...)

	return &authz.ExpressionInput{
		Message: message, Principal: lister{principal, []string{"documents.read", "documents.write"}},
		PeerIP: netip.MustParseAddr("10.1.2.3"), Now: func() time.Time { return now },
	}
}

// lister is a principal that can list its scopes, as that of package verify.
type lister struct {
	*authztest.Principal

	scopes []string
}

func (l lister) Scopes() []string { return l.scopes }

func wantProblem(t *testing.T, err error, problem string) {
	t.Helper()
	var evaluation *cel.EvaluationError
	if !errors.As(err, &evaluation) || !strings.Contains(evaluation.Problem, problem) {
		t.Errorf("error %v; want one of %q", err, problem)
	}
}

// shop is a file that isn't linked into the program, with types that the linked ones
// don't have.
func shop(t testing.TB) protoreflect.FileDescriptor {
	t.Helper()
	label, list := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	field := func(name string, number int32, kind descriptorpb.FieldDescriptorProto_Type, of string) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{Name: proto.String(name), Number: proto.Int32(number), Type: kind.Enum(), Label: label}
		if of != "" {
			f.TypeName = proto.String(of)
		}

		return f
	}
	repeated := func(f *descriptorpb.FieldDescriptorProto) *descriptorpb.FieldDescriptorProto {
		f.Label = list
		return f
	}
	const message, enum = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, descriptorpb.FieldDescriptorProto_TYPE_ENUM
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		// A path that a linked file has, too: that mustn't matter.
		Name: proto.String(docsv1.File_usher_test_docs_v1_docs_proto.Path()), Package: proto.String("shop.v1"), Syntax: proto.String("proto3"),
		Dependency: []string{"google/protobuf/any.proto", "google/protobuf/duration.proto", "google/protobuf/empty.proto", "google/protobuf/field_mask.proto", "google/protobuf/struct.proto", "google/protobuf/timestamp.proto"},
		EnumType: []*descriptorpb.EnumDescriptorProto{{Name: proto.String("State"), Value: []*descriptorpb.EnumValueDescriptorProto{
			{Name: proto.String("STATE_UNSPECIFIED"), Number: proto.Int32(0)}, {Name: proto.String("STATE_OPEN"), Number: proto.Int32(1)},
		}}},
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: proto.String("Order"), Field: []*descriptorpb.FieldDescriptorProto{
				field("amount", 1, descriptorpb.FieldDescriptorProto_TYPE_INT64, ""),
				field("at", 2, message, ".google.protobuf.Timestamp"),
				field("within", 3, message, ".google.protobuf.Duration"),
				field("extra", 4, message, ".google.protobuf.Struct"),
				field("detail", 5, message, ".google.protobuf.Any"),
				field("state", 6, enum, ".shop.v1.State"),
				repeated(field("lines", 7, message, ".shop.v1.Line")),
				field("value", 8, message, ".google.protobuf.Value"),
				field("rate", 9, descriptorpb.FieldDescriptorProto_TYPE_FLOAT, ""),
				field("mask", 11, message, ".google.protobuf.FieldMask"),
				field("empty", 12, message, ".google.protobuf.Empty"),
				repeated(field("details", 10, message, ".google.protobuf.Any")),
			}},
			{Name: proto.String("Line"), Field: []*descriptorpb.FieldDescriptorProto{
				field("sku", 1, descriptorpb.FieldDescriptorProto_TYPE_STRING, ""),
				field("count", 2, descriptorpb.FieldDescriptorProto_TYPE_INT32, ""),
			}},
		},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}

	return file
}

func order(t testing.TB) protoreflect.MessageDescriptor {
	t.Helper()

	return shop(t).Messages().ByName("Order")
}

func dynamic(t testing.TB, of protoreflect.MessageDescriptor, text string) *dynamicpb.Message {
	t.Helper()
	message := dynamicpb.NewMessage(of)
	if err := unmarshalText(text, message); err != nil {
		t.Fatal(err)
	}

	return message
}
