package authz

import (
	"context"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// extensionResolver resolves what unmarshalling finds: everything, with types that
// are generated or dynamic, or nothing.
type extensionResolver interface {
	FindExtensionByName(field protoreflect.FullName) (protoreflect.ExtensionType, error)
	FindExtensionByNumber(message protoreflect.FullName, field protoreflect.FieldNumber) (protoreflect.ExtensionType, error)
}

// docsSet is the descriptor set of the test service as bytes would give it.
func docsSet(t *testing.T, resolver extensionResolver) *protoregistry.Files {
	t.Helper()
	set := &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{}
	var add func(file protoreflect.FileDescriptor)
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
	add(docsv1.File_usher_test_docs_v1_docs_proto)
	wire, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	again := &descriptorpb.FileDescriptorSet{}
	if err := (proto.UnmarshalOptions{Resolver: resolver}).Unmarshal(wire, again); err != nil {
		t.Fatal(err)
	}
	files, err := protodesc.NewFiles(again)
	if err != nil {
		t.Fatal(err)
	}

	return files
}

// heldFiles says how the options of a method hold its rule.
func heldFiles(files Resolver) string {
	how := "nothing"
	files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if file.Path() != docsv1.File_usher_test_docs_v1_docs_proto.Path() {
			return true
		}
		options := file.Services().Get(0).Methods().ByName("GetDocument").Options().ProtoReflect()
		if len(options.GetUnknown()) > 0 {
			how = "unknown bytes"
		}
		options.Range(func(fd protoreflect.FieldDescriptor, value protoreflect.Value) bool {
			if fd.Number() == optionNumber {
				how = fmt.Sprintf("%T", value.Message().Interface())
			}

			return true
		})

		return true
	})

	return how
}

// dump is everything that a compiled method holds.
func dump(m *Method) string {
	text := fmt.Sprint(m.policy, m.rule, m.leaves, m.token, m.validation, m.first, m.recheck, m.consistency.mode, m.consistency.absent, m.hides, m.reads)
	if m.consistency.revision != nil {
		text += m.consistency.revision.String()
	}
	for _, pin := range m.pins {
		text += " " + pin.String()
	}

	return text
}

func TestDescriptorsThreeWaysGiveTheSameRules(t *testing.T) {
	generated := &protoregistry.Files{}
	if err := generated.RegisterFile(docsv1.File_usher_test_docs_v1_docs_proto); err != nil {
		t.Fatal(err)
	}
	rules := &protoregistry.Files{}
	if err := rules.RegisterFile(authzv1.File_usher_authz_v1_authz_proto); err != nil {
		t.Fatal(err)
	}
	ways := map[string]struct {
		files     Resolver
		heldFiles string
	}{
		"generated": {generated, "*authzv1.Rule"},
		"dynamic":   {docsSet(t, dynamicpb.NewTypes(rules)), "*dynamicpb.Message"},
		"typed":     {docsSet(t, protoregistry.GlobalTypes), "*authzv1.Rule"},
		"unknown":   {docsSet(t, &protoregistry.Types{}), "unknown bytes"},
	}
	asked := EngineFunc(func(_ context.Context, batch Batch) (Result, error) {
		result := Result{Answers: make([]Answer, len(batch.Queries))}
		for i, query := range batch.Queries {
			if result.Answers[i].Effect = EffectDenied; query.Object.ID == "1" {
				result.Answers[i].Effect = EffectAllowed
			}
		}

		return result, nil
	})
	dumps := map[string]map[string]string{}
	for way, source := range ways {
		if got := heldFiles(source.files); got != source.heldFiles {
			t.Errorf("%s: the rule is heldFiles as %s, want %s: the test tests nothing", way, got, source.heldFiles)
		}
		authorizer, err := New(Config{Engine: freshEngine{asked}, Subjects: Subjects{User: "user:{$sub}"}, Issuers: Issuers{"i"}, Resolver: source.files})
		if err != nil {
			t.Fatal(err)
		}
		if err := authorizer.Faults(); err != nil {
			t.Fatalf("%s: %v", way, err)
		}
		dumps[way] = map[string]string{}
		for name, method := range authorizer.methods {
			dumps[way][name] = dump(method)
		}
		caller := propertyCaller{map[string]bool{"documents": true}}
		for id, want := range map[string]bool{"1": true, "2": false} {
			_, err := authorizer.Authorize(t.Context(), "/usher.test.docs.v1.DocumentService/GetDocument", caller, &docsv1.GetDocumentRequest{DocumentId: id})
			if (err == nil) != want {
				t.Errorf("%s: document %s: %v", way, id, err)
			}
			message := dynamicpb.NewMessage((&docsv1.GetDocumentRequest{}).ProtoReflect().Descriptor())
			message.Set(message.Descriptor().Fields().ByName("document_id"), protoreflect.ValueOfString(id))
			_, err = authorizer.Authorize(t.Context(), "/usher.test.docs.v1.DocumentService/GetDocument", caller, message)
			if (err == nil) != want {
				t.Errorf("%s: document %s in a dynamic message: %v", way, id, err)
			}
		}
	}
	if len(dumps["generated"]) != 13 {
		t.Errorf("%d methods", len(dumps["generated"]))
	}
	for way := range ways {
		for name, want := range dumps["generated"] {
			if got := dumps[way][name]; got != want {
				t.Errorf("%s: %s is\n%s, generated\n%s", way, name, got, want)
			}
		}
	}
}

// freshEngine is an engine that supports every mode.
type freshEngine struct{ Engine }

func (freshEngine) SupportsConsistency(Mode) bool { return true }
