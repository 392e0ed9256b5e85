package main

import (
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

// test is a test function, and what it has for each row.
type test struct {
	name   string
	folder string // slashes, relative to the repository
	file   string
	rows   map[string]int // how many named cases, by row; 0 if only its name says so
}

var (
	// inName finds the rows in the name of a test, as in TestRow61And62….
	inName = regexp.MustCompile(`^TestRow(\d+a?)(?:And(\d+a?))?[A-Z]`)
	// inText finds the row at the start of a case's name or of a failure's text.
	inText = regexp.MustCompile(`^row (\d+a?): (.*)`)
)

// scan finds the tests of every module below root that belong to a row, and all
// other tests by their folder and name.
func scan(root string) (byRow map[string][]*test, byName map[string]*test, err error) {
	byRow, byName = map[string][]*test{}, map[string]*test{}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
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
			for number := range t.rows {
				byRow[number] = append(byRow[number], t)
			}
			byName[t.folder+"."+t.name] = t
		}
		return err
	})
	for _, tests := range byRow {
		slices.SortFunc(tests, func(a, b *test) int { return strings.Compare(a.file+a.name, b.file+b.name) })
	}
	return byRow, byName, err
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
		if !ok || function.Recv != nil || !strings.HasPrefix(function.Name.Name, "Test") {
			continue
		}
		t := &test{name: function.Name.Name, folder: strings.TrimSuffix(folder, "/"), file: rel, rows: map[string]int{}}
		if found := inName.FindStringSubmatch(t.name); found != nil {
			for _, number := range found[1:] {
				if number != "" {
					t.rows[number] = 0
				}
			}
		}
		if err := t.readBody(function.Body); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", rel, t.name, err)
		}
		tests = append(tests, t)
	}
	return tests, nil
}

// readBody counts the cases that are named by their row, and refuses a test that
// skips itself: it would prove nothing.
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
			if slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, node.Sel.Name) && len(t.rows) > 0 {
				err = fmt.Errorf("it may skip itself by %s", node.Sel.Name)
			}
		}
		return true
	})
	return err
}
