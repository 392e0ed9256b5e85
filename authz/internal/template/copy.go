package template

import (
	"bytes"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Copy copies the placeholder's field, and nothing else of the message.
func (p *Part) Copy(into, from protoreflect.Message) { p.field.copyInto(into, from, 0) }

// copyInto copies the field and the messages that contain it, from step n on.
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
			case leaf && f.time.kind != notTime:
				if i >= copied.Len() {
					copied.AppendMutable()
				}
				f.time.copyInto(copied.Get(i).Message(), list.Get(i).Message())
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
	case leaf && f.time.kind != notTime:
		f.time.copyInto(into.Mutable(fd).Message(), from.Get(fd).Message())
	case leaf:
		into.Set(fd, cloneScalar(fd, from.Get(fd)))
	default:
		f.copyInto(into.Mutable(fd).Message(), from.Get(fd).Message(), n+1)
	}
}

// cloneScalar copies a value of bytes, the only kind that can be modified in place.
func cloneScalar(fd protoreflect.FieldDescriptor, value protoreflect.Value) protoreflect.Value {
	if fd.Kind() == protoreflect.BytesKind {
		return protoreflect.ValueOfBytes(bytes.Clone(value.Bytes()))
	}

	return value
}
