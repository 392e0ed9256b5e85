package lint

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// idKind is how a field identifies something.
type idKind uint8

const (
	idNone   idKind = iota
	idOwn           // id: of the message that it is in
	idOther         // document_id
	idName          // name
	idParent        // parent
)

// idField is a field of a request that looks like an identifier.
type idField struct {
	// path is the path from the request, without brackets, as in "document.id".
	path string
	// written is the path as templates write it, as in "items[].id".
	written string
	// parent is the path of the message that it is in, empty for the request itself,
	// parentName the name of the field that holds it, and typeName that of its type, both
	// in snake case.
	parent, parentName, typeName string
	kind                         idKind
	// stem is the field's name without its ending, as in "document".
	stem string
	// reference is set if the field has google.api.resource_reference, and resource if its
	// message has google.api.resource.
	reference, resource bool
	// optional is set if the field can be told from unset, or is a list.
	optional bool
	// hasID is set if the message has an id beside the name.
	hasID bool
}

const (
	// maxFieldDepth bounds how deep within a request fields are looked for.
	maxFieldDepth = 4
	// maxNested bounds the fields that are looked at within the messages of one message.
	maxNested = 256
)

// The numbers of the options of googleapis that tell about a field, and of the behavior
// that says that servers ignore what a request has there.
const (
	optionResource       = 1053 // google.api.resource, of messages
	optionReference      = 1055 // google.api.resource_reference, of fields
	optionFieldBehavior  = 1052 // google.api.field_behavior, of fields
	behaviorOutputOnly   = 3
	behaviorIdentifier   = 8
	wellKnownTypes       = "google.protobuf."
	apiTypes, rpcTypes   = "google.api.", "google.rpc."
	commonTypes          = "google.type."
	wrapperTypeSuffix    = "Value"
	wrapperTypeWithoutID = "BoolValue"
)

// typeAt is a type at a depth within a request.
type typeAt struct {
	message protoreflect.MessageDescriptor
	depth   int
}

// idFields returns the fields of a message, and within it, that look like identifiers,
// those of the message itself first. It looks at each type once for each depth, so that
// cyclic types and requests in common cost little.
func (l *linter) idFields(message protoreflect.MessageDescriptor, depth int) []idField {
	key := typeAt{message, depth}
	if found, ok := l.types[key]; ok {
		return found
	}
	l.types[key] = nil
	resource := options(message.Options()).has(optionResource)
	typeName := snake(string(message.Name()))
	var found []idField
	var inner []protoreflect.FieldDescriptor
	hasID := false
	fields := message.Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		set := options(fd.Options())
		if fd.IsMap() || set.outputOnly {
			continue
		}
		name := snake(string(fd.Name()))
		kind, stem := identify(name)
		reference := set.has(optionReference)
		scalar, within := shape(fd)
		if kind == idNone && within && isID(fd.Message()) {
			kind, stem = idOther, name
		}
		if (kind != idNone || reference && scalar) && (scalar || within && (kind == idOther || kind == idOwn)) {
			hasID = hasID || kind == idOwn || kind == idOther && (depth == 0 || stem == typeName)
			if kind == idNone {
				kind, stem = idOther, name
			}
			found = append(found, idField{
				path: string(fd.Name()), written: written(fd, within), typeName: typeName, kind: kind, stem: stem, reference: reference || set.identifier, resource: resource,
				optional: fd.IsList() || fd.HasPresence() && (fd.ContainingOneof() == nil || fd.ContainingOneof().IsSynthetic()),
			})
		} else if within && fd.Message() != message {
			inner = append(inner, fd)
		}
	}
	for i := range found {
		found[i].hasID = hasID
	}
	if depth < maxFieldDepth {
		found = l.nested(found, inner, depth)
	}
	l.types[key] = found

	return found
}

// nested adds the identifiers within the fields of a message.
func (l *linter) nested(found []idField, inner []protoreflect.FieldDescriptor, depth int) []idField {
	room := maxNested
	for _, fd := range inner {
		name := string(fd.Name())
		for _, f := range l.idFields(fd.Message(), depth+1) {
			if room--; room < 0 {
				return found
			}
			f.path, f.written = name+"."+f.path, written(fd, false)+"."+f.written
			if f.parent == "" {
				f.parent, f.parentName = name, snake(name)
			} else {
				f.parent = name + "." + f.parent
			}
			found = append(found, f)
		}
	}

	return found
}

