package lint

import "strings"

// readsAny is the entry of a rule that may read any field of the request.
const readsAny = "*"

// reads returns the fields of the request that the condition reads, in order.
func (c *MatrixCondition) reads() []string {
	var fields []string
	c.each(func(c *MatrixCondition) bool {
		for _, text := range []string{c.Object, c.Subject, c.Left, c.Right} {
			fields = append(fields, fieldsOf(text)...)
		}
		for _, values := range [][]MatrixValue{c.Context, c.ResourceProperties, c.SubjectProperties, c.ActionProperties} {
			for _, value := range values {
				fields = append(fields, fieldsOf(value.Value)...)
			}
		}
		fields = append(fields, fieldsOfExpression(c.Expression)...)

		return true
	})

	return unique(fields)
}

// fieldsOf returns the fields that a template reads. It takes also one that has faults.
func fieldsOf(template string) []string {
	var fields []string
	for {
		open := strings.IndexByte(template, '{')
		if open < 0 {
			return fields
		}
		inside := template[open+1:]
		depth, end := 1, 0
		for end < len(inside) {
			switch inside[end] {
			case '{':
				depth++
			case '}':
				depth--
			}
			if depth == 0 {
				break
			}
			end++
		}
		name, _, _ := strings.Cut(inside[:end], "|")
		if name != "" && name[0] != '$' {
			fields = append(fields, name)
		}
		if end == len(inside) {
			return fields
		}
		template = inside[end+1:]
	}
}

// fieldsOfExpression returns the fields that an expression in CEL reads of the request,
// by its text. What it can't tell counts as any field.
func fieldsOfExpression(text string) []string {
	const variable = "request"
	var fields []string
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '"' || c == '\'':
			i = skipString(text, i)
		case c == '/' && strings.HasPrefix(text[i:], "//"):
			length := strings.IndexByte(text[i:], '\n')
			if length < 0 {
				return fields
			}
			i += length
		case !isWord(c):
			i++
		default:
			start := i
			for i < len(text) && isWord(text[i]) {
				i++
			}
			raw := i < len(text) && (text[i] == '"' || text[i] == '\'') && strings.Trim(strings.ToLower(text[start:i]), "rb") == ""
			switch {
			case raw && strings.ContainsAny(text[start:i], "rR"):
				// Backslashes end nothing there, so where the text ends depends on the rest.
				return append(fields, readsAny)
			case text[start:i] != variable || isSelected(text[:start]):
			default:
				var field string
				field, i = selected(text, i)
				fields = append(fields, field)
			}
		}
	}

	return unique(fields)
}

// isSelected reports whether what comes after the text is a selector, as in "a.b". A name
// after a dot that nothing is before is a variable.
func isSelected(before string) bool {
	value, dot := strings.CutSuffix(strings.TrimRight(before, spaces), ".")
	value = strings.TrimRight(value, spaces)
	if !dot || value == "" {
		return false
	}
	last := value[len(value)-1]

	return isWord(last) || strings.IndexByte(")]}\"'`", last) >= 0
}

// spaces are the characters of CEL that have no meaning.
const spaces = " \t\n\f\r"

// selected returns the field that the selectors after the variable name, and where they
// end.
func selected(text string, i int) (field string, end int) {
	var path []string
	for i < len(text) && text[i] == '.' {
		start := i + 1
		end := start
		for end < len(text) && isWord(text[end]) {
			end++
		}
		if end == start || (end < len(text) && text[end] == '(') { // a method of the value
			break
		}
		path = append(path, text[start:end])
		i = end
	}
	if len(path) == 0 {
		return readsAny, i
	}

	return strings.Join(path, "."), i
}

// skipString returns the end of the string literal that begins at i.
func skipString(text string, i int) int {
	quote := text[i : i+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(text[i:], triple) {
		quote = triple
	}
	for i += len(quote); i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case strings.HasPrefix(text[i:], quote):
			return i + len(quote)
		}
	}

	return len(text)
}

func isWord(c byte) bool {
	return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
}
