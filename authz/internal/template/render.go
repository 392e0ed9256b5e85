package template

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Principal is the part of a caller's verified access token that templates read.
type Principal interface {
	IssuerName() string
	Subject() string
	ClientID() string
	IsService() bool
	Claim(path ...string) (any, bool)
}

// Input has the values that templates read in one call. A field may be left out if no placeholder
// reads it. It isn't safe for concurrent use.
type Input struct {
	Principal Principal
	// Message is the request, of the type that the template was parsed for.
	Message protoreflect.Message
	// list is the list that the template that is being rendered fans out over.
	list protoreflect.List
	// Metadata returns the value of a metadata key, empty if there is none. It is nil
	// if there is no metadata.
	Metadata func(key string) string
	// PeerIP is the address of the peer, or the zero value if it isn't known.
	PeerIP netip.Addr
	// Now returns the time, the value of {$now}.
	Now func() time.Time
	// MaxList is how many elements a list may have that [Template.Value] returns.
	// Zero allows none.
	MaxList int
}

// screen is the test that values must pass. The zero value refuses all of them.
type screen uint8

const (
	screenAsNothing screen = iota
	screenAsID
	screenAsText
	screenAsRevision
)

// Count returns the number of values of the template: 1, or the length of its list. It must
// be called before Append.
func (t *Template) Count(in *Input) int {
	if t.fan < 0 {
		return 1
	}
	list, ok := t.parts[t.fan].field.list(in.Message)
	if !ok {
		return 0
	}
	in.list = list

	return list.Len()
}

// Append appends the template's text for element i of its list. It doesn't add
// the type. If the status isn't StatusOK, the part is the one that caused it.
func (t *Template) Append(buf []byte, in *Input, i int) ([]byte, Status, *Part) {
	for n := range t.parts {
		p := &t.parts[n]
		if p.source == sourceLiteral {
			buf = append(buf, p.literal...)

			continue
		}
		start := len(buf)
		var st Status
		if buf, st = p.render(buf, in, i); st == StatusOK {
			if t.as == screenAsID && p.literal == "" {
				st = screenID(buf[start:])
			} else {
				st = p.screen(buf[start:], t.as)
			}
		}
		if st != StatusOK {
			if p.source != sourceField && p.source != SourceMetadata {
				st = StatusForeign
			}

			return buf, st, p
		}
	}

	return buf, StatusOK, nil
}

func (p *Part) screen(value []byte, as screen) Status {
	var st Status
	switch as {
	case screenAsID:
		st = screenID(value)
	case screenAsText:
		st = screenText(value)
	case screenAsRevision:
		st = screenRevision(value)
	case screenAsNothing:
		fallthrough
	default:
		st = StatusInvalid
	}
	if st == StatusOK && p.literal != "" && holdsFollower(value, p.literal) {
		return StatusInvalid
	}

	return st
}

// render appends the placeholder's text, formatted but not screened.
func (p *Part) render(buf []byte, in *Input, i int) ([]byte, Status) {
	start := len(buf)
	switch p.source {
	case sourceField:
		if p.plain && in.Message != nil {
			switch text := in.Message.Get(p.field.steps[0].fd).String(); {
			case text == "":
				return buf, StatusMissing
			case len(text) > maxText:
				return buf, StatusInvalid
			default:
				return append(buf, text...), StatusOK
			}
		}
		value, st := p.field.get(in, i)
		if st != StatusOK {
			return buf, st
		}
		if buf, st = p.field.appendValue(buf, value, p.format.kind); st != StatusOK {
			return buf, st
		}
		if p.field.leaf().kind == protoreflect.BytesKind {
			return buf, StatusOK
		}
	case SourceSubject:
		buf = append(buf, in.Principal.Subject()...)
	case SourceClientID:
		// A user's token minted through a client never gets the client's rights.
		if !in.Principal.IsService() {
			return buf, StatusMissing
		}
		buf = append(buf, in.Principal.ClientID()...)
	case SourceIssuer:
		buf = append(buf, in.Principal.IssuerName()...)
	case SourceClaim:
		text, ok := claimText(in.Principal, p.claim)
		if !ok {
			return buf, StatusMissing
		}
		buf = append(buf, text...)
	case SourceMetadata:
		if in.Metadata == nil {
			return buf, StatusMissing
		}
		buf = append(buf, in.Metadata(p.key)...)
	case SourcePeerIP:
		if !in.PeerIP.IsValid() {
			return buf, StatusMissing
		}
		buf = in.PeerIP.Unmap().WithZone("").AppendTo(buf)
	case SourceNow:
		buf = in.Now().UTC().Truncate(p.format.unit).AppendFormat(buf, time.RFC3339)
	case sourceLiteral:
		buf = append(buf, p.literal...)
	default:
		return buf, StatusInvalid
	}
	if len(buf) == start {
		return buf, StatusMissing
	}

	if p.format.kind == formatNone {
		return buf, StatusOK
	}

	return p.format.apply(buf, start)
}

// claimText returns the text of a claim that is a string or an integer.
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
func (f *fieldPath) get(in *Input, i int) (protoreflect.Value, Status) {
	message, last := in.Message, len(f.steps)-1
	for n := max(f.fan, 0); n <= last; n++ {
		if message == nil {
			return protoreflect.Value{}, StatusMissing
		}
		at := &f.steps[n]
		var value protoreflect.Value
		switch {
		case n == f.fan:
			if in.list == nil || i >= in.list.Len() {
				return protoreflect.Value{}, StatusMissing
			}
			value = in.list.Get(i)
		case at.presence && !message.Has(at.fd):
			return protoreflect.Value{}, StatusMissing
		default:
			value = message.Get(at.fd)
		}
		if n == last {
			return value, f.zero(value, at)
		}
		message = value.Message()
	}

	return protoreflect.Value{}, StatusMissing
}

// set reports whether the field, of element i where the path fans out, is on the
// wire. A field with presence is there if it was set, and one without presence if it
// isn't its type's zero. An element of a list and a wrapper are there with any value.
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

// zero returns StatusMissing for a value without presence that is its type's zero,
// which can't be told from one that was never set.
func (f *fieldPath) zero(value protoreflect.Value, at *step) Status {
	var zero bool
	switch at.kind {
	case protoreflect.EnumKind:
		if value.Enum() == 0 {
			return StatusMissing
		}

		return StatusOK
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind,
		protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		zero = value.Int() == 0
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		zero = value.Uint() == 0
	default:
		return StatusOK
	}
	if zero && !at.presence && !f.wrapped {
		return StatusMissing
	}

	return StatusOK
}

// appendValue appends a value's text.
func (f *fieldPath) appendValue(buf []byte, value protoreflect.Value, format formatKind) ([]byte, Status) {
	switch f.leaf().kind {
	case protoreflect.StringKind:
		text := value.String()
		if len(text) > maxText {
			return buf, StatusInvalid
		}

		return append(buf, text...), StatusOK
	case protoreflect.BytesKind:
		if format != formatUUID {
			return buf, StatusInvalid
		}

		return appendUUID(buf, value.Bytes())
	case protoreflect.EnumKind:
		name, known := f.enums[value.Enum()]
		if !known {
			return buf, StatusInvalid
		}

		return append(buf, name...), StatusOK
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind,
		protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return strconv.AppendInt(buf, value.Int(), 10), StatusOK
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return strconv.AppendUint(buf, value.Uint(), 10), StatusOK
	case protoreflect.MessageKind:
		return f.appendTime(buf, value.Message())
	default:
		return buf, StatusInvalid
	}
}
