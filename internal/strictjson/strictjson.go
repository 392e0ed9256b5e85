// Package strictjson decodes the JSON objects that servers answer with: token
// endpoints, metadata and authorization engines.
//
// It refuses whatever two readers could understand differently (RFC 8259 §4,
// §8): a member that occurs twice at any level, invalid UTF-8, a lone surrogate,
// text after the object. Nesting, the number of members and the number of elements
// are bounded; the caller bounds the number of bytes. Errors are constant: they hold no member
// and no value.
//
// Access tokens have a decoder of their own in package verify, which doesn't
// allocate.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth bounds the nesting of objects and arrays, the outermost included. The
// documented answers nest four levels.
const MaxDepth = 32

// MaxElements bounds the elements of all arrays together. Authorization servers
// list up to 8,192 scopes in their metadata, and engines up to a thousand objects or
// evaluations in an answer. Without the bound an array of a mebibyte, at two bytes
// an element, would take twenty times that in memory.
const MaxElements = 1 << 16

// The faults of a text.
var (
	ErrSyntax    = errors.New("not one JSON object")
	ErrDuplicate = errors.New("a member twice")
	ErrDepth     = errors.New("nested too deep")
	ErrMembers   = errors.New("too many members")
	ErrElements  = errors.New("too many elements")
)

// Object decodes a text that is exactly one JSON object with at most maxMembers
// members, those of nested objects included, and [MaxElements] elements. Values are nil, bool, string,
// [json.Number], []any and map[string]any. Names are kept exactly: "Active" is
// not "active". A byte order mark is refused.
func Object(text []byte, maxMembers int) (map[string]any, error) {
	if !utf8.Valid(text) || hasLoneSurrogate(text) {
		return nil, ErrSyntax
	}
	d := decoder{Decoder: json.NewDecoder(bytes.NewReader(text)), members: maxMembers, elements: MaxElements}
	d.UseNumber()
	value, err := d.value(MaxDepth)
	if err != nil {
		return nil, err
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, ErrSyntax
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, ErrSyntax
	}
	return object, nil
}

// decoder reads one text. The errors of json.Decoder are not passed on: they
// quote the text.
type decoder struct {
	*json.Decoder

	members, elements int // how many more are accepted
}

// value reads one value that nests at most depth levels.
func (d *decoder) value(depth int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, ErrSyntax
	}
	delim, ok := token.(json.Delim)
	switch {
	case !ok:
		return token, nil
	case depth == 0:
		return nil, ErrDepth
	case delim == '{':
		return d.object(depth - 1)
	default:
		return d.array(depth - 1)
	}
}

func (d *decoder) object(depth int) (map[string]any, error) {
	object := make(map[string]any)
	for d.More() {
		if d.members--; d.members < 0 {
			return nil, ErrMembers
		}
		token, err := d.Token()
		if err != nil {
			return nil, ErrSyntax
		}
		name, ok := token.(string)
		if !ok {
			return nil, ErrSyntax
		}
		if _, twice := object[name]; twice {
			return nil, ErrDuplicate
		}
		if object[name], err = d.value(depth); err != nil {
			return nil, err
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, ErrSyntax
	}
	return object, nil
}

func (d *decoder) array(depth int) ([]any, error) {
	array := []any{}
	for d.More() {
		if d.elements--; d.elements < 0 {
			return nil, ErrElements
		}
		value, err := d.value(depth)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	if _, err := d.Token(); err != nil {
		return nil, ErrSyntax
	}
	return array, nil
}

// hasLoneSurrogate reports whether a text has an escape of half a UTF-16 pair
// (RFC 8259 §8.2), which encoding/json replaces: two names that differ would
// become one.
func hasLoneSurrogate(text []byte) bool {
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 {
			return false
		}
		text = text[i:]
		high := escaped(text)
		switch {
		case !utf16.IsSurrogate(high):
			text = text[min(2, len(text)):]
		case utf16.DecodeRune(high, escaped(text[6:])) == utf8.RuneError:
			return true
		default:
			text = text[12:]
		}
	}
}

// escaped returns the code unit of the escape \uXXXX that text begins with, and
// -1 if it begins with anything else.
func escaped(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	unit := rune(0)
	for _, c := range text[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		unit = unit<<4 | rune(c)
	}
	return unit
}
