package interceptor

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
)

const (
	// maxLive is how many sets of objects one stream may name that rechecks. Each
	// of them is asked about again at every interval; one that was forgotten could
	// be revoked without anybody noticing, so a further one is refused.
	maxLive = 1024
	// maxAsking is how many of them a recheck asks about at once.
	maxAsking = 8
	// maxLiveBytes bounds the memory of the same.
	maxLiveBytes = 1 << 20
)

var (
	// errOtherPrincipal is a token that stands for somebody else than it did.
	errOtherPrincipal = errors.New("interceptor: the token stands for another principal than when the stream began")
	// errUnasked is an object without a verdict.
	errUnasked = errors.New("interceptor: a recheck has not asked about every object")
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
	r := report{method: s.method, name: s.method.Name(), occasion: OccasionRecheck, principal: s.principal.Load(), watch: s.owner.startWatch()}
	err := s.reverify(ctx, &r)
	if err == nil {
		err = s.reauthorize(ctx, &r)
	}
	switch {
	case err == nil:
		s.owner.granted(s.ctx, r)
	case s.ctx.Err() != nil:
		// The call has ended meanwhile: with that, not with what it did to us.
	case ctx.Err() != nil:
		s.expire()
	default:
		s.stop(s.owner.refused(s.ctx, r, err))
	}
}

func (s *guardedStream) reverify(ctx context.Context, r *report) error {
	principal, err := s.owner.verify(ctx, s.method, s.token)
	if err != nil {
		return err
	}
	if !same(principal, r.principal) {
		return s.owner.refusals.make(ReasonTokenInvalid, errOtherPrincipal, extras{challenge: &challenge{err: errorInvalidToken}})
	}
	r.principal = principal
	s.renew(principal)

	return nil
}

// same reports whether two principals are one caller: by all that says who it is to
// rules, subjects and handlers.
func same(a, b *verify.Principal) bool {
	return a.Issuer() == b.Issuer() && a.IssuerName() == b.IssuerName() &&
		a.Subject() == b.Subject() && a.ClientID() == b.ClientID() && a.Kind() == b.Kind()
}

func (s *guardedStream) reauthorize(ctx context.Context, r *report) error {
	call := s.owner.newCall(ctx, s.method, r.principal)
	call.Fresh = true
	var err error
	if !s.method.ReadsMessage() {
		r.decision, err = s.method.Authorize(ctx, &call)

		return err
	}
	return s.reauthorizeLive(ctx, r, call)
}

// reauthorizeLive asks about the live messages, several at a time: a caller that has
// named many objects must not put off when its stream ends.
func (s *guardedStream) reauthorizeLive(ctx context.Context, r *report, call authz.Call) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		asking  sync.WaitGroup
		mu      sync.Mutex
		granted int
		failed  error
		caught  any
	)
	messages, places := s.live.all(), make(chan struct{}, maxAsking)
	for key, message := range messages {
		places <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		asking.Go(func() {
			defer func() { <-places }()
			about, at := call, time.Now()
			about.Message = message
			decision, value, err := s.authorizeContained(ctx, &about)
			if err == nil && value == nil {
				err = s.live.grant(key, message, at)
			}
			mu.Lock()
			defer mu.Unlock()
			if failed != nil || caught != nil {
				return // the others fail because the first did
			}
			if r.decision, failed, caught = decision, err, value; err != nil || value != nil {
				cancel()

				return
			}
			granted++
		})
	}
	asking.Wait()
	if caught != nil {
		panic(caught)
	}
	if failed == nil && granted < len(messages) {
		return cmp.Or(ctx.Err(), errUnasked)
	}

	return failed
}

// authorizeContained decides a call, and returns what a panic has, to be raised again
// in the call's own goroutine.
func (s *guardedStream) authorizeContained(ctx context.Context, call *authz.Call) (decision *authz.Decision, value any, err error) {
	defer func() { value = recover() }()
	decision, err = s.method.Authorize(ctx, call)

	return decision, nil, err
}

// authorizeMessage decides about one message of a stream.
func (s *guardedStream) authorizeMessage(message proto.Message) error {
	r := report{
		method: s.method, name: s.method.Name(), occasion: OccasionMessage,
		principal: s.principal.Load(), watch: s.owner.startWatch(),
	}
	if s.pinned != nil {
		if err := s.pinned.Matches(message); err != nil {
			return s.owner.refused(s.ctx, r, err)
		}

		return nil
	}
	interval := s.method.RecheckInterval()
	key := ""
	var err error
	if interval > 0 {
		if key, err = s.method.MessageKey(message); err != nil {
			return s.owner.refused(s.ctx, r, err)
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
	call := s.owner.newCall(ctx, s.method, r.principal)
	call.Message = message
	if r.decision, err = s.method.Authorize(ctx, &call); err != nil {
		return s.owner.refused(s.ctx, r, err)
	}
	if s.method.FirstMessageOnly() {
		if s.pinned, err = s.method.Pin(message); err != nil {
			return s.owner.refused(s.ctx, r, err)
		}
	}
	if interval > 0 {
		if err := s.remember(key, message, at); err != nil {
			return s.owner.refused(s.ctx, r, err)
		}
	}
	s.owner.granted(s.ctx, r)

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
