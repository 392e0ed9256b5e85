// The quickstart's rules on SpiceDB, which runs in this process with its memory
// datastore. Building it takes minutes the first time. Copy engine.go: the rest runs
// it here.
package main

import (
	"context"
	"errors"
	"log"
	"os"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"

	"github.com/usher-auth/usher/examples/engines/documents"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	conn, stop, err := start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if _, err := v1.NewSchemaServiceClient(conn).WriteSchema(ctx, &v1.WriteSchemaRequest{Schema: schema}, grpc.WaitForReady(true)); err != nil {
		return err
	}

	client := v1.NewPermissionsServiceClient(conn)
	if err := write(ctx, client); err != nil {
		return err
	}
	engine, err := newEngine(client)
	if err != nil {
		return err
	}

	return documents.Decide(ctx, os.Stdout, engine)
}

// write writes the relationships. Rules without a consistency minimize latency, and
// with other settings may not see the relationships for seconds; see start.
func write(ctx context.Context, client v1.PermissionsServiceClient) error {
	request := &v1.WriteRelationshipsRequest{}
	for _, r := range documents.Relationships {
		relation := r.Relation
		switch relation {
		case "owner", "editor", "viewer":
			relation = "direct_" + relation
		}
		request.Updates = append(request.Updates, &v1.RelationshipUpdate{
			Operation: v1.RelationshipUpdate_OPERATION_TOUCH,
			Relationship: &v1.Relationship{
				Resource: &v1.ObjectReference{ObjectType: r.Object.Type, ObjectId: r.Object.ID},
				Relation: relation,
				Subject: &v1.SubjectReference{
					Object:           &v1.ObjectReference{ObjectType: r.Subject.Type, ObjectId: r.Subject.ID},
					OptionalRelation: r.Subject.Relation,
				},
			},
		})
	}
	_, err := client.WriteRelationships(ctx, request)

	return err
}
