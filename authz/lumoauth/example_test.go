package lumoauth_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/lumoauth"
	"github.com/usher-auth/usher/authz/lumoauth/lumoauthtest"
)

func ExampleNew() {
	// The contract server stands for LumoAuth; without BaseURL it is LumoAuth.
	server := httptest.NewServer(lumoauthtest.New(lumoauthtest.Config{
		Organization: "acme",
		Engine:       authztest.NewEngine("document:1#viewer@user:ann"),
		APIKeys:      []string{"fake-key"},
	}))
	defer server.Close()

	engine, err := lumoauth.New(lumoauth.Config{
		BaseURL: server.URL, Organization: "acme",
		APIKey: func(context.Context) (string, error) { return "fake-key", nil },
	})
	if err != nil {
		fmt.Println(err)

		return
	}
	defer func() { _ = engine.Close() }()
	result, err := engine.Check(context.Background(), authz.Batch{Queries: []authz.Query{
		{Object: authz.Object{Type: "document", ID: "1"}, Relation: "viewer", Subject: authz.Subject{Type: "user", ID: "ann"}},
		{Object: authz.Object{Type: "document", ID: "1"}, Relation: "viewer", Subject: authz.Subject{Type: "user", ID: "bob"}},
	}})
	fmt.Println(result.Answers[0].Effect, result.Answers[1].Effect, err)
	// Output: allowed denied <nil>
}
