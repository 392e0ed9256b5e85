package browser

import (
	"context"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lint"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// hostile is text that would be more than text on a page that took it as it is.
const hostile = `</script></noscript></template></details></section><script>window.ran = 1</script>` +
	`<img src=x onerror="window.ran = 2"><section data-service="made up"><details class="row" id="made up"><style>*{display:none}</style>` +
	"\" data-who=\"x\" '`&lt;script&gt;\u202e{{.}}${window.ran = 3}"

func TestHostileTextIsText(t *testing.T) {
	policy := &authz.Policy{Methods: []authz.MethodPolicy{
		{Method: "a.A/Public" + hostile, Rule: &authzv1.Rule{Policy: &authzv1.Rule_Public{Public: &authzv1.Public{Reason: hostile}}}},
		{Method: "a.B" + hostile + "/Check", Rule: &authzv1.Rule{
			Policy:      &authzv1.Rule_Check{Check: &authzv1.Check{Object: hostile, Relation: hostile, Subject: hostile}},
			AccessToken: &authzv1.AccessToken{Scopes: []string{hostile}},
		}},
		{Method: "a.C/Faulty", Rule: &authzv1.Rule{}, Faults: []*authz.RuleError{{ID: hostile, Method: hostile, Problem: hostile, Fix: hostile}}},
	}}
	m, err := lint.NewMatrix(lint.MatrixConfig{Title: hostile, Policies: []lint.NamedPolicy{
		{Name: hostile, Policy: policy}, {Name: "other", Policy: policy},
	}})
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, newBrowser(t), page(t, m), desktop)
	b.rows(6, 6)
	b.search("<img src=x onerror=")
	b.must("document.getElementById('count').textContent === '6 of 6 methods'")
	b.picture("hostile")
	if !value[bool](b, "window.ran === undefined && document.querySelectorAll('img, main script, main style, main section').length === 0") {
		t.Error("text of a rule became more than text")
	}
	if n := value[int](b, "document.querySelectorAll('details').length"); n != 6 {
		t.Errorf("%d rows, want 6", n)
	}
	if n := value[int](b, "new Set([...document.querySelectorAll('details')].map((row) => row.id)).size"); n != 6 {
		t.Errorf("%d links, want 6", n)
	}
}

// What the other tests rely on: a page that loads something, or runs a script that isn't
// its own, is noticed.
func TestWhatAPageMustNotDoIsNoticed(t *testing.T) {
	browser := newBrowser(t)
	for name, script := range map[string]string{
		"a script": "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'}))",
		"a style":  "document.body.setAttribute('style', 'color: red')",
		"an image": "document.body.append(Object.assign(document.createElement('img'), {src: 'http://127.0.0.1:9/x.png'}))",
		"an error": "setTimeout(() => { throw new Error('made up'); })",
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, browser, page(t, quickstart(t)), desktop)
			value[bool](b, script+", true")
			b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error { return b.heard(ctx) }))
			if value[bool](b, "window.ran !== undefined") {
				t.Error("the script ran")
			}
		})
	}
}
