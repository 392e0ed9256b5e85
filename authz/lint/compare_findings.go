package lint

import (
	"strings"

	"github.com/usher-auth/usher/authz"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// The kinds of findings about changes.
const (
	// FindingLoosened is a rule that admits a call, or tells something, that it didn't.
	FindingLoosened = "USHER_RULE_NOT_LOOSENED"
	// FindingTightened is a rule that refuses a call that it admitted.
	FindingTightened = "USHER_RULE_NOT_TIGHTENED"
	// FindingComparable is a change that may have loosened the rule: it can't be told.
	FindingComparable = "USHER_RULE_COMPARABLE"
)

// Findings returns each difference of a comparison as a finding, sorted by its place: that
// of the new rule, or of the old one if the method is no more. A difference that is both
// looser and tighter is two findings.
func Findings(comparison *Comparison) []Finding {
	var findings []Finding
	for i := range comparison.Changes {
		change := &comparison.Changes[i]
		at := change.New
		if at == nil {
			at = change.Old
		}
		if at == nil {
			at = &authz.MethodPolicy{}
		}
		for _, d := range change.Differences {
			for _, id := range idsOf(d.Verdict) {
				f := Finding{
					ID: id, File: at.File, Line: at.Line, Method: change.Method, Path: pathOf(at, d.Part), Offset: -1, Problem: d.Witness, Fix: fixes[id],
				}
				if at.Descriptor != nil {
					f.Descriptor = at.Descriptor
				}
				findings = append(findings, f)
			}
		}
	}

	return sorted(findings)
}

var fixes = map[string]string{
	FindingLoosened:   "have the change reviewed, or undo it",
	FindingTightened:  "see that no caller needs it, or undo it",
	FindingComparable: "compare the two rules yourself",
}

func idsOf(v Verdict) []string {
	switch v {
	case Looser:
		return []string{FindingLoosened}
	case Tighter:
		return []string{FindingTightened}
	case Both:
		return []string{FindingLoosened, FindingTightened}
	case Same:
		return nil
	case CantTell:
		return []string{FindingComparable}
	default:
		return []string{FindingComparable}
	}
}

// pathOf returns the path of a part in the method's rule.
func pathOf(m *authz.MethodPolicy, part string) string {
	switch {
	case m.Method == "":
		return part
	case m.Rule == nil || part == "rule":
		return "rule"
	case part != "policy":
		return m.Path(part)
	}
	reflected := (&authzv1.Rule{}).ProtoReflect().Descriptor().Oneofs().ByName("policy")
	if field := m.Rule.ProtoReflect().WhichOneof(reflected); field != nil {
		return strings.TrimSuffix(m.Path(string(field.Name())), ".")
	}

	return "rule"
}
