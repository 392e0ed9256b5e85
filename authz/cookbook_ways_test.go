package authz_test

import (
	"context"
	"fmt"
	"time"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	cookbookv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/cookbook/v1"
)

// The examples below are the entries of cookbook.md whose rules are in
// internal/testproto/usher/test/cookbook. Those with expressions are in package cel.

// cookbookOf is an authorizer with the cookbook's configuration, and what config adds.
func cookbookOf(config authz.Config) *authz.Authorizer {
	if config.Subjects == (authz.Subjects{}) {
		config.Subjects = authz.Subjects{Service: "service:{$client_id}", User: "user:{$sub}"}
	}
	if config.Issuers == nil {
		config.Issuers = authz.Issuers{"test"}
	}
	authorizer, err := authz.New(config)
	if err != nil {
		panic(err)
	}

	return authorizer
}

// attempt prints what becomes of one call of the services of package
// usher.test.cookbook.v1.
func attempt(authorizer *authz.Authorizer, method string, call authz.Call) {
	_, err := authorizer.Method("/usher.test.cookbook.v1."+method).Authorize(context.Background(), &call)
	who := call.Principal.Subject()
	if err != nil {
		fmt.Println(who, method, reasonOf(err))

		return
	}
	fmt.Println(who, method, "allowed")
}

func Example_cookbookPermissionOfTheToken() {
	roles := cookbookOf(authz.Config{Permissions: authz.ClaimPermissions{}})
	for _, caller := range []*authztest.Principal{
		authztest.User("alice", authztest.Claims{"permissions": []string{"documents.publish", "documents.read"}}),
		authztest.User("bob", authztest.Claims{"permissions": []string{"documents.*"}}), // no pattern: compared whole
		authztest.User("carol"),
	} {
		attempt(roles, "RolesService/PublishDocument", authz.Call{Principal: caller, Message: &cookbookv1.PublishDocumentRequest{}})
	}
	// Output:
	// alice RolesService/PublishDocument allowed
	// bob RolesService/PublishDocument RELATION_DENIED
	// carol RolesService/PublishDocument RELATION_DENIED
}

func Example_cookbookPermissionOnAnOrganization() {
	server := authztest.NewEngine() // in production: lumoauth, or authzen
	server.Grant(
		authztest.Permission{Subject: "user:alice", Name: "members.invite", On: "organization:acme"},
		authztest.Permission{Subject: "user:bob", Name: "members.read", On: "organization:acme"},
	)
	members := cookbookOf(authz.Config{Permissions: server})
	for _, who := range []string{"alice", "bob"} {
		for _, organization := range []string{"acme", "other", ""} {
			attempt(members, "ServersService/InviteMember", authz.Call{
				Principal: authztest.User(who), Message: &cookbookv1.InviteMemberRequest{Organization: organization},
			})
		}
	}
	// Output:
	// alice ServersService/InviteMember allowed
	// alice ServersService/InviteMember RELATION_DENIED
	// alice ServersService/InviteMember OBJECT_MISSING
	// bob ServersService/InviteMember RELATION_DENIED
	// bob ServersService/InviteMember RELATION_DENIED
	// bob ServersService/InviteMember OBJECT_MISSING
}

func Example_cookbookRolesAndGroups() {
	logs := cookbookOf(authz.Config{
		Issuers:  authz.Issuers{"corp", "partner"},
		Subjects: authz.Subjects{User: "user:{$issuer}/{$sub}"},
	})
	for _, caller := range []*authztest.Principal{
		authztest.User("alice", authztest.Claims{"iss": "corp", "roles": []string{"auditor"}}),
		authztest.User("bob", authztest.Claims{"iss": "corp", "groups": []string{"/security"}}),
		authztest.User("carol", authztest.Claims{"iss": "corp", "groups": []string{"/security/guests"}}),
		authztest.User("mallory", authztest.Claims{"iss": "partner", "roles": []string{"auditor"}}),
	} {
		attempt(logs, "RolesService/ReadAuditLog", authz.Call{Principal: caller, Message: &cookbookv1.ReadAuditLogRequest{}})
	}
	// Output:
	// alice RolesService/ReadAuditLog allowed
	// bob RolesService/ReadAuditLog allowed
	// carol RolesService/ReadAuditLog RELATION_DENIED
	// mallory RolesService/ReadAuditLog ISSUER_DENIED
}

