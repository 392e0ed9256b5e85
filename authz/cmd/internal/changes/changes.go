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
	"slices"

	"github.com/usher-auth/usher/authz/lint"
)

// Found is what of a comparison needs a review.
type Found struct {
	// Findings has one for each difference, sorted by their places.
	Findings []lint.Finding
	// Lines are the differences that they are about as [ReadAccepted] reads them, sorted.
	// Those of all methods together have none.
	Lines []string
	// Tighter is how many methods became only tighter, if those aren't findings.
	Tighter int
	// Opaque are the methods whose handler decides in both versions.
	Opaque []string
	// Accepted is how many accepted lines differences have, which are left out.
	Accepted int
	// Unused are accepted lines that no difference has.
	Unused []string
}

// Of returns what needs a review: differences that make a rule looser or that can't be
// compared and, if asked for, those that make it tighter. Accepted differences are left
// out.
func Of(comparison *lint.Comparison, accepted *Accepted, tighter bool) *Found {
	found := &Found{Opaque: comparison.Opaque}
	left, removed := &lint.Comparison{}, map[string]bool{}
	for i := range comparison.Changes {
		change := comparison.Changes[i]
		if !explained(&change) {
			// The verdict counts, even if nothing tells what it is about.
			change.Differences = append(slices.Clone(change.Differences), lint.Difference{
				Verdict: change.Verdict, Part: "rule", Witness: "the rule is another",
			})
		}
		removed[change.Method] = change.New == nil
		onlyTighter := len(change.Differences) > 0
		var kept []lint.Difference
		for _, difference := range change.Differences {
			if difference.Verdict == lint.Same {
				continue
			}
			onlyTighter = onlyTighter && difference.Verdict == lint.Tighter
			if difference.Verdict == lint.Tighter && !tighter {
				continue
			}
			line := Line(&change, difference)
			if accepted.take(line) {
				continue
			}
			kept = append(kept, difference)
			if line != "" {
				found.Lines = append(found.Lines, line)
			}
		}
		change.Differences = kept
		left.Changes = append(left.Changes, change)
		if onlyTighter && !tighter {
			found.Tighter++
		}
	}
	for _, finding := range lint.Findings(left) {
		if finding.ID == lint.FindingTightened && !tighter {
			continue // the other half of a change that is looser, too
		}
		if removed[finding.Method] {
			// There is no such line any more.
			finding.Line, finding.Column, finding.Descriptor = 0, 0, nil
		}
		found.Findings = append(found.Findings, finding)
	}
	slices.Sort(found.Lines)
	found.Lines = slices.Compact(found.Lines)
	found.Accepted, found.Unused = accepted.taken(), accepted.unused()

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
