package lint

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/schema"
)

// Config configures [Lint].
type Config struct {
	// Schema is the engine's schema. Optional. Default: nothing is judged that depends on
	// it. Callers whose subjects aren't known are taken for single subjects, not for
	// usersets.
	Schema *schema.Schema
	// Except are the ids of findings to leave out. Optional. An id that doesn't exist has
	// no effect.
	Except []string
}

// Lint returns the mistakes in the rules of a policy, sorted by their place. [Kinds] has
// all kinds of them.
//
// A rule that is faulty is judged no further. A mistake in a service's default is one
// finding, of the service, unless it depends on the method.
//
// Methods without a rule are findings, except those of a file in a package of "grpc" or
// "google" in which no method has a rule: those files are compiled into every server, and
// one that serves them learns it from its ValidateServer.
//
// A line "buf:lint:ignore ID" in the comment that leads a method or its service leaves
// findings of that kind out, as in buf lint. It needs descriptors with source info, which
// those in generated Go never have.
//
// Lint never panics, whatever the descriptors are: one that can't be read is a finding.
func Lint(policy *authz.Policy, config Config) []Finding {
	if policy == nil {
		return nil
	}
	l := &linter{
		policy: policy, relations: newRelations(config.Schema), usersets: usersets(policy),
		methods: map[string]*authz.MethodPolicy{}, types: map[typeAt][]idField{}, seen: map[seenAt]bool{}, except: map[string]bool{},
	}
	for _, id := range config.Except {
		l.except[id] = true
	}
	for i := range policy.Methods {
		l.methods[policy.Methods[i].Method] = &policy.Methods[i]
	}
	for _, fault := range policy.Faults {
		l.fault(fault)
	}
	known := l.ruled()
	for i := range policy.Methods {
		m := &policy.Methods[i]
		l.guarded(m, func() {
			if m.Rule == nil && len(m.Faults) == 0 && (known[fileOf(m)] || !foreign(m)) {
				l.missing(m)
			}
			l.method(m)
		})
	}
	if config.Schema != nil {
		for _, fault := range policy.ValidateSchema(config.Schema) {
			l.fault(fault)
		}
	}

	return sorted(l.findings)
}

// linter collects the findings of one policy.
type linter struct {
	policy    *authz.Policy
	relations relations
	// usersets is set if callers may be usersets to the engine.
	usersets bool
	methods  map[string]*authz.MethodPolicy
	types    map[typeAt][]idField
	findings []Finding
	seen     map[seenAt]bool
	except   map[string]bool
}

// seenAt tells findings apart.
type seenAt struct {
	id, method, path string
	offset           int
	problem          string
}

// method judges the rule of one method.
func (l *linter) method(m *authz.MethodPolicy) {
	for _, fault := range m.Faults {
		l.fault(fault)
	}
	if m.Rule == nil || len(m.Faults) > 0 {
		return
	}
	l.reason(m)
	root, leaves := conditions(m.Rule)
	if leaves <= maxLeaves {
		l.passable(m, root)
		if root != nil {
			l.segments(m, root)
		}
	}
	l.fields(m, root)
}

// missing reports a method without a rule.
func (l *linter) missing(m *authz.MethodPolicy) {
	l.add(m, Finding{
		ID: authz.FaultRuleMissing, Offset: -1, Problem: "the method has no rule, so it is denied",
		Fix: "write option (.usher.authz.v1.rule) beside it, or give it a rule in code",
	}, true)
}

// fault adds a fault that was found when rules were compiled, or compared with the schema.
func (l *linter) fault(fault *authz.RuleError) {
	if fault == nil {
		return
	}
	f := Finding{
		ID: fault.ID, File: fault.File, Line: fault.Line, Method: fault.Method, Path: fault.Path,
		Offset: fault.Column, Problem: fault.Problem, Fix: fault.Fix,
	}
	m := l.methods[fault.Method]
	if m == nil {
		m = l.anyOf(fault.Method)
	}
	l.add(m, f, false)
}

// anyOf returns a method of a service, nil if there is none.
func (l *linter) anyOf(service string) *authz.MethodPolicy {
	for i := range l.policy.Methods {
		if strings.HasPrefix(l.policy.Methods[i].Method, service+"/") {
			return &l.policy.Methods[i]
		}
	}

	return nil
}

// add adds a finding about a method, nil if none is known. If whole is set, it is at the
// method even if its path is in the service's rule.
func (l *linter) add(m *authz.MethodPolicy, f Finding, whole bool) {
	if m != nil {
		if f.Method == "" {
			f.Method, f.File, f.Line = m.Method, m.File, m.Line
		}
		l.locate(m, &f, whole)
		if !whole && (f.Path == pathService || strings.HasPrefix(f.Path, pathService+".")) {
			f.Method, _, _ = strings.Cut(f.Method, "/")
		}
	}
	key := seenAt{f.ID, f.Method, f.Path, f.Offset, f.Problem}
	if l.seen[key] || l.except[f.ID] || l.ignored(f) {
		return
	}
	l.seen[key] = true
	l.findings = append(l.findings, f)
}

// locate sets where a finding is, as far as the descriptors can be read.
func (l *linter) locate(m *authz.MethodPolicy, f *Finding, whole bool) {
	defer func() {
		if recover() != nil {
			f.Descriptor, f.at = nil, nil
		}
	}()
	locate(f, m, whole)
}

// ignored reports whether a comment leaves a finding out. Comments that can't be read
// leave nothing out.
func (l *linter) ignored(f Finding) (yes bool) {
	defer func() {
		if recover() != nil {
			yes = false
		}
	}()

	return f.ignored()
}

// maxPanic bounds what a finding shows of a panic, in bytes.
const maxPanic = 256

// guarded makes a panic of reflection over a malformed descriptor a finding.
func (l *linter) guarded(m *authz.MethodPolicy, judge func()) {
	defer func() {
		if recovered := recover(); recovered != nil {
			text := fmt.Sprint(recovered)
			l.add(m, Finding{
				ID: authz.FaultRuleInvalid, Offset: -1,
				Problem: "the descriptor can't be read: " + strings.ToValidUTF8(text[:min(len(text), maxPanic)], ""), Fix: "generate it again",
			}, true)
		}
	}()
	judge()
}

// ruled returns the files in which some method has a rule.
func (l *linter) ruled() map[string]bool {
	known := map[string]bool{}
	for i := range l.policy.Methods {
		m := &l.policy.Methods[i]
		if m.Rule != nil || len(m.Faults) > 0 {
			known[fileOf(m)] = true
		}
	}

	return known
}

// fileOf returns the file that declares a method, or its service if that isn't known.
func fileOf(m *authz.MethodPolicy) (name string) {
	service, _, _ := strings.Cut(m.Method, "/")
	defer func() {
		if recover() != nil {
			name = service
		}
	}()
	if m.Descriptor == nil || m.Descriptor.ParentFile() == nil {
		return service
	}

	return m.Descriptor.ParentFile().Path()
}

// foreign reports whether a method is of a package that servers compile in for its own
// sake, such as grpc.health.v1.
func foreign(m *authz.MethodPolicy) bool {
	root, _, _ := strings.Cut(m.Method, ".")

	return slices.Contains([]string{"grpc", "google"}, root)
}

// input returns the type of a method's request, nil if it isn't known.
func input(m *authz.MethodPolicy) protoreflect.MessageDescriptor {
	if m.Descriptor == nil {
		return nil
	}

	return m.Descriptor.Input()
}