func Example_cookbookTier() {
	reports := cookbookOf(authz.Config{
		Engine:  authztest.NewEngine("report:1#viewer@user:alice", "report:1#viewer@user:bob"),
		Issuers: authz.Issuers{"corp"},
	})
	for _, caller := range []*authztest.Principal{
		authztest.User("alice", authztest.Claims{"iss": "corp", "plan": map[string]any{"tier": "gold"}}),
		authztest.User("bob", authztest.Claims{"iss": "corp", "plan": map[string]any{"tier": "bronze"}}),
		authztest.User("carol", authztest.Claims{"iss": "corp", "plan": map[string]any{"tier": "gold"}}), // no viewer
	} {
		attempt(reports, "RolesService/ExportReport", authz.Call{Principal: caller, Message: &cookbookv1.ExportReportRequest{ReportId: "1"}})
	}
	// Output:
	// alice RolesService/ExportReport allowed
	// bob RolesService/ExportReport RELATION_DENIED
	// carol RolesService/ExportReport RELATION_DENIED
}

func Example_cookbookAttributes() {
	server := authztest.NewEngine() // in production: authzen, or lumoauth
	server.SetPolicy(func(q authz.Query) authz.Answer {
		amount, _ := q.Properties.Resource["amount"].(int64)
		if q.Relation == "approve" && amount <= 100_00 && q.Context["time"] == "2030-01-02T10:04:00Z" {
			return authz.Answer{Effect: authz.EffectAllowed}
		}

		return authz.Answer{Effect: authz.EffectDenied}
	})
	invoices := cookbookOf(authz.Config{
		Attributes: server, Now: func() time.Time { return time.Date(2030, 1, 2, 10, 4, 59, 0, time.UTC) },
	})
	small, large := int64(99_00), int64(101_00)
	for _, invoice := range []*cookbookv1.Invoice{
		{Id: "1", Amount: &small, Country: "DE"},
		{Id: "1", Amount: &large, Country: "DE"},
		{Id: "1", Country: "DE"}, // without an amount the server isn't asked
	} {
		attempt(invoices, "ServersService/ApproveInvoice", authz.Call{
			Principal: authztest.User("alice"), Message: &cookbookv1.ApproveInvoiceRequest{Invoice: invoice},
		})
	}
	// Output:
	// alice ServersService/ApproveInvoice allowed
	// alice ServersService/ApproveInvoice RELATION_DENIED
	// alice ServersService/ApproveInvoice OBJECT_MISSING
}

func Example_cookbookPermissionOrOwner() {
	projects := cookbookOf(authz.Config{
		Engine: authztest.NewEngine("project:1#owner@user:alice"), Permissions: authz.ClaimPermissions{},
	})
	for _, caller := range []*authztest.Principal{
		authztest.User("alice"),
		authztest.User("root", authztest.Claims{"permissions": []string{"projects.admin"}}),
		authztest.User("bob"),
	} {
		attempt(projects, "RolesService/DeleteProject", authz.Call{Principal: caller, Message: &cookbookv1.DeleteProjectRequest{ProjectId: "1"}})
	}
	// Output:
	// alice RolesService/DeleteProject allowed
	// root RolesService/DeleteProject allowed
	// bob RolesService/DeleteProject RELATION_DENIED
}

func Example_cookbookRateLimits() {
	limits := cookbookOf(authz.Config{Now: func() time.Time { return time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC) }})
	count := func(method string, caller authz.Principal) {
		allowed := 0
		for range 10 {
			if _, err := limits.Authorize(context.Background(), "/usher.test.cookbook.v1.LimitsService/"+method, caller, nil); err == nil {
				allowed++
			}
		}
		fmt.Println(caller.Subject(), method, allowed)
	}
	alice, bob := authztest.User("alice"), authztest.User("bob") // of one client
	count("GetNews", alice)                                      // the service's default: 3 a minute for each subject
	count("GetPrices", alice)                                    // and for each method
	count("GetNews", bob)
	count("Search", alice) // for each client: a burst of 2
	count("Search", bob)
	count("RenderPage", alice) // for all callers
	count("RenderPage", bob)
	// Output:
	// alice GetNews 3
	// alice GetPrices 3
	// bob GetNews 3
	// alice Search 2
	// bob Search 0
	// alice RenderPage 4
	// bob RenderPage 0
}
