package changes_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/cmd/internal/changes"
	"github.com/usher-auth/usher/authz/lint"
)

func difference(verdict lint.Verdict, part, witness string) lint.Difference {
	return lint.Difference{Verdict: verdict, Part: part, Witness: witness}
}

func change(method string, verdict lint.Verdict, differences ...lint.Difference) lint.Change {
	m := &authz.MethodPolicy{Method: method, File: "docs.proto", Line: 7}

	return lint.Change{Method: method, Verdict: verdict, Differences: differences, Old: m, New: m}
}

func summary(found *changes.Found) string {
	var text []string
	for _, finding := range found.Findings {
		finding.Fix = ""
		text = append(text, finding.String())
	}

	return strings.Join(text, "\n")
}

func TestOfFindsWhatNeedsAReview(t *testing.T) {
	comparison := &lint.Comparison{
		Changes: []lint.Change{
			change("s.S/Looser", lint.Looser, difference(lint.Looser, "policy", "now also: anyone")),
			change("s.S/Tighter", lint.Tighter, difference(lint.Tighter, "policy", "no longer: a user")),
			change("s.S/Both", lint.Both, difference(lint.Looser, "policy", "now also: x"), difference(lint.Tighter, "policy", "no longer: y")),
			change("s.S/CantTell", lint.CantTell, difference(lint.CantTell, "policy", "the handler decides")),
			change("s.S/OneOfBoth", lint.Both, difference(lint.Both, "policy", "others")),
			change("s.S/Same", lint.Same),
		},
		Opaque: []string{"s.S/Handler"},
	}
	const looser = `docs.proto:7: USHER_RULE_NOT_LOOSENED: s.S/Both: rule: now also: x
docs.proto:7: USHER_RULE_COMPARABLE: s.S/CantTell: rule: the handler decides
docs.proto:7: USHER_RULE_NOT_LOOSENED: s.S/Looser: rule: now also: anyone
docs.proto:7: USHER_RULE_NOT_LOOSENED: s.S/OneOfBoth: rule: others`
	found := changes.Of(comparison, nil, false)
	if got := summary(found); got != looser || found.Tighter != 1 || len(found.Opaque) != 1 {
		t.Errorf("%s\n%+v", got, found)
	}
	const all = `docs.proto:7: USHER_RULE_NOT_LOOSENED: s.S/Both: rule: now also: x
docs.proto:7: USHER_RULE_NOT_TIGHTENED: s.S/Both: rule: no longer: y
docs.proto:7: USHER_RULE_COMPARABLE: s.S/CantTell: rule: the handler decides
docs.proto:7: USHER_RULE_NOT_LOOSENED: s.S/Looser: rule: now also: anyone
docs.proto:7: USHER_RULE_NOT_LOOSENED: s.S/OneOfBoth: rule: others
docs.proto:7: USHER_RULE_NOT_TIGHTENED: s.S/OneOfBoth: rule: others
docs.proto:7: USHER_RULE_NOT_TIGHTENED: s.S/Tighter: rule: no longer: a user`
	found = changes.Of(comparison, nil, true)
	if got := summary(found); got != all || found.Tighter != 0 {
		t.Errorf("%s\n%+v", got, found)
	}
}

func TestARemovedMethodIsAtNoLine(t *testing.T) {
	gone := change("s.S/M", lint.Tighter, difference(lint.Tighter, "policy", "no longer: anyone"))
	gone.New = nil
	found := changes.Of(&lint.Comparison{Changes: []lint.Change{gone}}, nil, true)
	if len(found.Findings) != 1 || found.Findings[0].Line != 0 || found.Findings[0].File != "docs.proto" {
		t.Errorf("%+v", found.Findings)
	}
}

func TestOfFindsAVerdictThatNoDifferenceExplains(t *testing.T) {
	for _, verdict := range []lint.Verdict{lint.Looser, lint.Both, lint.CantTell, 99} {
		for name, differences := range map[string][]lint.Difference{
			"no difference": nil, "a tighter one": {difference(lint.Tighter, "policy", "no longer: y")},
		} {
			found := changes.Of(&lint.Comparison{Changes: []lint.Change{change("s.S/M", verdict, differences...)}}, nil, false)
			if len(found.Findings) != 1 || found.Tighter != 0 {
				t.Errorf("%d, %s: %+v", verdict, name, found)
			}
		}
	}
}

