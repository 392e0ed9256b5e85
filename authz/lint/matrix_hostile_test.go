package lint_test

import (
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lint"
	"github.com/usher-auth/usher/authz/schema"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// hostile is text that would be more than text on some page: markup, ends of elements,
// Markdown, line breaks, and characters that a terminal or a reader is misled by.
const hostile = "</script></noscript></details><img src=x onerror=alert(1)>\"'`|\\|<!--]]>&lt;${1}[a](https://evil.example)@all " +
	"www.evil.example\r\n| x | y |\n# h\t\x1b[31m\x00\u202eevil\u2066\u200b\u2028\ufeff\U000e0041\x7f{{.}}<section data-service=\"x\"><details id=\"y\">\xff"

// hostileMatrix has the text wherever a matrix has text.
func hostileMatrix(tb testing.TB) *lint.Matrix {
	tb.Helper()
	text := strings.ToValidUTF8(hostile, "\ufffd")
	value := []*authzv1.ContextValue{{Name: text, Value: text}}
	condition := func(c *authzv1.Condition) *authzv1.Condition { return c }
	all := &authzv1.AllOf{Conditions: []*authzv1.Condition{
		condition(&authzv1.Condition{Condition: &authzv1.Condition_Check{Check: &authzv1.Check{Object: "document:" + text, Relation: text, Subject: text, Context: value}}}),
		condition(&authzv1.Condition{Condition: &authzv1.Condition_Match{Match: &authzv1.Match{Left: text, Right: text}}}),
		condition(&authzv1.Condition{Condition: &authzv1.Condition_HasScope{HasScope: &authzv1.HasScope{Scope: text}}}),
		condition(&authzv1.Condition{Condition: &authzv1.Condition_Permission{Permission: &authzv1.Permission{Name: text, On: text, Subject: text, Context: value}}}),
		condition(&authzv1.Condition{Condition: &authzv1.Condition_Attributes{Attributes: &authzv1.Attributes{
			Action: text, Resource: text, ResourceProperties: value, SubjectProperties: value, ActionProperties: value, Context: value, Subject: text,
		}}}),
		condition(&authzv1.Condition{Condition: &authzv1.Condition_Expression{Expression: &authzv1.Expression{Cel: text}}}),
		condition(&authzv1.Condition{Condition: &authzv1.Condition_HasRole{HasRole: &authzv1.HasRole{Role: text}}}),
		condition(&authzv1.Condition{Condition: &authzv1.Condition_InGroup{InGroup: &authzv1.InGroup{Group: text}}}),
		condition(&authzv1.Condition{Condition: &authzv1.Condition_HasClaim{HasClaim: &authzv1.HasClaim{Path: text, AnyOf: []string{text, text}}}}),
		condition(&authzv1.Condition{}),
	}}
	token := &authzv1.AccessToken{Scopes: []string{text}, AnyScope: []string{text}, AcrValues: []string{text}, Issuers: []string{text}}
	fresh := &authzv1.Consistency{Mode: authzv1.Mode_MODE_AT_LEAST_AS_FRESH, Revision: text}
	fault := &authz.RuleError{ID: text, File: text, Line: 1, Method: text, Path: text, Column: 1, Problem: text, Fix: text}
	policy := &authz.Policy{
		Methods: []authz.MethodPolicy{
			{Method: text + "/Public" + text, File: text, Rule: &authzv1.Rule{Policy: &authzv1.Rule_Public{Public: &authzv1.Public{Reason: text}}}},
			{Method: text + "/All" + text, File: text, Rule: &authzv1.Rule{Policy: &authzv1.Rule_AllOf{AllOf: all}, AccessToken: token, Consistency: fresh}},
			{Method: text + "/Faulty" + text, File: text, Rule: &authzv1.Rule{}, Faults: []*authz.RuleError{fault}, Inherited: []string{text}},
			{Method: text, File: text},
		},
		Subjects: authz.Subjects{Service: text, User: text},
		Faults:   []*authz.RuleError{fault},
	}
	model, err := schema.New(text, []schema.Type{{Name: "document", Relations: []schema.Relation{{
		Name: text, Expression: schema.Direct{Subjects: []schema.Subject{{Type: text, Condition: text}}},
	}}}}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	changes := []lint.Change{
		{Method: text, Verdict: lint.Looser, Differences: []lint.Difference{{Verdict: lint.Looser, Part: text, Witness: text}}},
		{Method: "gone" + text, Verdict: lint.Tighter, Differences: []lint.Difference{{Verdict: lint.Tighter, Part: text, Witness: text}}},
	}

	return newMatrix(tb, lint.MatrixConfig{
		Title: text, Schema: model, Comparison: &lint.Comparison{Changes: changes},
		Policies: []lint.NamedPolicy{{Name: text, Policy: policy}},
	})
}

func TestMatrixShowsNoCharacterThatMisleads(t *testing.T) {
	m := hostileMatrix(t)
	for name, write := range map[string]func(io.Writer) error{"text": m.Text, "Markdown": m.Markdown, "JSON": m.JSON, "HTML": m.HTML} {
		for i, r := range written(t, write) {
			if r != '\n' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)) {
				t.Fatalf("%s has %U at %d", name, r, i)
			}
		}
	}
}

