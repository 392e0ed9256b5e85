package lint

import (
	"cmp"
	"slices"
	"strings"

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

// String returns the verdict in words, as in "looser" or "can't tell".
func (v Verdict) String() string {
	switch v {
	case Same:
		return "same"
	case Looser:
		return "looser"
	case Tighter:
		return "tighter"
	case Both:
		return "both looser and tighter"
	case CantTell:
		return "can't tell"
	default:
		return "can't tell"
	}
}

// CompareConfig configures [Compare].
type CompareConfig struct {
	// Schema is the engine's schema, which says what implies what. Optional. Default: no
	// relation implies another.
	Schema *schema.Schema
}

// Comparison is how two versions of rules differ.
type Comparison struct {
	// Changes are the methods whose rules differ, sorted by name. If what the rules have
	// in common differs, such as the subjects, the first one is about that: its Method is
	// empty, and Old and New are methods without anything.
	Changes []Change
	// Opaque are the methods, sorted, whose decision is their handler's in both versions
	// and whose rules are equal otherwise: whether it is still the same can't be told.
	Opaque []string
}

// Change is how one method's rule changed.
type Change struct {
	// Method is the full method, as in "pkg.Service/Method", empty for what the rules of
	// all methods have in common.
	Method string
	// Verdict is what all differences together make of the rule. It is Tighter only if
	// none of them may make it looser.
	Verdict Verdict
	// Differences say what changed, each with a witness. There are at most 100.
	Differences []Difference
	// Old and New are the method in both versions, nil if it isn't in one.
	Old, New *authz.MethodPolicy
}

// String returns the change on one line, as in "docs.v1.Docs/Get: looser:
// access_token.scopes: now also: a token without scope admin".
func (c Change) String() string {
	var text strings.Builder
	text.WriteString(cmp.Or(c.Method, "all methods") + ": " + c.Verdict.String())
	for i, d := range c.Differences {
		text.WriteString([]string{": ", "; "}[min(i, 1)] + d.Part + ": " + d.Witness)
	}

	return text.String()
}

// Difference is one way in which a rule changed.
type Difference struct {
	// Verdict is what the difference makes of the rule.
	Verdict Verdict
	// Part is the part of the rule, as in "policy" or "access_token.kinds".
	Part string
	// Witness says in words a call that is now treated differently, as in "now also: a
	// service token without scope admin". It is one line without control characters.
	Witness string
}

// tooLarge is the witness of rules that can't be compared within the limits.
const tooLarge = "can't tell: the rules are too large to compare"

// maxDifferences bounds the differences of one method.
const maxDifferences = 100

// Limits of the work of one comparison, in steps of some nanoseconds. Methods that would
// exceed them are told as [CantTell].
const (
	maxSteps       = 60_000_000
	maxMethodSteps = 1_000_000
	// stepsOfNode is what it takes to read one condition.
	stepsOfNode = 30
)

// Compare compares two versions of rules, method by method, after inheritance.
//
// A rule is looser if some call passes it that the old rule refuses. A call is whatever
// token, request and engine there may be: one condition of a rule is independent of
// another, unless they are equal, one is of a relation that by the schema implies the
// other's, or they can't both hold, as two kinds of token. So a rule that became looser is
// always told; one that says the same by other templates, or by another expression, may
// be told as looser, or as [CantTell]. What the decision costs or tells counts, too: how
// tokens are validated, how fresh answers are, how often a stream is checked, the code of
// a refusal and the rate limit. Nothing that depends on the server's configuration alone
// counts, such as how many objects a request may name.
//
// A method that isn't in a version, has no rule or has faults is denied there. If a new
// rule has faults and isn't the old one, it is told as [CantTell], since what is a fault
// depends on the server's configuration. The schema is taken for that of both versions: a
// change of the schema isn't compared, and neither are the messages of a method. It doesn't
// need descriptors, does no I/O, and ends within a bounded number of steps whatever the
// rules are. A nil policy has no methods. Neither policy is changed.
func Compare(old, new *authz.Policy, config CompareConfig) *Comparison { //nolint:predeclared // the words for it
	if old == nil {
		old = &authz.Policy{}
	}
	if new == nil {
		new = &authz.Policy{}
	}
	c := newComparer(old, new, config.Schema)
	result := &Comparison{}
	if differences := c.common(old, new); len(differences) > 0 {
		result.Changes = append(result.Changes, Change{
			Verdict: verdictOf(differences), Differences: differences, Old: &authz.MethodPolicy{}, New: &authz.MethodPolicy{},
		})
	}
	before, after := byName(old), byName(new)
	for i, j := 0, 0; i < len(before) || j < len(after); {
		var a, b *authz.MethodPolicy
		switch {
		case j == len(after) || i < len(before) && before[i].Method < after[j].Method:
			a = before[i]
			i++
		case i == len(before) || before[i].Method > after[j].Method:
			b = after[j]
			j++
		default:
			a, b = before[i], after[j]
			i++
			j++
		}
		method := a
		if method == nil {
			method = b
		}
		differences := c.compare(a, b)
		if namedAgain(before, i, method.Method) || namedAgain(after, j, method.Method) {
			differences = append(differences, Difference{CantTell, "rule", "can't tell: one version has several rules for the method"})
		}
		switch {
		case len(differences) > 0:
			result.Changes = append(result.Changes, Change{
				Method: method.Method, Verdict: verdictOf(differences), Differences: differences, Old: a, New: b,
			})
		case decides(a) && decides(b):
			result.Opaque = append(result.Opaque, method.Method)
		}
	}

	return result
}

// byName returns the methods of a policy, sorted by name.
func byName(p *authz.Policy) []*authz.MethodPolicy {
	methods := make([]*authz.MethodPolicy, len(p.Methods))
	for i := range methods {
		methods[i] = &p.Methods[i]
	}
	slices.SortStableFunc(methods, func(a, b *authz.MethodPolicy) int { return cmp.Compare(a.Method, b.Method) })

	return methods
}

// namedAgain reports whether the next method has the name, too.
func namedAgain(methods []*authz.MethodPolicy, next int, name string) bool {
	return next < len(methods) && methods[next].Method == name
}

// decides reports whether the method's handler decides.
func decides(m *authz.MethodPolicy) bool {
	return m != nil && len(m.Faults) == 0 && m.Rule.GetHandler() != nil
}

// verdictOf returns what some differences make of a rule.
func verdictOf(differences []Difference) Verdict {
	var looser, tighter, unknown bool
	for _, d := range differences {
		looser = looser || d.Verdict == Looser || d.Verdict == Both
		tighter = tighter || d.Verdict == Tighter || d.Verdict == Both
		unknown = unknown || d.Verdict == CantTell
	}
	switch {
	case looser && tighter:
		return Both
	case looser:
		return Looser
	case unknown:
		return CantTell
	case tighter:
		return Tighter
	default:
		return Same
	}
}
