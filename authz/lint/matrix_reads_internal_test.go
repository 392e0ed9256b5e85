package lint

import (
	"slices"
	"strings"
	"testing"
)

func TestFieldsThatATemplateReads(t *testing.T) {
	for template, want := range map[string][]string{
		"":             nil,
		"platform:{":   nil,
		"platform:{}":  nil,
		"user:{$sub}":  nil,
		"a:main#admin": nil,
		"a:{b":         {"b"},
		"a:{b|c({})":   {"b"},
		"}{x}":         {"x"},

		"document:{document_id}":                           {"document_id"},
		"document:{a.b[].id|uuid}/{c}":                     {"a.b[].id", "c"},
		"folder:{parent|name(organizations/*/folders/{})}": {"parent"},
	} {
		if got := fieldsOf(template); !slices.Equal(got, want) {
			t.Errorf("%q reads %q, want %q", template, got, want)
		}
	}
}

func TestFieldsThatAnExpressionReads(t *testing.T) {
	for text, want := range map[string][]string{
		"request.amount <= 10 && request.amount > 0":                 {"amount"},
		"request.email.endsWith('@partner.example')":                 {"email"},
		"request.a.b == caller.claims.request && has(request.c)":     {"a.b", "c"},
		"caller.request.x == 1":                                      nil,
		".request.a == 1 || !.request.b":                             {"a", "b"},
		"caller . request.x == a[0].request.y":                       nil,
		`"request.a" == 'request.b' && """request.c""" == r.request`: nil,
		`'it\'s request.a' == request.b`:                             {"b"},
		"request == request":                                         {"*"},
		"request['a'] == 1":                                          {"*"},
		"request . a == 1":                                           {"*"},
		"request.all(x, x)":                                          {"*"},
		`r'\' == request.a`:                                          {"*"},
		"requested.a || my_request.b":                                nil,
		"1 // request.a\n < request.b":                               {"b"},
		"1 // request.a":                                             nil,
		"request.items[0].id":                                        {"items"},
		"'request.a":                                                 nil,
	} {
		if got := fieldsOfExpression(text); !slices.Equal(got, want) {
			t.Errorf("%q reads %q, want %q", text, got, want)
		}
	}
}

func FuzzFieldsOf(f *testing.F) {
	for _, text := range []string{"document:{document_id}", "request.a == 'x'", "{a|b({})}", `r"\" + request`, "//", "'''"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, field := range append(fieldsOf(text), fieldsOfExpression(text)...) {
			if field == "" || (field != readsAny && !strings.Contains(text, field)) {
				t.Errorf("%q doesn't read %q", text, field)
			}
		}
		shown := visible(text)
		if again := visible(shown); again != shown && len(shown) < maxShown {
			t.Errorf("%q is shown as %q, and that as %q", text, shown, again)
		}
	})
}
