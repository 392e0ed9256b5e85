package cel

import (
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// request returns the message, or what is wrong with it.
func (a *activation) request() (protoreflect.Message, problem) {
	if a.in.Message == nil {
		return nil, errNoRequest
	}
	message := a.in.Message.ProtoReflect()
	if !message.IsValid() {
		return nil, errNoRequest
	}
	if message.Descriptor() != a.expression.env.input && message.Descriptor().FullName() != a.expression.env.input.FullName() {
		return nil, errForeign
	}

	return message, ""
}

func (a *activation) readRequest(at int, s *slot) ref.Val {
	message, wrong := a.request()
	if wrong != "" {
		return fail(wrong)
	}
	if s.kind == slotMessage {
		a.unknown = false
		if wrong := a.weighMessage(message, 0); wrong != "" {
			return fail(wrong)
		}
		whole, wrong := native(message, a.expression.env.input, nil, a.unknown)
		if wrong != "" {
			return fail(wrong)
		}

		return a.expression.env.adapter.NativeToValue(whole.Interface())
	}
	holder, field, wrong := walk(message, s.fields)
	if wrong != "" {
		return fail(wrong)
	}
	if s.kind == slotHasField {
		return types.Bool(holder.Has(field))
	}

	return a.readField(at, s, holder, field)
}

func (a *activation) readField(at int, s *slot, holder protoreflect.Message, field protoreflect.FieldDescriptor) ref.Val {
	if s.composite() {
		a.unknown = false
		if holder.Has(field) {
			if wrong := a.weigh(field, holder.Get(field), 0); wrong != "" {
				return fail(wrong)
			}
		}
		holder, wrong := native(holder, s.fields[len(s.fields)-1].ContainingMessage(), field, a.unknown)
		if wrong != "" {
			return fail(wrong)
		}
		value, err := s.last.GetFrom(holder.Interface())
		if err != nil {
			return fail(problemConversion)
		}

		return a.expression.env.adapter.NativeToValue(value)
	}
	value := holder.Get(field)
	switch field.Kind() {
	case protoreflect.BoolKind:
		return types.Bool(value.Bool())
	case protoreflect.EnumKind:
		return types.Int(value.Enum())
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind,
		protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return types.Int(value.Int())
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return types.Uint(value.Uint())
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return types.Double(value.Float())
	case protoreflect.StringKind:
		text := value.String()
		if !a.weighText(at, len(text)) {
			return fail(errTooLarge)
		}

		return types.String(text)
	case protoreflect.BytesKind:
		raw := value.Bytes()
		if !a.weighText(at, len(raw)) {
			return fail(errTooLarge)
		}

		return types.Bytes(raw)
	case protoreflect.MessageKind, protoreflect.GroupKind: // composite
	}

	return fail(problemConversion)
}
