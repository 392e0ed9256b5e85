package cel

import (
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

const (
	// valueWeight is what each value of the request counts beside its content.
	valueWeight = 16
	// maxNesting is how deep a value of the request may nest.
	maxNesting = 32
	// maxAny is how many bytes an Any may hold: one within another is decoded again
	// for each level.
	maxAny = 8 << 10
)

const (
	errTooLarge problem = "the request is too large for the expression"
	errTooDeep  problem = "the request is nested too deep for the expression"
	errTime     problem = "a time or a duration of the request is out of range"
	errForeign  problem = "the request isn't of the method's type"
)

// spend counts a value, and reports whether the evaluation may still read it.
func (a *activation) spend(bytes int) bool {
	a.left -= valueWeight + bytes

	return a.left >= 0
}

// weighText counts the text of a slot, once, and reports whether the evaluation may
// read it.
func (a *activation) weighText(at, bytes int) bool {
	c := &a.cells[at]
	if !c.weighed {
		c.weighed = a.spend(bytes)
	}

	return c.weighed
}

// weigh counts a value with all that it holds. It gives up as soon as there is too much.
func (a *activation) weigh(field protoreflect.FieldDescriptor, value protoreflect.Value, depth int) problem {
	switch {
	case field.IsList():
		return a.weighList(field, value.List(), depth)
	case field.IsMap():
		wrong := problem("")
		value.Map().Range(func(key protoreflect.MapKey, member protoreflect.Value) bool {
			if wrong = a.weighOne(field.MapKey(), key.Value(), depth); wrong == "" {
				wrong = a.weighOne(field.MapValue(), member, depth)
			}

			return wrong == ""
		})

		return wrong
	default:
		return a.weighOne(field, value, depth)
	}
}

func (a *activation) weighList(field protoreflect.FieldDescriptor, list protoreflect.List, depth int) problem {
	for i := range list.Len() {
		if wrong := a.weighOne(field, list.Get(i), depth); wrong != "" {
			return wrong
		}
	}

	return ""
}

// weighOne counts one value, which is no list or map.
func (a *activation) weighOne(field protoreflect.FieldDescriptor, value protoreflect.Value, depth int) problem {
	size := 0
	switch field.Kind() {
	case protoreflect.StringKind:
		size = len(value.String())
	case protoreflect.BytesKind:
		size = len(value.Bytes())
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return a.weighMessage(value.Message(), depth+1)
	default:
	}
	if !a.spend(size) {
		return errTooLarge
	}

	return ""
}

func (a *activation) weighMessage(message protoreflect.Message, depth int) problem {
	if depth > maxNesting {
		return errTooDeep
	}
	if unknown := len(message.GetUnknown()); !a.spend(unknown) {
		return errTooLarge
	} else if unknown > 0 {
		a.unknown = true
	}
	name := message.Descriptor().FullName()
	if bounds, ok := longest[name]; ok && !inRangeOfTime(message, bounds) {
		return errTime
	}
	isAny := name == "google.protobuf.Any"
	wrong := problem("")
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if isAny && field.Kind() == protoreflect.BytesKind && len(value.Bytes()) > maxAny {
			wrong = errTooLarge
		} else {
			wrong = a.weigh(field, value, depth)
		}

		return wrong == ""
	})

	return wrong
}

// longest are the bounds of the seconds of times and durations (timestamp.proto and
// duration.proto). Go's arithmetic wraps a time beyond them to another one.
var longest = map[protoreflect.FullName]struct{ least, most int64 }{
	"google.protobuf.Timestamp": {-62135596800, 253402300799},
	"google.protobuf.Duration":  {-315576000000, 315576000000},
}

// inRangeOfTime reports whether a Timestamp or a Duration is valid. Of a duration, the
// nanoseconds have the sign of the seconds.
func inRangeOfTime(message protoreflect.Message, bounds struct{ least, most int64 }) bool {
	fields := message.Descriptor().Fields()
	seconds, nanos := fields.ByName("seconds"), fields.ByName("nanos")
	if seconds == nil || nanos == nil {
		return false
	}
	s, n := message.Get(seconds).Int(), message.Get(nanos).Int()
	least := int64(0)
	if bounds.least == -bounds.most && s <= 0 { // a duration
		least = 1 - int64(time.Second)
		if s < 0 && n > 0 {
			return false
		}
	}

	return s >= bounds.least && s <= bounds.most && n >= least && n < int64(time.Second)
}

// walk returns the message that holds the last of the fields, and the field as that
// message has it: the request may have another copy of the method's descriptor.
func walk(message protoreflect.Message, fields []protoreflect.FieldDescriptor) (protoreflect.Message, protoreflect.FieldDescriptor, problem) {
	for i, field := range fields {
		if message.Descriptor() != field.ContainingMessage() {
			same := message.Descriptor().Fields().ByNumber(field.Number())
			if same == nil || same.FullName() != field.FullName() || same.Kind() != field.Kind() || same.Cardinality() != field.Cardinality() || same.IsMap() != field.IsMap() {
				return nil, nil, errForeign
			}
			field = same
		}
		if i == len(fields)-1 {
			return message, field, ""
		}
		message = message.Get(field).Message()
	}

	return nil, nil, errForeign
}
