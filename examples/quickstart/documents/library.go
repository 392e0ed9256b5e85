package documents

import (
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"
)

// maxText bounds a document, and maxDocuments how many there are: a caller that
// may edit or import can't fill the memory.
const (
	maxText      = 64 << 10
	maxDocuments = 10_000
)

var (
	errNotFound = status.Error(codes.NotFound, "no such document")
	errExists   = status.Error(codes.AlreadyExists, "the document exists")
	errTooLarge = status.Error(codes.ResourceExhausted, "the library has no room for that")
)

// library keeps the documents in memory.
type library struct {
	mu        sync.Mutex
	documents map[string]*entry
}

// entry is a document and a channel that is closed when it changes.
type entry struct {
	document *docsv1.Document
	changed  chan struct{}
}

func newLibrary() *library {
	l := &library{documents: map[string]*entry{}}
	for _, d := range []*docsv1.Document{
		{Id: "onboarding", FolderId: "handbook", Text: "Welcome."},
		{Id: "holidays", FolderId: "handbook", Text: "Thirty days."},
		{Id: "scratch", FolderId: "handbook", Text: "Nothing of value."},
		{Id: "vision", FolderId: "drafts", Text: "Everyone to their own seat."},
		{Id: "salaries", FolderId: "payroll", Text: "Not for everyone."},
	} {
		l.documents[d.GetId()] = &entry{document: d, changed: make(chan struct{})}
	}
	return l
}

// get returns a copy of a document and a channel that is closed at its next
// change.
func (l *library) get(id string) (*docsv1.Document, <-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.documents[id]
	if !ok {
		return nil, nil, errNotFound
	}
	return proto.CloneOf(e.document), e.changed, nil
}

func (l *library) add(document *docsv1.Document) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.documents[document.GetId()]; ok {
		return errExists
	}
	if len(document.GetText()) > maxText || len(l.documents) >= maxDocuments {
		return errTooLarge
	}
	l.documents[document.GetId()] = &entry{document: proto.CloneOf(document), changed: make(chan struct{})}
	return nil
}

// change changes a document and returns a copy.
func (l *library) change(id string, change func(*docsv1.Document)) (*docsv1.Document, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.documents[id]
	if !ok {
		return nil, errNotFound
	}
	next := proto.CloneOf(e.document)
	change(next)
	if len(next.GetText()) > maxText {
		return nil, errTooLarge
	}
	close(e.changed)
	l.documents[id] = &entry{document: next, changed: make(chan struct{})}
	return proto.CloneOf(next), nil
}

func (l *library) remove(id string) (*docsv1.Document, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.documents[id]
	if !ok {
		return nil, errNotFound
	}
	close(e.changed)
	delete(l.documents, id)
	return e.document, nil
}

func (l *library) in(folderID string) []*docsv1.Document {
	l.mu.Lock()
	defer l.mu.Unlock()
	var documents []*docsv1.Document
	for _, e := range l.documents {
		if e.document.GetFolderId() == folderID {
			documents = append(documents, proto.CloneOf(e.document))
		}
	}
	return sorted(documents)
}

func (l *library) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.documents {
		close(e.changed)
	}
	clear(l.documents)
}
