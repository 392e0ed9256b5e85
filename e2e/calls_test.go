package e2e

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"
)

// kinds of method: each call reads or writes something in the handbook, which an
// editor of the handbook may and a stranger may not.
var kinds = map[string]func(context.Context, docsv1.DocumentServiceClient, ...grpc.CallOption) error{
	"unary": func(ctx context.Context, c docsv1.DocumentServiceClient, opts ...grpc.CallOption) error {
		_, err := c.GetDocument(ctx, &docsv1.GetDocumentRequest{DocumentId: "onboarding"}, opts...)
		return err
	},
	"server stream": func(ctx context.Context, c docsv1.DocumentServiceClient, opts ...grpc.CallOption) error {
		stream, err := c.WatchDocument(ctx, &docsv1.WatchDocumentRequest{DocumentId: "onboarding", Limit: 1}, opts...)
		if err != nil {
			return err
		}
		if _, err := stream.Recv(); err != nil {
			return err
		}
		return end(stream)
	},
	"client stream": func(ctx context.Context, c docsv1.DocumentServiceClient, opts ...grpc.CallOption) error {
		stream, err := c.ImportDocuments(ctx, opts...)
		if err != nil {
			return err
		}
		for range 3 {
			if stream.Send(&docsv1.ImportDocumentsRequest{FolderId: "handbook", DocumentId: rand.Text()}) != nil {
				break // CloseAndRecv returns the error
			}
		}
		response, err := stream.CloseAndRecv()
		if err == nil && response.GetImported() != 3 {
			return fmt.Errorf("%d documents imported, want 3", response.GetImported())
		}
		return err
	},
	"bidi stream": func(ctx context.Context, c docsv1.DocumentServiceClient, opts ...grpc.CallOption) error {
		stream, err := c.EditDocument(ctx, opts...)
		if err != nil {
			return err
		}
		for i := range 3 {
			message := &docsv1.EditDocumentRequest{Append: "."}
			if i == 0 {
				message.DocumentId = "onboarding"
			}
			if stream.Send(message) != nil {
				break
			}
			if _, err := stream.Recv(); err != nil {
				return err
			}
		}
		if err := stream.CloseSend(); err != nil {
			return err
		}
		return end(stream)
	},
}

// end expects the orderly end of a stream.
func end[T any](stream interface{ Recv() (*T, error) }) error {
	_, err := stream.Recv()
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return errors.New("a message too many")
	}
	return err
}

// reason is usher's reason in an error, with its code: "OK" if there is none.
func reason(err error) string {
	text := status.Code(err).String()
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			text += " " + info.GetReason()
		}
	}
	return text
}

const (
	granted = "OK"
	denied  = "PermissionDenied RELATION_DENIED"
	invalid = "Unauthenticated TOKEN_INVALID"
)

func expect(t *testing.T, err error, want string) {
	t.Helper()
	if got := reason(err); got != want {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
}
