package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// maxDepth bounds nesting in an answer. The documented answers nest 4 levels.
const maxDepth = 32

// The faults of an answer's JSON. Texts name no member and no value.
var (
	errNotJSON   = errors.New("not one JSON object")
	errDuplicate = errors.New("a member twice")
	errDepth     = errors.New("nested too deep")
)

// DecodeObject decodes one JSON object, strictly: no member twice at any level
// (RFC 8259 §4 leaves to the reader which one counts), no text after it, valid
// UTF-8, bounded depth. Members keep their exact names, so "Decision" is not
// "decision". Numbers are [json.Number].
func DecodeObject(data []byte) (map[string]any, error) {
	if !utf8.Valid(data) {
		return nil, errNotJSON
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := decodeValue(d, maxDepth)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, errNotJSON
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotJSON
	}

	return object, nil
}

func decodeValue(d *json.Decoder, depth int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, errNotJSON // the decoder's own error quotes the body
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if depth == 0 {
		return nil, errDepth
	}
	if delim == '{' {
		return decodeMembers(d, depth)
	}

	return decodeItems(d, depth)
}

func decodeMembers(d *json.Decoder, depth int) (map[string]any, error) {
	members := make(map[string]any)
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, errNotJSON
		}
		name, ok := token.(string)
		if !ok {
			return nil, errNotJSON
		}
		if _, twice := members[name]; twice {
			return nil, errDuplicate
		}
		value, err := decodeValue(d, depth-1)
		if err != nil {
			return nil, err
		}
		members[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, errNotJSON
	}

	return members, nil
}

func decodeItems(d *json.Decoder, depth int) ([]any, error) {
	items := []any{}
	for d.More() {
		value, err := decodeValue(d, depth-1)
		if err != nil {
			return nil, err
		}
		items = append(items, value)
	}
	if _, err := d.Token(); err != nil {
		return nil, errNotJSON
	}

	return items, nil
}
