package quote_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/usher-auth/usher/internal/quote"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestValue(t *testing.T) {
	a := func(n int) string { return strings.Repeat("a", n) }
	for name, c := range map[string]struct{ value, want string }{
		"nothing":                 {"", `""`},
		"a line and a quote":      {"a\nlevel=ERROR \"b\"", `"a\nlevel=ERROR \"b\""`},
		"a look-alike":            {"аdmin", `"\u0430dmin"`}, // package credentials showed it as it is
		"right to left":           {"a\u202eb", `"a\u202eb"`},
		"no UTF-8":                {"a\xff", `"a\xff"`},
		"the most":                {a(128), `"` + a(128) + `"`},
		"more":                    {a(129), `"` + a(128) + `"...`},
		"a character at the edge": {a(127) + "é", `"` + a(127) + `"...`}, // cut in two by package verify and authz
		"continuations":           {strings.Repeat("\x80", 200), `"` + strings.Repeat(`\x80`, 128) + `"...`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := quote.Value(c.value); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func FuzzCut(f *testing.F) {
	f.Add("aé", 2)
	f.Add("\x80\x80\x80\x80\x80", 4)
	f.Add("", 0)
	f.Fuzz(func(t *testing.T, text string, n int) {
		n = max(n, 0)
		got := quote.Cut(text, n)
		if !strings.HasPrefix(text, got) || len(got) > n || len(got) < min(n, len(text))-utf8.UTFMax || utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Fatalf("%q of %q, %d", got, text, n)
		}
	})
}
