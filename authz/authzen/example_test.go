package authzen_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authzen"
)

func ExampleNew() {
	pdp := httptest.NewServer(&pdp{}) // allows even ids
	defer pdp.Close()

	engine, err := authzen.New(authzen.Config{BaseURL: pdp.URL})
	if err != nil {
		fmt.Println(err)

		return
	}
	defer func() { _ = engine.Close() }()
	result, err := engine.Check(context.Background(), authz.Batch{Queries: []authz.Query{
		{Object: authz.Object{Type: "document", ID: "0"}, Relation: "viewer", Subject: authz.Subject{Type: "user", ID: "ann"}},
		{Object: authz.Object{Type: "document", ID: "1"}, Relation: "viewer", Subject: authz.Subject{Type: "user", ID: "ann"}},
	}})
	fmt.Println(result.Answers[0].Effect, result.Answers[1].Effect, err)
	// Output: allowed denied <nil>
}

func ExampleEngine_EvaluateAttributes() {
	pdp := httptest.NewServer(&pdp{}) // allows even ids, and says why
	defer pdp.Close()

	engine, err := authzen.New(authzen.Config{BaseURL: pdp.URL})
	if err != nil {
		fmt.Println(err)

		return
	}
	defer func() { _ = engine.Close() }()
	result, err := engine.EvaluateAttributes(context.Background(), authz.Batch{Queries: []authz.Query{{
		Kind: authz.QueryAttributes, Relation: "edit", Object: authz.Object{Type: "document", ID: "2"},
		Subject:    authz.Subject{Type: "user", ID: "ann"},
		Properties: &authz.Properties{Resource: map[string]any{"draft": true}},
	}}})
	fmt.Println(result.Answers[0].Effect, result.Answers[0].Context, err)
	// Output: allowed map[reason:even] <nil>
}