func TestAnAcceptedChangeIsLeftOutByItsWitness(t *testing.T) {
	reviewed := change("s.S/M", lint.Looser, difference(lint.Looser, "policy", "now also: x"))
	first := changes.Of(&lint.Comparison{Changes: []lint.Change{reviewed}}, nil, false)
	path := filepath.Join(t.TempDir(), "accepted")
	text := "# reviewed: x may do this, too\n\n" + strings.Join(first.Lines, "\n") + "\ns.S/Gone: policy: now also: z\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	read := func() *changes.Accepted {
		accepted, err := changes.ReadAccepted(path)
		if err != nil {
			t.Fatal(err)
		}

		return accepted
	}
	found := changes.Of(&lint.Comparison{Changes: []lint.Change{reviewed}}, read(), false)
	if len(found.Findings) != 0 || !slices.Equal(found.Unused, []string{"s.S/Gone: policy: now also: z"}) {
		t.Errorf("%+v", found)
	}
	for name, other := range map[string]lint.Change{
		"another witness":     change("s.S/M", lint.Looser, difference(lint.Looser, "policy", "now also: anyone")),
		"another part":        change("s.S/M", lint.Looser, difference(lint.Looser, "on_deny", "now also: x")),
		"another method":      change("s.S/N", lint.Looser, difference(lint.Looser, "policy", "now also: x")),
		"one more difference": change("s.S/M", lint.Looser, difference(lint.Looser, "policy", "now also: x"), difference(lint.Looser, "policy", "now also: y")),
	} {
		if found := changes.Of(&lint.Comparison{Changes: []lint.Change{other}}, read(), false); len(found.Findings) != 1 {
			t.Errorf("%s: %+v", name, found.Findings)
		}
	}
}

func TestWhatAllMethodsHaveInCommonCannotBeAccepted(t *testing.T) {
	common := &lint.Comparison{Changes: []lint.Change{change("", lint.Looser, difference(lint.Looser, "issuers", "now also: a token of issuer x"))}}
	found := changes.Of(common, &changes.Accepted{}, false)
	if len(found.Findings) != 1 || len(found.Lines) != 0 {
		t.Errorf("%+v", found)
	}
}

func TestReadAcceptedRefusesWhatIsNoChange(t *testing.T) {
	for text, want := range map[string]string{
		"s.S/M":                              "1: not a change",
		"s.S/M: policy":                      "1: not a change",
		"s.S/M: policy: ":                    "1: not a change",
		"# x\ns.S/*: policy: x":              "2: not a change",
		"*: policy: x":                       "1: not a change",
		"s.S/M: policy: x\ns.S/M: policy: x": "2: the same change",
	} {
		if _, err := changes.ParseAccepted([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := changes.ReadAccepted(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Error(err)
	}
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, make([]byte, changes.MaxAccepted+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := changes.ReadAccepted(large); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Error(err)
	}
}

func FuzzParseAccepted(f *testing.F) {
	f.Add([]byte("# x\ns.S/M: policy: now also: x\n"), "policy", "now also: x")
	f.Fuzz(func(t *testing.T, text []byte, part, witness string) {
		if accepted, err := changes.ParseAccepted(text); (accepted == nil) == (err == nil) {
			t.Error(accepted, err)
		}
		// What is written is read as the same change, whatever its texts are, or refused.
		d := difference(lint.Looser, part, witness)
		c := change("s.S/M", lint.Looser, d)
		accepted, err := changes.ParseAccepted([]byte(changes.Line(&c, d)))
		if err != nil {
			return
		}
		found := changes.Of(&lint.Comparison{Changes: []lint.Change{c}}, accepted, false)
		if len(found.Findings) != 0 {
			t.Errorf("%q isn't accepted", changes.Line(&c, d))
		}
	})
}

func ExampleOf() {
	comparison := &lint.Comparison{Changes: []lint.Change{change("docs.v1.Docs/Get", lint.Looser, difference(lint.Looser, "policy", "now also: any caller"))}}
	for _, finding := range changes.Of(comparison, nil, false).Findings {
		fmt.Println(finding)
	}
	// Output: docs.proto:7: USHER_RULE_NOT_LOOSENED: docs.v1.Docs/Get: rule: now also: any caller; have the change reviewed, or undo it
}
