package spicedb_test

import (
	"context"
	"fmt"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/spicedb"
)

// annOnly is a SpiceDB where only ann has permission.
type annOnly struct{ spicedb.Client }

func (annOnly) CheckPermission(_ context.Context, r *v1.CheckPermissionRequest, _ ...grpc.CallOption) (*v1.CheckPermissionResponse, error) {
	if r.GetSubject().GetObject().GetObjectId() != "ann" {
		return &v1.CheckPermissionResponse{Permissionship: no}, nil
	}

	return &v1.CheckPermissionResponse{Permissionship: has, CheckedAt: &v1.ZedToken{Token: "dG9rZW4="}}, nil
}

func ExampleNew() {
	// With a connection the client is v1.NewPermissionsServiceClient(conn).
	engine, err := spicedb.New(spicedb.Config{Client: annOnly{}})
	if err != nil {
		fmt.Println(err)

		return
	}
	result, err := engine.Check(context.Background(), authz.Batch{Queries: []authz.Query{
		{Object: authz.Object{Type: "document", ID: "1"}, Relation: "viewer", Subject: authz.Subject{Type: "user", ID: "ann"}},
	}})
	fmt.Println(result.Answers[0].Effect, result.CheckedAt, err)
	// Output: allowed dG9rZW4= <nil>
}
