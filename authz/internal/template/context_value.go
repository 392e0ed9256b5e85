package template

import (
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Value returns the template's value for an engine's context. A template of one
// placeholder alone keeps its type; any other gives a string.
func (t *Template) Value(in *Input) (any, Status, *Part) {
	if len(t.parts) == 1 && t.parts[0].format.kind == formatNone {
		p := &t.parts[0]
		switch p.source {
		case sourceField:
			value, st := p.field.typed(in.Message)

			return value, st, p
		case SourceClaim:
			claim, ok := in.Principal.Claim(p.claim...)
			if !ok || claim == nil {
				return nil, StatusMissing, p
			}

			return claim, StatusOK, p
		case sourceLiteral, SourceSubject, SourceClientID, SourceIssuer, SourcePeerIP, SourceNow, SourceMetadata:
		}
	}
	text, st, bad := t.Append(nil, in, 0)
	if st == StatusForeign {
		st = StatusMissing
	}

	return string(text), st, bad
}

// typed returns the field's value with its type. A field without presence that
// wasn't set has its zero value.
func (f *fieldPath) typed(message protoreflect.Message) (any, Status) {
	for n := range f.steps {
		at := &f.steps[n]
		if message == nil || at.presence && !message.Has(at.fd) {
			return nil, StatusMissing
		}
		value := message.Get(at.fd)
		if n < len(f.steps)-1 {
			message = value.Message()

			continue
		}
		switch inner := value.Interface().(type) {
		case string:
			if st := screenText([]byte(inner)); st == StatusInvalid {
				return nil, StatusInvalid
			}

			return inner, StatusOK
		case bool, int64, uint64, float64:
			return inner, StatusOK
		case int32:
			return int64(inner), StatusOK
		case uint32:
			return uint64(inner), StatusOK
		case float32:
			return float64(inner), StatusOK
		case protoreflect.EnumNumber:
			name, known := f.enums[inner]
			if !known {
				return nil, StatusInvalid
			}

			return name, StatusOK
		default:
			return nil, StatusInvalid
		}
	}

	return nil, StatusMissing
}
