package template

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Template is a parsed and type-checked text with placeholders. It is immutable and
// safe for concurrent use.
type Template struct {
	text string
	// objectType is the literal before the first colon, in typed roles.
	objectType string
	// relation is the literal after '#' in a role that allows a userset.
	relation string
	// parts follow the type: literals and placeholders in turn.
	parts []Part
	// fan is the index in parts of the placeholder that fans out, or -1.
	fan int
	// as is the screen that values must pass.
	as screen
	// fixed is the value of a template without placeholders.
	fixed any
	// fields are the placeholders that read the request's message.
	fields []*Part
}

// Source is the origin of a part's text.
type Source uint8

// The sources.
const (
	sourceLiteral Source = iota
	sourceField
	SourceSubject
	SourceClientID
	SourceIssuer
	SourceClaim
	SourcePeerIP
	SourceNow
	SourceMetadata
)

// Part is a literal, or a placeholder with the literal that must follow it.
type Part struct {
	source Source
	// literal is the text of a literal, or the text that follows a placeholder.
	literal string
	// name is the placeholder as written, without braces and formatter.
	name   string
	column int
	field  *fieldPath
	claim  []string
	key    string
	format formatter
	// plain is set if the part is a text field of the message itself, without a
	// formatter. That is the common case, which needs no lookup.
	plain bool
}

// Role is the place that a template is written in, which determines what the template
// may contain. The zero value admits no placeholder and refuses every value.
type Role struct {
	what    string
	typed   bool
	userset bool
	fanOut  bool
	sources []Source
	// alone is set if one placeholder alone may be of any scalar type, a time, or a
	// list of them.
	alone bool
	// as is the screen that values must pass in a call.
	as screen
}

var claimSources = []Source{SourceSubject, SourceClientID, SourceIssuer, SourceClaim}

// The roles.
var (
	RoleObject = Role{
		what: "an object", as: screenAsID, typed: true, fanOut: true,
		sources: append([]Source{sourceField}, claimSources...),
	}
	RoleSubject = Role{
		what: "a subject", as: screenAsID, typed: true, userset: true,
		sources: append([]Source{sourceField}, claimSources...),
	}
	// RoleConfiguredSubject is a subject of the configuration, where there is no
	// message.
	RoleConfiguredSubject = Role{
		what: "a configured subject", as: screenAsID, typed: true, userset: true,
		sources: claimSources,
	}
	RoleMatch = Role{
		what: "a side of a match", as: screenAsText, fanOut: true,
		sources: append([]Source{sourceField}, claimSources...),
	}
	RoleContext = Role{
		what: "a context value", as: screenAsText, alone: true,
		sources: append([]Source{sourceField, SourcePeerIP, SourceNow}, claimSources...),
	}
	// RoleProperty is the same as RoleContext, under another name in faults.
	RoleProperty = Role{
		what: "a property", as: RoleContext.as, alone: RoleContext.alone, sources: RoleContext.sources,
	}
	RoleRevision = Role{
		what: "a revision", as: screenAsRevision,
		sources: []Source{sourceField, SourceMetadata},
	}
)

// Fault is a problem in a template.
type Fault struct {
	// Column is the byte offset within the template, from zero, or -1 if the problem
	// isn't at one place.
	Column int
	// Problem describes the problem.
	Problem string
	// Fix describes what to do.
	Fix string
}

// Parse parses text for a role and resolves its fields in input, which is nil where
// there is no message.
func Parse(text string, in Role, input protoreflect.MessageDescriptor) (*Template, *Fault) {
	t := &Template{text: text, fan: -1, as: in.as}
	if text == "" {
		return nil, &Fault{-1, in.what + " is empty", "write a template"}
	}
	if !utf8.ValidString(text) {
		return nil, &Fault{-1, in.what + " isn't valid UTF-8", "write it as text"}
	}
	rest, offset := text, 0
	if in.typed {
		if bad := t.parseType(text, in); bad != nil {
			return nil, bad
		}
		offset = len(t.objectType) + 1
		rest = text[offset:]
		var bad *Fault
		if rest, bad = t.parseUserset(rest, offset, in); bad != nil {
			return nil, bad
		}
	}
	if bad := t.parseParts(rest, offset, in, input); bad != nil {
		return nil, bad
	}
	t.link()

	return t, nil
}

func (t *Template) parseType(text string, in Role) *Fault {
	brace := strings.IndexByte(text, '{')
	colon := strings.IndexByte(text, ':')
	if colon < 0 || (brace >= 0 && brace < colon) {
		return &Fault{max(brace, 0), in.what + " has no literal type", "write it as type:{field}"}
	}
	if at := BadName(text[:colon]); at >= 0 {
		return &Fault{at, "the type isn't a name of letters, digits and _-./", "write it as type:{field}"}
	}
	if colon == len(text)-1 {
		return &Fault{colon + 1, in.what + " has no id", "write a literal or a placeholder after the colon"}
	}
	t.objectType = text[:colon]

	return nil
}

