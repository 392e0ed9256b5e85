package demo

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/usher-auth/usher/examples/quickstart/client"
	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"
)

// call makes one call of a method and reads it to its end. The note says what
// came back, where that is worth a word.
type call func(ctx context.Context, c *client.Client) (note string, err error)

func getServiceInfo(ctx context.Context, c *client.Client) (string, error) {
	_, err := c.GetServiceInfo(ctx, &docsv1.GetServiceInfoRequest{})
	return "", err
}

func whoAmI(ctx context.Context, c *client.Client) (string, error) {
	_, err := c.WhoAmI(ctx, &docsv1.WhoAmIRequest{})
	return "", err
}

func getDocument(ctx context.Context, c *client.Client) (string, error) {
	_, err := c.GetDocument(ctx, &docsv1.GetDocumentRequest{DocumentId: "onboarding"})
	return "", err
}

func updateDocument(ctx context.Context, c *client.Client) (string, error) {
	_, err := c.UpdateDocument(ctx, &docsv1.UpdateDocumentRequest{
		Document: &docsv1.Document{Id: "onboarding", Text: "Welcome, and sit down."},
	})
	return "", err
}

func deleteDocument(ctx context.Context, c *client.Client) (string, error) {
	_, err := c.DeleteDocument(ctx, &docsv1.DeleteDocumentRequest{DocumentId: "scratch"})
	return "", err
}

func moveDocument(ctx context.Context, c *client.Client) (string, error) {
	_, err := c.MoveDocument(ctx, &docsv1.MoveDocumentRequest{
		DocumentId: "vision", FromFolderId: "drafts", ToFolderId: "handbook",
	})
	return "", err
}

func listDocuments(ctx context.Context, c *client.Client) (string, error) {
	response, err := c.ListDocuments(ctx, &docsv1.ListDocumentsRequest{FolderId: "handbook"})
	if err != nil {
		return "", err
	}
	if n := len(response.GetDocuments()); n != 1 {
		return fmt.Sprintf("%d documents", n), nil
	}
	return "1 document", nil
}

func watchDocument(ctx context.Context, c *client.Client) (string, error) {
	stream, err := c.WatchDocument(ctx, &docsv1.WatchDocumentRequest{DocumentId: "onboarding", Limit: 1})
	if err != nil {
		return "", err
	}
	for {
		_, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
	}
}

func importDocuments(ctx context.Context, c *client.Client) (string, error) {
	stream, err := c.ImportDocuments(ctx)
	if err != nil {
		return "", err
	}
	for _, id := range []string{"glossary", "map"} {
		// A failed Send only says that the stream is over; CloseAndRecv says why.
		if stream.Send(&docsv1.ImportDocumentsRequest{FolderId: "handbook", DocumentId: id}) != nil {
			break
		}
	}
	_, err = stream.CloseAndRecv()
	return "", err
}

func editDocument(ctx context.Context, c *client.Client) (string, error) {
	stream, err := c.EditDocument(ctx)
	if err != nil {
		return "", err
	}
	for _, message := range []*docsv1.EditDocumentRequest{
		{DocumentId: "onboarding", Append: " Thank you"},
		{Append: " for coming."},
	} {
		if stream.Send(message) != nil {
			break
		}
		if _, err := stream.Recv(); err != nil {
			return "", err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return "", err
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		return "", err
	}
	return "", nil
}

func purgeDocuments(ctx context.Context, c *client.Client) (string, error) {
	_, err := c.PurgeDocuments(ctx, &docsv1.PurgeDocumentsRequest{})
	return "", err
}

func getStatistics(ctx context.Context, c *client.Client) (string, error) {
	_, err := c.Press.GetStatistics(ctx, &docsv1.GetStatisticsRequest{})
	return "", err
}

// publishDocument returns the call that publishes to an audience.
func publishDocument(audience string) call {
	return func(ctx context.Context, c *client.Client) (string, error) {
		_, err := c.Press.PublishDocument(ctx, &docsv1.PublishDocumentRequest{DocumentId: "onboarding", Audience: audience})
		return "", err
	}
}

// orderPrints returns the call that orders so many copies.
func orderPrints(copies uint32) call {
	return func(ctx context.Context, c *client.Client) (string, error) {
		_, err := c.Press.OrderPrints(ctx, &docsv1.OrderPrintsRequest{DocumentId: "onboarding", Copies: copies})
		return "", err
	}
}

func requestReview(ctx context.Context, c *client.Client) (string, error) {
	_, err := c.Press.RequestReview(ctx, &docsv1.RequestReviewRequest{DocumentId: "holidays"})
	return "", err
}
