package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProfilesAreReadFromTheirTest(t *testing.T) {
	for _, c := range []struct{ name, table, want string }{
		{"a user", `{"A", P(), "i", "a", []c{{"user", "JWT", o{"sub": "x"}, KindUser, "web", []string{"a", "b"}, nil}}}`, "| A | user | user | `web` | `a` `b` |\n"},
		{"a service", `{"A", P(), "i", "a", []c{{"svc", nil, o{}, KindService, "web", []string{}, nil}}}`, "| A | svc | service | `web` |  |\n"},
		{"unclear, and no client", `{"A", P(), "i", "a", []c{{"odd", nil, o{}, KindUnclear, "", []string{}, nil}}}`, "| A | odd | unclear |  |  |\n"},
		{"refused", `{"A", P(), "i", "a", []c{{"ID", "JWT", nil, 0, "", nil, errUse}}}`, "| A | ID | refused | | |\n"},
		{"the name once", `{"A", P(), "i", "a", []c{{"x", 0, 0, 0, "", nil, e}, {"y", 0, 0, 0, "", nil, e}}}`, "|\n|  | y | refused"},
		{"no cases", `{"A", P(), "i", "a", []c{}}`, errShape.Error()},
		{"a field more", `{"A", P(), "i", "a", []c{{"x", 0, 0, 0, 0, "", nil, e}}}`, errShape.Error()},
		{"a kind that isn't there", `{"A", P(), "i", "a", []c{{"x", 0, 0, KindGhost, "", nil, nil}}}`, errShape.Error()},
		{"no names", `{A, P(), "i", "a", []c{{"x", 0, 0, 0, "", nil, e}}}`, errShape.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := readProfiles(t, "var profileTable = []t{"+c.table+"}"); !strings.Contains(got, c.want) {
				t.Errorf("got %s", got)
			}
		})
	}
	if got := readProfiles(t, "var another = 1"); !strings.Contains(got, "there is no profileTable") {
		t.Errorf("got %s", got)
	}
}

func readProfiles(t *testing.T, source string) string {
	t.Helper()
	root := t.TempDir()
	path := filepath.Join(root, filepath.FromSlash(profilesFile))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("package verify\n"+source+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := profiles(root)
	if err != nil {
		return err.Error()
	}
	return text
}
