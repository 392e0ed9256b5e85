package authz_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

func TestPolicies(t *testing.T) {
	engine := newTuples(
		"document:1#viewer@user:alice", "document:1#owner@user:alice", "document:2#viewer@user:alice",
		"folder:a#editor@user:alice", "folder:b#editor@user:alice", "organization:acme#editor@user:alice", "organization:acme#member@user:alice",
		"document:1#viewer@service:indexer",
	)
	authorizer := newAuthorizer(t, authz.Config{Engine: engine})
	strong := user("alice")
	strong.acr, strong.authTime = "mfa", time.Now().Add(-time.Minute)
	old := user("alice")
	old.acr, old.authTime = "mfa", time.Now().Add(-time.Hour)
	admin := user("root")
	admin.scopes = append(admin.scopes, "documents.admin")
	tenant := user("alice")
	tenant.claims = map[string]any{"organization": "acme"}
	bare := user("alice")
	bare.scopes = nil

	for name, tc := range map[string]struct {
		method  string
		caller  authz.Principal
		message proto.Message
		want    authz.Reason
	}{
		"public needs nobody":             {"Ping", nil, &docsv1.PingRequest{}, ""},
		"authenticated admits a token":    {"Whoami", user("bob"), &docsv1.WhoamiRequest{}, ""},
		"authenticated refuses nobody":    {"Whoami", nil, &docsv1.WhoamiRequest{}, authz.ReasonTokenMissing},
		"inherited scope is demanded":     {"Whoami", bare, &docsv1.WhoamiRequest{}, authz.ReasonInsufficientScope},
		"check grants":                    {"GetDocument", user("alice"), &docsv1.GetDocumentRequest{DocumentId: "1"}, ""},
		"check grants a service":          {"GetDocument", backend("indexer"), &docsv1.GetDocumentRequest{DocumentId: "1"}, ""},
		"check denies":                    {"GetDocument", user("bob"), &docsv1.GetDocumentRequest{DocumentId: "1"}, authz.ReasonRelationDenied},
		"create in a folder":              {"CreateDocument", user("alice"), &docsv1.CreateDocumentRequest{Parent: "organizations/acme/folders/a"}, ""},
		"create in an organization":       {"CreateDocument", user("alice"), &docsv1.CreateDocumentRequest{Parent: "organizations/acme"}, ""},
		"create elsewhere":                {"CreateDocument", user("alice"), &docsv1.CreateDocumentRequest{Parent: "projects/acme"}, authz.ReasonRelationDenied},
		"move":                            {"MoveDocument", user("alice"), &docsv1.MoveDocumentRequest{DocumentId: "1", FromFolderId: "a", ToFolderId: "b"}, ""},
		"move of another's document":      {"MoveDocument", user("alice"), &docsv1.MoveDocumentRequest{DocumentId: "2", FromFolderId: "a", ToFolderId: "b"}, authz.ReasonRelationDenied},
		"bulk":                            {"BatchGetDocuments", user("alice"), &docsv1.BatchGetDocumentsRequest{DocumentIds: []string{"1", "2"}}, ""},
		"bulk with one denied":            {"BatchGetDocuments", user("alice"), &docsv1.BatchGetDocumentsRequest{DocumentIds: []string{"1", "3"}}, authz.ReasonRelationDenied},
		"self":                            {"GetProfile", user("alice"), &docsv1.GetProfileRequest{UserId: "alice"}, ""},
		"not self":                        {"GetProfile", user("alice"), &docsv1.GetProfileRequest{UserId: "bob"}, authz.ReasonRelationDenied},
		"tenant":                          {"GetTenant", tenant, &docsv1.GetTenantRequest{Tenant: "acme"}, ""},
		"other tenant":                    {"GetTenant", tenant, &docsv1.GetTenantRequest{Tenant: "other"}, authz.ReasonRelationDenied},
		"no tenant":                       {"GetTenant", user("alice"), &docsv1.GetTenantRequest{}, authz.ReasonRelationDenied},
		"admin by scope":                  {"DeleteDocument", admin, &docsv1.DeleteDocumentRequest{DocumentId: "9"}, ""},
		"owner":                           {"DeleteDocument", user("alice"), &docsv1.DeleteDocumentRequest{DocumentId: "1"}, ""},
		"neither":                         {"DeleteDocument", user("bob"), &docsv1.DeleteDocumentRequest{DocumentId: "1"}, authz.ReasonRelationDenied},
		"handler decides":                 {"ListDocuments", user("bob"), &docsv1.ListDocumentsRequest{}, ""},
		"deny":                            {"PurgeDocuments", admin, &docsv1.PurgeDocumentsRequest{}, authz.ReasonMethodDenied},
		"step up: strong and recent":      {"ShareDocument", strong, &docsv1.ShareDocumentRequest{DocumentId: "1"}, ""},
		"step up: too old":                {"ShareDocument", old, &docsv1.ShareDocumentRequest{DocumentId: "1"}, authz.ReasonStepUpRequired},
		"step up: weak":                   {"ShareDocument", user("alice"), &docsv1.ShareDocumentRequest{DocumentId: "1"}, authz.ReasonStepUpRequired},
		"kind of token":                   {"ShareDocument", backend("indexer"), &docsv1.ShareDocumentRequest{DocumentId: "1"}, authz.ReasonKindDenied},
		"row 53: method without a rule":   {"Nothing", user("alice"), nil, authz.ReasonRuleMissing},
		"row 57: unset field":             {"GetDocument", user("alice"), &docsv1.GetDocumentRequest{}, authz.ReasonObjectMissing},
		"row 56: empty list":              {"BatchGetDocuments", user("alice"), &docsv1.BatchGetDocumentsRequest{}, authz.ReasonObjectMissing},
		"row 55: wildcard":                {"GetDocument", user("alice"), &docsv1.GetDocumentRequest{DocumentId: "*"}, authz.ReasonObjectMissing},
		"row 55: wildcard as the subject": {"GetDocument", user("*"), &docsv1.GetDocumentRequest{DocumentId: "1"}, authz.ReasonSubjectInvalid},
		"row 55: userset as the subject":  {"GetDocument", user("team:a#member"), &docsv1.GetDocumentRequest{DocumentId: "1"}, authz.ReasonSubjectInvalid},
		"message of another type":         {"GetDocument", user("alice"), &docsv1.PingRequest{}, authz.ReasonMisconfigured},
		"message missing":                 {"GetDocument", user("alice"), nil, authz.ReasonObjectMissing},
	} {
		t.Run(name, func(t *testing.T) {
			decision, err := authorizer.Authorize(t.Context(), service+tc.method, tc.caller, tc.message)
			if got := reasonOf(err); got != tc.want {
				t.Fatalf("got %q (%v), want %q", got, err, tc.want)
			}
			if decision == nil || decision.Allowed() != (err == nil) || decision.Reason() != tc.want {
				t.Fatalf("decision %v doesn't say what the error says: %v", decision, err)
			}
		})
	}
	methods := docsv1.File_usher_test_docs_v1_docs_proto.Services().Get(0).Methods()
	for i := range methods.Len() {
		if err := authorizer.ValidateMethods(service + string(methods.Get(i).Name())); err != nil {
			t.Error(err)
		}
	}
}

