package lint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/internal/quote"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

const (
	// lockVersion is the format of lock files.
	lockVersion = 1
	// maxLock is how long a lock file may be, in bytes. 10,000 methods take about five
	// million.
	maxLock = 64 << 20
	// maxLockMethods and maxLockRule bound the memory that reading takes: a few bytes of
	// JSON may be a message.
	maxLockMethods = 100_000
	maxLockRule    = 1 << 20
	maxLockList    = 10_000
)

// lockFile is a policy as a file has it.
type lockFile struct {
	Version          int                     `json:"version"`
	Subjects         *lockSubjects           `json:"subjects,omitempty"`
	IssuerSubjects   map[string]lockSubjects `json:"issuer_subjects,omitempty"`
	Issuers          []string                `json:"issuers,omitempty"`
	ClaimPermissions bool                    `json:"claim_permissions,omitempty"`
	Methods          map[string]lockMethod   `json:"methods"`
}

type lockSubjects struct {
	Service string `json:"service,omitempty"`
	User    string `json:"user,omitempty"`
}

type lockMethod struct {
	File            string          `json:"file,omitempty"`
	ClientStreaming bool            `json:"client_streaming,omitempty"`
	ServerStreaming bool            `json:"server_streaming,omitempty"`
	Rule            json.RawMessage `json:"rule,omitempty"`
	Inherited       []string        `json:"inherited,omitempty"`
}

