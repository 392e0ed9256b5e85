// Package changes turns a comparison of rules into findings, without those that were
// reviewed.
//
//	accepted, err := changes.ReadAccepted("rules.accepted")
//	if err != nil {
//		return err
//	}
//	found := changes.Of(lint.Compare(old, policy, lint.CompareConfig{}), accepted, false)
//	for _, finding := range found.Findings {
//		fmt.Println(finding)
//	}
package changes

import (
	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/cmd/internal/ids"
	"github.com/usher-auth/usher/authz/lint"
)

// Found is what of a comparison needs a review.
type Found struct {
	// Findings has one for each difference.
	Findings []lint.Finding
	// Lines are the findings as [ReadAccepted] reads them, in the same order.
	Lines []string
	// Tighter is how many methods became only tighter, if those aren't findings.
	Tighter int
	// Opaque are the methods whose handler decides in both versions.
	Opaque []string
	// Unused are accepted lines that no difference has.
	Unused []string
}

// Of returns what needs a review: differences that make a rule looser or that can't be
// compared and, if asked for, those that make it tighter. Accepted differences are left
// out.
func Of(comparison *lint.Comparison, accepted *Accepted, tighter bool) *Found {
	found := &Found{Opaque: comparison.Opaque}
	for i := range comparison.Changes {
		change := &comparison.Changes[i]
		differences := change.Differences
		if !explained(change) {
			// The verdict counts, even if nothing tells what it is about.
			differences = append(differences[:len(differences):len(differences)], lint.Difference{
				Verdict: change.Verdict, Part: "rule", Witness: "the rule is another",
			})
		}
		onlyTighter := len(differences) > 0
		for _, difference := range differences {
			if difference.Verdict == lint.Same {
				continue
			}
			onlyTighter = onlyTighter && difference.Verdict == lint.Tighter
			if difference.Verdict == lint.Tighter && !tighter {
				continue
			}
			line := Line(change.Method, difference)
			if accepted.take(line) {
				continue
			}
			found.Findings = append(found.Findings, finding(change, difference))
			found.Lines = append(found.Lines, line)
		}
		if onlyTighter && !tighter {
			found.Tighter++
		}
	}
	found.Unused = accepted.unused()

	return found
}

// explained reports whether a difference accounts for the verdict of a change.
func explained(change *lint.Change) bool {
	var looser, tighter, unknown bool
	for _, difference := range change.Differences {
		switch difference.Verdict {
		case lint.Looser:
			looser = true
		case lint.Tighter:
			tighter = true
		case lint.Both:
			looser, tighter = true, true
		case lint.CantTell:
			unknown = true
		case lint.Same:
		}
	}
	switch change.Verdict {
	case lint.Same:
		return true
	case lint.Looser:
		return looser
	case lint.Tighter:
		return tighter
	case lint.Both:
		return looser && tighter
	case lint.CantTell:
		return unknown
	}

	return false
}

// finding returns the finding of a difference, at the new rule or, if the method was
// removed, at none.
func finding(change *lint.Change, difference lint.Difference) lint.Finding {
	f := lint.Finding{Method: change.Method, Path: difference.Part, Offset: -1, Problem: difference.Witness}
	switch difference.Verdict {
	case lint.Tighter:
		f.ID = ids.NotTightened
	case lint.Looser, lint.Both:
		f.ID = ids.NotLoosened
	case lint.CantTell, lint.Same:
		f.ID = ids.Comparable
	}
	if change.New != nil {
		place(&f, change.New)
	}

	return f
}

func place(f *lint.Finding, m *authz.MethodPolicy) {
	f.File, f.Line = m.File, m.Line
	if m.Descriptor != nil {
		f.Descriptor = m.Descriptor
	}
}
