package template

import (
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Value returns the template's value for an engine's context or properties. A template
// of one placeholder alone keeps its type: a string, bool, int64, uint64 or float64, a
// claim as the token has it, or a []any of these for a repeated field. An enum is its
// name; a Timestamp or a Duration is the string of its JSON form. Any other template
// gives a string. No value's text is longer than 4 KiB.
//
// If the status isn't StatusOK, the part is the one that caused it, and element the
// index of the list's element at fault, or -1 if it isn't that of one element.
func (t *Template) Value(in *Input) (value any, st Status, bad *Part, element int) {
	if p := &t.parts[0]; len(t.parts) == 1 {
		switch {
		case p.source == sourceLiteral:
			return t.fixed, StatusOK, nil, -1
		case p.source == sourceField && p.field.fan >= 0:
			value, st, element = p.values(in)

			return value, st, p, element
		case p.format.kind != formatNone:
		case p.source == sourceField:
			value, st = p.field.single(in.Message)

			return value, st, p, -1
		case p.source == SourceClaim:
			value, st = claimValue(in.Principal, p.claim)

			return value, st, p, -1
		}
	}
	text, st, bad := t.Append(nil, in, 0)
	switch {
	case st == StatusForeign && bad.absent(in):
		st = StatusMissing
	case st == StatusOK && len(text) > maxText:
		st, bad = t.tooLong()
	}

	return string(text), st, bad, -1
}

// tooLong returns the status of a text that is too long: the request's fault if it
// reads a field, otherwise the token's.
func (t *Template) tooLong() (Status, *Part) {
	if len(t.fields) > 0 {
		return StatusInvalid, t.fields[0]
	}
	for i := range t.parts {
		if p := &t.parts[i]; p.source != sourceLiteral {
			return StatusForeign, p
		}
	}

	return StatusForeign, &t.parts[0]
}

// single returns the value of a field that isn't repeated. A field without presence
// that wasn't set has its zero value; an empty string is missing.
func (f *fieldPath) single(message protoreflect.Message) (any, Status) {
	found, st := f.descend(message, 0)
	if st != StatusOK {
		return nil, st
	}
	value, st := f.typed(found)
	if value == "" {
		return nil, StatusMissing
	}

	return value, st
}

// values returns the values of a repeated field. An empty one is a list, too; it is
// missing only if a message that contains it is unset. An element can't be left out, so
// that one without a value makes the list invalid.
func (p *Part) values(in *Input) (value any, st Status, element int) {
	f := p.field
	list, ok := f.list(in.Message)
	if !ok {
		return nil, StatusMissing, -1
	}
	if list.Len() > in.MaxList {
		return nil, StatusInvalid, -1
	}
	values, room := make([]any, list.Len()), maxText
	for i := range values {
		found, st := list.Get(i), StatusOK
		if f.fan < len(f.steps)-1 {
			found, st = f.descend(found.Message(), f.fan+1)
		}
		if st == StatusOK {
			values[i], st = p.element(found)
		}
		if st != StatusOK {
			return nil, StatusInvalid, i
		}
		text, _ := values[i].(string)
		if room -= len(text); room < 0 {
			return nil, StatusInvalid, -1
		}
	}

	return values, StatusOK, -1
}

// element returns the value of one element of a list, formatted.
func (p *Part) element(found protoreflect.Value) (any, Status) {
	if p.format.kind == formatNone {
		return p.field.typed(found)
	}
	text, st := p.field.appendValue(nil, found, p.format.kind)
	if st == StatusOK && p.field.leaf().kind != protoreflect.BytesKind {
		text, st = p.format.apply(text, 0)
	}
	if st == StatusOK {
		st = screenText(text)
	}

	return string(text), st
}

// descend returns the value at the path from step n on, which isn't repeated.
func (f *fieldPath) descend(message protoreflect.Message, n int) (protoreflect.Value, Status) {
	for ; message != nil; n++ {
		at := &f.steps[n]
		if at.presence && !message.Has(at.fd) {
			break
		}
		value := message.Get(at.fd)
		if n == len(f.steps)-1 {
			return value, StatusOK
		}
		message = value.Message()
	}

	return protoreflect.Value{}, StatusMissing
}

// typed returns a field's value with its type.
func (f *fieldPath) typed(value protoreflect.Value) (any, Status) {
	switch f.leaf().kind {
	case protoreflect.StringKind:
		text := value.String()
		if len(text) > maxText || !utf8.ValidString(text) {
			return nil, StatusInvalid
		}

		return text, StatusOK
	case protoreflect.BoolKind:
		return value.Bool(), StatusOK
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind,
		protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return value.Int(), StatusOK
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return value.Uint(), StatusOK
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return finite(value.Float())
	case protoreflect.EnumKind:
		name, known := f.enums[value.Enum()]
		if !known {
			return nil, StatusInvalid
		}

		return name, StatusOK
	case protoreflect.MessageKind:
		text, st := f.appendTime(nil, value.Message())
		if st != StatusOK {
			return nil, st
		}

		return string(text), StatusOK
	case protoreflect.BytesKind, protoreflect.GroupKind:
		fallthrough
	default:
		return nil, StatusInvalid
	}
}

// finite refuses NaN and the infinities, which JSON doesn't have.
func finite(value float64) (any, Status) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return nil, StatusInvalid
	}

	return value, StatusOK
}