func TestMatrixJSONHasHostileTextAsItIs(t *testing.T) {
	m := hostileMatrix(t)
	var again lint.Matrix
	if err := json.Unmarshal([]byte(written(t, m.JSON)), &again); err != nil {
		t.Fatal(err)
	}
	if again.Title != m.Title || again.Title != strings.ToValidUTF8(hostile, "\ufffd") {
		t.Errorf("%q became %q", m.Title, again.Title)
	}
}

func TestMatrixMarkdownIsNothingButItsTables(t *testing.T) {
	rows := 0
	for line := range strings.SplitSeq(written(t, hostileMatrix(t).Markdown), "\n") {
		plain := regexp.MustCompile("`[^`]*`").ReplaceAllString(line, "")
		plain = regexp.MustCompile(`</?code>|<br>|&#[0-9]+;`).ReplaceAllString(plain, "")
		if strings.ContainsAny(plain, "<>&`\\[@$~") || strings.Contains(plain, "://") || strings.Contains(plain, "www.") {
			t.Errorf("a line has more than the matrix's own: %q", plain)
		}
		if strings.HasPrefix(line, "| ") {
			if n := strings.Count(line, "|"); n != 6 {
				t.Errorf("a row has %d bars: %s", n, line)
			}
			rows++
		}
	}
	if rows == 0 {
		t.Error("there is no row")
	}
}

func TestMatrixPageHasNoElementOfARulesText(t *testing.T) {
	got := written(t, hostileMatrix(t).HTML)
	clean := written(t, cookbook(t).HTML)
	for _, tag := range []string{"<script", "</script", "<noscript", "</noscript", "<img", "<!--", "onerror=alert(1)>"} {
		want := strings.Count(clean, tag)
		if n := strings.Count(got, tag); n != want {
			t.Errorf("%d times %q, want %d", n, tag, want)
		}
	}
	if n := strings.Count(got, "<details "); n != 4 {
		t.Errorf("%d rows, want 4", n)
	}
	for _, attribute := range regexp.MustCompile(` (?:href|src|action|on[a-z]+)="([^"]*)"`).FindAllStringSubmatch(got, -1) {
		if !strings.HasPrefix(attribute[1], "#") {
			t.Errorf("the page leads to %q", attribute[0])
		}
	}
}

func TestMatrixOfARuleWithoutBoundsIsBounded(t *testing.T) {
	long := strings.Repeat("x{y}", 1<<18)
	deep := &authzv1.Condition{}
	for range 10_000 {
		deep = &authzv1.Condition{Condition: &authzv1.Condition_AllOf{AllOf: &authzv1.AllOf{Conditions: []*authzv1.Condition{deep}}}}
	}
	m := newMatrix(t, lint.MatrixConfig{Policies: []lint.NamedPolicy{{Policy: &authz.Policy{Methods: []authz.MethodPolicy{
		{Method: "a.A/Long", Rule: &authzv1.Rule{Policy: &authzv1.Rule_Check{Check: &authzv1.Check{Object: long, Relation: long}}}},
		{Method: "a.A/Deep", Rule: &authzv1.Rule{Policy: &authzv1.Rule_AllOf{AllOf: deep.GetAllOf()}}},
	}}}}})
	for name, write := range map[string]func(io.Writer) error{"text": m.Text, "Markdown": m.Markdown, "HTML": m.HTML} {
		got := written(t, write)
		if len(got) > 100_000 || !strings.Contains(got, "more characters") {
			t.Errorf("%s has %d bytes", name, len(got))
		}
	}
}
