package pages

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// listed is a list of messages in a rule, in a .proto file, in a page or in Go
// source that holds one. JSON's names are quoted, so they don't match.
var listed = regexp.MustCompile(`\b\w+\s*:?\s*\[\s*[{<]`)

// TestRulesListNoMessages keeps one spelling of a list of messages in an option,
// the repeated one (conditions: {…} conditions: {…}): parsers in other languages,
// Node's proto-loader among them, can't read the one in brackets.
func TestRulesListNoMessages(t *testing.T) {
	extensions := []string{".proto", ".md", ".go", ".txt"}
	files, rules := 0, 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if !slices.Contains(extensions, filepath.Ext(path)) || strings.HasSuffix(path, ".pb.go") || d.Name() == "syntax_test.go" {
			return nil // the last one is this file
		}
		files++
		text := read(t, path)
		rules += strings.Count(text, "conditions: {")
		for _, found := range listed.FindAllStringIndex(text, -1) {
			line := 1 + strings.Count(text[:found[0]], "\n")
			t.Errorf("%s:%d: %q lists messages in brackets: repeat the field instead", path, line, text[found[0]:found[1]])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 || rules < 3 {
		t.Errorf("%d files with %d conditions read: too few to show anything", files, rules)
	}
}

func TestListedFindsTheSpellingInBrackets(t *testing.T) {
	for text, want := range map[string]bool{
		"all_of: { conditions: [ {check: {}} ] }":   true,
		"conditions: [\n          {\n":              true,
		"context [{ name: \"n\" }]":                 true,
		"conditions: [<check: <>>]":                 true,
		"conditions: {check: {}} conditions: {":     false,
		`access_token: { scopes: ["a", "b"] }`:      false,
		`{"keys": [{"kty": "EC"}]}`:                 false,
		"[]authz.MethodRule{authz.Health()}":        false,
		"cases := []struct{ name string }{{\"a\"}}": false,
	} {
		if got := listed.MatchString(text); got != want {
			t.Errorf("%q: %t, want %t", text, got, want)
		}
	}
}
