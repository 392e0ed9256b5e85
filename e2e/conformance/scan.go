package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// test is a test function, or a function that one calls, and what it has for each
// row.
type test struct {
	name   string
	folder string // slashes, relative to the repository
	file   string
	rows   map[string]int // how many named cases, by row; 0 if there is only a name or a proof
	skip   string         // the method by which it may skip itself
	calls  []string       // functions of its folder, and methods that are of any type
}

// ofAMethod is the prefix of the names of methods.
const ofAMethod = "*."

func (t *test) isTest() bool { return strings.HasPrefix(t.name, "Test") }

// inText finds the row at the start of a case's name or of a failure's text.
var inText = regexp.MustCompile(`^row (\d+a?): (.*)`)

// scan finds the functions in the tests of every module below root, by folder and
// name.
func scan(root string) (map[string]*test, error) {
	found := map[string]*test{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		tests, err := scanFile(root, path)
		for _, t := range tests {
			if other := found[t.folder+"."+t.name]; other != nil && !t.isTest() {
				other.skip, other.calls = cmp.Or(other.skip, t.skip), append(other.calls, t.calls...) // methods of two types
				continue
			}
			found[t.folder+"."+t.name] = t
		}
		return err
	})
	return found, err
}

func scanFile(root, path string) ([]*test, error) {
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return nil, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	rel = filepath.ToSlash(rel)
	folder := rel[:strings.LastIndex(rel, "/")+1]
	var tests []*test
	for _, decl := range file.Decls {
		function, ok := decl.(*ast.FuncDecl)
		if !ok || function.Body == nil {
			continue
		}
		t := &test{name: function.Name.Name, folder: strings.TrimSuffix(folder, "/"), file: rel, rows: map[string]int{}}
		if function.Recv != nil {
			t.name = ofAMethod + t.name
		}
		if err := t.readBody(function.Body); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", rel, t.name, err)
		}
		if !t.isTest() {
			clear(t.rows) // a helper's failures are those of the tests that call it
		}
		tests = append(tests, t)
	}
	return tests, nil
}

// readBody counts the cases that are named by their row, and notes what the test
// calls.
func (t *test) readBody(body *ast.BlockStmt) (err error) {
	ast.Inspect(body, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.BasicLit:
			if node.Kind != token.STRING {
				return true
			}
			text, unquoteErr := strconv.Unquote(node.Value)
			if unquoteErr != nil {
				err = unquoteErr
				return false
			}
			if found := inText.FindStringSubmatch(text); found != nil {
				if strings.Contains(found[2], "%") { // a failure's text, not a case
					t.rows[found[1]] += 0
				} else {
					t.rows[found[1]]++
				}
			}
		case *ast.SelectorExpr:
			if slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, node.Sel.Name) {
				t.skip = node.Sel.Name
			}
			t.calls = append(t.calls, t.folder+"."+ofAMethod+node.Sel.Name)
		case *ast.CallExpr:
			if name, ok := node.Fun.(*ast.Ident); ok {
				t.calls = append(t.calls, t.folder+"."+name.Name)
			}
		}
		return true
	})
	return err
}

// skips returns what may skip a test, in the test or in a function that it calls:
// such a test may prove nothing.
func (t *test) skips(all map[string]*test) string {
	seen := map[*test]bool{}
	for next := []*test{t}; len(next) > 0; {
		t, next = next[0], next[1:]
		if t == nil || seen[t] {
			continue
		}
		if t.skip != "" {
			return t.folder + "." + t.name + " calls " + t.skip
		}
		seen[t] = true
		for _, name := range t.calls {
			next = append(next, all[name])
		}
	}
	return ""
}
