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

	"github.com/usher-auth/usher/authz/lint"
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

// Lint are the ids of mistakes, sorted. It must not be changed.
var Lint = mistakes()

func mistakes() []ID {
	var all []ID
	for _, kind := range lint.Kinds() {
		all = append(all, ID{Name: kind.ID, Purpose: kind.Purpose})
	}

	return all
}

// Breaking are the ids of changes. It must not be changed.
var Breaking = []ID{
	{Name: lint.FindingLoosened, Purpose: "Checks that no rule admits calls that its last version refused."},
	{Name: lint.FindingTightened, Purpose: "Checks that no rule refuses calls that its last version admitted.", Optional: true},
	{Name: lint.FindingComparable, Purpose: "Checks that each changed rule can be compared with its last version."},
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
