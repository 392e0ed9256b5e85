package authz_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

// The examples below are the entries of cookbook.md. The rules stand in
// internal/testproto; each prints who may call.

// cookbook is an authorizer over the document service, with an engine that holds
// the tuples.
func cookbook(tuples ...string) *authz.Authorizer {
	authorizer, err := authz.New(authz.Config{
		Engine:   authztest.NewEngine(tuples...),
		Subjects: authz.Subjects{Service: "service:{$client_id}", User: "user:{$sub}"},
		Issuers:  authz.Issuers{"test"},
	})
	if err != nil {
		panic(err)
	}

	return authorizer
}

// try prints what becomes of one call.
func try(authorizer *authz.Authorizer, method string, principal authz.Principal, request proto.Message) {
	_, err := authorizer.Authorize(context.Background(), service+method, principal, request)
	if err != nil {
		fmt.Println(method, reasonOf(err))

		return
	}
	fmt.Println(method, "allowed")
}

func member(name string) *authztest.Principal {
	return authztest.User(name, authztest.Claims{"scope": "documents"})
}

func Example_cookbookRead() {
	docs := cookbook("document:1#viewer@user:alice", "document:1#viewer@service:indexer")
	try(docs, "GetDocument", member("alice"), &docsv1.GetDocumentRequest{DocumentId: "1"})
	try(docs, "GetDocument", authztest.Service("indexer", authztest.Claims{"scope": "documents"}), &docsv1.GetDocumentRequest{DocumentId: "1"})
	try(docs, "GetDocument", member("bob"), &docsv1.GetDocumentRequest{DocumentId: "1"})
	try(docs, "GetDocument", member("alice"), &docsv1.GetDocumentRequest{})
	// Output:
	// GetDocument allowed
	// GetDocument allowed
	// GetDocument RELATION_DENIED
	// GetDocument OBJECT_MISSING
}

func Example_cookbookCreateUnderAParent() {
	docs := cookbook("folder:plans#editor@user:alice", "organization:acme#member@user:alice", "organization:acme#editor@user:bob")
	for _, parent := range []string{"organizations/acme/folders/plans", "organizations/acme", "organizations/other/folders/plans", "organizations/-/folders/plans"} {
		try(docs, "CreateDocument", member("alice"), &docsv1.CreateDocumentRequest{Parent: parent})
		try(docs, "CreateDocument", member("bob"), &docsv1.CreateDocumentRequest{Parent: parent})
	}
	// Output:
	// CreateDocument allowed
	// CreateDocument RELATION_DENIED
	// CreateDocument RELATION_DENIED
	// CreateDocument allowed
	// CreateDocument RELATION_DENIED
	// CreateDocument RELATION_DENIED
	// CreateDocument RELATION_DENIED
	// CreateDocument RELATION_DENIED
}

func Example_cookbookMove() {
	docs := cookbook(
		"document:1#owner@user:alice", "folder:from#editor@user:alice", "folder:to#editor@user:alice",
		"folder:from#editor@user:bob", "folder:to#editor@user:bob",
	)
	move := &docsv1.MoveDocumentRequest{DocumentId: "1", FromFolderId: "from", ToFolderId: "to"}
	try(docs, "MoveDocument", member("alice"), move)
	try(docs, "MoveDocument", member("bob"), move) // edits both folders, owns nothing
	// Output:
	// MoveDocument allowed
	// MoveDocument RELATION_DENIED
}

func Example_cookbookBulk() {
	docs := cookbook("document:1#viewer@user:alice", "document:2#viewer@user:alice")
	for _, ids := range [][]string{{"1", "2"}, {"1", "3"}, {}} {
		try(docs, "BatchGetDocuments", member("alice"), &docsv1.BatchGetDocumentsRequest{DocumentIds: ids})
	}
	// Output:
	// BatchGetDocuments allowed
	// BatchGetDocuments RELATION_DENIED
	// BatchGetDocuments OBJECT_MISSING
}

func Example_cookbookSelf() {
	docs := cookbook()
	try(docs, "GetProfile", member("alice"), &docsv1.GetProfileRequest{UserId: "alice"})
	try(docs, "GetProfile", member("bob"), &docsv1.GetProfileRequest{UserId: "alice"})
	// Output:
	// GetProfile allowed
	// GetProfile RELATION_DENIED
}

