package template

import (
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// String returns the template as written.
func (t *Template) String() string { return t.text }

// Type returns the literal type that a template of an object or a subject begins with.
func (t *Template) Type() string { return t.objectType }

// Relation returns the literal relation of a userset, empty if the template isn't one.
func (t *Template) Relation() string { return t.relation }

// IsLiteral reports whether the template has no placeholder.
func (t *Template) IsLiteral() bool { return len(t.parts) == 1 && t.parts[0].source == sourceLiteral }

// Fields returns the placeholders that read the request's message, in order. The
// caller must not change them.
func (t *Template) Fields() []*Part { return t.fields }

// Fan returns the placeholder that fans out, or nil if none does.
func (t *Template) Fan() *Part {
	if t.fan < 0 {
		return nil
	}

	return &t.parts[t.fan]
}

// Reads returns the first placeholder that takes its text from one of the sources,
// or nil if none does.
func (t *Template) Reads(sources ...Source) *Part {
	for i := range t.parts {
		if p := &t.parts[i]; slices.Contains(sources, p.source) {
			return p
		}
	}

	return nil
}

// Volatile reports whether the template reads {$now} without truncating it, so that
// its value is nearly always a new one.
func (t *Template) Volatile() bool {
	return slices.ContainsFunc(t.parts, func(p Part) bool { return p.source == SourceNow && p.format.unit == 0 })
}

// ReadsClaim returns the first placeholder of a claim whose path has one of the
// names, nil if there is none.
func (t *Template) ReadsClaim(names ...string) *Part {
	for i := range t.parts {
		p := &t.parts[i]
		if slices.ContainsFunc(p.claim, func(name string) bool { return slices.Contains(names, name) }) {
			return p
		}
	}

	return nil
}

// RefusesIssuer returns the first {$issuer} that can't be replaced by one of the
// issuers' short names, and the first such name. It returns nil if all names are
// possible.
func (t *Template) RefusesIssuer(names []string) (*Part, string) {
	for i := range t.parts {
		p := &t.parts[i]
		if p.source != SourceIssuer {
			continue
		}
		for _, name := range names {
			if p.screen([]byte(name), t.as) != StatusOK {
				return p, name
			}
		}
	}

	return nil, ""
}

// Fixed returns the texts that every value of the template starts and ends with, for
// tokens of the issuer. The issuer is empty if it isn't known.
func (t *Template) Fixed(issuer string) (start, end string) {
	text := func(p *Part) (string, bool) {
		if p.source == SourceIssuer {
			return issuer, issuer != ""
		}

		return p.literal, p.source == sourceLiteral
	}
	var first, last []string
	for i := range t.parts {
		piece, known := text(&t.parts[i])
		if !known {
			break
		}
		first = append(first, piece)
	}
	for _, p := range slices.Backward(t.parts) {
		piece, known := text(&p)
		if !known {
			break
		}
		last = append(last, piece)
	}
	slices.Reverse(last)

	return strings.Join(first, ""), strings.Join(last, "")
}

// SameIssuerStart reports whether the values of both templates start with one
// literal, the issuer's short name and one more literal. Then values of two issuers
// are never equal, since no name contains the literal that follows it.
func (t *Template) SameIssuerStart(other *Template) bool {
	start, a := t.issuerStart()
	otherStart, b := other.issuerStart()

	return a != nil && b != nil && start == otherStart && a.literal != "" && a.literal == b.literal
}

// issuerStart returns the literal, if any, and the {$issuer} that the template starts
// with; nil if it doesn't.
func (t *Template) issuerStart() (string, *Part) {
	start := ""
	for i := range t.parts {
		switch p := &t.parts[i]; {
		case p.source == SourceIssuer:
			return start, p
		case i > 0 || p.source != sourceLiteral:
			return "", nil
		default:
			start = p.literal
		}
	}

	return "", nil
}

// Name returns the placeholder as written, without braces and formatter.
func (p *Part) Name() string { return p.name }

// ZeroIsUnset reports whether the template is one list, or one flag, number or enum
// without presence: the empty list or the zero is a value that [Template.Value]
// returns, and can't be told from a field that the message leaves unset.
func (t *Template) ZeroIsUnset() bool {
	if len(t.parts) != 1 || t.parts[0].field == nil {
		return false
	}
	if t.parts[0].field.fan >= 0 {
		return true
	}
	if t.parts[0].field.wrapped {
		return false
	}
	leaf := t.parts[0].field.leaf()
	switch leaf.kind {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind, protoreflect.GroupKind:
		return false // their zero names nothing
	default:
		return !leaf.presence
	}
}

// String describes the placeholder and what it was resolved to, as in
// "{items[].id|uuid}@9 repeated message, optional string".
func (p *Part) String() string {
	text := "{" + p.name
	if p.format.kind != formatNone {
		text += "|" + p.format.text
	}
	text += "}@" + strconv.Itoa(p.column)
	if p.field == nil {
		return text
	}
	steps := make([]string, len(p.field.steps))
	for i, at := range p.field.steps {
		switch {
		case i == p.field.fan:
			steps[i] = "repeated "
		case at.presence:
			steps[i] = "optional "
		}
		steps[i] += at.kind.String()
	}

	return text + " " + strings.Join(steps, ", ")
}

// Path returns the path of the field that the placeholder reads, with the element's
// index where it fans out, unless the index is below zero. The path is empty if the
// placeholder reads no field.
func (p *Part) Path(i int) string {
	if p.field == nil {
		return ""
	}
	if i < 0 {
		return strings.ReplaceAll(p.field.text, "[]", "")
	}

	return strings.ReplaceAll(p.field.text, "[]", "["+strconv.Itoa(i)+"]")
}

// Fault returns a problem with the placeholder, at its column.
func (p *Part) Fault(problem, fix string) *Fault { return &Fault{p.column, problem, fix} }
