package authz

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
)

// FirstMessageOnly reports whether the rule holds later messages of a stream to what
// the first one names.
func (m *Method) FirstMessageOnly() bool { return m.first }

// Excerpt is what a stream remembers of a message.
func (m *Method) Excerpt(message proto.Message) (proto.Message, error) {
	excerpt, err := m.excerptOf(message)

	return excerpt, orNil(err)
}

// MessageKey is what a stream tells a message's objects apart by.
func (m *Method) MessageKey(message proto.Message) (string, error) {
	key, err := m.messageKey(message)

	return key, orNil(err)
}

func orNil(err *Error) error {
	if err == nil {
		return nil
	}

	return errors.Join(err)
}

// Idle returns what is left of calls that have ended, nil if nothing is.
func (a *Authorizer) Idle() error {
	var errs []error
	for kind, f := range a.fronts.of {
		if f == nil {
			continue
		}
		fail := func(what string, n int) {
			if n != 0 {
				errs = append(errs, fmt.Errorf("%s: %d %s", QueryKind(kind), n, what))
			}
		}
		f.mu.Lock()
		fail("seats in flight", len(f.inFlight))
		fail("callers with requests that they left", len(f.left))
		f.mu.Unlock()
		f.overdue.mu.Lock()
		fail("callers with overdue requests", len(f.overdue.of))
		f.overdue.mu.Unlock()
		fail("overdue requests", int(f.overdue.total.Load()))
		fail("requests in calls", int(f.inline.running.Load()))
		if c := f.combiner; c != nil {
			c.mu.Lock()
			fail("batches that wait", len(c.waiting))
			now := f.clock()
			for _, s := range c.slots {
				if s.ticket != 0 && s.until > now {
					fail("slots taken", 1)
				}
			}
			c.mu.Unlock()
		}
	}

	return errors.Join(errs...)
}
