package goals

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// documentService has Get, whose request names one document, and BatchGet, whose
// request names several. The requests are generated messages, as a server's are.
func documentService(tb testing.TB) *protoregistry.Files {
	tb.Helper()
	method := func(name string, input proto.Message, object string) *descriptorpb.MethodDescriptorProto {
		options := &descriptorpb.MethodOptions{}
		proto.SetExtension(options, authzv1.E_Rule, &authzv1.Rule{Policy: &authzv1.Rule_Check{Check: &authzv1.Check{Object: object, Relation: "view"}}})
		message := "." + string(input.ProtoReflect().Descriptor().FullName())

		return &descriptorpb.MethodDescriptorProto{Name: new(name), InputType: new(message), OutputType: new(message), Options: options}
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: new("goals.proto"), Package: new("goals.v1"), Syntax: new("proto3"),
		Dependency: []string{wrapperspb.File_google_protobuf_wrappers_proto.Path(), fieldmaskpb.File_google_protobuf_field_mask_proto.Path()},
		Service: []*descriptorpb.ServiceDescriptorProto{{
			Name: new("Docs"),
			Method: []*descriptorpb.MethodDescriptorProto{
				method("Get", &wrapperspb.StringValue{}, "document:{value}"), method("BatchGet", &fieldmaskpb.FieldMask{}, "document:{paths[]}"),
			},
		}},
	}, protoregistry.GlobalFiles)
	fatal(tb, err)
	files := &protoregistry.Files{}
	fatal(tb, files.RegisterFile(file))

	return files
}

// decisions returns a function that decides, as the interceptor does, a call of
// ann's that names the n documents from i on.
func decisions(tb testing.TB, engine authz.Engine, apart bool) func(ctx context.Context, i, n int) error {
	tb.Helper()
	decide, ann := decisionsOf(tb, engine, apart), authztest.User("ann")

	return func(ctx context.Context, i, n int) error { return decide(ctx, ann, i, n) }
}

// decisionsOf is decisions of any principal's calls.
func decisionsOf(tb testing.TB, engine authz.Engine, apart bool) func(ctx context.Context, principal authz.Principal, i, n int) error {
	tb.Helper()
	authorizer, err := authz.New(authz.Config{
		Engine: engine, Resolver: documentService(tb), Subjects: authz.Subjects{User: "user:{$sub}"}, Issuers: authz.Issuers{"test"},
		DisableCombining: apart, Timeout: time.Minute, // however busy the machine is
	})
	fatal(tb, err)
	bulk := func(i, n int) proto.Message {
		message := &fieldmaskpb.FieldMask{}
		for k := range n {
			message.Paths = append(message.Paths, document(i+k))
		}

		return message
	}
	// A server has its message before the decision begins.
	var single, several [documents]proto.Message
	for i := range documents {
		single[i], several[i] = wrapperspb.String(document(i)), bulk(i, batchSize)
	}

	return func(ctx context.Context, principal authz.Principal, i, n int) error {
		method, message := authorizer.Method("/goals.v1.Docs/BatchGet"), several[i%documents]
		switch n {
		case 1:
			method, message = authorizer.Method("/goals.v1.Docs/Get"), single[i%documents]
		case batchSize:
		default:
			message = bulk(i, n)
		}
		_, err := method.Authorize(ctx, &authz.Call{Principal: principal, Message: message})

		return err
	}
}

// TestDecisions shows that what is measured asks the engine what it is asked for.
func TestDecisions(t *testing.T) {
	engine := authztest.NewEngine("document:d1#view@user:ann", "document:d2#view@user:ann")
	decide := decisions(t, engine, false)
	for _, c := range []struct {
		i, n    int
		allowed bool
	}{{1, 1, true}, {3, 1, false}, {1, 2, true}, {1, 3, false}} {
		if err := decide(t.Context(), c.i, c.n); (err == nil) != c.allowed {
			t.Errorf("%d documents from d%d: %v", c.n, c.i, err)
		}
	}
	if asked := engine.Asked(); len(asked) != 4 || len(asked[3].Queries) != 3 {
		t.Errorf("asked %v", asked)
	}
}
