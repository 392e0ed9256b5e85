package authz_test

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

func ExampleNew() {
	authorizer, err := authz.New(authz.Config{
		Engine:   authztest.NewEngine("document:1#viewer@user:alice"),
		Subjects: authz.Subjects{Service: "service:{$client_id}", User: "user:{$sub}"},
		Issuers:  authz.Issuers{"test"},
	})
	if err != nil {
		panic(err)
	}
	method := "/usher.test.docs.v1.DocumentService/GetDocument"
	fmt.Println(authorizer.ValidateMethods(method))

	caller := authztest.User("alice", authztest.Claims{"scope": "documents"})
	_, err = authorizer.Authorize(context.Background(), method, caller, &docsv1.GetDocumentRequest{DocumentId: "1"})
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
}

// Each policy, as a line of text.
func ExampleMethod_Rule() {
	docs := cookbook("document:1#viewer@user:alice")
	for _, name := range []string{"Ping", "Whoami", "GetDocument", "GetProfile", "MoveDocument", "DeleteDocument", "ListDocuments", "PurgeDocuments"} {
		fmt.Println(name+":", docs.Method(service+name).Rule())
	}
	// Output:
	// Ping: public
	// Whoami: authenticated
	// GetDocument: check document:{document_id}#viewer
	// GetProfile: match {user_id} = {$sub}
	// MoveDocument: all_of(check document:{document_id}#owner, check folder:{from_folder_id}#editor, check folder:{to_folder_id}#editor)
	// DeleteDocument: any_of(has_scope documents.admin, check document:{document_id}#owner)
	// ListDocuments: handler
	// PurgeDocuments: deny
}

// The policy "public" lets anyone call, "deny" no one, and "authenticated" every caller
// with a valid token.
func ExampleMethod_Authorize_withoutChecks() {
	docs := cookbook()
	for _, method := range []string{"Ping", "Whoami", "PurgeDocuments"} {
		try(docs, method, nil, nil)
		try(docs, method, member("alice"), nil)
	}
	// Output:
	// Ping allowed
	// Ping allowed
	// Whoami TOKEN_MISSING
	// Whoami allowed
	// PurgeDocuments TOKEN_MISSING
	// PurgeDocuments METHOD_DENIED
}

func ExampleDecision() {
	docs := cookbook("document:1#owner@user:alice", "folder:a#editor@user:alice")
	request := &docsv1.MoveDocumentRequest{DocumentId: "1", FromFolderId: "a", ToFolderId: "b"}
	decision, _ := docs.Authorize(context.Background(), service+"MoveDocument", member("alice"), request)
	fmt.Println(decision.Allowed(), decision.Reason())
	for _, checked := range decision.Checks() {
		fmt.Println(checked)
	}
	// Output:
	// false RELATION_DENIED
	// document:1#owner@user:alice allowed
	// folder:a#editor@user:alice allowed
	// folder:b#editor@user:alice denied
}

// Rules in code are for services whose .proto isn't ours.
func ExampleMethodRule() {
	authorizer, err := authz.New(authz.Config{Rules: []authz.MethodRule{
		authz.Health(),
		{Selector: "grpc.health.v1.Health/List", Rule: &authzv1.Rule{
			Policy: &authzv1.Rule_Deny{Deny: &authzv1.Deny{Reason: "it names every service"}},
		}},
	}})
	if err != nil {
		panic(err)
	}
	fmt.Println(authorizer.Method("/grpc.health.v1.Health/Check").Rule())
	fmt.Println(authorizer.Method("/grpc.health.v1.Health/List").Rule())

	_, err = authz.New(authz.Config{Rules: []authz.MethodRule{{Selector: "grpc.health.v2.Health/*", Rule: &authzv1.Rule{}}}})
	fmt.Println(err)
	// Output:
	// public
	// deny
	// authz: Rules: selector "grpc.health.v2.Health/*" matches no linked method; link the service or leave the rule out
}

// A template names its object from the request; a fault says where it is.
func ExampleRuleError() {
	for _, object := range []string{"document:{doc.id}", "document:{tags[]}", "document:{doc.title}", "document:{doc}", "{doc.id}"} {
		authorizer, err := authz.New(authz.Config{
			Engine: authztest.NewEngine(), Subjects: authz.Subjects{User: "user:{$sub}"}, Issuers: authz.Issuers{"test"}, Resolver: oneMethod(object),
		})
		if err != nil {
			panic(err)
		}
		fmt.Println(authorizer.ValidateMethods("/example.v1.Service/Get"))
	}
	// Output:
	// <nil>
	// <nil>
	// authz: example.proto: example.v1.Service/Get: rule.check.object: column 14: there is no field "title" in example.v1.Doc; it has id
	// authz: example.proto: example.v1.Service/Get: rule.check.object: column 10: field doc of type example.v1.Doc isn't one value; go on to one of its fields
	// authz: example.proto: example.v1.Service/Get: rule.check.object: column 0: an object has no literal type; write it as type:{field}
}

