package authztest_test

import (
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

// The rows cover the whole service, and list the callers that may call each method. A
// method without a row fails the test.
func TestDocumentService(t *testing.T) {
	authorizer, err := authz.New(authz.Config{
		Engine: authztest.NewEngine(
			"document:1#viewer@user:alice", "document:1#editor@user:alice", "document:1#owner@user:alice",
			"folder:a#editor@user:alice", "folder:b#editor@user:alice", "organization:acme#member@user:alice",
		),
		Subjects: authz.Subjects{Service: "service:{$client_id}", User: "user:{$sub}"},
		Issuers:  authz.Issuers{"test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	alice := authztest.User("alice", authztest.Claims{"scope": "documents", "organization": "acme"})
	bob := authztest.User("bob", authztest.Claims{"scope": "documents"})
	recent := authztest.User("alice", authztest.Claims{"scope": "documents", "acr": "mfa", "auth_time": time.Now()})
	move := &docsv1.MoveDocumentRequest{DocumentId: "1", FromFolderId: "a", ToFolderId: "b"}

	authztest.Table{
		Authorizer: authorizer,
		Service:    "usher.test.docs.v1.DocumentService",
		Rows: []authztest.Row{
			{Method: "Ping", Want: authztest.Allowed},
			{Method: "Whoami", Want: authztest.Refused(authz.ReasonTokenMissing)},
			{Method: "GetDocument", Request: &docsv1.GetDocumentRequest{DocumentId: "1"}, Want: authztest.Refused(authz.ReasonTokenMissing)},
			{Method: "PurgeDocuments", Want: authztest.Refused(authz.ReasonTokenMissing)},
			{Principal: bob, Method: "Whoami", Want: authztest.Allowed},
			{Principal: authztest.User("eve"), Method: "Whoami", Want: authztest.Refused(authz.ReasonInsufficientScope)},
			{Principal: alice, Method: "GetDocument", Request: &docsv1.GetDocumentRequest{DocumentId: "1"}, Want: authztest.Allowed},
			{Principal: bob, Method: "GetDocument", Request: &docsv1.GetDocumentRequest{DocumentId: "1"}, Want: authztest.Refused(authz.ReasonRelationDenied)},
			{Principal: alice, Method: "GetDocument", Request: &docsv1.GetDocumentRequest{}, Want: authztest.Refused(authz.ReasonObjectMissing)},
			{Principal: alice, Method: "CreateDocument", Request: &docsv1.CreateDocumentRequest{Parent: "organizations/acme/folders/a"}, Want: authztest.Allowed},
			{Principal: alice, Method: "MoveDocument", Request: move, Want: authztest.Allowed},
			{Principal: bob, Method: "MoveDocument", Request: move, Want: authztest.Refused(authz.ReasonRelationDenied)},
			{Principal: alice, Method: "BatchGetDocuments", Request: &docsv1.BatchGetDocumentsRequest{DocumentIds: []string{"1"}}, Want: authztest.Allowed},
			{Principal: alice, Method: "GetProfile", Request: &docsv1.GetProfileRequest{UserId: "alice"}, Want: authztest.Allowed},
			{Principal: alice, Method: "GetTenant", Request: &docsv1.GetTenantRequest{Tenant: "acme"}, Want: authztest.Allowed},
			{Principal: bob, Method: "DeleteDocument", Request: &docsv1.DeleteDocumentRequest{DocumentId: "1"}, Want: authztest.Refused(authz.ReasonRelationDenied)},
			{Principal: bob, Method: "ListDocuments", Request: &docsv1.ListDocumentsRequest{}, Want: authztest.Allowed},
			{Principal: alice, Method: "UploadDocument", Request: &docsv1.UploadDocumentRequest{DocumentId: "1"}, Want: authztest.Allowed},
			{Principal: alice, Method: "PurgeDocuments", Want: authztest.Refused(authz.ReasonMethodDenied)},
			{Name: "sharing needs a recent login", Principal: alice, Method: "ShareDocument", Request: &docsv1.ShareDocumentRequest{DocumentId: "1"}, Want: authztest.Refused(authz.ReasonStepUpRequired)},
			{Principal: recent, Method: "ShareDocument", Request: &docsv1.ShareDocumentRequest{DocumentId: "1"}, Want: authztest.Allowed},
		},
	}.Run(t)
}

func ExampleTable() {
	// In a test of yours, with its *testing.T:
	_ = func(t *testing.T, authorizer *authz.Authorizer) {
		authztest.Table{
			Authorizer: authorizer,
			Service:    "docs.v1.DocumentService",
			Rows: []authztest.Row{
				{Principal: authztest.User("alice"), Method: "GetDocument", Want: authztest.Refused(authz.ReasonObjectMissing)},
			},
		}.Run(t)
	}
	// Output:
}

func TestParseTuple(t *testing.T) {
	for _, text := range []string{"document:1#viewer@user:alice", "document:1#viewer@team:a#member", "document:1#guest@user:bob[on_network]"} {
		tuple, err := authztest.ParseTuple(text)
		if err != nil || tuple.String() != text {
			t.Errorf("%s: %v, %v", text, tuple, err)
		}
	}
	for _, text := range []string{"", "document:1", "document:1#viewer", "document#viewer@user:a", "document:1#viewer@user", ":1#v@u:a", "d:#v@u:a", "d:1#@u:a", "d:1#v@:a", "d:1#v@u:", "d:1#v@u:a[", "d:1#v@u:a[]"} {
		if tuple, err := authztest.ParseTuple(text); err == nil {
			t.Errorf("%q is read as %v", text, tuple)
		}
	}
}
