// Package report writes findings for people, programs and CI.
//
//	r := report.Report{Methods: len(policy.Methods), Findings: findings}
//	if err := r.Write(os.Stdout, report.Text); err != nil {
//		return err
//	}
//
// Texts of .proto files are untrusted: control characters and those that change the
// direction of text are escaped in every format.
package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/usher-auth/usher/authz/lint"
)

// Format is how findings are written.
type Format string

// The formats.
const (
	// Text is one finding on a line, as compilers write it.
	Text Format = "text"
	// JSON is one document, whose version is [Version].
	JSON Format = "json"
	// GitHub is a workflow command for each finding, which GitHub shows at its line.
	GitHub Format = "github"
)

// Version is the version of the JSON documents. It changes if a field is removed or
// changes its meaning.
const Version = 1

// Report is what was found.
type Report struct {
	// Version is that of the document, [Version].
	Version int `json:"version"`
	// Methods is how many methods were judged.
	Methods int `json:"methods"`
	// Findings are what was found, in the order of the files.
	Findings []lint.Finding `json:"findings"`
}

// Write writes the report.
func (r Report) Write(w io.Writer, format Format) error {
	if format == JSON {
		r.Version = Version
		if r.Findings == nil {
			r.Findings = []lint.Finding{}
		}

		return WriteJSON(w, r)
	}
	var out strings.Builder
	for _, finding := range r.Findings {
		if format == GitHub {
			out.WriteString(command(finding))
		} else {
			line := Printable(finding.String())
			if strings.HasPrefix(line, "::") {
				line = "./" + line // the name of a file, which must be no workflow command
			}
			out.WriteString(line)
		}
		out.WriteByte('\n')
	}
	_, err := io.WriteString(w, out.String())

	return err
}

// WriteJSON writes a document of this module's commands, indented. What isn't printable is
// escaped.
func WriteJSON(w io.Writer, document any) error {
	text, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(PrintableJSON(text), '\n'))

	return err
}

// PrintableJSON escapes what isn't printable in the texts of a document in JSON.
func PrintableJSON(text []byte) []byte {
	hidden := func(r rune) bool { return r != '\n' && r != '\t' && r != '\r' && unprintable(r) }
	if bytes.IndexFunc(text, hidden) < 0 {
		return text
	}
	var out []byte
	for _, r := range string(text) {
		switch {
		case !hidden(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}

	return out
}

// command returns the workflow command of a finding.
func command(f lint.Finding) string {
	var out strings.Builder
	out.WriteString("::error ")
	if f.File != "" {
		out.WriteString("file=" + property(f.File) + ",")
		if f.Line > 0 {
			out.WriteString("line=" + strconv.Itoa(f.Line) + ",")
			if f.Column > 0 {
				out.WriteString("col=" + strconv.Itoa(f.Column) + ",")
			}
		}
	}
	out.WriteString("title=" + property(f.ID) + "::")
	text := f
	// The place is in the properties.
	text.File, text.ID = "", ""
	message := strings.TrimPrefix(text.String(), ": ")
	out.WriteString(strings.ReplaceAll(Printable(message), "%", "%25"))

	return out.String()
}

// property escapes the value of a property of a workflow command.
func property(text string) string {
	return strings.NewReplacer("%", "%25", ":", "%3A", ",", "%2C").Replace(Printable(text))
}

// Printable escapes what isn't printable, such as control characters, line breaks and
// marks that change the direction of text.
//
// "##[" is escaped, too, which begins a workflow command anywhere in a line of a log.
func Printable(text string) string {
	text = strings.ReplaceAll(text, "##[", `##\u005b`)
	if strings.IndexFunc(text, unprintable) < 0 && strings.ToValidUTF8(text, "") == text {
		return text
	}
	var out strings.Builder
	for _, r := range text {
		if unprintable(r) || r == unicode.ReplacementChar {
			quoted := strconv.QuoteRuneToASCII(r)
			out.WriteString(quoted[1 : len(quoted)-1])
		} else {
			out.WriteRune(r)
		}
	}

	return out.String()
}

func unprintable(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }

// ParseFormat returns the format of a name, or an error that lists the names.
func ParseFormat(name string) (Format, error) {
	switch format := Format(name); format {
	case Text, JSON, GitHub:
		return format, nil
	}

	return "", fmt.Errorf("there is no format %q: it is text, json or github", name)
}
