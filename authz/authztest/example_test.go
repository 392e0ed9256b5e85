package authztest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
)

func ExampleEngine() {
	engine := authztest.NewEngine("document:1#viewer@team:blue#member", "team:blue#member@user:alice")
	for _, tuple := range authztest.MustTuples("document:1#viewer@user:alice", "document:1#viewer@user:bob") {
		result, err := engine.Check(context.Background(), authz.Batch{Queries: []authz.Query{
			{Object: tuple.Object, Relation: tuple.Relation, Subject: tuple.Subject},
		}})
		fmt.Println(tuple, result.Answers[0].Effect, err)
	}
	// Output:
	// document:1#viewer@user:alice allowed <nil>
	// document:1#viewer@user:bob denied <nil>
}

func ExampleEngine_Grant() {
	engine := authztest.NewEngine()
	engine.Grant(
		authztest.Permission{Subject: "user:alice", Name: "documents.edit"},
		authztest.Permission{Subject: "user:bob", Name: "documents.edit", On: "organization:acme"},
	)
	for _, who := range []string{"alice", "bob"} {
		for _, on := range []authz.Object{{}, {Type: "organization", ID: "acme"}} {
			query := authz.Query{Kind: authz.QueryPermission, Relation: "documents.edit", Object: on, Subject: authz.Subject{Type: "user", ID: who}}
			result, err := engine.CheckPermissions(context.Background(), authz.Batch{Queries: []authz.Query{query}})
			fmt.Println(query, result.Answers[0].Effect, err)
		}
	}
	// Output:
	// permission documents.edit for user:alice allowed <nil>
	// permission documents.edit on organization:acme for user:alice allowed <nil>
	// permission documents.edit for user:bob denied <nil>
	// permission documents.edit on organization:acme for user:bob allowed <nil>
}

func ExampleEngine_SetPolicy() {
	engine := authztest.NewEngine()
	engine.SetPolicy(func(q authz.Query) authz.Answer {
		if q.Relation == "edit" && q.Properties.Resource["draft"] == true {
			return authz.Answer{Effect: authz.EffectAllowed}
		}

		return authz.Answer{Effect: authz.EffectDenied, Context: map[string]any{"reason": "only drafts can be edited"}}
	})
	for _, draft := range []bool{true, false} {
		result, err := engine.EvaluateAttributes(context.Background(), authz.Batch{Queries: []authz.Query{{
			Kind: authz.QueryAttributes, Relation: "edit", Object: authz.Object{Type: "document", ID: "1"},
			Subject: authz.Subject{Type: "user", ID: "alice"}, Properties: &authz.Properties{Resource: map[string]any{"draft": draft}},
		}}})
		fmt.Println(result.Answers[0].Effect, result.Answers[0].Context["reason"], err)
	}
	// Output:
	// allowed <nil> <nil>
	// denied only drafts can be edited <nil>
}

func ExampleUser() {
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	alice := authztest.User("alice", authztest.Claims{"scope": "documents", "organization": "acme", "acr": "mfa", "auth_time": at})
	organization, _ := alice.Claim("organization")
	fmt.Println(alice.Subject(), alice.IsUser(), alice.HasScope("documents"), organization, alice.ACR())
	indexer := authztest.Service("indexer")
	fmt.Println(indexer.ClientID(), indexer.IsService())
	// Output:
	// alice true true acme mfa
	// indexer true
}

// The test of an adapter: the store holds SuiteModel in the engine's language.
func ExampleSuite() {
	_ = func(t *testing.T) {
		authztest.Suite{
			New: func(testing.TB) (authz.Engine, authztest.Writer) {
				store := authztest.NewModelEngine(authztest.SuiteModel()) // here: the adapter, and a writer to its store

				return store, store
			},
			Limit: 50,
			Lacks: authztest.Lacks{Conditions: false},
		}.Run(t)
	}
	// Output:
}
