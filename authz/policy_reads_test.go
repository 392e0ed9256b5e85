package authz_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// readsOnly compiles expressions that read the same.
type readsOnly struct{ authz.ExpressionReads }

func (r readsOnly) CompileExpression(string, protoreflect.MessageDescriptor) (authz.Expression, error) {
	return r, nil
}
func (r readsOnly) Reads() authz.ExpressionReads                { return r.ExpressionReads }
func (readsOnly) Evaluate(*authz.ExpressionInput) (bool, error) { return false, nil }

// onlyMove is a service of one method without a rule.
type onlyMove struct{}

func (onlyMove) RangeFiles(visit func(protoreflect.FileDescriptor) bool) { visit(expressionFile) }

func TestPolicyHasWhatExpressionsRead(t *testing.T) {
	cel := &authzv1.Condition{Condition: &authzv1.Condition_Expression{Expression: &authzv1.Expression{Cel: "x"}}}
	check := &authzv1.Condition{Condition: &authzv1.Condition_Check{Check: &authzv1.Check{Object: "document:{document_id}", Relation: "owner"}}}
	for name, c := range map[string]struct {
		conditions []*authzv1.Condition
		reads      authz.ExpressionReads
		want       []string
	}{
		"some fields":   {[]*authzv1.Condition{check, cel, cel}, authz.ExpressionReads{Message: true, Fields: []protoreflect.Name{"to_folder_id", "from_folder_id"}}, []string{"from_folder_id", "to_folder_id"}},
		"every field":   {[]*authzv1.Condition{cel}, authz.ExpressionReads{Message: true}, []string{"*"}},
		"no field":      {[]*authzv1.Condition{cel}, authz.ExpressionReads{Caller: true}, nil},
		"no expression": {[]*authzv1.Condition{check}, authz.ExpressionReads{Message: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			authorizer, err := authz.New(authz.Config{
				Engine: authztest.NewEngine(), Subjects: authz.Subjects{User: "user:{$sub}"}, Issuers: authz.Issuers{"test"},
				Expressions: readsOnly{c.reads}, Resolver: onlyMove{},
				Rules: []authz.MethodRule{{Selector: "expressions.Service/Move", Rule: &authzv1.Rule{Policy: &authzv1.Rule_AllOf{AllOf: &authzv1.AllOf{Conditions: c.conditions}}}}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := authorizer.Policy().Methods[0].ExpressionReads; !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// expressionFile has a method whose request is that of MoveDocument.
var expressionFile = func() protoreflect.FileDescriptor {
	input := string((&docsv1.MoveDocumentRequest{}).ProtoReflect().Descriptor().FullName())
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("expressions.proto"), Package: proto.String("expressions"), Dependency: []string{docsv1.File_usher_test_docs_v1_docs_proto.Path()},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Service"), Method: []*descriptorpb.MethodDescriptorProto{{
			Name: proto.String("Move"), InputType: proto.String("." + input), OutputType: proto.String("." + input),
		}}}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		panic(err)
	}

	return file
}()
