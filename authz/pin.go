package authz

import (
	"encoding/binary"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz/internal/template"
)

// Pinned holds the later messages of a stream to the objects that its first
// message named. It is immutable and safe for concurrent use.
type Pinned struct {
	method *Method
	// values has for each pin what its Pinned gives.
	values [][]string
}

// Pin remembers what the first message of a stream names, for a rule with
// FirstMessageOnly. Call it after Authorize has let the message through.
func (m *Method) Pin(first proto.Message) (*Pinned, error) {
	pinned := &Pinned{method: m, values: make([][]string, len(m.pins))}
	e := evaluation{method: m, call: &Call{Message: first}}
	if len(m.pins) == 0 {
		return pinned, nil
	}
	if err := e.setMessage(); err != nil {
		return nil, err
	}
	for i, p := range m.pins {
		values, st := p.Pinned(e.in.Message)
		if st == template.StatusInvalid {
			return nil, &Error{Reason: ReasonObjectMissing, Field: p.Path(-1), Err: errUnusable}
		}
		pinned.values[i] = values
	}

	return pinned, nil
}

// Matches returns nil for a later message that leaves the pinned fields unset or
// names the same; otherwise an [*Error] with the field.
func (p *Pinned) Matches(later proto.Message) error {
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

// same says, without the heap, that a message leaves each field unset or names the
// same. Whatever else is the case, it says no and Matches finds out.
func (p *Pinned) same(later proto.Message) bool {
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

// Key is a text that is the same for two messages exactly if they name the same.
func (p *Pinned) Key() string {
	var key []byte
	for _, values := range p.values {
		key = binary.AppendUvarint(key, uint64(len(values)))
		for _, value := range values {
			key = appendSized(key, value)
		}
	}

	return string(key)
}
