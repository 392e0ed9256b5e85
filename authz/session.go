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

// Session is one call as the checks of its handler see it. They use the same
// subject, cache and audit as the rule. It is safe for concurrent use.
//
// The owner of a session keeps it current: it calls [Session.Receive] for each
// message of a stream that was let through, [Session.Renew] when the token was
// verified again, and [Session.End] when the call is over.
type Session struct {
	method   *Method
	decision *Decision
	granted  atomic.Bool
	filtered atomic.Bool

	mu    sync.Mutex
	call  Call
	ended bool
	// consistency is how fresh answers must be, if the rule's revision reads the
	// message. The session keeps no message, since the handler may change it.
	consistency Consistency
	// unread is why consistency isn't known, nil if it is.
	unread *Error
}

// NewSession returns the session of a call that Authorize has let through with the
// decision. If [Method.RevisionReadsMessage] is true, checks need the call's
// message; on a stream it may come later, by [Session.Receive].
func (m *Method) NewSession(call Call, decision *Decision) *Session {
	message := call.Message
	call.Message = nil
	s := &Session{method: m, call: call, decision: decision, unread: refusal(ReasonObjectMissing, "there is no message")}
	if message != nil {
		_ = s.Receive(message) // what is wrong with it is the answer to each check
	}

	return s
}

// Decision returns the decision that let the call through. On a stream whose
// messages are decided one by one it is an empty decision, which allows nothing. It
// is never nil.
func (s *Session) Decision() *Decision {
	if s.decision == nil {
		return &Decision{}
	}

	return s.decision
}

// Checked reports whether a check that the handler made itself was granted: by
// [CheckFromContext], or by [FilterFromContext] for at least one object, or whether
// [EmptyFromContext] declared that none is needed. The policy "handler" requires it
// before anything is sent. A denied check, a check without an answer and a filter
// that leaves no object don't count.
func (s *Session) Checked() bool { return s.granted.Load() }

// Filtered reports whether [FilterFromContext] has had an answer about at least one
// object, whatever it was. A handler whose filter leaves nothing may answer with an
// empty message, and with nothing else.
func (s *Session) Filtered() bool { return s.filtered.Load() }

// Receive records a message of the call that was let through, so that later checks
// are as fresh as the message asks for: the rule's revision may be a field of it.
// The session keeps only that revision of the message. If the rule checks the first
// message only, a message without a revision keeps the revision before it. Receive
// returns an [*Error] for a message whose revision is invalid. It does nothing
// unless [Method.RevisionReadsMessage] is true.
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

// Renew replaces the principal that later checks ask about: the caller as its token
// describes it after it was verified again.
func (s *Session) Renew(principal Principal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.call.Principal = principal
}

// End ends the session with its call. Every later check is refused, and so is a
// check whose answer hasn't arrived.
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

// NewContext returns a context in which [CheckFromContext], [FilterFromContext] and
// [EmptyFromContext] work. The interceptor calls it; tests may too.
func NewContext(ctx context.Context, session *Session) context.Context {
	return context.WithValue(ctx, sessionKey{}, session)
}

// FromContext returns the context's session, if it has one.
func FromContext(ctx context.Context) (*Session, bool) {
	session, ok := ctx.Value(sessionKey{}).(*Session)

	return session, ok && session != nil
}
