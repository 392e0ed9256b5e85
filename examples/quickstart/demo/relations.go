package demo

import (
	"context"

	"github.com/usher-auth/usher/examples/quickstart/demo/engine"
)

// relations lets the document service tell the engine where documents lie.
type relations struct{ engine *engine.Server }

func (r relations) Place(ctx context.Context, documentID, folderID string) error {
	return r.engine.Write(ctx, parent(documentID, folderID))
}

func (r relations) Remove(ctx context.Context, documentID, folderID string) error {
	return r.engine.Delete(ctx, parent(documentID, folderID))
}

func parent(documentID, folderID string) engine.Tuple {
	return engine.Tuple{User: "folder:" + folderID, Relation: "parent", Object: "document:" + documentID}
}
