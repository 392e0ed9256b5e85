package authz

import (
	"bytes"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Excerpt is a copy of a message with nothing but the fields that the rule reads:
// what a stream has to remember of a message to ask about it again. It is decided
// as the message is, it shares no memory with it, and it leaves out what makes
// messages big.
func (m *Method) Excerpt(message proto.Message) (proto.Message, error) {
	whole, err := m.excerpt(message, true)
	if err != nil {
		return nil, err
	}

	return whole.Interface(), nil
}

// MessageKey is a text that is the same for two messages of a stream only if they
// name the same objects, with the same context.
func (m *Method) MessageKey(message proto.Message) (string, error) {
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

// excerpt copies what the pins read and, if it is wanted, what the revision does.
func (m *Method) excerpt(message proto.Message, revision bool) (protoreflect.Message, error) {
	e := evaluation{method: m, call: &Call{Message: message}}
	if err := e.setMessage(); err != nil {
		return nil, err
	}
	into := e.in.message.New()
	for _, p := range m.pins {
		p.field.copyInto(into, e.in.message, 0)
	}
	if at := m.consistency.revision; at != nil && revision {
		for i := range at.parts {
			if p := &at.parts[i]; p.field != nil {
				p.field.copyInto(into, e.in.message, 0)
			}
		}
	}

	return into, nil
}

// copyInto copies the field and the messages it stands in, from step n on.
func (f *fieldPath) copyInto(into, from protoreflect.Message, n int) {
	fd := f.steps[n].fd
	if !from.Has(fd) {
		return
	}
	leaf := n == len(f.steps)-1
	switch {
	case n == f.fan:
		list, copied := from.Get(fd).List(), into.Mutable(fd).List()
		for i := range list.Len() {
			switch {
			case leaf && i >= copied.Len():
				copied.Append(cloneScalar(fd, list.Get(i)))
			case leaf:
				// Another template has copied the same list.
			case i >= copied.Len():
				f.copyInto(copied.AppendMutable().Message(), list.Get(i).Message(), n+1)
			default:
				f.copyInto(copied.Get(i).Message(), list.Get(i).Message(), n+1)
			}
		}
	case leaf:
		into.Set(fd, cloneScalar(fd, from.Get(fd)))
	default:
		f.copyInto(into.Mutable(fd).Message(), from.Get(fd).Message(), n+1)
	}
}

// cloneScalar copies the one kind of value that can be written to.
func cloneScalar(fd protoreflect.FieldDescriptor, value protoreflect.Value) protoreflect.Value {
	if fd.Kind() == protoreflect.BytesKind {
		return protoreflect.ValueOfBytes(bytes.Clone(value.Bytes()))
	}

	return value
}
