package report_test

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz/cmd/internal/report"
	"github.com/usher-auth/usher/authz/lint"
)

var hostile = lint.Finding{
	ID: "USHER_RULE_VALID", File: "a%b:c,d.proto", Line: 3, Column: 5, Method: "docs.v1.Docs/Get", Path: "rule.check.object", Offset: 9,
	Problem: "a\r\n::error file=x::y \x1b[31m \u202e \u2028 100% \xff", Fix: "b: c, d",
}

func write(t *testing.T, format report.Format, findings ...lint.Finding) string {
	t.Helper()
	var out strings.Builder
	if err := (report.Report{Methods: 7, Findings: findings}).Write(&out, format); err != nil {
		t.Fatal(err)
	}

	return out.String()
}

func TestFormatsEscapeWhatAProtoMayHold(t *testing.T) {
	const text = "a%b:c,d.proto:3:5: USHER_RULE_VALID: docs.v1.Docs/Get: rule.check.object: byte 9: " +
		`a\r\n::error file=x::y \x1b[31m \u202e \u2028 100% \ufffd; b: c, d` + "\n"
	if got := write(t, report.Text, hostile); got != text {
		t.Errorf("text\n%swant\n%s", got, text)
	}
	const github = "::error file=a%25b%3Ac%2Cd.proto,line=3,col=5,title=USHER_RULE_VALID::docs.v1.Docs/Get: rule.check.object: byte 9: " +
		`a\r\n::error file=x::y \x1b[31m \u202e \u2028 100%25 \ufffd; b: c, d` + "\n"
	if got := write(t, report.GitHub, hostile); got != github {
		t.Errorf("github\n%swant\n%s", got, github)
	}
}

func TestNoFormatHasWhatATerminalOrALogObeys(t *testing.T) {
	obeyed := lint.Finding{ID: "USHER_X", File: "::add-mask::a.proto", Offset: -1, Problem: "\u009b31m \u202e \x7f \U000e0041 ##[add-mask]x"}
	for _, format := range []report.Format{report.Text, report.JSON, report.GitHub} {
		got := write(t, format, obeyed)
		if strings.ContainsAny(got, "\u009b\u202e\x7f\U000e0041") {
			t.Errorf("%s: %q", format, got)
		}
		if format == report.Text && (strings.HasPrefix(got, "::") || strings.Contains(got, "##[")) {
			t.Errorf("%s: %q", format, got)
		}
		if format == report.JSON {
			var read report.Report
			if err := json.Unmarshal([]byte(got), &read); err != nil || !reflect.DeepEqual(read.Findings[0], obeyed) {
				t.Errorf("%v\n%+v\n%+v", err, read.Findings, obeyed)
			}
		}
	}
}

func TestGitHubLeavesOutAPlaceThatIsNotKnown(t *testing.T) {
	for want, finding := range map[string]lint.Finding{
		"::error title=USHER_X::p\n":                        {ID: "USHER_X", Offset: -1, Problem: "p"},
		"::error file=a.proto,title=USHER_X::p\n":           {ID: "USHER_X", File: "a.proto", Offset: -1, Problem: "p"},
		"::error file=a.proto,line=2,title=USHER_X::S: p\n": {ID: "USHER_X", File: "a.proto", Line: 2, Method: "S", Offset: -1, Problem: "p"},
	} {
		if got := write(t, report.GitHub, finding); got != want {
			t.Errorf("%swant %s", got, want)
		}
	}
}

func TestJSONHasAVersionAndNeverNull(t *testing.T) {
	if got, want := write(t, report.JSON), "{\n  \"version\": 1,\n  \"methods\": 7,\n  \"findings\": []\n}\n"; got != want {
		t.Errorf("%swant\n%s", got, want)
	}
	var read report.Report
	if err := json.Unmarshal([]byte(write(t, report.JSON, hostile)), &read); err != nil {
		t.Fatal(err)
	}
	got := read.Findings[0]
	// JSON has no invalid UTF-8.
	want := hostile
	want.Problem = strings.ReplaceAll(want.Problem, "\xff", "\ufffd")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}

func TestParseFormatRefusesWhatIsNone(t *testing.T) {
	for _, name := range []string{"text", "json", "github"} {
		if format, err := report.ParseFormat(name); err != nil || string(format) != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := report.ParseFormat("xml"); err == nil {
		t.Error("no error")
	}
}

func ExampleReport_Write() {
	findings := []lint.Finding{{ID: "USHER_REASON", File: "docs.proto", Line: 12, Column: 5, Method: "docs.v1.Docs/News", Path: "rule.public", Offset: -1, Problem: "no reason"}}
	if err := (report.Report{Methods: 1, Findings: findings}).Write(os.Stdout, report.GitHub); err != nil {
		panic(err)
	}
	// Output: ::error file=docs.proto,line=12,col=5,title=USHER_REASON::docs.v1.Docs/News: rule.public: no reason
}
