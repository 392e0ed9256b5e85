package engines_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz/cmd/internal/engines"
)

func FuzzTuples(f *testing.F) {
	for _, text := range []string{"document:1#viewer@user:a\n", "# x\n\n\ufeffa:b#c@d:e[f]", "a:b#c@d:e#f\r\n// y", "x", strings.Repeat("x", 5000)} {
		f.Add(text)
	}
	path := filepath.Join(f.TempDir(), "tuples")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		opened, err := engines.Open("tuples:"+path, engines.Config{})
		if (err == nil) == (opened == nil) || err != nil && len(err.Error()) > 1<<20 {
			t.Errorf("%v, %v", opened, err)
		}
	})
}

func TestFilesOfTuplesAreBounded(t *testing.T) {
	for name, text := range map[string]string{
		"too many":    strings.Repeat("a:b#c@d:e\n", 20_000),
		"too large":   strings.Repeat("# "+strings.Repeat("x", 1000)+"\n", 10_000),
		"a long line": strings.Repeat("x", 10_000),
		"all faulty":  strings.Repeat("x\n", 10_000),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "tuples")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if opened, err := engines.Open("tuples:"+path, engines.Config{}); err == nil || opened != nil || len(err.Error()) > 10<<10 {
				t.Errorf("%v, %v", opened, err)
			}
		})
	}
}
