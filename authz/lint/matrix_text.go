package lint

import (
	"bufio"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The widths of a matrix as text, in characters.
const (
	textWidth  = 140 // of a line, at most
	textGap    = 2   // between columns
	textIndent = 2
)

// Text writes the matrix as a table for a terminal, with lines of at most 140 characters.
// Texts of rules are shown without control characters.
func (m *Matrix) Text(w io.Writer) error {
	out := bufio.NewWriter(w)
	line := func(parts ...string) {
		for _, part := range parts {
			_, _ = out.WriteString(part) // Flush returns the error
		}
		_ = out.WriteByte('\n')
	}
	note := func(first, text string) {
		indent := strings.Repeat(" ", utf8.RuneCountInString(first))
		for i, piece := range wrap(text, textWidth-len(indent)) {
			if i > 0 {
				first = indent
			}
			line(first, piece)
		}
	}
	note("", visible(m.Title)+": "+m.Counts.words())
	if m.Schema != "" {
		note("", "Held by: subjects that can have the relation, by the schema "+visible(m.Schema))
	}
	for i := range m.Servers {
		for _, f := range m.Servers[i].Faults {
			note("FAULT ", visible(f.text()))
		}
	}
	for i := range m.Removed {
		for _, text := range m.Removed[i].lines() {
			note("REMOVED ", visible(m.Removed[i].Method)+": "+text)
		}
	}
	for _, rows := range m.services() {
		line()
		title := visible(rows[0].Service)
		if rows[0].Server != "" {
			title += " (" + visible(rows[0].Server) + ")"
		}
		line(title)
		table(rows, m.Schema != "", line, note)
	}

	return out.Flush()
}

// services returns the rows of each service in order.
func (m *Matrix) services() [][]MatrixMethod {
	var all [][]MatrixMethod
	for from, to := 0, 0; from < len(m.Methods); from = to {
		for to < len(m.Methods) && m.Methods[to].Server == m.Methods[from].Server && m.Methods[to].Service == m.Methods[from].Service {
			to++
		}
		all = append(all, m.Methods[from:to])
	}

	return all
}

// words say the counts.
func (c MatrixCounts) words() string {
	parts := []string{plural(c.Methods, "method") + " of " + plural(c.Services, "service")}
	for _, part := range []struct {
		count int
		of    string
	}{
		{c.Public, "public"},
		{c.Authenticated, "for any caller"},
		{c.Condition, "by condition"},
		{c.Handler, "by the handler"},
		{c.Denied, "denied"},
	} {
		if part.count > 0 {
			parts = append(parts, strconv.Itoa(part.count)+" "+part.of)
		}
	}
	if c.Faulty > 0 {
		parts[len(parts)-1] += " (" + strconv.Itoa(c.Faulty) + " without a rule that works)"
	}
	if c.Changed > 0 {
		parts = append(parts, strconv.Itoa(c.Changed)+" changed")
	}

	return strings.Join(parts, ", ")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}

	return strconv.Itoa(n) + " " + noun + "s"
}

// mark is the access or the policy in a word, loud where it is wide open or wrong.
func (m *MatrixMethod) mark() string {
	switch {
	case len(m.Faults) > 0:
		return "FAULT"
	case m.Policy == "":
		return "NO RULE"
	case m.Access == AccessPublic:
		return "PUBLIC"
	case m.Access == AccessAuthenticated:
		return "any caller"
	case m.Access == AccessCondition:
		return plain(m.Policy)
	default:
		return m.Access
	}
}

