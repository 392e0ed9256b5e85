package authz

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// maxAsking is how many sets of objects a recheck asks about at once.
const maxAsking = 8

var (
	errUnasked   = errors.New("a recheck has not asked about every object")
	errNoRecheck = errors.New("the rule has no recheck interval, so the stream has not remembered what to ask about")
)

// Stream decides the messages of one stream. It remembers what is needed for that:
// the objects that the first message named, if the rule holds later messages to
// them, and what was granted, if the rule has a recheck interval. It keeps no
// message, only copies of the fields that the rule reads: at most 1024 sets of
// objects, and 1 MiB of them.
//
// A stream belongs to one caller: all its calls have the same principal, as its
// token describes it at the time. Authorize must be called by one goroutine at a
// time, the stream's receiver. Recheck may run concurrently with it.
type Stream struct {
	method *Method
	// pinned is what the first message named. Only the receiver uses it.
	pinned *pinned
	live   liveObjects
	// first is whether the rate limit has counted the stream. Only the receiver uses
	// it.
	first opening
}

// NewStream returns a new stream, which remembers nothing.
func (m *Method) NewStream() *Stream { return &Stream{method: m} }

// Open decides what needs no message: what the rule asks of the token, and its rate
// limit, if it has one. The rest is for Authorize to decide. Calling Open is optional,
// and useful if [Method.Limited] and [Method.ReadsMessage] are both true: without it, a
// stream counts when its first message is decided, so streams without a message
// wouldn't count. The stream may go on if, and only if, the error is nil.
func (s *Stream) Open(ctx context.Context, call *Call) (*Decision, error) {
	_, decision, err := s.method.admit(ctx, call, &s.first)
	if decision == nil {
		decision = s.method.undecided()
	}

	return decision, err
}

// Authorize decides the call's message as [Method.Authorize] does, or the stream's
// start if [Method.ReadsMessage] is false. A rate limit counts the stream once, at its
// first decision. If the stream remembers the answer,
// nothing is asked and no [Observer] is told:
//
//   - If the rule checks only the first message, a later one passes if it leaves the
//     fields that name objects unset, or names the same objects; otherwise it is refused
//     with OBJECT_MISSING.
//   - If the rule has a recheck interval, a message passes whose objects were granted less
//     than the interval ago.
//
// [Decision.Remembered] reports whether the stream's memory let the message
// through. A stream with a recheck interval that names more objects than it can
// remember is refused with TOO_MANY_OBJECTS: a grant that was forgotten could be
// revoked without notice.
func (s *Stream) Authorize(ctx context.Context, call *Call) (*Decision, error) {
	m := s.method
	if !m.reads || call == nil || call.Principal == nil {
		return m.authorize(ctx, call, &s.first)
	}
	if s.pinned != nil {
		if err := s.pinned.matches(call.Message); err != nil {
			return m.unobserved(err)
		}

		return m.remembered, nil
	}
	if m.recheck <= 0 {
		return s.decide(ctx, call)
	}
	key, refused := m.messageKey(call.Message)
	if refused != nil {
		return m.unobserved(refused)
	}
	if s.live.fresh(key, m.recheck) {
		return m.remembered, nil
	}
	at := time.Now()
	decision, err := s.decide(ctx, call)
	if err != nil {
		return decision, err
	}
	// The message's owner may change it from now on, so a copy is kept.
	excerpt, refused := m.excerptOf(call.Message)
	if refused == nil {
		refused = s.live.grant(key, excerpt, at)
	}
	if refused != nil {
		return decision.refusedBy(refused)
	}

	return decision, nil
}

// decide asks about a message, and remembers the objects of the first one.
func (s *Stream) decide(ctx context.Context, call *Call) (*Decision, error) {
	decision, err := s.method.authorize(ctx, call, &s.first)
	if err != nil || !s.method.first {
		return decision, err
	}
	pinned, refused := s.method.pin(call.Message)
	if refused != nil {
		return decision.refusedBy(refused)
	}
	s.pinned = pinned

	return decision, nil
}

// Recheck asks again, without the decision cache, whether the call's principal may
// have what the stream was granted: about every set of objects that its messages
// named, or about the stream's start if [Method.ReadsMessage] is false. It doesn't
// read the call's message. The decision is that of the first refusal; if the stream
// has named nothing yet, it is [Decision.Remembered]. If there is an error, the
// stream must end; the error is an [*Error], or wraps the context's own. A rule
// that reads the message and has no recheck interval remembers no objects, so
// Recheck refuses it with MISCONFIGURED.
//
// Recheck asks about several sets of objects at once, so that a caller can't delay
// its refusal by naming many. A panic, of the principal's methods for instance, is
// raised in the goroutine that called Recheck.
func (s *Stream) Recheck(ctx context.Context, call *Call) (*Decision, error) {
	m := s.method
	if call == nil {
		return m.Authorize(ctx, nil)
	}
	again := *call
	again.Message, again.Fresh = nil, true
	switch {
	case !m.reads, len(m.faults) > 0, call.Principal == nil:
		return m.authorize(ctx, &again, &opening{counted: true})
	case m.recheck <= 0:
		return m.unobserved(&Error{Reason: ReasonMisconfigured, Err: errNoRecheck})
	default:
		return s.recheckLive(ctx, again)
	}
}

// recheckLive asks about what is remembered, several sets of objects at a time.
func (s *Stream) recheckLive(ctx context.Context, call Call) (*Decision, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		asking   sync.WaitGroup
		mu       sync.Mutex
		granted  int
		failed   error
		caught   any
		decision = s.method.remembered
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
			said, value, err := s.method.authorizeContained(ctx, &about)
			if err == nil && value == nil {
				s.live.renew(key, at)
			}
			mu.Lock()
			defer mu.Unlock()
			if failed != nil || caught != nil {
				return // the others fail because the first did
			}
			if decision, failed, caught = said, err, value; err != nil || value != nil {
				cancel()

				return
			}
			granted++
		})
	}
	asking.Wait()
	switch {
	case caught != nil:
		panic(caught)
	case failed != nil:
		return decision, failed
	case granted == len(messages):
		return decision, nil
	case ctx.Err() != nil:
		return s.method.undecided(), fmt.Errorf("authz: the call ended before a decision: %w", ctx.Err())
	default:
		return s.method.unobserved(&Error{Reason: ReasonMisconfigured, Err: errUnasked})
	}
}

// authorizeContained decides a call. It returns the value of a panic, which is to
// be raised again in another goroutine.
func (m *Method) authorizeContained(ctx context.Context, call *Call) (decision *Decision, value any, err error) {
	defer func() { value = recover() }()
	decision, err = m.authorize(ctx, call, &opening{counted: true})

	return decision, nil, err
}

// unobserved returns a refusal that no observer is told of, since no decision was
// made.
func (m *Method) unobserved(err *Error) (*Decision, error) {
	return m.undecided().refusedBy(err)
}

// undecided returns the decision of a call that ended before it was decided.
func (m *Method) undecided() *Decision { return &Decision{method: m.name, rule: m.rule} }

// refusedBy returns the decision as a refusal, with the checks that it has.
func (d *Decision) refusedBy(err *Error) (*Decision, error) {
	refused := *d
	refused.allowed, refused.reason, refused.err = false, err.Reason, err

	return &refused, err
}
