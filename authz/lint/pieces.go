package lint

import (
	"strings"
)

// piece is a literal of a template, or a placeholder of it.
type piece struct {
	// literal is the text of a literal.
	literal string
	// name is what a placeholder reads, as in "document.id" or "$sub", empty for a literal.
	name string
	// format is the placeholder's formatter, as in "uuid" or "name(folders/{})".
	format string
	// column is the byte offset of the piece in the template.
	column int
}

// pieces cuts a template into its pieces. Templates of rules without faults are well
// formed; of another, what can't be read is literal.
func pieces(text string) []piece {
	var all []piece
	for at := 0; at < len(text); {
		end, depth := at, 0
		if text[at] != '{' {
			if end = strings.IndexByte(text[at:], '{'); end < 0 {
				end = len(text) - at
			}
			all = append(all, piece{literal: text[at : at+end], column: at})
			at += end

			continue
		}
		for end < len(text) {
			switch text[end] {
			case '{':
				depth++
			case '}':
				depth--
			}
			end++
			if depth == 0 {
				break
			}
		}
		if depth != 0 {
			return append(all, piece{literal: text[at:], column: at})
		}
		name, format, _ := strings.Cut(text[at+1:end-1], "|")
		all = append(all, piece{name: name, format: format, column: at})
		at = end
	}

	return all
}

// field returns the path of the field of the request that a placeholder reads, without
// its brackets, empty if it reads none.
func (p piece) field() string {
	if p.name == "" || p.name[0] == '$' {
		return ""
	}

	return strings.ReplaceAll(p.name, "[]", "")
}

// segments returns the segments of a name pattern, and the offset of each within the
// template. The captured one is "{}". None if the placeholder has no name pattern.
func (p piece) segments() (segments []string, columns []int) {
	pattern, found := strings.CutPrefix(p.format, "name(")
	if !found {
		return nil, nil
	}
	column := p.column + len("{") + len(p.name) + len("|name(")
	for segment := range strings.SplitSeq(strings.TrimSuffix(pattern, ")"), "/") {
		segments, columns = append(segments, segment), append(columns, column)
		column += len(segment) + 1
	}

	return segments, columns
}

// onlyLiteral returns the text of a template without placeholders.
func onlyLiteral(all []piece) (string, bool) {
	switch {
	case len(all) == 0:
		return "", true
	case len(all) == 1 && all[0].name == "":
		return all[0].literal, true
	default:
		return "", false
	}
}
