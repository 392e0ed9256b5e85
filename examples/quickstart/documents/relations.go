package documents

import (
	"context"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

// OpenFGA writes where documents lie to an OpenFGA store.
type OpenFGA struct {
	Client  openfgav1.OpenFGAServiceClient
	StoreID string
}

// Place implements Relations.
func (o OpenFGA) Place(ctx context.Context, documentID, folderID string) error {
	_, err := o.Client.Write(ctx, &openfgav1.WriteRequest{
		StoreId: o.StoreID,
		Writes:  &openfgav1.WriteRequestWrites{TupleKeys: []*openfgav1.TupleKey{{User: "folder:" + folderID, Relation: "parent", Object: "document:" + documentID}}},
	})
	return err
}

// Remove implements Relations.
func (o OpenFGA) Remove(ctx context.Context, documentID, folderID string) error {
	_, err := o.Client.Write(ctx, &openfgav1.WriteRequest{
		StoreId: o.StoreID,
		Deletes: &openfgav1.WriteRequestDeletes{TupleKeys: []*openfgav1.TupleKeyWithoutCondition{{User: "folder:" + folderID, Relation: "parent", Object: "document:" + documentID}}},
	})
	return err
}
