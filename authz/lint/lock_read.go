package lint

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/internal/quote"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// ReadLock returns the policy that [WriteLock] wrote. Its methods have no descriptor and
// no line. It refuses whatever WriteLock doesn't write, except another order of names and
// white space: an unknown name or one that is given twice, another version, a rule without a
// policy; more than 64 MiB, 100,000 methods, 10,000 issuers or a rule of more than 1 MiB.
// The error names the line.
func ReadLock(text []byte) (*authz.Policy, error) {
	if len(text) > maxLock {
		return nil, fmt.Errorf("lint: lock: the file is longer than %d bytes", maxLock)
	}
	if !utf8.Valid(text) {
		return nil, errors.New("lint: lock: the file isn't UTF-8")
	}
	r := &lockReader{text: text, Decoder: json.NewDecoder(bytes.NewReader(text)), policy: &authz.Policy{}}
	version, methods := false, false
	err := r.object(func(name string) error {
		switch name {
		case "version":
			version = true

			return r.version()
		case "subjects":
			return r.subjects(&r.policy.Subjects)
		case "issuer_subjects":
			return r.object(r.issuerSubjects)
		case "issuers":
			return r.list(&r.policy.Issuers)
		case "claim_permissions":
			return r.value(&r.policy.ClaimPermissions, "true or false")
		case "methods":
			methods = true

			return r.object(r.method)
		default:
			return r.unknown(name)
		}
	})
	if err == nil {
		switch _, more := r.Token(); {
		case !errors.Is(more, io.EOF):
			err = r.fail("there is more after the object")
		case !version:
			err = r.fail("there is no version")
		case !methods:
			err = r.fail("there are no methods")
		}
	}
	if err != nil {
		return nil, err
	}
	slices.Sort(r.policy.Issuers)
	slices.SortFunc(r.policy.Methods, func(a, b authz.MethodPolicy) int { return cmp.Compare(a.Method, b.Method) })

	return r.policy, nil
}

// lockReader reads a lock file token by token, since encoding/json takes a name twice and
// in any case of letters.
type lockReader struct {
	*json.Decoder

	text   []byte
	policy *authz.Policy
}

// fail returns an error at the place that has been read.
func (r *lockReader) fail(format string, args ...any) error {
	return r.failAt(int(r.InputOffset()), format, args...)
}

func (r *lockReader) failAt(offset int, format string, args ...any) error {
	line := 1 + bytes.Count(r.text[:min(offset, len(r.text))], []byte("\n"))

	return fmt.Errorf("lint: lock: line %d: %s", line, fmt.Sprintf(format, args...))
}

func (r *lockReader) unknown(name string) error { return r.fail("unknown name %s", quote.Value(name)) }

// object reads an object, whose fields are read by field.
func (r *lockReader) object(field func(name string) error) error {
	if token, err := r.Token(); err != nil || token != json.Delim('{') {
		return r.fail("this isn't an object")
	}
	seen := map[string]bool{}
	for r.More() {
		token, err := r.Token()
		name, isName := token.(string)
		if err != nil || !isName {
			return r.fail("this isn't JSON")
		}
		if seen[name] {
			return r.fail("%s is there twice", quote.Value(name))
		}
		seen[name] = true
		if err := field(name); err != nil {
			return err
		}
	}
	if token, err := r.Token(); err != nil || token != json.Delim('}') {
		return r.fail("this isn't JSON")
	}

	return nil
}

// value reads a string or a flag. JSON's null is neither.
func (r *lockReader) value(into any, what string) error {
	token, err := r.Token()
	if err != nil {
		return r.fail("this isn't JSON")
	}
	switch into := into.(type) {
	case *string:
		if text, ok := token.(string); ok {
			*into = text

			return nil
		}
	case *bool:
		if flag, ok := token.(bool); ok {
			*into = flag

			return nil
		}
	}

	return r.fail("this isn't %s", what)
}

