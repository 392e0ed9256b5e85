package demo

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"
)

// editedProto is docs.proto as it is after somebody has added a method and has
// forgotten its rule. It is in a package of its own, since two files can't
// define one name.
func editedProto(t *testing.T) protoreflect.FileDescriptor {
	t.Helper()
	file := protodesc.ToFileDescriptorProto(docsv1.File_docs_v1_docs_proto)
	raw, err := proto.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	raw = bytes.ReplaceAll(raw, []byte(".docs.v1."), []byte(".docz.v1."))
	edited := &descriptorpb.FileDescriptorProto{}
	if err := proto.Unmarshal(raw, edited); err != nil {
		t.Fatal(err)
	}
	edited.Name = new("docz/v1/docs.proto")
	edited.Package = new("docz.v1")
	edited.Service[0].Method = append(edited.Service[0].Method, &descriptorpb.MethodDescriptorProto{
		Name:       new("ArchiveDocument"),
		InputType:  new(".docz.v1.GetDocumentRequest"),
		OutputType: new(".docz.v1.GetDocumentResponse"),
	})
	fd, err := protodesc.NewFile(edited, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestMethodWithoutARuleKeepsTheServerFromStarting(t *testing.T) {
	file := editedProto(t)
	if err := protoregistry.GlobalFiles.RegisterFile(file); err != nil {
		t.Fatal(err)
	}
	description := grpc.ServiceDesc{ServiceName: "docz.v1.DocumentService", HandlerType: (*any)(nil), Metadata: file.Path()}
	methods := file.Services().Get(0).Methods()
	for i := range methods.Len() {
		description.Methods = append(description.Methods, grpc.MethodDesc{MethodName: string(methods.Get(i).Name())})
	}

	w, err := newWorld(deadline(t), worldConfig{register: func(s grpc.ServiceRegistrar) {
		s.RegisterService(&description, struct{}{})
	}})
	if err == nil {
		t.Error(w.close())
		t.Fatal("the server started")
	}
	t.Log(err)
	for _, want := range []string{"refuses to start", "docz/v1/docs.proto", "ArchiveDocument"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error doesn't name %q", want)
		}
	}
	for _, other := range []string{"GetDocument", "PurgeDocuments"} {
		if strings.Contains(err.Error(), other) {
			t.Errorf("the error names %s, whose rule is there", other)
		}
	}
}
