// Package documents is the quickstart's document service: the handlers of
// docs.v1.DocumentService. None of them reads a token, and only ListDocuments
// checks a right, since its rule says that the handler decides.
package documents

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
)

// Relations records where documents lie, so that rights follow them.
type Relations interface {
	// Place records that the document lies in the folder.
	Place(ctx context.Context, documentID, folderID string) error
	// Remove takes that back.
	Remove(ctx context.Context, documentID, folderID string) error
}

// Service implements docs.v1.DocumentService. Safe for concurrent use.
type Service struct {
	docsv1.UnimplementedDocumentServiceServer

	library   *library
	relations Relations
}

// New makes a service with a few documents in it.
func New(relations Relations) *Service {
	return &Service{library: newLibrary(), relations: relations}
}

// GetServiceInfo returns what this service is.
func (s *Service) GetServiceInfo(context.Context, *docsv1.GetServiceInfoRequest) (*docsv1.GetServiceInfoResponse, error) {
	return &docsv1.GetServiceInfoResponse{Name: "usher quickstart documents"}, nil
}

// WhoAmI names the caller.
func (s *Service) WhoAmI(ctx context.Context, _ *docsv1.WhoAmIRequest) (*docsv1.WhoAmIResponse, error) {
	caller, ok := verify.FromContext(ctx)
	if !ok {
		return nil, status.Error(codes.Internal, "no caller in the context")
	}
	return &docsv1.WhoAmIResponse{Subject: caller.Subject(), ClientId: caller.ClientID()}, nil
}

// GetDocument reads a document.
func (s *Service) GetDocument(_ context.Context, req *docsv1.GetDocumentRequest) (*docsv1.GetDocumentResponse, error) {
	document, _, err := s.library.get(req.GetDocumentId())
	if err != nil {
		return nil, err
	}
	return &docsv1.GetDocumentResponse{Document: document}, nil
}

// UpdateDocument writes a document.
func (s *Service) UpdateDocument(_ context.Context, req *docsv1.UpdateDocumentRequest) (*docsv1.UpdateDocumentResponse, error) {
	document, err := s.library.change(req.GetDocument().GetId(), func(d *docsv1.Document) {
		d.Text = req.GetDocument().GetText()
	})
	if err != nil {
		return nil, err
	}
	return &docsv1.UpdateDocumentResponse{Document: document}, nil
}

// DeleteDocument deletes a document.
func (s *Service) DeleteDocument(ctx context.Context, req *docsv1.DeleteDocumentRequest) (*docsv1.DeleteDocumentResponse, error) {
	document, err := s.library.remove(req.GetDocumentId())
	if err != nil {
		return nil, err
	}
	if err := s.relations.Remove(ctx, document.GetId(), document.GetFolderId()); err != nil {
		return nil, errRelations
	}
	return &docsv1.DeleteDocumentResponse{}, nil
}

// MoveDocument moves a document between two folders, and its rights with it.
func (s *Service) MoveDocument(ctx context.Context, req *docsv1.MoveDocumentRequest) (*docsv1.MoveDocumentResponse, error) {
	document, _, err := s.library.get(req.GetDocumentId())
	if err != nil {
		return nil, err
	}
	if document.GetFolderId() != req.GetFromFolderId() {
		return nil, status.Error(codes.FailedPrecondition, "the document lies in another folder")
	}
	if err := s.relations.Place(ctx, document.GetId(), req.GetToFolderId()); err != nil {
		return nil, errRelations
	}
	if err := s.relations.Remove(ctx, document.GetId(), req.GetFromFolderId()); err != nil {
		return nil, errRelations
	}
	document, err = s.library.change(document.GetId(), func(d *docsv1.Document) { d.FolderId = req.GetToFolderId() })
	if err != nil {
		return nil, err
	}
	return &docsv1.MoveDocumentResponse{Document: document}, nil
}

// ListDocuments lists what the caller may read of a folder.
func (s *Service) ListDocuments(ctx context.Context, req *docsv1.ListDocumentsRequest) (*docsv1.ListDocumentsResponse, error) {
	documents := s.library.in(req.GetFolderId())
	objects := make([]string, 0, len(documents))
	for _, d := range documents {
		objects = append(objects, "document:"+d.GetId())
	}
	readable, err := authz.FilterFromContext(ctx, objects, "viewer")
	if err != nil {
		return nil, err
	}
	response := &docsv1.ListDocumentsResponse{}
	for i, d := range documents {
		if readable[i] {
			response.Documents = append(response.Documents, d)
		}
	}
	return response, nil
}

// WatchDocument sends a document at once, and again at each change.
func (s *Service) WatchDocument(req *docsv1.WatchDocumentRequest, stream grpc.ServerStreamingServer[docsv1.WatchDocumentResponse]) error {
	for sent := uint32(0); ; {
		document, changed, err := s.library.get(req.GetDocumentId())
		if err != nil {
			return err
		}
		if err := stream.Send(&docsv1.WatchDocumentResponse{Document: document}); err != nil {
			return err
		}
		if sent++; sent == req.GetLimit() {
			return nil
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
}

// ImportDocuments adds documents.
func (s *Service) ImportDocuments(stream grpc.ClientStreamingServer[docsv1.ImportDocumentsRequest, docsv1.ImportDocumentsResponse]) error {
	response := &docsv1.ImportDocumentsResponse{}
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(response)
		}
		if err != nil {
			return err
		}
		document := &docsv1.Document{Id: req.GetDocumentId(), FolderId: req.GetFolderId(), Text: req.GetText()}
		if err := s.library.add(document); err != nil {
			return err
		}
		if err := s.relations.Place(stream.Context(), document.GetId(), document.GetFolderId()); err != nil {
			return errRelations
		}
		response.Imported++
	}
}

// EditDocument is an editing session.
func (s *Service) EditDocument(stream grpc.BidiStreamingServer[docsv1.EditDocumentRequest, docsv1.EditDocumentResponse]) error {
	documentID := ""
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if documentID == "" {
			documentID = req.GetDocumentId()
		}
		document, err := s.library.change(documentID, func(d *docsv1.Document) { d.Text += req.GetAppend() })
		if err != nil {
			return err
		}
		if err := stream.Send(&docsv1.EditDocumentResponse{Length: uint32(len(document.GetText()))}); err != nil {
			return err
		}
	}
}

// PurgeDocuments would delete everything; its rule refuses every caller.
func (s *Service) PurgeDocuments(context.Context, *docsv1.PurgeDocumentsRequest) (*docsv1.PurgeDocumentsResponse, error) {
	s.library.clear()
	return &docsv1.PurgeDocumentsResponse{}, nil
}

// errRelations hides the engine's own words from the caller.
var errRelations = status.Error(codes.Unavailable, "the relations could not be written")

func byID(a, b *docsv1.Document) int { return strings.Compare(a.GetId(), b.GetId()) }

func sorted(documents []*docsv1.Document) []*docsv1.Document {
	slices.SortFunc(documents, byID)
	return documents
}
