package template

import (
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// A pinned value starts with its kind, so that values of different kinds are never
// equal.
const (
	pinnedUnset = "-" // an element of a list that names nothing
	pinnedText  = "="
	pinnedRaw   = "!" // a value without a text, as it was sent
)

// scratch is the size of a text that is compared without the heap.
const scratch = 192

// Same reports, without the heap, whether a message leaves the field unset or has the
// one pinned value in it. Same is also false where it can't tell, as for a list: then
// use Pinned.
func (p *Part) Same(message protoreflect.Message, pinned []string) bool {
	if p.field.fan >= 0 {
		return false
	}
	if p.isPlain() {
		// An unset field is empty, and later messages nearly always leave it unset.
		text := message.Get(p.field.steps[0].fd).String()

		return text == "" || isText(pinned) && pinned[0][len(pinnedText):] == text
	}
	if !p.field.set(message, 0) {
		return true
	}
	in := Input{Message: message}
	var array [scratch]byte
	text, st := p.pinText(array[:0], &in, 0)

	return st == StatusOK && isText(pinned) && pinned[0][len(pinnedText):] == string(text)
}

// isText reports whether one text is pinned.
func isText(pinned []string) bool {
	return len(pinned) == 1 && pinned[0][:len(pinnedText)] == pinnedText
}

// isPlain reports whether the placeholder is a string of the message itself, without
// presence and without a formatter.
func (p *Part) isPlain() bool {
	at := &p.field.steps[0]

	return len(p.field.steps) == 1 && at.kind == protoreflect.StringKind && !at.presence && p.format.kind == formatNone
}

// Pinned returns every value that a message has in the field, in a form of its own. The
// status is StatusMissing if the message leaves the field unset. A value that is set
// but names nothing isn't unset, and neither is a list whose elements name nothing.
func (p *Part) Pinned(message protoreflect.Message) ([]string, Status) {
	in := &Input{Message: message}
	count := 1
	if p.field.fan >= 0 {
		list, ok := p.field.list(in.Message)
		if !ok || list.Len() == 0 {
			return nil, StatusMissing
		}
		count, in.list = list.Len(), list
	}
	values := make([]string, count)
	for i := range count {
		if !p.field.set(in.Message, i) {
			if p.field.fan < 0 {
				return nil, StatusMissing
			}
			values[i] = pinnedUnset

			continue
		}
		if text, st := p.pinText(nil, in, i); st == StatusOK {
			values[i] = pinnedText + string(text)

			continue
		}
		raw, st := p.field.raw(in, i)
		if st != StatusOK {
			return nil, st
		}
		values[i] = pinnedRaw + raw
	}

	return values, StatusOK
}

// raw returns a value that can't name an object, unchanged.
func (f *fieldPath) raw(in *Input, i int) (string, Status) {
	value, _ := f.get(in, i)
	if !value.IsValid() {
		return "", StatusInvalid
	}
	var text string
	switch f.leaf().kind {
	case protoreflect.BytesKind:
		text = string(value.Bytes())
	case protoreflect.MessageKind, protoreflect.GroupKind:
		if f.time.kind == notTime {
			return "", StatusInvalid
		}
		text = f.time.raw(value.Message())
	default:
		text = value.String()
	}
	if len(text) > maxText {
		return "", StatusInvalid
	}

	return text, StatusOK
}

// pinText appends the raw text, so that a name that doesn't match the pattern is
// another value, not a missing one.
func (p *Part) pinText(buf []byte, in *Input, i int) ([]byte, Status) {
	value, st := p.field.get(in, i)
	if st != StatusOK {
		return nil, st
	}
	switch p.field.leaf().kind {
	case protoreflect.BoolKind:
		return strconv.AppendBool(buf, value.Bool()), StatusOK
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return strconv.AppendFloat(buf, value.Float(), 'g', -1, 64), StatusOK
	default:
	}
	text, st := p.field.appendValue(buf, value, p.format.kind)
	if st != StatusOK {
		return nil, st
	}
	if p.format.kind == formatUUID && p.field.leaf().kind == protoreflect.StringKind {
		if text, st = applyUUID(text, 0); st != StatusOK {
			return nil, st
		}
	}
	if len(text) == 0 && !p.field.wrapped {
		return nil, StatusMissing
	}

	return text, StatusOK
}
