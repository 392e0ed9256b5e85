package documents

import (
	"context"
	"sync"

	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"
)

// Press implements docs.v1.PressService. The zero value is usable. Safe for concurrent
// use.
type Press struct {
	docsv1.UnimplementedPressServiceServer

	mu        sync.Mutex
	published map[string]string // who a document was last published to
	copies    uint64
}

// GetStatistics counts what was published.
func (p *Press) GetStatistics(context.Context, *docsv1.GetStatisticsRequest) (*docsv1.GetStatisticsResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &docsv1.GetStatisticsResponse{Published: uint32(len(p.published)), Copies: p.copies}, nil
}

// PublishDocument shows a document to an audience.
func (p *Press) PublishDocument(_ context.Context, req *docsv1.PublishDocumentRequest) (*docsv1.PublishDocumentResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.published == nil {
		p.published = map[string]string{}
	}
	if _, ok := p.published[req.GetDocumentId()]; !ok && len(p.published) >= maxDocuments {
		return nil, errTooLarge
	}
	p.published[req.GetDocumentId()] = req.GetAudience()
	return &docsv1.PublishDocumentResponse{}, nil
}

// OrderPrints orders copies of a document.
func (p *Press) OrderPrints(_ context.Context, req *docsv1.OrderPrintsRequest) (*docsv1.OrderPrintsResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.copies += uint64(req.GetCopies())
	return &docsv1.OrderPrintsResponse{}, nil
}

// RequestReview asks the editors for a review.
func (p *Press) RequestReview(context.Context, *docsv1.RequestReviewRequest) (*docsv1.RequestReviewResponse, error) {
	return &docsv1.RequestReviewResponse{}, nil
}
