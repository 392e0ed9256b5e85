package authz

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// codeFile is the file of a rule in code.
const codeFile = "code"

// The kinds of faults of rules.
const (
	// FaultRuleInvalid is a rule that can't work as it is written or configured. Its
	// method is denied.
	FaultRuleInvalid = "USHER_RULE_VALID"
	// FaultRuleMissing is a method without a rule. It is denied.
	FaultRuleMissing = "USHER_RULE_PRESENT"
	// FaultSchemaType is a type, of an object or a subject, that isn't in the engine's
	// schema.
	FaultSchemaType = "USHER_SCHEMA_TYPE"
	// FaultSchemaRelation is a relation that isn't in the engine's schema.
	FaultSchemaRelation = "USHER_SCHEMA_RELATION"
	// FaultSchemaSubject is a kind of caller that the rule admits and that can never pass
	// it, since the engine's schema gives the relations to no such subject.
	FaultSchemaSubject = "USHER_SCHEMA_SUBJECT"
	// FaultSchemaContext is a context value that no condition of the schema takes, or of
	// another type than the condition's parameter.
	FaultSchemaContext = "USHER_SCHEMA_CONTEXT"
	// FaultSchemaContextLacking is a parameter of a condition within a check's reach that
	// the rule gives no value for. If tuples don't have it either, the check is denied.
	FaultSchemaContextLacking = "USHER_SCHEMA_LACKING_CONTEXT"
)

// RuleError is one fault of one rule, found when rules are compiled.
type RuleError struct {
	// ID is the kind of fault, one of the constants that begin with Fault. It is stable,
	// for tools that sort faults or exclude some.
	ID string
	// File is the .proto that declares the method, or "code" for a rule in code.
	File string
	// Line is the line of the rule or its method in File. Zero means that the
	// descriptors have no source info; those in generated Go never do.
	Line int
	// Method is the full method, as in "pkg.Service/Method", or the full name of a
	// service for a fault of the service itself.
	Method string
	// Path is where in the rule the fault is, as in "rule.check.object".
	Path string
	// Column is the byte offset within a template, from zero, or -1 if the fault
	// isn't within one.
	Column int
	// Problem is what is wrong.
	Problem string
	// Fix is what to do about it.
	Fix string
}

// Error returns the whole fault on one line, as in "authz: docs.proto:
// docs.v1.Docs/Get: rule.check.object: column 9: problem; fix", with the line
// number after the file if Line is known.
func (e *RuleError) Error() string {
	var text strings.Builder
	text.WriteString("authz: ")
	if e.File != "" {
		text.WriteString(e.File)
		if e.Line > 0 {
			text.WriteString(":" + strconv.Itoa(e.Line))
		}
		text.WriteString(": ")
	}
	text.WriteString(e.Method)
	if e.Path != "" {
		text.WriteString(": " + e.Path)
	}
	if e.Column >= 0 {
		text.WriteString(": column " + strconv.Itoa(e.Column))
	}
	text.WriteString(": " + e.Problem)
	if e.Fix != "" {
		text.WriteString("; " + e.Fix)
	}

	return text.String()
}

// joinRuleErrors joins the faults into one error, sorted. It returns nil for none.
func joinRuleErrors(faults []*RuleError) error {
	if len(faults) == 0 {
		return nil
	}
	errs := make([]error, len(faults))
	for i, fault := range sortedRuleErrors(faults) {
		errs[i] = fault
	}

	return errors.Join(errs...)
}

// sortedRuleErrors returns the faults in the order in which an operator reads
// files.
func sortedRuleErrors(faults []*RuleError) []*RuleError {
	sorted := slices.Clone(faults)
	slices.SortStableFunc(sorted, func(a, b *RuleError) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Method, b.Method),
			cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.Column, b.Column),
		)
	})

	return sorted
}
