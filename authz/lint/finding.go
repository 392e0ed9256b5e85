package lint

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Finding is one mistake, or one change of a rule, at its place.
type Finding struct {
	// ID is the kind of finding, such as USHER_FIELD_READ. It is stable.
	ID string `json:"id"`
	// File is the .proto of the method, or "code" for a rule in code. Line and Column are
	// the place in it, from one, or zero if the descriptors have no source info.
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	// Method is the full method, as in "pkg.Service/Method", or a service.
	Method string `json:"method,omitempty"`
	// Path is the place in the rule, as in "rule.check.object", and Offset the byte offset
	// within its text, from zero, or -1 if the finding isn't within one.
	Path   string `json:"path,omitempty"`
	Offset int    `json:"offset"`
	// Problem is what is wrong, and Fix what to do about it.
	Problem string `json:"problem"`
	Fix     string `json:"fix,omitempty"`
	// Descriptor is the method or the service, nil if it isn't known.
	Descriptor protoreflect.Descriptor `json:"-"`

	// at is the place in the descriptor's file.
	at protoreflect.SourcePath
}

// String returns the finding on one line, as compilers do: "docs.proto:12:5:
// USHER_FIELD_READ: docs.v1.Docs/Get: rule: problem; fix". An Offset is "byte 9" there,
// since it is from zero.
func (f Finding) String() string {
	var text strings.Builder
	if f.File != "" {
		text.WriteString(f.File + ":")
		if f.Line > 0 {
			text.WriteString(strconv.Itoa(f.Line) + ":")
			if f.Column > 0 {
				text.WriteString(strconv.Itoa(f.Column) + ":")
			}
		}
		text.WriteByte(' ')
	}
	text.WriteString(f.ID)
	for _, part := range []string{f.Method, f.Path} {
		if part != "" {
			text.WriteString(": " + part)
		}
	}
	if f.Offset >= 0 {
		text.WriteString(": byte " + strconv.Itoa(f.Offset))
	}
	text.WriteString(": " + f.Problem)
	if f.Fix != "" {
		text.WriteString("; " + f.Fix)
	}

	return text.String()
}

// sorted sorts findings in the order in which files are read.
func sorted(findings []Finding) []Finding {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Method, b.Method), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.ID, b.ID))
	})

	return findings
}
