// Package schema compares what usher says of rules against an engine's schema with what
// the engine itself answers to them.
package schema

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/authz/schema"
	"github.com/usher-auth/usher/authz/spicedb"
	"github.com/usher-auth/usher/e2e/engines/openfgaserver"
	"github.com/usher-auth/usher/e2e/engines/spicedbserver"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// testTimeout turns a hang into a failure.
const testTimeout = 2 * time.Minute

// target is a real engine.
type target struct {
	// fresh returns a new adapter, which hasn't read the schema: what it answers is the
	// engine's word.
	fresh  func() authz.Engine
	reader schema.Reader
	writer authztest.Writer
}

// asked asks a new adapter each time.
func (e *target) asked() authz.Engine {
	return authz.EngineFunc(func(ctx context.Context, batch authz.Batch) (authz.Result, error) {
		batch.Consistency.Mode = authz.ModeFullyConsistent // SpiceDB may answer from before the tuples otherwise

		return e.fresh().Check(ctx, batch)
	})
}

func (e *target) write(ctx context.Context, t *testing.T, tuples ...string) authz.Revision {
	t.Helper()
	revision, err := e.writer.Write(ctx, authztest.MustTuples(tuples...)...)
	if err != nil {
		t.Fatal(err)
	}

	return revision
}

func startOpenFGA(t *testing.T, model string) *target {
	t.Helper()
	s := openfgaserver.Start(t, model)
	fresh := func() *openfga.Engine {
		engine, err := openfga.New(openfga.Config{Client: s.Client, StoreID: s.StoreID, ModelID: s.ModelID})
		if err != nil {
			t.Fatal(err)
		}

		return engine
	}

	return &target{fresh: func() authz.Engine { return fresh() }, reader: fresh(), writer: openfgaserver.Writer{Server: s}}
}

func startSpiceDB(t *testing.T, text string) *target {
	t.Helper()
	s := spicedbserver.Start(t, text)
	fresh := func() *spicedb.Engine {
		engine, err := spicedb.New(spicedb.Config{Client: s.Client, SchemaClient: s.Schema})
		if err != nil {
			t.Fatal(err)
		}

		return engine
	}

	return &target{fresh: func() authz.Engine { return fresh() }, reader: fresh(), writer: spicedbserver.Writer{Server: s}}
}

// fields are those of the request.
var fields = []*descriptorpb.FieldDescriptorProto{
	field("id", descriptorpb.FieldDescriptorProto_TYPE_STRING),
	field("number", descriptorpb.FieldDescriptorProto_TYPE_INT64),
	field("size", descriptorpb.FieldDescriptorProto_TYPE_UINT32),
	field("ratio", descriptorpb.FieldDescriptorProto_TYPE_DOUBLE),
	field("flag", descriptorpb.FieldDescriptorProto_TYPE_BOOL),
	of(field("at", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE), ".google.protobuf.Timestamp"),
	of(field("lasts", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE), ".google.protobuf.Duration"),
	repeated(field("texts", descriptorpb.FieldDescriptorProto_TYPE_STRING)),
	repeated(field("numbers", descriptorpb.FieldDescriptorProto_TYPE_INT32)),
	repeated(field("flags", descriptorpb.FieldDescriptorProto_TYPE_BOOL)),
	repeated(of(field("times", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE), ".google.protobuf.Timestamp")),
}

func field(name string, kind descriptorpb.FieldDescriptorProto_Type) *descriptorpb.FieldDescriptorProto {
	return &descriptorpb.FieldDescriptorProto{Name: new(name), Type: kind.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
}

func of(f *descriptorpb.FieldDescriptorProto, name string) *descriptorpb.FieldDescriptorProto {
	f.TypeName = new(name)

	return f
}

func repeated(f *descriptorpb.FieldDescriptorProto) *descriptorpb.FieldDescriptorProto {
	f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()

	return f
}

// service is "t.S", with a method for each rule, over a request of the fields.
func service(t *testing.T, rules map[string]*authzv1.Rule) (*protoregistry.Files, protoreflect.MessageDescriptor) {
	t.Helper()
	message := &descriptorpb.DescriptorProto{Name: new("Request")}
	for i, f := range fields {
		f = proto.CloneOf(f)
		f.Number = new(int32(i + 1))
		message.Field = append(message.Field, f)
	}
	s := &descriptorpb.ServiceDescriptorProto{Name: new("S")}
	for name, rule := range rules {
		options := &descriptorpb.MethodOptions{}
		proto.SetExtension(options, authzv1.E_Rule, rule)
		s.Method = append(s.Method, &descriptorpb.MethodDescriptorProto{
			Name: new(name), InputType: new(".t.Request"), OutputType: new(".t.Request"), Options: options,
		})
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: new("t.proto"), Package: new("t"), Syntax: new("proto3"),
		Dependency:  []string{"google/protobuf/timestamp.proto", "google/protobuf/duration.proto"},
		MessageType: []*descriptorpb.DescriptorProto{message}, Service: []*descriptorpb.ServiceDescriptorProto{s},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	files := &protoregistry.Files{}
	if err := files.RegisterFile(file); err != nil {
		t.Fatal(err)
	}

	return files, file.Messages().Get(0)
}

// authorizer compiles the rules for an engine.
func authorizer(t *testing.T, engine authz.Engine, files *protoregistry.Files) *authz.Authorizer {
	t.Helper()
	a, err := authz.New(authz.Config{
		Engine: engine, Resolver: files, Timeout: testTimeout, Issuers: authz.Issuers{authztest.Issuer}, Breaker: authz.BreakerConfig{Disabled: true},
		Subjects: authz.Subjects{User: "user:{$sub}", Service: "service:{$client_id}"},
	})
	if err != nil {
		t.Fatal(err)
	}

	return a
}