// WriteLock returns a policy as JSON to commit, so that a change of any rule, whether in
// a .proto, in code or in a service's default, shows in review: equal policies give equal
// bytes, sorted, each method a block of its own, in ASCII. It has each method's rule after
// inheritance, but not its line. It returns an error, all faults joined, for a policy
// that has faults, has a method twice, or is beyond what [ReadLock] reads.
func WriteLock(policy *authz.Policy) ([]byte, error) {
	if policy == nil {
		return nil, errors.New("lint: lock: the policy is nil")
	}
	file := lockFile{
		Version: lockVersion, Issuers: slices.Compact(slices.Sorted(slices.Values(policy.Issuers))), ClaimPermissions: policy.ClaimPermissions,
		IssuerSubjects: map[string]lockSubjects{}, Methods: map[string]lockMethod{},
	}
	if policy.Subjects != (authz.Subjects{}) {
		file.Subjects = &lockSubjects{policy.Subjects.Service, policy.Subjects.User}
	}
	for name, subjects := range policy.IssuerSubjects {
		file.IssuerSubjects[name] = lockSubjects{subjects.Service, subjects.User}
	}
	errs := []error{utf8Error(&file)}
	for i := range policy.Methods {
		m := &policy.Methods[i]
		locked, err := lockOf(m)
		if _, twice := file.Methods[m.Method]; twice {
			err = errors.Join(err, fmt.Errorf("lint: lock: the policy has method %s twice", quote.Value(m.Method)))
		}
		errs = append(errs, err)
		file.Methods[m.Method] = locked
	}
	for _, fault := range policy.Faults {
		if slices.ContainsFunc(policy.Methods, func(m authz.MethodPolicy) bool { return strings.HasPrefix(m.Method, fault.Method+"/") }) {
			errs = append(errs, fault)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(file); err != nil {
		return nil, fmt.Errorf("lint: lock: %w", err)
	}
	written := asciiJSON(text.Bytes())
	if len(written) > maxLock || len(file.Methods) > maxLockMethods || len(file.IssuerSubjects) > maxLockList || len(file.Issuers) > maxLockList {
		return nil, fmt.Errorf("lint: lock: the policy takes more than %d bytes, or has more than %d methods or %d issuers", maxLock, maxLockMethods, maxLockList)
	}

	return written, nil
}

// asciiJSON returns JSON with each character that isn't ASCII escaped, so that a review
// sees a look-alike, or what turns the direction of a line, for what it is.
func asciiJSON(text []byte) []byte {
	if bytes.IndexFunc(text, func(r rune) bool { return r > '~' }) < 0 {
		return text
	}
	escaped := make([]byte, 0, len(text)+len(text)/4)
	for _, r := range string(text) {
		switch {
		case r <= '~':
			escaped = append(escaped, byte(r))
		case r <= 0xffff:
			escaped = fmt.Appendf(escaped, "\\u%04x", r)
		default:
			high, low := utf16.EncodeRune(r)
			escaped = fmt.Appendf(escaped, "\\u%04x\\u%04x", high, low)
		}
	}

	return escaped
}

// lockOf returns a method as a file has it.
func lockOf(m *authz.MethodPolicy) (lockMethod, error) {
	locked := lockMethod{File: m.File, ClientStreaming: m.ClientStreaming, ServerStreaming: m.ServerStreaming, Inherited: slices.Compact(slices.Sorted(slices.Values(m.Inherited)))}
	if len(m.Faults) > 0 {
		errs := make([]error, len(m.Faults))
		for i, fault := range m.Faults {
			errs[i] = fault
		}

		return locked, errors.Join(errs...)
	}
	if problem := methodProblem(m.Method); problem != "" {
		return locked, fmt.Errorf("lint: lock: method %s: %s", quote.Value(m.Method), problem)
	}
	for _, text := range append(slices.Clone(m.Inherited), m.File) {
		if !utf8.ValidString(text) {
			return locked, fmt.Errorf("lint: lock: method %s: %s isn't UTF-8", quote.Value(m.Method), quote.Value(text))
		}
	}
	if m.Rule == nil {
		return locked, nil
	}
	if m.Rule.GetPolicy() == nil {
		return locked, fmt.Errorf("lint: lock: method %s: %s", quote.Value(m.Method), noPolicy)
	}
	var err error
	if locked.Rule, err = (protojson.MarshalOptions{UseProtoNames: true}).Marshal(m.Rule); err != nil {
		return locked, fmt.Errorf("lint: lock: method %s: %w", quote.Value(m.Method), err)
	}
	if len(locked.Rule) > maxLockRule {
		return locked, fmt.Errorf("lint: lock: method %s: the rule takes more than %d bytes", quote.Value(m.Method), maxLockRule)
	}
	// What JSON doesn't have, such as fields of a newer version, must not get lost.
	again := &authzv1.Rule{}
	if err := unmarshalRule(locked.Rule, again); err != nil || !proto.Equal(m.Rule, again) {
		return locked, fmt.Errorf("lint: lock: method %s: the rule holds what this version can't write", quote.Value(m.Method))
	}

	return locked, nil
}

func unmarshalRule(text []byte, rule *authzv1.Rule) error {
	const depth = 32 // groups nest to a depth of 4, at two messages each
	return protojson.UnmarshalOptions{RecursionLimit: depth}.Unmarshal(text, rule)
}

const noPolicy = "the rule has no policy"

// methodProblem returns what is wrong with a method's name, empty if nothing is.
func methodProblem(name string) string {
	service, method, found := strings.Cut(name, "/")
	if !found || service == "" || method == "" || strings.Contains(method, "/") || !utf8.ValidString(name) {
		return "the name isn't that of a method, such as docs.v1.DocumentService/GetDocument"
	}

	return ""
}

// utf8Error returns an error for a text of the configuration that JSON can't have.
func utf8Error(file *lockFile) error {
	texts := slices.Collect(maps.Keys(file.IssuerSubjects))
	texts = append(texts, file.Issuers...)
	for _, subjects := range file.IssuerSubjects {
		texts = append(texts, subjects.Service, subjects.User)
	}
	if file.Subjects != nil {
		texts = append(texts, file.Subjects.Service, file.Subjects.User)
	}
	for _, text := range texts {
		if !utf8.ValidString(text) {
			return fmt.Errorf("lint: lock: %s isn't UTF-8", quote.Value(text))
		}
	}

	return nil
}
