package authz

import (
	"encoding/binary"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Pinned holds the later messages of a stream to the objects that its first
// message named. It is immutable and safe for concurrent use.
type Pinned struct {
	method *Method
	// values has for each pin what pinned gives.
	values [][]string
}

// How a pinned value starts: what it is. No two values of different kinds are one.
const (
	pinnedUnset = "-" // an element of a list that names nothing
	pinnedText  = "="
	pinnedRaw   = "!" // what has no text: it is as it was sent
)

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
		values, st := p.pinned(&e.in)
		if st == statusInvalid {
			return nil, &Error{Reason: ReasonObjectMissing, Field: p.path(-1), Err: errUnusable}
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
		values, st := pin.pinned(&e.in)
		if st == statusMissing || st == statusOK && slices.Equal(values, p.values[i]) {
			continue
		}

		return &Error{Reason: ReasonObjectMissing, Field: pin.path(-1), Err: errOther}
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
	in := input{message: message}
	var array [warmKey]byte
	for i, pin := range p.method.pins {
		if pin.field.fan >= 0 {
			return false
		}
		if pin.isPlain() {
			// Unset is empty, and is what later messages nearly always have.
			if text := message.Get(pin.field.steps[0].fd).String(); text != "" && !p.isText(i, text) {
				return false
			}

			continue
		}
		if !pin.field.set(message, 0) {
			continue
		}
		text, st := pin.pinText(array[:0], &in, 0)
		if st != statusOK || len(p.values[i]) != 1 || p.values[i][0][:len(pinnedText)] != pinnedText || string(text) != p.values[i][0][len(pinnedText):] {
			return false
		}
	}

	return true
}

// isText says that a pin holds this one text.
func (p *Pinned) isText(i int, text string) bool {
	values := p.values[i]

	return len(values) == 1 && values[0][:len(pinnedText)] == pinnedText && values[0][len(pinnedText):] == text
}

// isPlain says that the placeholder is a string of the message itself, without
// presence and as it is.
func (p *part) isPlain() bool {
	at := &p.field.steps[0]

	return len(p.field.steps) == 1 && at.kind == protoreflect.StringKind && !at.presence && p.format.kind == formatNone
}

// pinned is every value of a placeholder; missing if the request leaves it unset.
// What is set and names nothing isn't left unset, and neither is a list whose
// elements name nothing.
func (p *part) pinned(in *input) ([]string, status) {
	count := 1
	if p.field.fan >= 0 {
		list, ok := p.field.list(in.message)
		if !ok || list.Len() == 0 {
			return nil, statusMissing
		}
		count, in.list = list.Len(), list
	}
	values := make([]string, count)
	for i := range count {
		if !p.field.set(in.message, i) {
			if p.field.fan < 0 {
				return nil, statusMissing
			}
			values[i] = pinnedUnset

			continue
		}
		if text, st := p.pinText(nil, in, i); st == statusOK {
			values[i] = pinnedText + string(text)

			continue
		}
		raw, st := p.field.raw(in, i)
		if st != statusOK {
			return nil, st
		}
		values[i] = pinnedRaw + raw
	}

	return values, statusOK
}

// raw is a value that no object can be named by, as it is.
func (f *fieldPath) raw(in *input, i int) (string, status) {
	value, _ := f.get(in, i)
	if !value.IsValid() {
		return "", statusInvalid
	}
	var text string
	switch f.leaf().kind {
	case protoreflect.BytesKind:
		text = string(value.Bytes())
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return "", statusInvalid
	default:
		text = value.String()
	}
	if len(text) > maxText {
		return "", statusInvalid
	}

	return text, statusOK
}

// pinText is the raw text: a name of another pattern is another value, not a
// missing one.
func (p *part) pinText(buf []byte, in *input, i int) ([]byte, status) {
	value, st := p.field.get(in, i)
	if st != statusOK {
		return nil, st
	}
	switch p.field.leaf().kind {
	case protoreflect.BoolKind:
		return strconv.AppendBool(buf, value.Bool()), statusOK
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return strconv.AppendFloat(buf, value.Float(), 'g', -1, 64), statusOK
	default:
	}
	text, st := p.field.appendValue(buf, value, p.format.kind)
	if st != statusOK {
		return nil, st
	}
	if p.format.kind == formatUUID && p.field.leaf().kind == protoreflect.StringKind {
		if text, st = applyUUID(text, 0); st != statusOK {
			return nil, st
		}
	}
	if len(text) == 0 && !p.field.wrapped {
		return nil, statusMissing
	}

	return text, statusOK
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