// oneMethod is a service with a check of one object.
func oneMethod(object string) authz.Resolver {
	options := &descriptorpb.MethodOptions{}
	proto.SetExtension(options, authzv1.E_Rule, &authzv1.Rule{
		Policy: &authzv1.Rule_Check{Check: &authzv1.Check{Object: object, Relation: "viewer"}},
	})
	text, message := descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
	optional, repeated := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	files, err := protodesc.NewFiles(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{{
		Name: proto.String("example.proto"), Package: proto.String("example.v1"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: proto.String("Doc"), Field: []*descriptorpb.FieldDescriptorProto{
				{Name: proto.String("id"), Number: proto.Int32(1), Type: text, Label: optional},
			}},
			{Name: proto.String("Request"), Field: []*descriptorpb.FieldDescriptorProto{
				{Name: proto.String("doc"), Number: proto.Int32(1), Type: message, TypeName: proto.String(".example.v1.Doc"), Label: optional},
				{Name: proto.String("tags"), Number: proto.Int32(2), Type: text, Label: repeated},
			}},
		},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Service"), Method: []*descriptorpb.MethodDescriptorProto{{
			Name: proto.String("Get"), InputType: proto.String(".example.v1.Request"), OutputType: proto.String(".example.v1.Doc"), Options: options,
		}}}},
	}}})
	if err != nil {
		panic(err)
	}

	return protoregistryFiles{files}
}

// protoregistryFiles shows that any walker of files is a resolver.
type protoregistryFiles struct{ *protoregistry.Files }

// An engine is one method over a batch.
func ExampleEngineFunc() {
	engine := authz.EngineFunc(func(_ context.Context, batch authz.Batch) (authz.Result, error) {
		result := authz.Result{Answers: make([]authz.Answer, len(batch.Queries))}
		for i, query := range batch.Queries {
			fmt.Println("asked:", query)
			if result.Answers[i].Effect = authz.EffectDenied; query.Subject.ID == "alice" {
				result.Answers[i].Effect = authz.EffectAllowed
			}
		}

		return result, nil
	})
	authorizer, err := authz.New(authz.Config{Engine: engine, Subjects: authz.Subjects{User: "user:{$sub}"}, Issuers: authz.Issuers{"test"}})
	if err != nil {
		panic(err)
	}
	try(authorizer, "GetDocument", member("alice"), &docsv1.GetDocumentRequest{DocumentId: "1"})
	try(authorizer, "GetDocument", member("bob"), &docsv1.GetDocumentRequest{DocumentId: "1"})
	// Output:
	// asked: document:1#viewer@user:alice
	// GetDocument allowed
	// asked: document:1#viewer@user:bob
	// GetDocument RELATION_DENIED
}

func ExampleAuthorizer_ValidateMethods() {
	docs := cookbook()
	fmt.Println(docs.ValidateMethods(service+"GetDocument", "/docs.v1.Forgotten/Get"))
	// Output:
	// authz: docs.v1.Forgotten/Get: the method has no rule, so it is denied; write option (.usher.authz.v1.rule) beside it, or give it a rule in code
}

func ExampleCheckFromContext() {
	docs := cookbook("document:1#viewer@user:alice")
	method := docs.Method(service + "ListDocuments")
	call := authz.Call{Principal: member("alice")}
	ctx := authz.NewContext(context.Background(), method.NewSession(call, nil)) // the interceptor's part

	fmt.Println(authz.CheckFromContext(ctx, "document:1", "viewer"))
	fmt.Println(authz.CheckFromContext(ctx, "document:2", "viewer"))
	// Output:
	// <nil>
	// authz: RELATION_DENIED: the policy denies document:2#viewer@user:alice
}

// The errors of a refused call say what the caller may do about it.
func ExampleError() {
	docs := cookbook()
	_, err := docs.Authorize(context.Background(), service+"GetDocument", authztest.User("alice"), &docsv1.GetDocumentRequest{DocumentId: "1"})
	var refused *authz.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Reason, refused.RequiredScopes)
	}
	_, err = docs.Authorize(context.Background(), service+"BatchGetDocuments", member("alice"), &docsv1.BatchGetDocumentsRequest{DocumentIds: []string{"1", ""}})
	if errors.As(err, &refused) {
		fmt.Println(refused.Reason, refused.Field)
	}
	// Output:
	// INSUFFICIENT_SCOPE [documents]
	// OBJECT_MISSING document_ids[1]
}
