package lint_test

import (
	"bytes"
	"testing"

	"github.com/usher-auth/usher/authz/lint"
)

// Who reviews a lock file sees a look-alike, or a text that runs backwards, for what it is.
func TestALockFileHidesNoCharacter(t *testing.T) {
	const scopes = "access_token: {scopes: [\"\u0430dmin\", \"a\u202enimda\", \"\u2028\x7f\", \"\U0001d41a\"]}"
	policy := comparePolicy(t, viewer+scopes)
	text := locked(t, policy)
	if bytes.ContainsFunc(text, func(r rune) bool { return r > '~' || r < ' ' && r != '\n' }) {
		t.Errorf("%q", text)
	}
	for _, want := range []string{`"\u0430dmin"`, `"a\u202enimda"`, `"\ud835\udc1a"`} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	read, err := lint.ReadLock(text)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(locked(t, read), text) {
		t.Errorf("it is read as %s", locked(t, read))
	}
	if c := lint.Compare(policy, read, lint.CompareConfig{}); len(c.Changes) > 0 {
		t.Errorf("%v", c.Changes)
	}
}
