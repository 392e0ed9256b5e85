package cel

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz"
)

const (
	// maxFaults is how many faults of one expression are told.
	maxFaults = 10
	// maxProblem is how long a text of cel-go may be, in bytes.
	maxProblem = 200
)

// source is the text of an expression.
type source struct {
	text string
	// lines are the offsets of the lines, in bytes.
	lines []int
}

func newSource(text string) *source {
	s := &source{text: text, lines: []int{0}}
	for i := range len(text) {
		if text[i] == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}

	return s
}

// offset returns the offset in bytes of a line, from one, and a column in characters,
// from zero, or -1 if the text has no such place.
func (s *source) offset(line, column int) int {
	if line < 1 || line > len(s.lines) || column < 0 {
		return -1
	}
	at := s.lines[line-1]
	for range column {
		if at >= len(s.text) {
			break
		}
		_, size := utf8.DecodeRuneInString(s.text[at:])
		at += size
	}

	return at
}

// columnOf returns the offset in bytes of a node, or -1.
func (s *source) columnOf(info *ast.SourceInfo, id int64) int {
	if _, ok := info.GetOffsetRange(id); !ok {
		return -1
	}
	place := info.GetStartLocation(id)

	return s.offset(place.Line(), place.Column())
}

// faults are the faults of one expression.
type faults []*authz.ExpressionError

func (f *faults) add(column int, problem, fix string) {
	*f = append(*f, &authz.ExpressionError{Column: column, Problem: problem, Fix: fix})
}

// err returns the faults in their order in the text, or nil.
func (f *faults) err() error {
	slices.SortStableFunc(*f, func(a, b *authz.ExpressionError) int { return cmp.Compare(a.Column, b.Column) })
	told := slices.CompactFunc(*f, func(a, b *authz.ExpressionError) bool { return *a == *b })
	if len(told) > maxFaults {
		told = told[:maxFaults]
	}
	errs := make([]error, len(told))
	for i, one := range told {
		errs[i] = one
	}

	return errors.Join(errs...)
}

// addIssues adds what cel-go found.
func (f *faults) addIssues(s *source, env *environment, issues *cel.Issues) {
	var messages map[selection]protoreflect.MessageDescriptor
	for _, issue := range issues.Errors() {
		column := -1
		if issue.Location != nil {
			column = s.offset(issue.Location.Line(), issue.Location.Column())
		}
		problem, fix := explain(issue.Message)
		if field, ok := strings.CutPrefix(problem, noField); ok {
			if messages == nil {
				messages = env.lacking(s)
			}
			if message := messages[selection{column, field}]; message != nil {
				problem, fix = problem+" in "+oneLine(string(message.FullName())), fieldsOf(message)
			}
		}
		f.add(column, problem, fix)
	}
}

// noField begins the problem of a field that there isn't.
const noField = "there is no field "

// explain returns a message of cel-go in plainer words.
func explain(message string) (problem, fix string) {
	problem = oneLine(strings.ReplaceAll(message, " (in container '')", ""))
	if rest, ok := strings.CutPrefix(problem, "undeclared reference to '"); ok {
		name, _, _ := strings.Cut(rest, "'")
		switch first, _, _ := strings.Cut(name, "."); first {
		case "caller":
			return "caller has no such member, or is used whole", "it has subject, client_id, issuer, kind, scopes, acr and claims; has() takes a claim: has(caller.claims.name)"
		case "peer":
			return "peer has no such member, or is used whole", "it has ip"
		}

		return "there is no " + name, "the variables are request, caller, peer and now; the functions are CEL's standard ones and inRange"
	}
	if rest, ok := strings.CutPrefix(problem, "expected type '"); ok {
		if want, have, ok := strings.Cut(rest, "' but found '"); ok {
			return "this is of type " + strings.TrimSuffix(have, "'") + "; it must be of type " + want, ""
		}
	}
	if rest, ok := strings.CutPrefix(problem, "found no matching overload for '"); ok {
		if name, types, ok := strings.Cut(rest, "' applied to '"); ok {
			name = strings.Trim(strings.TrimPrefix(name, "@"), "_")

			return name + " doesn't take " + strings.TrimSuffix(types, "'"),
				"convert one, as in int(…), double(…) or string(…); an enum is an int: write its value's full name without quotes"
		}
	}
	if field, ok := strings.CutPrefix(problem, "undefined field '"); ok {
		return noField + strings.TrimSuffix(field, "'"), "write the name as the .proto has it"
	}

	if strings.HasPrefix(problem, "Syntax error: ") {
		return problem, "correct it: == compares, and &&, || and ! are and, or and not"
	}

	return problem, ""
}

// oneLine returns a short text without line breaks.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxProblem {
		text = strings.ToValidUTF8(text[:maxProblem], "") + "…"
	}

	return text
}
