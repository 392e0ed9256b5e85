package template

import (
	"bytes"
	"encoding/hex"
	"strings"
	"time"
)

type formatKind uint8

const (
	formatNone formatKind = iota
	formatUUID
	formatName
	formatTruncated
)

// formatter converts a value to the text that replaces its placeholder.
type formatter struct {
	kind formatKind
	// segments are those of a name pattern. The captured one is empty, and "*"
	// matches any.
	segments []string
	text     string
	// unit is what a time is truncated to.
	unit time.Duration
}

// units are what {$now} can be truncated to, in UTC.
var units = map[string]time.Duration{"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}

// truncateFix tells how to truncate {$now}.
const truncateFix = "use second, minute, hour or day"

func parseFormatter(text string) (formatter, *Fault) {
	if text == "uuid" {
		return formatter{kind: formatUUID, text: text}, nil
	}
	if unit, ok := units[text]; ok {
		return formatter{kind: formatTruncated, text: text, unit: unit}, nil
	}
	pattern, isName := strings.CutPrefix(text, "name(")
	if !isName {
		return formatter{}, &Fault{0, "there is no formatter " + text, "use uuid or name(pattern/{})"}
	}
	pattern, closed := strings.CutSuffix(pattern, ")")
	if !closed {
		return formatter{}, &Fault{len(text), "the name pattern isn't closed", "close it with ')'"}
	}
	format := formatter{kind: formatName, text: text, segments: strings.Split(pattern, "/")}
	captured, column := 0, len("name(")
	for i, segment := range format.segments {
		switch {
		case segment == "{}":
			captured++
			format.segments[i] = ""
		case segment == "":
			return formatter{}, &Fault{column, "the name pattern has an empty segment", "write it as organizations/*/folders/{}"}
		case segment != "*" && strings.ContainsAny(segment, "{}*()|"):
			return formatter{}, &Fault{column, "a segment of a name pattern is a literal, * or {}", "write it as organizations/*/folders/{}"}
		}
		column += len(segment) + 1
	}
	if captured != 1 {
		return formatter{}, &Fault{0, "a name pattern captures exactly one segment", "write {} for the segment that names the object"}
	}

	return format, nil
}

// apply replaces the raw value at the end of buf, from start, by its formatted
// text.
func (f *formatter) apply(buf []byte, start int) ([]byte, Status) {
	switch f.kind {
	case formatNone, formatTruncated: // a time is truncated before it has a text
		return buf, StatusOK
	case formatUUID:
		return applyUUID(buf, start)
	case formatName:
		return f.applyName(buf, start)
	default:
		return buf[:start], StatusInvalid
	}
}

const (
	uuidBytes = 16
	uuidText  = 36
)

// uuidGroups are the ends of the groups of a UUID's text, in bytes.
var uuidGroups = [...]int{4, 6, 8, 10, uuidBytes}

func applyUUID(buf []byte, start int) ([]byte, Status) {
	value := buf[start:]
	if len(value) != uuidText || value[8] != '-' || value[13] != '-' || value[18] != '-' || value[23] != '-' {
		return buf[:start], StatusInvalid
	}
	zero := true
	for i, c := range value {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
		case c >= 'A' && c <= 'F':
			value[i] = c + 'a' - 'A'
			zero = false
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f':
			zero = zero && c == '0'
		default:
			return buf[:start], StatusInvalid
		}
	}
	if zero {
		return buf[:start], StatusMissing
	}

	return buf, StatusOK
}

// appendUUID appends the canonical text of 16 bytes. If all are zero, the value is
// missing.
func appendUUID(buf, raw []byte) ([]byte, Status) {
	if len(raw) == 0 || bytes.Equal(raw, make([]byte, uuidBytes)) {
		return buf, StatusMissing
	}
	if len(raw) != uuidBytes {
		return buf, StatusInvalid
	}
	from := 0
	for _, to := range uuidGroups {
		if from > 0 {
			buf = append(buf, '-')
		}
		buf = hex.AppendEncode(buf, raw[from:to])
		from = to
	}

	return buf, StatusOK
}

// applyName keeps the captured segment of a resource name that matches as a
// whole. A name that doesn't match counts as missing, since it is another kind of name.
func (f *formatter) applyName(buf []byte, start int) ([]byte, Status) {
	rest := buf[start:]
	var captured []byte
	for i, want := range f.segments {
		segment, after, more := bytes.Cut(rest, []byte{'/'})
		if more != (i < len(f.segments)-1) {
			return buf[:start], StatusMissing
		}
		rest = after
		switch {
		case len(segment) == 0 || len(segment) == 1 && segment[0] == '-':
			return buf[:start], StatusMissing
		case want == "":
			captured = segment
		case want != "*" && string(segment) != want:
			return buf[:start], StatusMissing
		}
	}

	return buf[:start+copy(buf[start:], captured)], StatusOK
}
