package load

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestALongLineOfManyTokensIsRefusedSoon(t *testing.T) {
	values := strings.Repeat("reserved 1;", 100_000)
	begun := time.Now()
	_, err := Read(t.Context(), Config{Inputs: []string{folder(t, map[string]string{"a.proto": "syntax = \"proto3\";\nmessage M {" + values + "}\n"})}})
	if err == nil || !strings.Contains(err.Error(), "the lines are too long") || time.Since(begun) > 5*time.Second {
		t.Error(err, time.Since(begun))
	}
}

func TestPositionsOfUsualFilesAreFewEnough(t *testing.T) {
	line := "  string identifier_of_something = 1 [deprecated = true, json_name = \"identifier\"];\n"
	if got := positions([]byte(strings.Repeat(line, MaxSources/len(line)))); got > maxPositions {
		t.Error(got)
	}
	if got := positions([]byte("// " + strings.Repeat("word ", 20_000) + "\n")); got > maxPositions {
		t.Error(got)
	}
}

func TestALinkToADirectoryIsAnInput(t *testing.T) {
	root := folder(t, map[string]string{"proto/docs.proto": docs, "proto/.hidden/x.proto": "no"})
	link := filepath.Join(root, "link")
	if err := os.Symlink("proto", link); err != nil {
		t.Fatal(err)
	}
	for _, input := range []string{link, link + "/"} {
		if policy, sources, err := read(t, Config{Inputs: []string{input}}); err != nil || methods(policy) != "docs.v1.Docs/Get" || sources[0].Path("docs.proto") != filepath.ToSlash(filepath.Join(link, "docs.proto")) {
			t.Error(err)
		}
	}
}
