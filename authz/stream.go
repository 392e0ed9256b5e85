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

// Stream decides about the messages of one stream, and remembers what that takes:
// the objects that the first message named, where the rule holds later ones to
// them, and what was granted, where the rule has a recheck interval. It keeps no
// message, only copies of the fields that the rule reads; at most 1024 sets of
// objects, and 1 MiB of them.
//
// A stream is one caller's: all its calls have the same principal, as its token says
// at the time. Authorize is for one goroutine at a time, the stream's receiver;
// Recheck may run beside it.
type Stream struct {
	method *Method
	// pinned is what the first message named; the receiver's alone.
	pinned *pinned
	live   liveObjects
}

// NewStream returns the memory of a new stream.
func (m *Method) NewStream() *Stream { return &Stream{method: m} }

// Authorize decides about the call's message as [Method.Authorize] does, or about
// the stream's start where [Method.ReadsMessage] is false. Where the stream's memory
// has the answer, nothing is asked and no [Observer] is told:
//
//   - Where the rule checks the first message only, a later one passes if it leaves
//     the fields that name objects unset, or names the same; otherwise it is
//     OBJECT_MISSING.
//   - Where the rule has a recheck interval, a message passes whose objects were
//     granted less than the interval ago.
//
// [Decision.Remembered] reports whether memory let the message through. A stream
// with a recheck interval that names more objects than it can remember is
// TOO_MANY_OBJECTS: what was forgotten could be revoked without notice.
func (s *Stream) Authorize(ctx context.Context, call *Call) (*Decision, error) {
	m := s.method
	if !m.reads || call == nil || call.Principal == nil {
		return m.Authorize(ctx, call)
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
	// The message is its owner's to change from now on: what is kept is a copy.
	excerpt, refused := m.excerptOf(call.Message)
	if refused == nil {
		refused = s.live.grant(key, excerpt, at)
	}
	if refused != nil {
		return decision.refusedBy(refused)
	}

	return decision, nil
}

// decide asks about a message, and remembers what the first one names.
func (s *Stream) decide(ctx context.Context, call *Call) (*Decision, error) {
	decision, err := s.method.Authorize(ctx, call)
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

// Recheck asks again, past the decision cache, whether the call's principal may have
// what the stream was granted: about every set of objects that its messages named,
// or about the stream's start where [Method.ReadsMessage] is false. The call's
// message isn't read. The decision is that of the first refusal; that of a stream that
// has named nothing yet is [Decision.Remembered]. An error means that the stream has
// to end: it is an [*Error], or wraps the context's own. A rule that reads the message
// and has no recheck interval remembers no objects: it is MISCONFIGURED.
//
// It asks about several sets of objects at once, so that a caller can't delay its
// refusal by naming many. A panic of an observer is raised in the caller's goroutine.
func (s *Stream) Recheck(ctx context.Context, call *Call) (*Decision, error) {
	m := s.method
	if call == nil {
		return m.Authorize(ctx, nil)
	}
	again := *call
	again.Message, again.Fresh = nil, true
	switch {
	case !m.reads, len(m.faults) > 0, call.Principal == nil:
		return m.Authorize(ctx, &again)
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

// authorizeContained decides a call, and returns what a panic has, to be raised again
// in another goroutine.
func (m *Method) authorizeContained(ctx context.Context, call *Call) (decision *Decision, value any, err error) {
	defer func() { value = recover() }()
	decision, err = m.Authorize(ctx, call)

	return decision, nil, err
}

// unobserved is a refusal of which no observer is told, since no decision was made.
func (m *Method) unobserved(err *Error) (*Decision, error) {
	return m.undecided().refusedBy(err)
}

// undecided is the decision of a call that ended before there was one.
func (m *Method) undecided() *Decision { return &Decision{method: m.name, rule: m.rule} }

// refusedBy returns the decision as a refusal, with the checks that it has.
func (d *Decision) refusedBy(err *Error) (*Decision, error) {
	refused := *d
	refused.allowed, refused.reason, refused.err = false, err.Reason, err

	return &refused, err
}