// list reads a list of strings.
func (r *lockReader) list(into *[]string) error {
	if token, err := r.Token(); err != nil || token != json.Delim('[') {
		return r.fail("this isn't a list")
	}
	for r.More() {
		var text string
		if err := r.value(&text, "a string"); err != nil {
			return err
		}
		if n := len(*into); n > 0 && (*into)[n-1] >= text {
			return r.fail("the list isn't sorted, or has %s twice", quote.Value(text))
		}
		if *into = append(*into, text); len(*into) > maxLockList {
			return r.fail("the list is longer than %d", maxLockList)
		}
	}
	if _, err := r.Token(); err != nil {
		return r.fail("this isn't JSON")
	}

	return nil
}

func (r *lockReader) version() error {
	token, err := r.Token()
	switch number, isNumber := token.(float64); {
	case err != nil || !isNumber:
		return r.fail("the version isn't a number")
	case number != lockVersion:
		return r.fail("the version is %v, and this version of usher reads %d", number, lockVersion)
	default:
		return nil
	}
}

func (r *lockReader) subjects(into *authz.Subjects) error {
	return r.object(func(name string) error {
		switch name {
		case "service":
			return r.value(&into.Service, "a string")
		case "user":
			return r.value(&into.User, "a string")
		default:
			return r.unknown(name)
		}
	})
}

func (r *lockReader) issuerSubjects(issuer string) error {
	var subjects authz.Subjects
	if err := r.subjects(&subjects); err != nil {
		return err
	}
	if r.policy.IssuerSubjects == nil {
		r.policy.IssuerSubjects = map[string]authz.Subjects{}
	}
	if r.policy.IssuerSubjects[issuer] = subjects; len(r.policy.IssuerSubjects) > maxLockList {
		return r.fail("there are subjects of more than %d issuers", maxLockList)
	}

	return nil
}

func (r *lockReader) method(name string) error {
	if problem := methodProblem(name); problem != "" {
		return r.fail("%s: %s", quote.Value(name), problem)
	}
	m := authz.MethodPolicy{Method: name}
	err := r.object(func(field string) error {
		switch field {
		case "file":
			return r.value(&m.File, "a string")
		case "client_streaming":
			return r.value(&m.ClientStreaming, "true or false")
		case "server_streaming":
			return r.value(&m.ServerStreaming, "true or false")
		case "inherited":
			return r.list(&m.Inherited)
		case "rule":
			return r.rule(&m)
		default:
			return r.unknown(field)
		}
	})
	if r.policy.Methods = append(r.policy.Methods, m); err == nil && len(r.policy.Methods) > maxLockMethods {
		return r.fail("there are more than %d methods", maxLockMethods)
	}

	return err
}

// rulePlace is the place within a rule in an error of protojson.
var rulePlace = regexp.MustCompile(`\(line (\d+):\d+\): `)

func (r *lockReader) rule(m *authz.MethodPolicy) error {
	var text json.RawMessage
	if err := r.Decode(&text); err != nil {
		return r.fail("the rule of %s isn't JSON", quote.Value(m.Method))
	}
	start := int(r.InputOffset()) - len(text)
	if len(text) > maxLockRule {
		return r.failAt(start, "the rule of %s is longer than %d bytes", quote.Value(m.Method), maxLockRule)
	}
	rule := &authzv1.Rule{}
	if err := unmarshalRule(text, rule); err != nil {
		// The text of such an error begins with a space that varies.
		problem := strings.TrimSpace(strings.TrimPrefix(err.Error(), "proto:"))
		if at := rulePlace.FindStringSubmatchIndex(problem); at != nil {
			line, _ := strconv.Atoi(problem[at[2]:at[3]])
			problem = problem[:at[0]] + problem[at[1]:]
			for ; line > 1; line-- {
				start += 1 + bytes.IndexByte(r.text[start:], '\n')
			}
		}

		return r.failAt(start, "the rule of %s: %s", quote.Value(m.Method), shown(problem))
	}
	if rule.GetPolicy() == nil {
		return r.failAt(start, "%s: %s", quote.Value(m.Method), noPolicy)
	}
	m.Rule = rule

	return nil
}

// shown returns a text of another library as errors show it: on one line, and bounded.
func shown(text string) string {
	const most = 200

	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}

		return c
	}, quote.Cut(text, most))
}
