// Package ids lists the ids of findings, for commands and plugins that select them.
//
//	for _, id := range ids.Lint {
//		fmt.Println(id.Name, id.Purpose)
//	}
//	if err := ids.Known([]string{"USHER_REASON"}); err != nil {
//		return err
//	}
package ids

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usher-auth/usher/authz"
)

// ID is a kind of finding.
type ID struct {
	// Name is the id, as in USHER_RULE_VALID.
	Name string
	// Purpose says what the id demands, as a sentence that begins with "Checks that".
	Purpose string
	// Optional is set for what is only judged when asked for.
	Optional bool
}

// The ids of changes.
const (
	NotLoosened  = "USHER_RULE_NOT_LOOSENED"
	NotTightened = "USHER_RULE_NOT_TIGHTENED"
	Comparable   = "USHER_RULE_COMPARABLE"
)

// Lint are the ids of mistakes, sorted by what they are about. It must not be changed.
var Lint = []ID{
	{Name: authz.FaultRuleInvalid, Purpose: "Checks that each rule can work as it is written."},
	{Name: authz.FaultRuleMissing, Purpose: "Checks that each method has a rule, since a method without one is denied."},
	{Name: "USHER_RULE_PASSABLE", Purpose: "Checks that some caller can pass each rule."},
	{Name: "USHER_FIELD_READ", Purpose: "Checks that each request field that looks like an identifier is read by the method's rule."},
	{Name: "USHER_NAME_SEGMENT", Purpose: "Checks that no segment of a resource name that a pattern skips is left unchecked."},
	{Name: "USHER_REASON", Purpose: "Checks that public, handler and deny have a reason."},
	{Name: authz.FaultSchemaType, Purpose: "Checks that each type of a rule is in the schema."},
	{Name: authz.FaultSchemaRelation, Purpose: "Checks that each relation of a rule is in the schema."},
	{Name: authz.FaultSchemaSubject, Purpose: "Checks that each kind of caller that a rule admits can hold its relations by the schema."},
	{Name: authz.FaultSchemaContext, Purpose: "Checks that a condition of the schema takes each context value, by name and type."},
	{Name: authz.FaultSchemaContextLacking, Purpose: "Checks that a rule gives a value to each parameter of the conditions within its reach."},
}

// Breaking are the ids of changes. It must not be changed.
var Breaking = []ID{
	{Name: NotLoosened, Purpose: "Checks that no rule admits calls that its last version refused."},
	{Name: NotTightened, Purpose: "Checks that no rule refuses calls that its last version admitted.", Optional: true},
	{Name: Comparable, Purpose: "Checks that each changed rule can be compared with its last version."},
}

// Known returns an error for names that aren't ids of [Lint].
func Known(names []string) error {
	for _, name := range names {
		if !slices.ContainsFunc(Lint, func(id ID) bool { return id.Name == name }) {
			all := make([]string, len(Lint))
			for i, id := range Lint {
				all[i] = id.Name
			}

			return fmt.Errorf("there is no id %q: it is one of %s", name, strings.Join(all, ", "))
		}
	}

	return nil
}
