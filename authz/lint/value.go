package lint

import (
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// show returns a template's text again.
func show(all []piece) string {
	var text strings.Builder
	for _, p := range all {
		text.WriteString(p.literal)
		if p.name != "" {
			text.WriteString("{" + p.name)
			if p.format != "" {
				text.WriteString("|" + p.format)
			}
			text.WriteString("}")
		}
	}

	return text.String()
}

// bound is what is known of a template's values: how they start and end, and the shortest
// length that they have, in bytes. If exact is set, start is the only value.
type bound struct {
	start, end string
	least      int
	exact      bool
}

func bounds(all []piece) bound {
	if text, exact := onlyLiteral(all); exact {
		return bound{text, text, len(text), true}
	}
	b := bound{}
	for _, p := range all {
		b.least += max(len(p.literal), 1)
	}
	b.start, b.end = all[0].literal, all[len(all)-1].literal

	return b
}

// meets reports whether a value may be of both.
func (b bound) meets(other bound) bool {
	if b.exact && other.exact {
		return b.start == other.start
	}
	if b.exact {
		b, other = other, b
	}
	if other.exact {
		return len(other.start) >= b.least && strings.HasPrefix(other.start, b.start) && strings.HasSuffix(other.start, b.end)
	}

	return (strings.HasPrefix(b.start, other.start) || strings.HasPrefix(other.start, b.start)) &&
		(strings.HasSuffix(b.end, other.end) || strings.HasSuffix(other.end, b.end))
}

// takes reports whether a placeholder can have a value. It errs on the side of true.
func (w *world) takes(p piece, value string) bool {
	switch {
	case p.format == "uuid":
		return isUUID(value)
	case strings.HasPrefix(p.format, "name("):
		return value != "-" && !strings.Contains(value, "/")
	}
	message := w.input
	var fd protoreflect.FieldDescriptor
	for name := range strings.SplitSeq(p.field(), ".") {
		if message == nil {
			return true
		}
		if fd = message.Fields().ByName(protoreflect.Name(name)); fd == nil {
			return true
		}
		message = fd.Message()
	}
	var text string
	switch fd.Kind() {
	case protoreflect.EnumKind:
		return fd.Enum().IsPlaceholder() || fd.Enum().Values().ByName(protoreflect.Name(value)) != nil
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		number, _ := strconv.ParseInt(value, 10, 32)
		text = strconv.FormatInt(number, 10)
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		number, _ := strconv.ParseInt(value, 10, 64)
		text = strconv.FormatInt(number, 10)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		number, _ := strconv.ParseUint(value, 10, 32)
		text = strconv.FormatUint(number, 10)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		number, _ := strconv.ParseUint(value, 10, 64)
		text = strconv.FormatUint(number, 10)
	case protoreflect.BoolKind, protoreflect.FloatKind, protoreflect.DoubleKind, protoreflect.StringKind, protoreflect.BytesKind,
		protoreflect.MessageKind, protoreflect.GroupKind:
		return true
	default:
		return true
	}

	return text == value
}

// isUUID reports whether a text is a UUID in the form that |uuid gives, and not zero.
func isUUID(text string) bool {
	groups := strings.Split(text, "-")
	zero := true
	for i, length := range []int{8, 4, 4, 4, 12} {
		if i >= len(groups) || len(groups[i]) != length {
			return false
		}
		for _, c := range []byte(groups[i]) {
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
			zero = zero && c == '0'
		}
	}

	return len(groups) == 5 && !zero
}
