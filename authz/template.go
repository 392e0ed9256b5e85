package authz

import (
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// template is a parsed and type-checked text with placeholders.
type template struct {
	text string
	// objectType is the literal before the first colon, in typed roles.
	objectType string
	// relation is the literal after '#', where a userset may stand.
	relation string
	// parts follow the type: literals and placeholders in turn.
	parts []part
	// fan is the index in parts of the placeholder that fans out, or -1.
	fan int
	// reads says that a placeholder reads the request's message.
	reads bool
	// volatile says that the value changes between equal calls.
	volatile bool
}

// source is where a part takes its text.
type source uint8

const (
	sourceLiteral source = iota
	sourceField
	sourceSubject
	sourceClientID
	sourceIssuer
	sourceClaim
	sourcePeerIP
	sourceNow
	sourceMetadata
)

// part is a literal, or a placeholder with the literal that must follow it.
type part struct {
	source source
	// literal is the text of a literal; of a placeholder, the text that follows.
	literal string
	// name is the placeholder as written, without braces and formatter.
	name   string
	column int
	field  *fieldPath
	claim  []string
	key    string
	format formatter
}

// role is the place a template stands in; it says what may stand in it.
type role struct {
	what    string
	typed   bool
	userset bool
	fanOut  bool
	sources []source
	// alone lets one placeholder alone be of any scalar type.
	alone bool
	// paired says that whether issuers are told apart is judged with another
	// template.
	paired bool
}

var (
	claimSources = []source{sourceSubject, sourceClientID, sourceIssuer, sourceClaim}

	roleObject = role{
		what: "an object", typed: true, fanOut: true,
		sources: append([]source{sourceField}, claimSources...),
	}
	roleSubject = role{
		what: "a subject", typed: true, userset: true,
		sources: append([]source{sourceField}, claimSources...),
	}
	roleConfiguredSubject = role{what: "a configured subject", typed: true, userset: true, sources: claimSources}
	roleMatch             = role{
		what: "a side of a match", fanOut: true, paired: true,
		sources: append([]source{sourceField}, claimSources...),
	}
	roleContext = role{
		what: "a context value", alone: true,
		sources: append([]source{sourceField, sourcePeerIP, sourceNow}, claimSources...),
	}
	roleRevision = role{what: "a revision", sources: []source{sourceField, sourceMetadata}}
)

// screen is how the role's values are screened in a call.
func (in role) screen() screen {
	if in.typed {
		return screenAsID
	}

	return screenAsText
}

// fault is a problem at a column of a template.
type fault struct {
	column  int
	problem string
	fix     string
}

// parseTemplate parses text for a role and resolves its fields in input, which is
// nil where no message is at hand.
func parseTemplate(text string, in role, input protoreflect.MessageDescriptor) (*template, *fault) {
	t := &template{text: text, fan: -1}
	if text == "" {
		return nil, &fault{-1, in.what + " is empty", "write a template"}
	}
	if !utf8.ValidString(text) {
		return nil, &fault{-1, in.what + " isn't valid UTF-8", "write it as text"}
	}
	rest, offset := text, 0
	if in.typed {
		if bad := t.parseType(text, in); bad != nil {
			return nil, bad
		}
		offset = len(t.objectType) + 1
		rest = text[offset:]
		var bad *fault
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

func (t *template) parseType(text string, in role) *fault {
	brace := strings.IndexByte(text, '{')
	colon := strings.IndexByte(text, ':')
	if colon < 0 || (brace >= 0 && brace < colon) {
		return &fault{max(brace, 0), in.what + " has no literal type", "write it as type:{field}"}
	}
	if at := badName(text[:colon]); at >= 0 {
		return &fault{at, "the type isn't a name of letters, digits and _-./", "write it as type:{field}"}
	}
	if colon == len(text)-1 {
		return &fault{colon + 1, in.what + " has no id", "write a literal or a placeholder after the colon"}
	}
	t.objectType = text[:colon]

	return nil
}

// parseUserset cuts a literal "#relation" off the end.
func (t *template) parseUserset(rest string, offset int, in role) (string, *fault) {
	hash := strings.LastIndexByte(rest, '#')
	if hash < 0 || hash < strings.LastIndexByte(rest, '}') {
		return rest, nil
	}
	if !in.userset {
		return "", &fault{offset + hash, in.what + " can't be a userset", "leave out '#' and what follows"}
	}
	if at := badName(rest[hash+1:]); at >= 0 {
		return "", &fault{offset + hash + 1 + at, "the userset's relation isn't a name", "write it as type:{field}#relation"}
	}
	if hash == 0 {
		return "", &fault{offset, in.what + " has no id", "write a literal or a placeholder after the colon"}
	}
	t.relation = rest[hash+1:]

	return rest[:hash], nil
}

func (t *template) parseParts(rest string, offset int, in role, input protoreflect.MessageDescriptor) *fault {
	for at := 0; at < len(rest); {
		if rest[at] != '{' {
			end := at + strings.IndexByte(rest[at:]+"{", '{')
			if bad := checkLiteral(rest[at:end], offset+at, in); bad != nil {
				return bad
			}
			t.parts = append(t.parts, part{source: sourceLiteral, literal: rest[at:end], column: offset + at})
			at = end

			continue
		}
		length := placeholderLength(rest[at:])
		if length < 0 {
			return &fault{offset + at, "the placeholder isn't closed", "close it with '}'"}
		}
		if n := len(t.parts); n > 0 && t.parts[n-1].source != sourceLiteral {
			return &fault{offset + at, "two placeholders are adjacent, so their values can't be told apart", "put a literal between them"}
		}
		p := part{column: offset + at}
		if bad := p.parse(rest[at+1:at+length-1], in, input); bad != nil {
			bad.column += offset + at + 1

			return bad
		}
		if p.field != nil && p.field.fan >= 0 {
			if bad := t.checkFan(in, offset+at); bad != nil {
				return bad
			}
			t.fan = len(t.parts)
		}
		t.parts = append(t.parts, p)
		at += length
	}
	if in.alone && len(t.parts) > 1 {
		return t.checkTexts(in)
	}
	if in.typed && len(t.parts) == 1 && t.parts[0].source == sourceLiteral && t.parts[0].literal == "*" {
		return &fault{offset, in.what + " can't be a wildcard", "name one id"}
	}

	return nil
}

func (t *template) checkFan(in role, column int) *fault {
	if !in.fanOut {
		return &fault{column, in.what + " can't fan out", "name a field that isn't repeated"}
	}
	if t.fan >= 0 {
		return &fault{column, "a template can fan out once only", "leave one [] in it"}
	}

	return nil
}

// checkTexts refuses a placeholder that has no text form beside other text.
func (t *template) checkTexts(in role) *fault {
	for i := range t.parts {
		p := &t.parts[i]
		if p.field == nil {
			continue
		}
		strict := in
		strict.alone = false
		if bad := p.field.checkType(p.format, strict); bad != nil {
			bad.column += p.column + 1

			return bad
		}
	}

	return nil
}

// link gives each placeholder the literal that follows it, and sums up.
func (t *template) link() {
	for i := range t.parts {
		p := &t.parts[i]
		if p.source == sourceLiteral {
			continue
		}
		if i+1 < len(t.parts) {
			p.literal = t.parts[i+1].literal
		}
		t.reads = t.reads || p.source == sourceField
		t.volatile = t.volatile || p.source == sourceNow
	}
}

// uses says whether a placeholder takes its text from a source.
func (t *template) uses(wanted source) bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return p.source == wanted })
}

// placeholderLength is the length of the placeholder that text starts with,
// braces included; -1 if it isn't closed. Braces nest in name patterns.
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

func checkLiteral(text string, column int, in role) *fault {
	for i, r := range text {
		switch {
		case r == '}':
			return &fault{column + i, "'}' without '{'", "open the placeholder"}
		case in.typed && (r == ':' || r == '#' || !printable(r)):
			return &fault{column + i, "a literal in " + in.what + " can't hold ':', '#', white space or control characters", "leave it out"}
		}
	}

	return nil
}

// badName returns where text stops being a name (a letter, then letters, digits
// and _-./), or -1 if all of it is one.
func badName(text string) int {
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
