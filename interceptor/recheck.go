package interceptor

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/credentials/verify"
)

const (
	// maxLive is how many sets of objects one stream may name that rechecks. Each
	// of them is asked about again at every interval; one that was forgotten could
	// be revoked without anybody noticing, so a further one is refused.
	maxLive = 1024
	// maxLiveBytes bounds the memory of the same.
	maxLiveBytes = 1 << 20
)

var (
	// errOtherPrincipal is a token that stands for somebody else than it did.
	errOtherPrincipal = errors.New("interceptor: the token stands for another principal than when the stream began")
	// errTooManyLive is a stream that would have to forget an object.
	errTooManyLive = errors.New("interceptor: the stream names more objects than its rechecks can ask about")
)

// liveMessages are the authorized messages of one stream that its rechecks ask
// about again, one for each set of objects.
type liveMessages struct {
	mu    sync.Mutex
	byKey map[string]*liveMessage
	bytes int
}

type liveMessage struct {
	// message has only what the rule reads.
	message proto.Message
	granted time.Time
}

// fresh says whether the objects were granted less than the interval ago.
func (l *liveMessages) fresh(key string, interval time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	live, ok := l.byKey[key]

	return ok && time.Since(live.granted) < interval
}

// grant remembers that a message's objects were granted, unless there is no room
// for them.
func (l *liveMessages) grant(key string, excerpt proto.Message, at time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if live, ok := l.byKey[key]; ok {
		live.granted = at

		return nil
	}
	size := len(key) + proto.Size(excerpt)
	if len(l.byKey) >= maxLive || l.bytes+size > maxLiveBytes {
		return errTooManyLive
	}
	if l.byKey == nil {
		l.byKey = map[string]*liveMessage{}
	}
	l.byKey[key] = &liveMessage{message: excerpt, granted: at}
	l.bytes += size

	return nil
}

// all returns what to ask about again.
func (l *liveMessages) all() map[string]proto.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	messages := make(map[string]proto.Message, len(l.byKey))
	for key, live := range l.byKey {
		messages[key] = live.message
	}

	return messages
}

// recheck verifies the token again and asks again about every live object. It
// ends the stream if either says no, or can't say: an authorization that can't
// be renewed has run out.
func (s *guardedStream) recheck() {
	ctx, cancel := context.WithDeadline(s.ctx.Context, s.expiry())
	defer cancel()
	v := verdict{method: s.method, name: s.method.Name(), occasion: OccasionRecheck, principal: s.principal.Load(), watch: s.owner.startWatch()}
	err := s.reverify(ctx, &v)
	if err == nil {
		err = s.reauthorize(ctx, &v)
	}
	switch {
	case err == nil:
		s.owner.granted(s.ctx, v)
	case s.ctx.Err() != nil:
		// The call has ended meanwhile: with that, not with what it did to us.
	case ctx.Err() != nil:
		s.expire()
	default:
		s.stop(s.owner.refused(s.ctx, v, err))
	}
}

func (s *guardedStream) reverify(ctx context.Context, v *verdict) error {
	principal, err := s.owner.verify(ctx, s.method, s.token)
	if err != nil {
		return err
	}
	if !same(principal, v.principal) {
		return s.owner.refusals.make(ReasonTokenInvalid, errOtherPrincipal, extras{challenge: &challenge{err: errorInvalidToken}})
	}
	v.principal = principal
	s.renew(principal)

	return nil
}

// same reports whether two principals are one caller: by all that says who it is to
// rules, subjects and handlers.
func same(a, b *verify.Principal) bool {
	return a.Issuer() == b.Issuer() && a.IssuerName() == b.IssuerName() &&
		a.Subject() == b.Subject() && a.ClientID() == b.ClientID() && a.Kind() == b.Kind()
}

func (s *guardedStream) reauthorize(ctx context.Context, v *verdict) error {
	call := s.owner.newCall(ctx, s.method, v.principal)
	call.Fresh = true
	var err error
	if !s.method.ReadsMessage() {
		v.decision, err = s.method.Authorize(ctx, &call)

		return err
	}
	for key, message := range s.live.all() {
		call.Message = message
		at := time.Now()
		if v.decision, err = s.method.Authorize(ctx, &call); err != nil {
			return err
		}
		if err = s.live.grant(key, message, at); err != nil {
			return err
		}
	}

	return nil
}

// authorizeMessage decides about one message of a stream.
func (s *guardedStream) authorizeMessage(message proto.Message) error {
	v := verdict{
		method: s.method, name: s.method.Name(), occasion: OccasionMessage,
		principal: s.principal.Load(), watch: s.owner.startWatch(),
	}
	if s.pinned != nil {
		if err := s.pinned.Matches(message); err != nil {
			return s.owner.refused(s.ctx, v, err)
		}

		return nil
	}
	interval := s.method.RecheckInterval()
	key := ""
	var err error
	if interval > 0 {
		if key, err = s.method.MessageKey(message); err != nil {
			return s.owner.refused(s.ctx, v, err)
		}
		if s.live.fresh(key, interval) {
			return nil
		}
	}
	var at time.Time
	if interval > 0 {
		at = time.Now()
	}
	// Below the context in which a handler makes its own checks.
	ctx := s.ctx.Context
	call := s.owner.newCall(ctx, s.method, v.principal)
	call.Message = message
	if v.decision, err = s.method.Authorize(ctx, &call); err != nil {
		return s.owner.refused(s.ctx, v, err)
	}
	if s.method.FirstMessageOnly() {
		if s.pinned, err = s.method.Pin(message); err != nil {
			return s.owner.refused(s.ctx, v, err)
		}
	}
	if interval > 0 {
		if err := s.remember(key, message, at); err != nil {
			return s.owner.refused(s.ctx, v, err)
		}
	}
	s.owner.granted(s.ctx, v)

	return nil
}

// remember keeps what a recheck asks about again: a copy, since the handler owns
// the message from now on and may change it.
func (s *guardedStream) remember(key string, message proto.Message, at time.Time) error {
	excerpt, err := s.method.Excerpt(message)
	if err != nil {
		return err
	}
	if err := s.live.grant(key, excerpt, at); err != nil {
		return s.owner.refusals.make(ReasonTooManyObjects, err, extras{})
	}

	return nil
}
