package authz_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// BenchmarkWarm is a decision of which every answer is in the cache (goals 3 and
// 7), beside the generated getter that reads the same field.
func BenchmarkWarm(b *testing.B) {
	engine := newTuples("document:1#viewer@user:alice", "document:2#viewer@user:alice", "document:3#viewer@user:alice")
	authorizer := newAuthorizer(b, authz.Config{Engine: engine, Cache: authz.CacheConfig{Size: 10_000, TTL: time.Hour}})
	get := &docsv1.GetDocumentRequest{DocumentId: "1"}
	for name, call := range map[string]struct {
		method  string
		message proto.Message
	}{
		"check":         {"GetDocument", get},
		"bulk of three": {"BatchGetDocuments", &docsv1.BatchGetDocumentsRequest{DocumentIds: []string{"1", "2", "3"}}},
		"match":         {"GetProfile", &docsv1.GetProfileRequest{UserId: "alice"}},
		"authenticated": {"Whoami", &docsv1.WhoamiRequest{}},
	} {
		b.Run(name, func(b *testing.B) {
			question := &authz.Call{Principal: user("alice"), Message: call.message}
			name := service + call.method
			if _, err := authorizer.Method(name).Authorize(b.Context(), question); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := authorizer.Method(name).Authorize(b.Context(), question); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("generated getter", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if get.GetDocumentId() != "1" {
				b.Fatal()
			}
		}
	})
}

// honoring makes an engine one that is asked in the call's goroutine.
type honoring struct{ authz.Engine }

func (honoring) HonorsContext() bool { return true }

// BenchmarkCold is a decision that asks an engine in memory: in a goroutine of its own,
// and in that of the call (inline).
func BenchmarkCold(b *testing.B) {
	ids := make([]string, 50)
	tuples := make([]string, len(ids))
	for i := range ids {
		ids[i] = fmt.Sprint(i)
		tuples[i] = "document:" + ids[i] + "#viewer@user:alice"
	}
	calls := map[string]struct {
		method  string
		message proto.Message
	}{
		"check":         {"GetDocument", &docsv1.GetDocumentRequest{DocumentId: "1"}},
		"bulk of fifty": {"BatchGetDocuments", &docsv1.BatchGetDocumentsRequest{DocumentIds: ids}},
	}
	engine := newTuplesUnrecorded(tuples...)
	for suffix, engine := range map[string]authz.Engine{"": engine, "/inline": honoring{engine}, "/combiner": combinerFunc(engine.Check)} {
		authorizer := newAuthorizer(b, authz.Config{Engine: engine})
		for name, call := range calls {
			b.Run(name+suffix, func(b *testing.B) {
				question := &authz.Call{Principal: user("alice"), Message: call.message}
				method := authorizer.Method(service + call.method)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := method.Authorize(b.Context(), question); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkCompile is the compilation of 1,000 methods with a check each.
func BenchmarkCompile(b *testing.B) {
	files := manyMethods(b, 1000)
	b.ReportAllocs()
	for b.Loop() {
		authorizer, err := authz.New(authz.Config{Engine: newTuples(), Subjects: subjects, Issuers: authz.Issuers{"main"}, Resolver: files})
		if err != nil || authorizer.Faults() != nil {
			b.Fatal(err, authorizer.Faults())
		}
	}
}

// manyMethods is a file with n guarded methods.
func manyMethods(tb testing.TB, n int) *protoregistry.Files {
	tb.Helper()
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("many.proto"), Package: proto.String("many.v1"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{
			Name: proto.String("Request"),
			Field: []*descriptorpb.FieldDescriptorProto{{
				Name: proto.String("document_id"), Number: proto.Int32(1),
				Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			}},
		}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Many")}},
	}
	for i := range n {
		options := &descriptorpb.MethodOptions{}
		proto.SetExtension(options, authzv1.E_Rule, &authzv1.Rule{Policy: &authzv1.Rule_Check{Check: &authzv1.Check{
			Object: "document:{document_id}", Relation: "viewer",
		}}})
		file.Service[0].Method = append(file.Service[0].Method, &descriptorpb.MethodDescriptorProto{
			Name: proto.String(fmt.Sprintf("Method%d", i)), InputType: proto.String(".many.v1.Request"),
			OutputType: proto.String(".many.v1.Request"), Options: options,
		})
	}
	files, err := protodesc.NewFiles(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
	if err != nil {
		tb.Fatal(err)
	}

	return files
}

// BenchmarkContext is a warm decision whose query has a context, of one value of each
// sort, beside one without.
func BenchmarkContext(b *testing.B) {
	message := &docsv1.Values{
		Text: "1", Ratio: 0.5, Texts: []string{"a", "b", "c"}, At: &timestamppb.Timestamp{Seconds: 1},
	}
	for _, context := range []struct{ name, value string }{
		{"without", ""}, {"literal", "a"}, {"number", "{ratio}"}, {"timestamp", "{at}"}, {"list of three", "{texts[]}"}, {"this day", "{$now|day}"},
	} {
		b.Run(context.name, func(b *testing.B) {
			rule := check("document:{text}", "viewer")
			if context.value != "" {
				rule.GetCheck().Context = []*authzv1.ContextValue{{Name: "v", Value: context.value}}
			}
			method := newAuthorizer(b, authz.Config{
				Engine: newTuplesUnrecorded("document:1#viewer@user:alice"), Cache: authz.CacheConfig{Size: 10_000, TTL: time.Hour},
				Resolver: ruledOver(b, &docsv1.Values{}, nil, map[string]*authzv1.Rule{"M": rule}),
			}).Method("/t.S/M")
			call := &authz.Call{Principal: user("alice"), Message: message}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := method.Authorize(b.Context(), call); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
