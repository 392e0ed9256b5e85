package load

// tooDeep returns the line at which a .proto file is nested deeper than MaxNesting, zero
// if it isn't. A compiler recurs into what is nested, and a goroutine's stack that is
// exhausted ends the program.
func tooDeep(source []byte) int {
	line, depth := 1, 0
	for i := 0; i < len(source); i++ {
		switch c := source[i]; c {
		case '\n':
			line++
		case '{', '[', '(', '<':
			if depth++; depth > MaxNesting {
				return line
			}
		case '}', ']', ')', '>':
			depth = max(depth-1, 0)
		case '"', '\'':
			i = closing(source, i)
		case '/':
			i, line = comment(source, i, line)
		}
	}

	return 0
}

// closing returns the index of the quote that ends the text that begins at start, or of
// the end of its line.
func closing(source []byte, start int) int {
	for i := start + 1; i < len(source); i++ {
		switch source[i] {
		case '\\':
			i++
		case source[start]:
			return i
		case '\n':
			return i - 1
		}
	}

	return len(source)
}

// comment returns the index of the last byte of the comment that begins at start, and its
// line; or start if none does.
func comment(source []byte, start, line int) (last, lastLine int) {
	if start+1 >= len(source) {
		return start, line
	}
	switch source[start+1] {
	case '/':
		for i := start; i < len(source); i++ {
			if source[i] == '\n' {
				return i - 1, line
			}
		}

		return len(source), line
	case '*':
		for i := start + 2; i < len(source); i++ {
			switch {
			case source[i] == '\n':
				line++
			case source[i] == '/' && source[i-1] == '*' && i > start+2:
				return i, line
			}
		}

		return len(source), line
	}

	return start, line
}
