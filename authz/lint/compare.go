package lint

import (
	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/schema"
)

// Verdict is how a method's new rule compares with its old one.
type Verdict uint8

// The verdicts.
const (
	// Same means that both rules let the same calls pass, in the same way.
	Same Verdict = iota
	// Looser means that some call passes the new rule that the old one refused.
	Looser
	// Tighter means that some call passed the old rule that the new one refuses.
	Tighter
	// Both means looser for some calls and tighter for others.
	Both
	// CantTell means that it can't be decided from the rules, as when a handler decides.
	CantTell
)

// CompareConfig configures [Compare].
type CompareConfig struct {
	// Schema is the engine's schema, which says what implies what. Optional.
	Schema *schema.Schema
}

// Comparison is how two versions of rules differ.
type Comparison struct {
	// Changes are the methods whose rules differ, sorted by name.
	Changes []Change
	// Opaque are the methods, sorted, whose decision is their handler's in both versions
	// and whose rules are equal otherwise: whether it is still the same can't be told.
	Opaque []string
}

// Change is how one method's rule changed.
type Change struct {
	Method  string
	Verdict Verdict
	// Differences say what changed, each with a witness.
	Differences []Difference
	// Old and New are the method in both versions, nil if it isn't in one.
	Old, New *authz.MethodPolicy
}

// Difference is one way in which a rule changed.
type Difference struct {
	// Verdict is what the difference makes of the rule.
	Verdict Verdict
	// Part is the part of the rule, as in "policy" or "access_token.kinds".
	Part string
	// Witness says in words a call that is now treated differently, as in "now also: a
	// service token without scope admin".
	Witness string
}

// Compare compares two versions of rules, method by method, after inheritance.
func Compare(old, new *authz.Policy, config CompareConfig) *Comparison { return &Comparison{} }
