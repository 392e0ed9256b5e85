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

// lists returns a page's text with its tables as lists, one item a row: their cells are
// then as they are written, since only a table needs \| for |. In a table of more than two
// columns, each cell but the first follows its column's title. Code blocks stay as they
// are.
func lists(text string) string {
	parts := strings.Split(text, "```")
	for i := 0; i < len(parts); i += 2 {
		var (
			out    strings.Builder
			titles []string
		)
		for line := range strings.Lines(parts[i]) {
			row := strings.TrimSpace(line)
			switch {
			case !strings.HasPrefix(row, "| ") && !strings.HasPrefix(row, "|--"):
				titles = nil
				out.WriteString(line)
			case titles == nil:
				titles = cells(row)
			case !strings.HasPrefix(row, "|--"):
				out.WriteString(item(titles, cells(row)) + "\n")
			}
		}
		parts[i] = out.String()
	}

	return strings.Join(parts, "```")
}

// cells returns the cells of a row of a table, without the escape of |.
func cells(row string) []string {
	const bar = "\x00"
	row = strings.Trim(strings.ReplaceAll(row, `\|`, bar), "|")
	all := strings.Split(row, "|")
	for i, cell := range all {
		all[i] = strings.ReplaceAll(strings.TrimSpace(cell), bar, "|")
	}

	return all
}

func item(titles, row []string) string {
	if len(row) == 2 {
		return "- " + row[0] + ": " + row[1]
	}
	rest := row[1:]
	for i := range rest {
		if i+1 < len(titles) {
			rest[i] = titles[i+1] + ": " + rest[i]
		}
	}

	return "- " + row[0] + ": " + strings.Join(rest, "; ")
}

// recipes returns the cookbook's entries, without the names of their tests.
func recipes(cookbook string) (string, error) {
	_, text, ok := strings.Cut(cookbook, "\n## ")
	if !ok {
		return "", errors.New("the cookbook has no section")
	}
	text = lists(unlinked(example.ReplaceAllString("## "+text, "")))
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
