package authz

import (
	"context"
	"sync/atomic"
)

// Session is one call as its handler's own checks see it: the same subject, the
// same cache, the same audit as the rule's.
type Session struct {
	method   *Method
	call     Call
	decision *Decision
	checks   atomic.Uint32
}

// NewSession returns the session of a call that Authorize has let through with
// the decision.
func (m *Method) NewSession(call Call, decision *Decision) *Session {
	return &Session{method: m, call: call, decision: decision}
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

// Checked says whether the handler has had the verdict of at least one check of its
// own, whatever the verdict was. It is what the policy "handler" demands before
// anything is sent.
func (s *Session) Checked() bool { return s.checks.Load() > 0 }

type sessionKey struct{}

// SessionKey is the key under which a context holds its *Session. It is for a
// context type that carries several things in one value; others use NewContext.
func SessionKey() any { return sessionKey{} }

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
