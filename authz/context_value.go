package authz

import (
	"google.golang.org/protobuf/reflect/protoreflect"
)

// value is the template's value for an engine's context. One placeholder alone
// keeps its type; anything else is a string.
func (t *template) value(in *input) (any, status, *part) {
	if len(t.parts) == 1 && t.parts[0].format.kind == formatNone {
		p := &t.parts[0]
		switch p.source {
		case sourceField:
			value, st := p.field.typed(in.message)

			return value, st, p
		case sourceClaim:
			claim, ok := in.principal.Claim(p.claim...)
			if !ok || claim == nil {
				return nil, statusMissing, p
			}

			return claim, statusOK, p
		case sourceLiteral, sourceSubject, sourceClientID, sourceIssuer, sourcePeerIP, sourceNow, sourceMetadata:
		}
	}
	text, st, bad := t.render(nil, in, 0, screenAsText)
	if st == statusForeign {
		st = statusMissing
	}

	return string(text), st, bad
}

// typed is the field's value with its type. A field without presence has its
// zero when it wasn't set.
func (f *fieldPath) typed(message protoreflect.Message) (any, status) {
	for n := range f.steps {
		at := &f.steps[n]
		if message == nil || at.presence && !message.Has(at.fd) {
			return nil, statusMissing
		}
		value := message.Get(at.fd)
		if n < len(f.steps)-1 {
			message = value.Message()

			continue
		}
		switch inner := value.Interface().(type) {
		case string:
			if st := screenText([]byte(inner)); st == statusInvalid {
				return nil, statusInvalid
			}

			return inner, statusOK
		case bool, int64, uint64, float64:
			return inner, statusOK
		case int32:
			return int64(inner), statusOK
		case uint32:
			return uint64(inner), statusOK
		case float32:
			return float64(inner), statusOK
		case protoreflect.EnumNumber:
			name, known := f.enums[inner]
			if !known {
				return nil, statusInvalid
			}

			return name, statusOK
		default:
			return nil, statusInvalid
		}
	}

	return nil, statusMissing
}
