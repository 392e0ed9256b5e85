package main

import (
	"errors"
	"regexp"
	"strings"
)

var (
	alone   = regexp.MustCompile(`(?m)^\[[^\]]+\]\([^)]+\)\.\n`)
	link    = regexp.MustCompile(`\[([^\]]+)\]\([^)]+\)`)
	example = regexp.MustCompile(" ?`Example_cookbook\\w+`")
)

// unlinked returns a page's text with the text of its links alone, since its reader can't
// follow them, and without lines that are a link. Code stays as it is.
func unlinked(text string) string {
	parts := strings.Split(text, "```")
	for i := 0; i < len(parts); i += 2 {
		parts[i] = alone.ReplaceAllString(parts[i], "")
		parts[i] = link.ReplaceAllString(parts[i], "$1")
	}

	return strings.Join(parts, "```")
}

// recipes returns the cookbook's entries, without the names of their tests.
func recipes(cookbook string) (string, error) {
	_, text, ok := strings.Cut(cookbook, "\n## ")
	if !ok {
		return "", errors.New("the cookbook has no section")
	}
	text = unlinked(example.ReplaceAllString("## "+text, ""))
	var out strings.Builder
	out.WriteString("# Recipes\n\n")
	out.WriteString(strings.TrimRight(text, "\n") + "\n")

	return out.String(), nil
}

// compact returns a .proto file's messages and enums, with each comment on one line and
// without what a writer of rules doesn't need.
func compact(proto string) string {
	var (
		out     strings.Builder
		comment []string
	)
	_, body, _ := strings.Cut(proto, "\nextend google.protobuf.MethodOptions")
	for line := range strings.SplitSeq("extend google.protobuf.MethodOptions"+body, "\n") {
		text := strings.TrimSpace(line)
		indent := strings.Repeat(" ", (len(line)-len(strings.TrimLeft(line, " ")))/2)
		switch {
		case text == "//":
			continue
		case strings.HasPrefix(text, "//"):
			comment = append(comment, strings.TrimSpace(strings.TrimPrefix(text, "//")))

			continue
		case text == "", strings.HasPrefix(text, "reserved "):
			comment = nil

			continue
		case len(comment) > 0:
			out.WriteString(indent + "// " + strings.Join(comment, " ") + "\n")
			comment = nil
		}
		out.WriteString(indent + text + "\n")
	}

	return out.String()
}