func Example_cookbookTenant() {
	docs := cookbook()
	alice := authztest.User("alice", authztest.Claims{"scope": "documents", "organization": "acme"})
	try(docs, "GetTenant", alice, &docsv1.GetTenantRequest{Tenant: "acme"})
	try(docs, "GetTenant", alice, &docsv1.GetTenantRequest{Tenant: "other"})
	try(docs, "GetTenant", member("bob"), &docsv1.GetTenantRequest{Tenant: "acme"})
	// Output:
	// GetTenant allowed
	// GetTenant RELATION_DENIED
	// GetTenant RELATION_DENIED
}

func Example_cookbookAdminOverride() {
	docs := cookbook("document:1#owner@user:alice")
	request := &docsv1.DeleteDocumentRequest{DocumentId: "1"}
	try(docs, "DeleteDocument", member("alice"), request)
	try(docs, "DeleteDocument", authztest.User("root", authztest.Claims{"scope": "documents documents.admin"}), request)
	try(docs, "DeleteDocument", member("bob"), request)
	// Output:
	// DeleteDocument allowed
	// DeleteDocument allowed
	// DeleteDocument RELATION_DENIED
}

func Example_cookbookListFilteredInTheHandler() {
	docs := cookbook("document:1#viewer@user:alice", "document:3#viewer@user:alice")
	// The interceptor makes the context; a handler only uses it.
	method := docs.Method(service + "ListDocuments")
	call := authz.Call{Principal: member("alice"), Message: &docsv1.ListDocumentsRequest{}}
	decision, err := method.Authorize(context.Background(), &call)
	if err != nil {
		panic(err)
	}
	ctx := authz.NewContext(context.Background(), method.NewSession(call, decision))

	all := []string{"document:1", "document:2", "document:3"}
	visible, err := authz.FilterFromContext(ctx, all, "viewer")
	for i, object := range all {
		if visible[i] {
			fmt.Println(object)
		}
	}
	fmt.Println(err)
	// Output:
	// document:1
	// document:3
	// <nil>
}

func Example_cookbookUploadStream() {
	docs := cookbook("document:1#editor@user:alice")
	// The interceptor's part: it asks about the first message, and holds later ones to
	// that one's document.
	stream := docs.Method(service + "UploadDocument").NewStream()
	send := func(message *docsv1.UploadDocumentRequest) error {
		_, err := stream.Authorize(context.Background(), &authz.Call{Principal: member("alice"), Message: message})

		return err
	}
	fmt.Println("first message:", send(&docsv1.UploadDocumentRequest{DocumentId: "1"}))
	fmt.Println("a chunk:", send(&docsv1.UploadDocumentRequest{Chunk: []byte("…")}))
	fmt.Println("another document:", send(&docsv1.UploadDocumentRequest{DocumentId: "2"}))
	// Output:
	// first message: <nil>
	// a chunk: <nil>
	// another document: authz: OBJECT_MISSING (document_id): the message names another object than the stream's first
}

// TestCookbookShowsTheTestedRules: each snippet of the page is in a .proto that
// the examples run, and each example has an entry.
func TestCookbookShowsTheTestedRules(t *testing.T) {
	page, err := os.ReadFile("cookbook.md")
	if err != nil {
		t.Fatal(err)
	}
	var rules, source []byte
	for name, to := range map[string]*[]byte{
		"internal/testproto/usher/test/docs/v1/docs.proto":         &rules,
		"internal/testproto/usher/test/cookbook/v1/cookbook.proto": &rules,
		"cookbook_test.go":      &source,
		"cookbook_ways_test.go": &source,
		"cel/cookbook_test.go":  &source,
	} {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		*to = append(*to, content...)
	}
	squeeze := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	snippets := regexp.MustCompile("(?s)```proto\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(snippets) < 20 {
		t.Errorf("%d snippets", len(snippets))
	}
	for _, snippet := range snippets {
		if !strings.Contains(squeeze(string(rules)), squeeze(snippet[1])) {
			t.Errorf("in no .proto:\n%s", snippet[1])
		}
	}
	for _, example := range regexp.MustCompile(`func (Example_cookbook\w+)`).FindAllStringSubmatch(string(source), -1) {
		if !strings.Contains(string(page), "`"+example[1]+"`") {
			t.Errorf("%s has no entry", example[1])
		}
	}
}
