package template

import (
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// fieldPath is a path of fields from a message to a value, resolved once.
type fieldPath struct {
	text  string
	steps []step
	// fan is the index in steps of the repeated field, or -1.
	fan int
	// wrapped is set if the value is a wrapper's, so that its zero is a value.
	wrapped bool
	// enums are the names by number where the value is an enum.
	enums map[protoreflect.EnumNumber]string
	// time is set where the value is a Timestamp or a Duration.
	time timeField
}

type step struct {
	fd       protoreflect.FieldDescriptor
	presence bool
	kind     protoreflect.Kind
}

func newStep(fd protoreflect.FieldDescriptor) step {
	return step{fd: fd, presence: fd.HasPresence(), kind: fd.Kind()}
}

// resolveField walks a path such as "a.b.c", "ids[]" or "items[].id".
func resolveField(text string, input protoreflect.MessageDescriptor) (*fieldPath, *Fault) {
	if input == nil {
		return nil, &Fault{0, "there is no request message here", "use $sub, $client_id, $issuer or $claim.name"}
	}
	path := &fieldPath{text: text, fan: -1}
	message, column := input, 0
	for name := range strings.SplitSeq(text, ".") {
		bare, fans := strings.CutSuffix(name, "[]")
		if message == nil {
			return nil, &Fault{column, strconv.Quote(name) + " follows a field that isn't a message", "end the path before it"}
		}
		fd := message.Fields().ByName(protoreflect.Name(bare))
		if fd == nil {
			return nil, &Fault{column, noField(message, bare), fieldsOf(message)}
		}
		if bad := path.add(fd, fans, column); bad != nil {
			return nil, bad
		}
		message = fd.Message()
		column += len(name) + 1
	}
	path.finish()

	return path, nil
}

func (f *fieldPath) add(fd protoreflect.FieldDescriptor, fans bool, column int) *Fault {
	switch {
	case fd.IsMap():
		return &Fault{column, "field " + string(fd.Name()) + " is a map, which can't name an object", "use a field of one value"}
	case fans && !fd.IsList():
		return &Fault{column, "field " + string(fd.Name()) + " isn't repeated", "leave out []"}
	case !fans && fd.IsList():
		return &Fault{column, "field " + string(fd.Name()) + " is repeated", "write " + string(fd.Name()) + "[] for each of its values"}
	case fans && f.fan >= 0:
		return &Fault{column, "a template can fan out once only", "leave one [] in it"}
	case fans:
		f.fan = len(f.steps)
	}
	f.steps = append(f.steps, newStep(fd))

	return nil
}

// wellKnownPrefix begins the names of the well-known types.
const wellKnownPrefix = "google.protobuf."

var wrappers = []protoreflect.FullName{
	wellKnownPrefix + "StringValue", wellKnownPrefix + "BytesValue",
	wellKnownPrefix + "Int32Value", wellKnownPrefix + "Int64Value",
	wellKnownPrefix + "UInt32Value", wellKnownPrefix + "UInt64Value",
	wellKnownPrefix + "BoolValue", wellKnownPrefix + "FloatValue", wellKnownPrefix + "DoubleValue",
}

// finish unwraps a wrapper, whose inner value is there if the wrapper is, and collects
// the names of an enum.
func (f *fieldPath) finish() {
	leaf := f.leaf()
	if leaf.kind == protoreflect.MessageKind && slices.Contains(wrappers, leaf.fd.Message().FullName()) {
		inner := newStep(leaf.fd.Message().Fields().ByName("value"))
		f.steps = append(f.steps, inner)
		f.wrapped = true
		leaf = inner
	}
	if leaf.kind == protoreflect.MessageKind {
		f.time = newTimeField(leaf.fd.Message())
	}
	if leaf.kind == protoreflect.EnumKind {
		values := leaf.fd.Enum().Values()
		f.enums = make(map[protoreflect.EnumNumber]string, values.Len())
		for i := range values.Len() {
			if _, taken := f.enums[values.Get(i).Number()]; !taken {
				f.enums[values.Get(i).Number()] = string(values.Get(i).Name())
			}
		}
	}
}

// plain reports whether the path is one string field without presence, whose zero is
// the empty string.
func (f *fieldPath) plain() bool {
	return len(f.steps) == 1 && f.fan < 0 && f.steps[0].kind == protoreflect.StringKind && !f.steps[0].presence
}

func (f *fieldPath) leaf() step { return f.steps[len(f.steps)-1] }

// checkType refuses a type that can't give the text that the role needs.
func (f *fieldPath) checkType(format formatter, in Role) *Fault {
	leaf := f.leaf()
	kind := leaf.kind
	switch format.kind {
	case formatUUID:
		if kind == protoreflect.StringKind || kind == protoreflect.BytesKind {
			return nil
		}

		return f.typeFault("|uuid takes a string or 16 bytes", "leave out |uuid")
	case formatName:
		if kind == protoreflect.StringKind {
			return nil
		}

		return f.typeFault("|name takes a string", "leave out |name")
	case formatNone, formatTruncated:
	}
	switch kind {
	case protoreflect.StringKind, protoreflect.EnumKind,
		protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind, protoreflect.Uint32Kind, protoreflect.Fixed32Kind,
		protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return nil
	case protoreflect.BoolKind, protoreflect.FloatKind, protoreflect.DoubleKind:
		if in.alone {
			return nil
		}

		return f.typeFault("can't be text", "use a string, an integer or an enum")
	case protoreflect.BytesKind:
		return f.typeFault("has no text of its own", "use |uuid if it is 16 bytes of a UUID")
	case protoreflect.MessageKind, protoreflect.GroupKind:
		if in.alone && f.time.kind != notTime {
			return nil
		}

		return f.typeFault("isn't one value", "go on to one of its fields")
	default:
		return f.typeFault("can't be text", "use a string, an integer or an enum")
	}
}

func (f *fieldPath) typeFault(problem, fix string) *Fault {
	leaf := f.leaf()
	kind := leaf.kind.String()
	if leaf.fd.Message() != nil {
		kind = string(leaf.fd.Message().FullName())
	}

	return &Fault{0, "field " + f.text + " of type " + kind + " " + problem, fix}
}

// maxListed bounds the fields that a fault lists.
const maxListed = 12

func noField(message protoreflect.MessageDescriptor, name string) string {
	return "there is no field " + strconv.Quote(name) + " in " + string(message.FullName())
}

func fieldsOf(message protoreflect.MessageDescriptor) string {
	fields := message.Fields()
	if fields.Len() == 0 {
		return "the message has no fields"
	}
	names := make([]string, 0, maxListed)
	for i := range min(fields.Len(), maxListed) {
		names = append(names, string(fields.Get(i).Name()))
	}
	if fields.Len() > maxListed {
		names = append(names, "…")
	}

	return "it has " + strings.Join(names, ", ")
}
