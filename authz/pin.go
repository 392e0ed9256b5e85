package authz

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz/internal/template"
)

// pinned holds the later messages of a stream to the objects that its first message
// named. It is immutable.
type pinned struct {
	method *Method
	// values holds what each pin's Pinned returned for the first message.
	values [][]string
}

// pin remembers what the first message of a stream names, for a rule that checks
// only that message. The message must have been let through.
func (m *Method) pin(first proto.Message) (*pinned, *Error) {
	p := &pinned{method: m, values: make([][]string, len(m.pins))}
	e := evaluation{method: m, call: &Call{Message: first}}
	if len(m.pins) == 0 {
		return p, nil
	}
	if err := e.setMessage(); err != nil {
		return nil, err
	}
	for i, pin := range m.pins {
		values, st := pin.Pinned(e.in.Message)
		if st == template.StatusInvalid {
			return nil, &Error{Reason: ReasonObjectMissing, Field: pin.Path(-1), Err: errUnusable}
		}
		p.values[i] = values
	}

	return p, nil
}

// matches returns nil for a later message that leaves the pinned fields unset or
// names the same objects; otherwise it returns an error with the field.
func (p *pinned) matches(later proto.Message) *Error {
	if len(p.values) == 0 || p.same(later) {
		return nil
	}
	e := evaluation{method: p.method, call: &Call{Message: later}}
	if err := e.setMessage(); err != nil {
		return err
	}
	for i, pin := range p.method.pins {
		values, st := pin.Pinned(e.in.Message)
		if st == template.StatusMissing || st == template.StatusOK && slices.Equal(values, p.values[i]) {
			continue
		}

		return &Error{Reason: ReasonObjectMissing, Field: pin.Path(-1), Err: errOther}
	}

	return nil
}

// same reports, without allocating, whether a message leaves each pinned field
// unset or names the same object. If it can't tell, it returns false, and matches
// decides.
func (p *pinned) same(later proto.Message) bool {
	if later == nil {
		return false
	}
	message := later.ProtoReflect()
	if message.Descriptor() != p.method.input {
		return false
	}
	for i, pin := range p.method.pins {
		if !pin.Same(message, p.values[i]) {
			return false
		}
	}

	return true
}