func TestHandlerChecks(t *testing.T) {
	engine := newTuples("document:1#viewer@user:alice", "document:3#viewer@user:alice")
	authorizer := newAuthorizer(t, authz.Config{Engine: engine})
	method := authorizer.Method(service + "ListDocuments")
	call := authz.Call{Principal: user("alice"), Message: &docsv1.ListDocumentsRequest{}}
	decision, err := method.Authorize(t.Context(), &call)
	if err != nil {
		t.Fatal(err)
	}
	session := method.NewSession(call, decision)
	ctx := authz.NewContext(t.Context(), session)
	if session.Checked() {
		t.Fatal("nothing was checked yet")
	}
	got, err := authz.FilterFromContext(ctx, []string{"document:1", "document:2", "document:3"}, "viewer")
	if err != nil || !got[0] || got[1] || !got[2] {
		t.Fatal(got, err)
	}
	if !session.Checked() {
		t.Fatal("the check wasn't counted")
	}
	if err := authz.CheckFromContext(ctx, "document:1", "viewer"); err != nil {
		t.Fatal(err)
	}
	if err := authz.CheckFromContext(ctx, "document:2", "viewer"); reasonOf(err) != authz.ReasonRelationDenied {
		t.Fatal(err)
	}
	if err := authz.CheckFromContext(context.Background(), "document:1", "viewer"); reasonOf(err) != authz.ReasonMisconfigured {
		t.Fatal(err)
	}
}
