package template

import (
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Form is the JSON form of the values that a template of a context gives, as far as the
// template tells. The zero value is any form.
type Form uint8

// The forms.
const (
	// FormAny is not known, as for a claim.
	FormAny Form = iota
	// FormText is a string.
	FormText
	// FormTimestamp is a string with a time (RFC 3339), and FormDuration one with a
	// duration, as in "1.5s".
	FormTimestamp
	FormDuration
	// FormAddress is a string with an IP address.
	FormAddress
	// FormInteger is a whole number, FormUnsigned one that isn't negative, and FormNumber
	// any number.
	FormInteger
	FormUnsigned
	FormNumber
	// FormFlag is true or false.
	FormFlag
)

// String returns the form in words.
func (f Form) String() string {
	switch f {
	case FormText:
		return "a string"
	case FormTimestamp:
		return "a time"
	case FormDuration:
		return "a duration"
	case FormAddress:
		return "an IP address"
	case FormInteger, FormUnsigned:
		return "an integer"
	case FormNumber:
		return "a number"
	case FormFlag:
		return "a boolean"
	case FormAny:
		return "a value of any type"
	default:
		return "a value of any type"
	}
}

// Form returns the form of the template's value, as [Template.Value] returns it, and
// whether it is a list of values of that form.
func (t *Template) Form() (form Form, list bool) {
	if len(t.parts) != 1 {
		return FormText, false
	}
	switch p := &t.parts[0]; p.source {
	case sourceField:
		return p.form(), p.field.fan >= 0
	case SourceClaim:
		if p.format.kind == formatNone {
			return FormAny, false
		}
	case SourceNow:
		return FormTimestamp, false
	case SourcePeerIP:
		return FormAddress, false
	case sourceLiteral, SourceSubject, SourceClientID, SourceIssuer, SourceMetadata:
	}

	return FormText, false
}

func (p *Part) form() Form {
	if p.format.kind != formatNone {
		return FormText
	}
	switch p.field.leaf().kind {
	case protoreflect.BoolKind:
		return FormFlag
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind,
		protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return FormInteger
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return FormUnsigned
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return FormNumber
	case protoreflect.MessageKind:
		if p.field.time.kind == timestamp {
			return FormTimestamp
		}

		return FormDuration
	default:
		return FormText
	}
}
