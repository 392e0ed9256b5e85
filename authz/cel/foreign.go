package cel

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// native returns a message as one of the descriptors that the expression is compiled
// with. CEL never finds messages equal whose descriptors aren't the same, even if
// they are copies of one another, nor messages of which one has fields that its type
// doesn't have: if there are unknown ones, as weighing has told, the copy is without
// them. With a field, only that one is kept. What is copied is weighed before.
func native(message protoreflect.Message, to protoreflect.MessageDescriptor, field protoreflect.FieldDescriptor, unknown bool) (protoreflect.Message, problem) {
	if message.Descriptor() == to && !unknown {
		return message, ""
	}
	from := message
	if field != nil {
		from = message.New()
		if message.Has(field) {
			from.Set(field, message.Get(field))
		}
	}
	raw, err := proto.Marshal(from.Interface())
	if err != nil {
		return nil, errForeign
	}
	made := message.New()
	if message.Descriptor() != to {
		made = dynamicpb.NewMessage(to)
	}
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(raw, made.Interface()); err != nil {
		return nil, errForeign
	}

	return made, ""
}