// isID reports whether a message is an identifier by its type's name, as in DocumentId,
// and has nothing but its value.
func isID(message protoreflect.MessageDescriptor) bool {
	kind, _ := identify(string(message.Name()))
	if (kind != idOther && kind != idOwn) || message.Fields().Len() != 1 {
		return false
	}
	scalar, _ := shape(message.Fields().Get(0))

	return scalar
}

// written returns a field as templates write it. If within is set, the field is a message
// that is an identifier, which a template reads by its first field.
func written(fd protoreflect.FieldDescriptor, within bool) string {
	text := string(fd.Name())
	if fd.IsList() {
		text += "[]"
	}
	if within && fd.Message().Fields().Len() > 0 {
		text += "." + string(fd.Message().Fields().Get(0).Name())
	}

	return text
}

// shape reports whether a field has values that can identify something, and whether it
// has messages that can have such fields.
func shape(fd protoreflect.FieldDescriptor) (scalar, within bool) {
	switch fd.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind,
		protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind, protoreflect.Uint32Kind, protoreflect.Fixed32Kind,
		protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return true, false
	case protoreflect.BoolKind, protoreflect.EnumKind, protoreflect.FloatKind, protoreflect.DoubleKind:
		return false, false
	case protoreflect.MessageKind, protoreflect.GroupKind:
	default:
		return false, false
	}
	if fd.Message() == nil {
		return false, false
	}
	name := string(fd.Message().FullName())
	if wrapper, ok := strings.CutPrefix(name, wellKnownTypes); ok {
		return strings.HasSuffix(wrapper, wrapperTypeSuffix) && wrapper != wrapperTypeSuffix && wrapper != "ListValue" && wrapper != wrapperTypeWithoutID, false
	}
	for _, prefix := range []string{apiTypes, rpcTypes, commonTypes} {
		if strings.HasPrefix(name, prefix) {
			return false, false
		}
	}

	return false, true
}

// The names of identifiers, and of fields that look like them and name no object: those
// that trace a call, make it repeatable, or continue a list.
var (
	ownNames  = []string{"id", "ids", "uuid", "uuids", "guid", "guids"}
	nameNames = []string{"name", "names"}
	endings   = []string{"_id", "_ids", "_uuid", "_uuids", "_guid", "_guids", "_uid", "_uids"}
	noObjects = []string{
		"request", "client_request", "correlation", "causation", "trace", "span", "idempotency", "deduplication", "dedup", "nonce",
		"after", "before", "since", "cursor", "last_event", "last_seen",
		"time_zone", "timezone", "locale", "language",
	}
)

// identify tells how a field of a name identifies something. The name is in snake case.
func identify(name string) (kind idKind, stem string) {
	name = snake(name)
	switch {
	case slices.Contains(ownNames, name):
		return idOwn, ""
	case slices.Contains(nameNames, name):
		return idName, ""
	case name == "parent":
		return idParent, ""
	}
	for _, ending := range endings {
		stem, found := strings.CutSuffix(name, ending)
		if !found || stem == "" {
			continue
		}
		for _, none := range noObjects {
			if stem == none || strings.HasSuffix(stem, "_"+none) {
				return idNone, ""
			}
		}

		return idOther, stem
	}

	return idNone, ""
}

// optionSet is what the options of a field or a message say that matters here.
type optionSet struct {
	numbers                []protowire.Number
	outputOnly, identifier bool
}

func (o optionSet) has(number protowire.Number) bool { return slices.Contains(o.numbers, number) }

// options reads options by their wire form, which is the same whether the descriptors
// hold them typed, dynamic or as unknown bytes. What can't be read says nothing.
func options(message protoreflect.ProtoMessage) optionSet {
	var set optionSet
	if message == nil || !message.ProtoReflect().IsValid() {
		return set
	}
	wire, err := proto.MarshalOptions{AllowPartial: true}.Marshal(message)
	for err == nil && len(wire) > 0 {
		number, kind, tag := protowire.ConsumeTag(wire)
		if tag < 0 {
			break
		}
		size := protowire.ConsumeFieldValue(number, kind, wire[tag:])
		if size < 0 {
			break
		}
		set.numbers = append(set.numbers, number)
		if number == optionFieldBehavior {
			values := wire[tag : tag+size]
			if kind == protowire.BytesType {
				values, _ = protowire.ConsumeBytes(values)
			}
			for len(values) > 0 {
				value, n := protowire.ConsumeVarint(values)
				if n < 0 {
					break
				}
				set.outputOnly = set.outputOnly || value == behaviorOutputOnly
				set.identifier = set.identifier || value == behaviorIdentifier
				values = values[n:]
			}
		}
		wire = wire[tag+size:]
	}

	return set
}
