// Package documents decides the quickstart's rules on any engine: the .proto
// depends on none of them.
package documents

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"
)

// Relationships are those that every example writes, with its engine's API.
//
//	handbook ── onboarding
//	         └─ holidays
var Relationships = authztest.MustTuples(
	"document:onboarding#parent@folder:handbook",
	"document:holidays#parent@folder:handbook",
	"team:docs#member@service:reader",
	"folder:handbook#viewer@team:docs#member",
	"folder:handbook#editor@service:writer",
	"document:holidays#viewer@service:stranger",
)

// Decide applies the rules of docs.v1.DocumentService to three callers and prints
// the decisions.
func Decide(ctx context.Context, out io.Writer, engine authz.Engine) error {
	authorizer, err := authz.New(authz.Config{
		Engine:   engine,
		Subjects: authz.Subjects{Service: "service:{$client_id}"},
		Issuers:  authz.Issuers{"test"},
	})
	if err != nil {
		return err
	}
	for _, caller := range []string{"reader", "writer", "stranger"} {
		for _, call := range []struct {
			method, object string
			request        proto.Message
		}{
			{"GetDocument", "document:onboarding", &docsv1.GetDocumentRequest{DocumentId: "onboarding"}},
			{"GetDocument", "document:holidays", &docsv1.GetDocumentRequest{DocumentId: "holidays"}},
			{"UpdateDocument", "document:holidays", &docsv1.UpdateDocumentRequest{Document: &docsv1.Document{Id: "holidays"}}},
		} {
			// In a server this is the interceptor's work, and the principal comes from
			// the caller's token.
			_, err := authorizer.Authorize(ctx, "/docs.v1.DocumentService/"+call.method, authztest.Service(caller), call.request)
			verdict := "allowed"
			var refused *authz.Error
			switch {
			case errors.As(err, &refused) && refused.Reason == authz.ReasonRelationDenied:
				verdict = "denied"
			case err != nil:
				return err
			}
			fmt.Fprintf(out, "%-8s %-14s %-19s %s\n", caller, call.method, call.object, verdict)
		}
	}

	return nil
}
