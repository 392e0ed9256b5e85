package authz

import (
	"encoding/json"
	"strconv"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// input is what templates read in one call.
type input struct {
	principal Principal
	message   protoreflect.Message
	// list is what the template that is being rendered fans out over.
	list protoreflect.List
	call *Call
	now  func() time.Time
}

type screen uint8

const (
	screenAsID screen = iota
	screenAsText
	screenAsRevision
)

// fanOut is how many values the template has: 1, or the length of its list. It must
// be called before render.
func (t *template) fanOut(in *input) int {
	if t.fan < 0 {
		return 1
	}
	list, ok := t.parts[t.fan].field.list(in.message)
	if !ok {
		return 0
	}
	in.list = list

	return list.Len()
}

// render appends the template's text for element i of its list. It doesn't add
// the type. The part is the one at fault where the status isn't statusOK.
func (t *template) render(buf []byte, in *input, i int, as screen) ([]byte, status, *part) {
	for n := range t.parts {
		p := &t.parts[n]
		if p.source == sourceLiteral {
			buf = append(buf, p.literal...)

			continue
		}
		start := len(buf)
		var st status
		if buf, st = p.render(buf, in, i); st == statusOK {
			st = p.screen(buf[start:], as)
		}
		if st != statusOK {
			if p.source != sourceField && p.source != sourceMetadata {
				st = statusForeign
			}

			return buf, st, p
		}
	}

	return buf, statusOK, nil
}

func (p *part) screen(value []byte, as screen) status {
	var st status
	switch as {
	case screenAsID:
		st = screenID(value)
	case screenAsText:
		st = screenText(value)
	case screenAsRevision:
		st = screenRevision(value)
	default:
		st = statusInvalid
	}
	if st == statusOK && holdsFollower(value, p.literal) {
		return statusInvalid
	}

	return st
}

// render appends the placeholder's text, formatted but not screened.
func (p *part) render(buf []byte, in *input, i int) ([]byte, status) {
	start := len(buf)
	switch p.source {
	case sourceField:
		value, st := p.field.get(in, i)
		if st != statusOK {
			return buf, st
		}
		if buf, st = p.field.appendValue(buf, value, p.format.kind); st != statusOK {
			return buf, st
		}
		if p.field.leaf().kind == protoreflect.BytesKind {
			return buf, statusOK
		}
	case sourceSubject:
		buf = append(buf, in.principal.Subject()...)
	case sourceClientID:
		// A user's token minted through a client never gets the client's rights.
		if !in.principal.IsService() {
			return buf, statusMissing
		}
		buf = append(buf, in.principal.ClientID()...)
	case sourceIssuer:
		buf = append(buf, in.principal.IssuerName()...)
	case sourceClaim:
		text, ok := claimText(in.principal, p.claim)
		if !ok {
			return buf, statusMissing
		}
		buf = append(buf, text...)
	case sourceMetadata:
		if in.call.Metadata == nil {
			return buf, statusMissing
		}
		buf = append(buf, in.call.Metadata(p.key)...)
	case sourcePeerIP:
		if !in.call.PeerIP.IsValid() {
			return buf, statusMissing
		}
		buf = in.call.PeerIP.Unmap().WithZone("").AppendTo(buf)
	case sourceNow:
		buf = in.now().UTC().AppendFormat(buf, time.RFC3339)
	case sourceLiteral:
		buf = append(buf, p.literal...)
	default:
		return buf, statusInvalid
	}
	if len(buf) == start {
		return buf, statusMissing
	}

	return p.format.apply(buf, start)
}

// claimText is a claim that is a string or an integer.
func claimText(principal Principal, path []string) (string, bool) {
	claim, ok := principal.Claim(path...)
	if !ok {
		return "", false
	}
	switch value := claim.(type) {
	case string:
		return value, true
	case json.Number:
		_, err := strconv.ParseInt(value.String(), 10, 64)

		return value.String(), err == nil
	default:
		return "", false
	}
}

// list returns the repeated field that the path fans out over.
func (f *fieldPath) list(message protoreflect.Message) (protoreflect.List, bool) {
	for i := range f.fan {
		if message == nil || !message.Has(f.steps[i].fd) {
			return nil, false
		}
		message = message.Get(f.steps[i].fd).Message()
	}
	if message == nil {
		return nil, false
	}

	return message.Get(f.steps[f.fan].fd).List(), true
}

// get returns the value at the path, of element i where the path fans out.
func (f *fieldPath) get(in *input, i int) (protoreflect.Value, status) {
	message, last := in.message, len(f.steps)-1
	for n := max(f.fan, 0); n <= last; n++ {
		if message == nil {
			return protoreflect.Value{}, statusMissing
		}
		at := &f.steps[n]
		var value protoreflect.Value
		switch {
		case n == f.fan:
			if in.list == nil || i >= in.list.Len() {
				return protoreflect.Value{}, statusMissing
			}
			value = in.list.Get(i)
		case at.presence && !message.Has(at.fd):
			return protoreflect.Value{}, statusMissing
		default:
			value = message.Get(at.fd)
		}
		if n == last {
			return value, f.zero(value, at)
		}
		message = value.Message()
	}

	return protoreflect.Value{}, statusMissing
}

// set says whether the field, of element i where the path fans out, is on the
// wire: there by presence, or without presence by not being its type's zero. An
// element of a list is there whatever it is, and a wrapper whatever it wraps.
func (f *fieldPath) set(message protoreflect.Message, i int) bool {
	last := len(f.steps) - 1
	if f.wrapped {
		last--
	}
	for n := range f.steps {
		fd := f.steps[n].fd
		if n == f.fan {
			list := message.Get(fd).List()
			if i >= list.Len() || n == last {
				return i < list.Len()
			}
			message = list.Get(i).Message()

			continue
		}
		if has := message.Has(fd); !has || n == last {
			return has
		}
		message = message.Get(fd).Message()
	}

	return false
}

// zero says that a value without presence is its type's zero, which can't be told
// from one that was never set.
func (f *fieldPath) zero(value protoreflect.Value, at *step) status {
	var zero bool
	switch at.kind {
	case protoreflect.EnumKind:
		if value.Enum() == 0 {
			return statusMissing
		}

		return statusOK
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind,
		protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		zero = value.Int() == 0
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		zero = value.Uint() == 0
	default:
		return statusOK
	}
	if zero && !at.presence && !f.wrapped {
		return statusMissing
	}

	return statusOK
}

// appendValue appends a value's text.
func (f *fieldPath) appendValue(buf []byte, value protoreflect.Value, format formatKind) ([]byte, status) {
	switch f.leaf().kind {
	case protoreflect.StringKind:
		text := value.String()
		if len(text) > maxText {
			return buf, statusInvalid
		}

		return append(buf, text...), statusOK
	case protoreflect.BytesKind:
		if format != formatUUID {
			return buf, statusInvalid
		}

		return appendUUID(buf, value.Bytes())
	case protoreflect.EnumKind:
		name, known := f.enums[value.Enum()]
		if !known {
			return buf, statusInvalid
		}

		return append(buf, name...), statusOK
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind,
		protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return strconv.AppendInt(buf, value.Int(), 10), statusOK
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return strconv.AppendUint(buf, value.Uint(), 10), statusOK
	default:
		return buf, statusInvalid
	}
}
