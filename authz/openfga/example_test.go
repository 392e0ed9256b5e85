package openfga_test

import (
	"context"
	"fmt"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/openfga"
)

func ExampleNew() {
	// With a connection the client is openfgav1.NewOpenFGAServiceClient(conn).
	client := openfga.Embedded(&front{check: func(_ context.Context, r *openfgav1.CheckRequest) (*openfgav1.CheckResponse, error) {
		return &openfgav1.CheckResponse{Allowed: r.GetTupleKey().GetUser() == "user:ann"}, nil
	}})
	engine, err := openfga.New(openfga.Config{Client: client, StoreID: "01ARZ3NDEKTSV4RRFFQ69G5FAV", ModelID: "01ARZ3NDEKTSV4RRFFQ69G5FAW"})
	if err != nil {
		fmt.Println(err)

		return
	}
	result, err := engine.Check(context.Background(), authz.Batch{Queries: []authz.Query{
		{Object: authz.Object{Type: "document", ID: "1"}, Relation: "viewer", Subject: authz.Subject{Type: "user", ID: "ann"}},
	}})
	fmt.Println(result.Answers[0].Effect, err)
	// Output: allowed <nil>
}
