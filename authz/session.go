package authz

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz/internal/template"
)

var errSessionOver = errors.New("the call has ended, and its session with it")

// Session is one call as its handler's own checks see it: the same subject, the
// same cache, the same audit as the rule's. It is safe for concurrent use.
//
// Whoever makes a session keeps it current: [Session.Receive] for each message of
// a stream that was let through, [Session.Renew] when the token was verified
// again, [Session.End] when the call is over.
type Session struct {
	method   *Method
	decision *Decision
	granted  atomic.Bool
	filtered atomic.Bool

	mu    sync.Mutex
	call  Call
	ended bool
	// consistency is how fresh answers must be, where the rule's revision reads
	// the message; the session keeps no message, which is the handler's to change.
	consistency Consistency
	// unread says why consistency isn't known; nil: it is.
	unread *Error
}

// NewSession returns the session of a call that Authorize has let through with
// the decision. The call has the message where [Method.RevisionReadsMessage] says
// that checks need it; on a stream it may come later, by [Session.Receive].
func (m *Method) NewSession(call Call, decision *Decision) *Session {
	message := call.Message
	call.Message = nil
	s := &Session{method: m, call: call, decision: decision, unread: refusal(ReasonObjectMissing, "there is no message")}
	if message != nil {
		_ = s.Receive(message) // what is wrong with it is the answer to each check
	}

	return s
}

// Decision is what let the call through. On a stream whose messages are decided
// about, each by itself, it is an empty decision, which allows nothing; it is
// never nil.
func (s *Session) Decision() *Decision {
	if s.decision == nil {
		return &Decision{}
	}

	return s.decision
}

// Checked reports whether a check that the handler made itself was granted: by
// [CheckFromContext], by [FilterFromContext] for at least one object, or said not
// to be needed by [EmptyFromContext]. It is what the policy "handler" demands
// before anything is sent. A denied check, a check without an answer and a filter
// over nothing don't count.
func (s *Session) Checked() bool { return s.granted.Load() }

// Filtered reports whether [FilterFromContext] has had the answers about at least one
// object, whatever they were. A handler whose filter leaves nothing may answer with
// an empty message, and with nothing else.
func (s *Session) Filtered() bool { return s.filtered.Load() }

// Receive takes note of a message of the call that was let through, so that later
// checks are as fresh as it asks for: the rule's revision may be a field of it. The
// session keeps nothing of the message but that revision. With FirstMessageOnly, a
// message without a revision leaves the one before it. It returns an [*Error] for a
// message whose revision can't be one. It does nothing unless
// [Method.RevisionReadsMessage].
func (s *Session) Receive(message proto.Message) error {
	m := s.method
	if !m.RevisionReadsMessage() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := evaluation{method: m, call: &Call{Principal: s.call.Principal, Message: message, Metadata: s.call.Metadata, PeerIP: s.call.PeerIP}}
	m.owner.fill(&e.in, e.call)
	refused := e.setMessage()
	var consistency Consistency
	if refused == nil {
		consistency, refused = m.consistency.resolve(&e.in)
	}
	switch {
	case refused != nil:
		s.unread = refused

		return refused
	case m.first && s.unread == nil && consistency.Revision == "":
		return nil
	}
	s.consistency, s.unread = consistency, nil

	return nil
}

// Renew makes later checks ask about the principal: the caller as its token says
// after it was verified again.
func (s *Session) Renew(principal Principal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.call.Principal = principal
}

// End ends the session with its call: every later check is refused, and so is one
// whose answer is still on its way.
func (s *Session) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}

// current returns the call as it is now, and how fresh answers must be.
func (s *Session) current() (Call, Consistency, *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return Call{}, Consistency{}, &Error{Reason: ReasonMisconfigured, Err: errSessionOver}
	}
	if s.method.RevisionReadsMessage() {
		return s.call, s.consistency, s.unread
	}
	call := s.call
	var in template.Input
	s.method.owner.fill(&in, &call)
	consistency, refused := s.method.consistency.resolve(&in)

	return call, consistency, refused
}

func (s *Session) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.ended
}

type sessionKey struct{}

// NewContext returns a context in which [CheckFromContext] and
// [FilterFromContext] work. The interceptor calls it; so do tests.
func NewContext(ctx context.Context, session *Session) context.Context {
	return context.WithValue(ctx, sessionKey{}, session)
}

// FromContext returns the context's session.
func FromContext(ctx context.Context) (*Session, bool) {
	session, ok := ctx.Value(sessionKey{}).(*Session)

	return session, ok && session != nil
}
