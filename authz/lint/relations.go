package lint

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/schema"
)

// relation is a question to the schema.
type relation struct{ object, from, to string }

// relations answers from a schema which relations imply which.
type relations struct {
	// schema is nil if there is none. It must not be asked then.
	schema  *schema.Schema
	implied map[relation]bool
	// asked is how long the schema was asked.
	asked time.Duration
}

func newRelations(model *schema.Schema) relations {
	return relations{schema: model, implied: map[relation]bool{}}
}

const (
	// maxImplied bounds the relations of one object between which the schema is asked.
	maxImplied = 64
	// What the schema is asked in one comparison, or one lint. An answer takes
	// microseconds, unless the schema is made to take long.
	maxQuestions = 100_000
	maxAsking    = time.Second
)

// implies asks the schema, once for each pair of relations. It reports false for known if
// the schema was asked for too long.
func (r *relations) implies(objectType, from, to string) (answer, known bool) {
	of := relation{objectType, from, to}
	if answer, known = r.implied[of]; known {
		return answer, true
	}
	if len(r.implied) >= maxQuestions || r.asked > maxAsking {
		return false, false
	}
	begun := time.Now()
	answer = r.schema.Implies(objectType, from, to)
	r.asked += time.Since(begun)
	r.implied[of] = answer

	return answer, true
}

// usersets reports whether a policy has callers that are usersets to the engine, of which
// a schema tells nothing.
func usersets(policy *authz.Policy) bool {
	subjects := append(slices.Collect(maps.Values(policy.IssuerSubjects)), policy.Subjects)

	return slices.ContainsFunc(subjects, func(s authz.Subjects) bool { return strings.Contains(s.Service+s.User, "#") })
}
