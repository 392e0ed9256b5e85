package lint

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

// Markdown writes the matrix as tables of GitHub Flavored Markdown, one for each service.
// Texts of rules are code in it, with everything escaped that has a meaning.
func (m *Matrix) Markdown(w io.Writer) error {
	out := bufio.NewWriter(w)
	line := func(parts ...string) {
		for _, part := range parts {
			_, _ = out.WriteString(part) // Flush returns the error
		}
		_ = out.WriteByte('\n')
	}
	line("# ", escaped(visible(m.Title)))
	line()
	line(m.Counts.words(), ".")
	if m.Schema != "" {
		line()
		line("Held by: subjects that can have the relation, by the schema ", code(m.Schema), ".")
	}
	for i := range m.Servers {
		for _, f := range m.Servers[i].Faults {
			line()
			line("**Fault:** ", code(f.text()))
		}
	}
	for i := range m.Removed {
		for _, text := range m.Removed[i].lines() {
			line()
			line("**Removed:** ", code(m.Removed[i].Method), ": ", code(text))
		}
	}
	for _, rows := range m.services() {
		line()
		title := "## " + code(rows[0].Service)
		if rows[0].Server != "" {
			title += " of " + code(rows[0].Server)
		}
		line(title)
		line()
		heads := []string{"Method", "Access", "Who may call", "Held by", "And"}
		if m.Schema == "" {
			heads = []string{"Method", "Access", "Who may call", "And"}
		}
		line("| ", strings.Join(heads, " | "), " |")
		line(strings.Repeat("|---", len(heads)), "|")
		for i := range rows {
			cells := rows[i].markdown()
			if m.Schema == "" {
				cells = append(cells[:3], cells[4])
			}
			line("| ", strings.Join(cells, " | "), " |")
		}
	}

	return out.Flush()
}

// markdown returns the cells of a row.
func (m *MatrixMethod) markdown() []string {
	access := m.mark()
	if access == strings.ToUpper(access) {
		access = "**" + access + "**"
	}
	who := []string{m.words().markdown()}
	if m.Reason != "" {
		who[0] += ": " + code(m.Reason)
	}
	for _, f := range m.Faults {
		who = append(who, code(f.text()))
	}
	if m.Change != nil {
		for _, text := range m.Change.lines() {
			who = append(who, "**changed:** "+code(text))
		}
	}
	var and []string
	for _, d := range m.details() {
		text := strings.ToLower(d.Label) + " " + d.Spans.markdown()
		if d.Inherited {
			text += " *(inherited)*"
		}
		and = append(and, text)
	}

	return []string{code(m.Name), access, strings.Join(who, "<br>"), m.holders().markdown(), strings.Join(and, "<br>")}
}

func (s spans) markdown() string {
	var text strings.Builder
	for _, part := range s {
		if part.Code {
			text.WriteString(code(part.Text))
		} else {
			text.WriteString(escaped(part.Text))
		}
	}

	return text.String()
}

// code returns a text of a rule as code. In a code span nothing has a meaning except
// backticks and, in tables, pipes and backslashes before them; a text that has one of
// them is written in HTML, by number. In both, GitHub makes no link and mentions no user.
func code(text string) string {
	text = visible(text)
	if text == "" {
		return ""
	}
	if !strings.ContainsAny(text, "`|\\") && strings.TrimSpace(text) != "" {
		return "`" + text + "`"
	}

	return "<code>" + escaped(text) + "</code>"
}

// escaped returns a text with the punctuation that has a meaning in Markdown, or on GitHub,
// as HTML writes it by number, so that it has none.
func escaped(text string) string {
	marks := "&<>|\\`*_~[]!$@:#"
	if strings.Contains(strings.ToLower(text), "www") {
		marks += "."
	}
	if !strings.ContainsAny(text, marks) {
		return text
	}
	var out strings.Builder
	for _, r := range text {
		if strings.ContainsRune(marks, r) {
			out.WriteString("&#" + strconv.Itoa(int(r)) + ";")
		} else {
			out.WriteRune(r)
		}
	}

	return out.String()
}
