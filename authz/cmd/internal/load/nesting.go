package load

import (
	"fmt"

	"google.golang.org/protobuf/types/descriptorpb"
)

// A compiler recurs into what is nested, and a goroutine's stack that is exhausted ends
// the program. And it gives each element its full name, with those of all that it is in, so
// that a small file may need any memory. Both are measured before a file is compiled.

// measure returns the size in bytes of the full names of a .proto file, at least. If the
// file is nested deeper than MaxNesting, it returns the line.
func measure(source []byte) (names int64, line int) {
	m := measured{line: 1}
	for i := 0; i < len(source); i++ {
		switch c := source[i]; c {
		case '\n':
			m.line++
		case '{', '[', '(', '<':
			if !m.enter(c) {
				return m.names, m.line
			}
		case '}', ']', ')', '>':
			m.leave(c)
		case ';':
			m.end()
		case '"', '\'':
			i = closing(source, i)
		case '/':
			i, m.line = comment(source, i, m.line)
		default:
			if c == '_' || c == '.' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c >= 0x80 {
				if len(m.word) < len("package") {
					m.word = append(m.word, c)
				}
				m.own++
			}
		}
	}

	return m.names, 0
}

// measured is what is known of a file up to some byte.
type measured struct {
	line, depth int
	names       int64
	outer       int64                 // of the names that the statement is within
	own         int64                 // of the statement's words
	word        []byte                // the beginning of the statement's words
	within      [MaxNesting + 1]int64 // outer at each depth
}

func (m *measured) enter(open byte) bool {
	if m.depth++; m.depth > MaxNesting {
		return false
	}
	m.within[m.depth] = m.outer
	if open == '{' {
		m.names += m.outer + m.own
		m.outer += m.own
		m.own, m.word = 0, m.word[:0]
	}

	return true
}

func (m *measured) leave(closed byte) {
	if closed == '}' {
		m.end()
	}
	if m.depth > 0 {
		m.outer = m.within[m.depth]
		m.depth--
	}
}

func (m *measured) end() {
	m.names += m.outer + m.own
	if m.depth == 0 && string(m.word) == "package" {
		m.outer += m.own
	}
	m.own, m.word = 0, m.word[:0]
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

// bounds is an error for a set that is nested too deep, or whose full names are too large.
func bounds(set *descriptorpb.FileDescriptorSet) error {
	var names int64
	for _, file := range set.GetFile() {
		outer := int64(len(file.GetPackage()))
		for _, service := range file.GetService() {
			names += outer + int64(len(service.GetName()))
			for _, method := range service.GetMethod() {
				names += outer + int64(len(service.GetName())+len(method.GetName()))
			}
		}
		if !enums(file.GetEnumType(), outer, &names) || !fields(file.GetExtension(), outer, &names) || !messages(file.GetMessageType(), outer, 1, &names) {
			return fmt.Errorf("%s: messages are nested deeper than %d, or full names are larger than %d MiB together", file.GetName(), MaxNesting, MaxNames>>20)
		}
	}
	if names > MaxNames {
		return fmt.Errorf("full names are larger than %d MiB together", MaxNames>>20)
	}

	return nil
}

func messages(list []*descriptorpb.DescriptorProto, outer int64, depth int, names *int64) bool {
	if depth > MaxNesting {
		return false
	}
	for _, message := range list {
		within := outer + 1 + int64(len(message.GetName()))
		*names += within
		for _, oneof := range message.GetOneofDecl() {
			*names += within + int64(len(oneof.GetName()))
		}
		if !fields(message.GetField(), within, names) || !fields(message.GetExtension(), within, names) ||
			!enums(message.GetEnumType(), within, names) || !messages(message.GetNestedType(), within, depth+1, names) {
			return false
		}
	}

	return *names <= MaxNames
}

func fields(list []*descriptorpb.FieldDescriptorProto, outer int64, names *int64) bool {
	for _, field := range list {
		*names += outer + 1 + int64(len(field.GetName()))
	}

	return *names <= MaxNames
}

func enums(list []*descriptorpb.EnumDescriptorProto, outer int64, names *int64) bool {
	for _, enum := range list {
		*names += outer + 1 + int64(len(enum.GetName()))
		for _, value := range enum.GetValue() {
			*names += outer + 1 + int64(len(value.GetName()))
		}
	}

	return *names <= MaxNames
}
