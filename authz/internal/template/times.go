package template

import (
	"bytes"
	"strconv"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// timeKind is the well-known type of a field that is a time.
type timeKind uint8

const (
	notTime timeKind = iota
	timestamp
	duration
)

// timeField is a field of a well-known type of time, with the type's own fields.
type timeField struct {
	kind           timeKind
	seconds, nanos protoreflect.FieldDescriptor
}

func newTimeField(message protoreflect.MessageDescriptor) timeField {
	t := timeField{seconds: message.Fields().ByName("seconds"), nanos: message.Fields().ByName("nanos")}
	switch message.FullName() {
	case wellKnownPrefix + "Timestamp":
		t.kind = timestamp
	case wellKnownPrefix + "Duration":
		t.kind = duration
	default:
		return timeField{}
	}
	// A descriptor set may define the type otherwise.
	if !isSingle(t.seconds, protoreflect.Int64Kind) || !isSingle(t.nanos, protoreflect.Int32Kind) {
		return timeField{}
	}

	return t
}

func isSingle(fd protoreflect.FieldDescriptor, kind protoreflect.Kind) bool {
	return fd != nil && fd.Kind() == kind && !fd.IsList()
}

// The bounds of the well-known types, in seconds: of a Timestamp the years 1 to 9999,
// of a Duration 10,000 years.
const (
	minTimestamp, maxTimestamp = -62_135_596_800, 253_402_300_799
	maxDuration                = 315_576_000_000
	maxNanos                   = 999_999_999
)

// appendTime appends the JSON form of a Timestamp or a Duration, as
// google/protobuf/timestamp.proto and duration.proto define it: RFC 3339 in UTC or
// decimal seconds, with 0, 3, 6 or 9 digits of a fraction. One beyond the type's bounds
// is invalid.
func (f *fieldPath) appendTime(buf []byte, message protoreflect.Message) ([]byte, Status) {
	if f.time.kind == notTime {
		return buf, StatusInvalid
	}
	seconds, nanos := f.time.read(message)
	if f.time.kind == timestamp {
		if seconds < minTimestamp || seconds > maxTimestamp || nanos < 0 || nanos > maxNanos {
			return buf, StatusInvalid
		}
		buf = time.Unix(seconds, nanos).UTC().AppendFormat(buf, "2006-01-02T15:04:05.000000000")

		return append(trimFraction(buf), 'Z'), StatusOK
	}
	if seconds < -maxDuration || seconds > maxDuration || nanos < -maxNanos || nanos > maxNanos || seconds > 0 && nanos < 0 || seconds < 0 && nanos > 0 {
		return buf, StatusInvalid
	}
	if seconds < 0 || nanos < 0 {
		buf, seconds, nanos = append(buf, '-'), -seconds, -nanos
	}
	buf = append(strconv.AppendInt(buf, seconds, 10), '.')
	digits := strconv.AppendInt(nil, maxNanos+1+nanos, 10) // with a leading 1
	buf = append(buf, digits[1:]...)

	return append(trimFraction(buf), 's'), StatusOK
}

func (t *timeField) read(message protoreflect.Message) (seconds, nanos int64) {
	return message.Get(t.seconds).Int(), message.Get(t.nanos).Int()
}

// trimFraction cuts zeros off a fraction of nine digits, three at a time.
func trimFraction(text []byte) []byte {
	zeros := []byte("000")
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, zeros), zeros)

	return bytes.TrimSuffix(text, []byte(".000"))
}

// raw returns a time that may be beyond the type's bounds.
func (t *timeField) raw(message protoreflect.Message) string {
	seconds, nanos := t.read(message)

	return strconv.FormatInt(seconds, 10) + " " + strconv.FormatInt(nanos, 10)
}

// copyInto copies the type's own fields, and no unknown ones.
func (t *timeField) copyInto(into, from protoreflect.Message) {
	for _, fd := range []protoreflect.FieldDescriptor{t.seconds, t.nanos} {
		into.Set(fd, from.Get(fd))
	}
}
