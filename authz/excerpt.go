package authz

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// excerptOf returns a copy of a message with only the fields that the rule reads:
// what a stream must remember of a message to ask about it again. The copy is
// decided as the message is, shares no memory with it, and leaves out what makes
// messages big.
func (m *Method) excerptOf(message proto.Message) (proto.Message, *Error) {
	whole, err := m.excerpt(message, true)
	if err != nil {
		return nil, err
	}

	return whole.Interface(), nil
}

// messageKey returns a text that is equal for two messages of a stream only if they
// name the same objects, with the same context.
func (m *Method) messageKey(message proto.Message) (string, *Error) {
	named, err := m.excerpt(message, false)
	if err != nil {
		return "", err
	}
	key, wireErr := proto.MarshalOptions{Deterministic: true, AllowPartial: true}.Marshal(named.Interface())
	if wireErr != nil {
		return "", refusal(ReasonMisconfigured, "the message can't be written: %w", wireErr)
	}

	return string(key), nil
}

// excerpt copies the fields that the pins read and, if revision is set, those that
// the rule's revision reads.
func (m *Method) excerpt(message proto.Message, revision bool) (protoreflect.Message, *Error) {
	e := evaluation{method: m, call: &Call{Message: message}}
	if err := e.setMessage(); err != nil {
		return nil, err
	}
	into := e.in.Message.New()
	for _, p := range m.pins {
		p.Copy(into, e.in.Message)
	}
	for _, fd := range m.copies {
		into.Clear(fd) // of what a pin reads within it
		if e.in.Message.Has(fd) {
			shared := e.in.Message.New()
			shared.Set(fd, e.in.Message.Get(fd))
			proto.Merge(into.Interface(), shared.Interface())
		}
	}
	if at := m.consistency.revision; at != nil && revision {
		for _, p := range at.Fields() {
			p.Copy(into, e.in.Message)
		}
	}

	return into, nil
}
