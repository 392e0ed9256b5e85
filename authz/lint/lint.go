package lint

import (
	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/schema"
)

// Config configures [Lint].
type Config struct {
	// Schema is the engine's schema. Optional. Default: nothing is judged that depends on
	// it.
	Schema *schema.Schema
	// Except are the ids of findings to leave out. Optional. An id that doesn't exist has
	// no effect.
	Except []string
}

// Lint returns the mistakes in the rules of a policy, sorted by their place.
func Lint(policy *authz.Policy, config Config) []Finding {
	var findings []Finding
	for i := range policy.Methods {
		for _, fault := range policy.Methods[i].Faults {
			findings = append(findings, found(&policy.Methods[i], fault))
		}
	}

	return sorted(findings)
}