// table writes the methods of one service.
func table(rows []MatrixMethod, held bool, line func(...string), note func(first, text string)) {
	heads := []string{"METHOD", "ACCESS", "WHO MAY CALL", "HELD BY", "AND"}
	cells := make([][]string, len(rows))
	wide := make([]int, len(heads))
	for i, head := range heads {
		wide[i] = len(head)
	}
	for i := range rows {
		row := &rows[i]
		who := row.words().shown().String()
		if row.Reason != "" {
			who += ": " + visible(row.Reason)
		}
		cells[i] = []string{visible(row.Name), row.mark(), who, row.holders().shown().String(), row.detailText()}
		for j, cell := range cells[i] {
			wide[j] = max(wide[j], utf8.RuneCountInString(cell))
		}
	}
	if !held {
		wide[3] = 0
	}
	fit(wide)
	columns(heads, wide, line)
	for i, row := range cells {
		columns(row, wide, line)
		for _, f := range rows[i].Faults {
			note("    ! ", visible(f.text()))
		}
		if change := rows[i].Change; change != nil {
			for _, text := range change.lines() {
				note("    ~ ", text)
			}
		}
	}
}

// detailText says the details in a line.
func (m *MatrixMethod) detailText() string {
	var parts []string
	for _, d := range m.details() {
		text := strings.ToLower(d.Label) + " " + d.Spans.shown().String()
		if d.Inherited {
			text += " (inherited)"
		}
		parts = append(parts, text)
	}

	return strings.Join(parts, "; ")
}

// fit narrows the widest columns until a line has room for all.
func fit(wide []int) {
	for {
		total, widest := textIndent, 0
		for i, width := range wide {
			if width > 0 {
				total += width + textGap
			}
			if width > wide[widest] {
				widest = i
			}
		}
		if total -= textGap; total <= textWidth {
			return
		}
		wide[widest]--
	}
}

// columns writes one row, on as many lines as its longest cell needs.
func columns(cells []string, wide []int, line func(...string)) {
	wrapped, height := make([][]string, len(cells)), 1
	for i, cell := range cells {
		if wide[i] > 0 {
			wrapped[i] = wrap(cell, wide[i])
			height = max(height, len(wrapped[i]))
		}
	}
	for n := range height {
		var text strings.Builder
		text.WriteString(strings.Repeat(" ", textIndent))
		for i, width := range wide {
			piece := ""
			if n < len(wrapped[i]) {
				piece = wrapped[i][n]
			}
			if width > 0 {
				text.WriteString(piece + strings.Repeat(" ", width-utf8.RuneCountInString(piece)+textGap))
			}
		}
		line(strings.TrimRight(text.String(), " "))
	}
}

// wrap breaks a text into lines at its spaces, and within words that are too long.
func wrap(text string, width int) []string {
	var lines []string
	rest := []rune(text)
	for len(rest) > width {
		end := width
		for end > 0 && rest[end] != ' ' {
			end--
		}
		if end == 0 {
			lines = append(lines, string(rest[:width]))
			rest = rest[width:]

			continue
		}
		lines = append(lines, strings.TrimRight(string(rest[:end]), " "))
		rest = rest[end+1:]
	}

	return append(lines, string(rest))
}

// text says the fault in a line.
func (f *MatrixFault) text() string {
	at := f.ID
	if f.File != "" {
		at += " " + f.File
		if f.Line > 0 {
			at += ":" + strconv.Itoa(f.Line)
		}
	}
	parts := []string{at, f.Method, f.Path}
	if f.Column >= 0 {
		parts = append(parts, "byte "+strconv.Itoa(f.Column))
	}
	problem := f.Problem
	if f.Fix != "" {
		problem += "; " + f.Fix
	}
	parts = slices.DeleteFunc(append(parts, problem), func(part string) bool { return part == "" })

	return strings.Join(parts, ": ")
}

// lines say the change, a line for each difference, which says its verdict once.
func (c *MatrixChange) lines() []string {
	if len(c.Differences) == 0 {
		return []string{c.Verdict}
	}
	var lines []string
	for _, d := range c.Differences {
		text := d.Verdict
		if d.Part != "" {
			text += ", " + visible(d.Part)
		}
		lines = append(lines, text+": "+visible(strings.TrimPrefix(d.Witness, d.Verdict+": ")))
	}

	return lines
}