// parseUserset cuts a literal "#relation" off the end.
func (t *Template) parseUserset(rest string, offset int, in Role) (string, *Fault) {
	hash := strings.LastIndexByte(rest, '#')
	if hash < 0 || hash < strings.LastIndexByte(rest, '}') {
		return rest, nil
	}
	if !in.userset {
		return "", &Fault{offset + hash, in.what + " can't be a userset", "leave out '#' and what follows"}
	}
	if at := BadName(rest[hash+1:]); at >= 0 {
		return "", &Fault{offset + hash + 1 + at, "the userset's relation isn't a name", "write it as type:{field}#relation"}
	}
	if hash == 0 {
		return "", &Fault{offset, in.what + " has no id", "write a literal or a placeholder after the colon"}
	}
	t.relation = rest[hash+1:]

	return rest[:hash], nil
}

func (t *Template) parseParts(rest string, offset int, in Role, input protoreflect.MessageDescriptor) *Fault {
	for at := 0; at < len(rest); {
		if rest[at] != '{' {
			end := at + strings.IndexByte(rest[at:]+"{", '{')
			if bad := checkLiteral(rest[at:end], offset+at, in); bad != nil {
				return bad
			}
			t.parts = append(t.parts, Part{source: sourceLiteral, literal: rest[at:end], column: offset + at})
			at = end

			continue
		}
		length := placeholderLength(rest[at:])
		if length < 0 {
			return &Fault{offset + at, "the placeholder isn't closed", "close it with '}'"}
		}
		if n := len(t.parts); n > 0 && t.parts[n-1].source != sourceLiteral {
			return &Fault{offset + at, "two placeholders are adjacent, so their values can't be told apart", "put a literal between them"}
		}
		p := Part{column: offset + at}
		if bad := p.parse(rest[at+1:at+length-1], in, input); bad != nil {
			bad.Column += offset + at + 1

			return bad
		}
		if p.field != nil && p.field.fan >= 0 && !in.alone {
			if bad := t.checkFan(in, offset+at); bad != nil {
				return bad
			}
			t.fan = len(t.parts)
		}
		t.parts = append(t.parts, p)
		at += length
	}
	if in.alone {
		return t.checkTexts(in)
	}
	if in.typed && len(t.parts) == 1 && t.parts[0].source == sourceLiteral && t.parts[0].literal == "*" {
		return &Fault{offset, in.what + " can't be a wildcard", "name one id"}
	}

	return nil
}

func (t *Template) checkFan(in Role, column int) *Fault {
	if !in.fanOut {
		return &Fault{column, in.what + " can't fan out", "name a field that isn't repeated"}
	}
	if t.fan >= 0 {
		return &Fault{column, "a template can fan out once only", "leave one [] in it"}
	}

	return nil
}

// checkTexts refuses a list, and a placeholder without a text form, beside other text,
// and text that is too long for a value.
func (t *Template) checkTexts(in Role) *Fault {
	literal := 0
	for i := range t.parts {
		p := &t.parts[i]
		literal += len(p.literal) // no placeholder has one yet
		if p.field == nil || len(t.parts) == 1 {
			continue
		}
		if p.field.fan >= 0 {
			return &Fault{p.column, "{" + p.name + "} is a list, which can't be a part of a text", "leave out the text around it"}
		}
		strict := in
		strict.alone = false
		if bad := p.field.checkType(p.format, strict); bad != nil {
			bad.Column += p.column + 1
			if p.field.time.kind != notTime {
				bad.Fix = "leave out the text around it, or go on to one of its fields"
			}

			return bad
		}
	}
	if literal > maxText {
		return &Fault{-1, in.what + " is longer than " + strconv.Itoa(maxText) + " bytes", "shorten it"}
	}

	return nil
}

// link gives each placeholder the literal that follows it, collects the fields, and
// keeps the value of a literal.
func (t *Template) link() {
	if t.IsLiteral() {
		t.fixed = t.parts[0].literal
	}
	for i := range t.parts {
		p := &t.parts[i]
		if p.source == sourceLiteral {
			continue
		}
		if i+1 < len(t.parts) {
			p.literal = t.parts[i+1].literal
		}
		if p.source == sourceField {
			t.fields = append(t.fields, p)
			p.plain = p.format.kind == formatNone && p.field.plain()
		}
	}
}

// placeholderLength returns the length of the placeholder that text starts with,
// including its braces, or -1 if it isn't closed. Braces nest in name patterns.
func placeholderLength(text string) int {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}

	return -1
}

func checkLiteral(text string, column int, in Role) *Fault {
	for i, r := range text {
		switch {
		case r == '}':
			return &Fault{column + i, "'}' without '{'", "open the placeholder"}
		case in.typed && (r == ':' || r == '#' || !printable(r)):
			return &Fault{column + i, "a literal in " + in.what + " can't hold ':', '#', white space or control characters", "leave it out"}
		}
	}

	return nil
}

// BadName returns the index at which text stops being a name (a letter, then letters, digits
// and _-./), or -1 if all of it is one.
func BadName(text string) int {
	for i := range len(text) {
		c := text[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if letter || i > 0 && (c >= '0' && c <= '9' || c == '-' || c == '.' || c == '/') {
			continue
		}

		return i
	}
	if text == "" {
		return 0
	}

	return -1
}
