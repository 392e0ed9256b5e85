package bearer_test

import (
	"regexp"
	"testing"

	"go.uber.org/goleak"

	"github.com/usher-auth/usher/internal/bearer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// parse reads a value as a server does.
func parse(value string) (string, bool) {
	token, ok := bearer.Token(value)
	return token, ok && bearer.IsToken(token)
}

func TestBearerForm(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"scheme alone":           "Bearer",
		"empty token":            "Bearer ",
		"two spaces":             "Bearer  abc",
		"two tokens":             "Bearer a b",
		"trailing space":         "Bearer abc ",
		"leading space":          " Bearer abc",
		"tab for the space":      "Bearer\tabc",
		"tab in the token":       "Bearer a\tb",
		"another scheme":         "Basic abc",
		"DPoP":                   "DPoP abc",
		"scheme run on":          "Bearerabc",
		"list of two":            "Bearer a, Bearer b",
		"parameters":             `Bearer realm="x"`,
		"padding alone":          "Bearer ==",
		"padding in the middle":  "Bearer a=b",
		"empty":                  "",
		"scheme by case folding": "Bearer\u00a0abc",
	} {
		t.Run("row 3: "+name, func(t *testing.T) {
			t.Parallel()
			if token, ok := parse(value); ok {
				t.Fatalf("got the token %q", token)
			}
		})
	}
	for _, value := range []string{"Bearer abc", "bearer abc", "BEARER abc", "bEaReR abc"} {
		if token, ok := parse(value); !ok || token != "abc" {
			t.Errorf("row 3: %q: got %q, %v", value, token, ok)
		}
	}
	if token, ok := parse("Bearer aZ09-._~+/=="); !ok || token != "aZ09-._~+/==" {
		t.Errorf("the whole b64token alphabet: got %q, %v", token, ok)
	}
}

func TestReadingATokenAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { parse("Bearer abc.def.ghi") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCharactersOutsideB64Token(t *testing.T) {
	t.Parallel()
	const good = "abc.def.ghi"
	for _, bad := range []string{" ", "\n", "\r\n", "\x00", "\t", "é", "\u2028", "\"", ",", ";", "\x7f", "\xff"} {
		for _, at := range []int{0, 5, len(good)} {
			if text := good[:at] + bad + good[at:]; bearer.IsToken(text) {
				t.Errorf("row 5: %q at %d is accepted", bad, at)
			}
		}
	}
}

// grammar is RFC 6750 §2.1 as a regular expression.
var grammar = regexp.MustCompile(`^(?i:bearer) ([A-Za-z0-9\-._~+/]+=*)$`)

func FuzzBearer(f *testing.F) {
	for _, seed := range []string{
		"Bearer abc", "bearer a.b.c", "bearer a.b.c==", "Bearer  x", "Bearer", "Bearer \x00", "Bearer a==", "Bearer =", "Bearer a b",
		"BEARER \x00", "Bearer é", "Basic eDp5", "Bearer x\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		token, ok := parse(value)
		want := grammar.FindStringSubmatch(value)
		if ok != (want != nil) {
			t.Fatalf("%q: %v, the grammar says %v", value, ok, want != nil)
		}
		if ok && token != want[1] {
			t.Fatalf("%q gives the token %q, want %q", value, token, want[1])
		}
	})
}
