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
