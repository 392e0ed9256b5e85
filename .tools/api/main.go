// Command api lists the public API: every exported name of every package that
// users import, one line each, as the source declares it. `make api` commits the
// list, so that a change of the API is a change that a reviewer sees.
//
//	go run ./api ../ > list.txt
package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const module = "github.com/usher-auth/usher/"

// notPublic are the folders whose packages no user imports, and the generated
// one, whose source is its .proto.
var notPublic = []string{"e2e", "examples", "proto/usher"}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: api FOLDER")
		os.Exit(2)
	}
	lines, err := list(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
	for _, line := range lines {
		fmt.Println(line)
	}
}

// list walks the folders below root.
func list(root string) ([]string, error) {
	var lines []string
	shown := map[string][]string{} // types of internal packages that public ones show by an alias
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if rel != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "internal" || d.Name() == "testdata" ||
			d.Name() == "node_modules" || slices.Contains(notPublic, rel)) {
			return fs.SkipDir
		}
		of, err := listPackage(path, rel, shown)
		lines = append(lines, of...)
		return err
	})
	for _, rel := range slices.Sorted(maps.Keys(shown)) {
		if err != nil {
			break
		}
		var of []string
		of, err = listPackage(filepath.Join(root, filepath.FromSlash(rel)), rel, map[string][]string{})
		for _, line := range of {
			if aboutOneOf(line, shown[rel]) {
				lines = append(lines, line)
			}
		}
	}
	if err == nil && len(lines) == 0 {
		err = errors.New("no package found")
	}
	slices.Sort(lines)
	return lines, err
}

// aboutOneOf says that a line declares one of the types or a member of it.
func aboutOneOf(line string, types []string) bool {
	return slices.ContainsFunc(types, func(name string) bool {
		return strings.Contains(line, ": type "+name+" ") || strings.Contains(line, "("+name+") ") || strings.Contains(line, "(*"+name+") ")
	})
}

// listPackage lists the package in one folder, if there is one to import, and
// adds to shown the types of internal packages that it gives another name.
func listPackage(folder, name string, shown map[string][]string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	p := pkg{name: name, fset: fset, shown: shown}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		if file.Name.Name == "main" || ignored(file) {
			continue
		}
		p.imports = internalImports(file)
		for _, decl := range file.Decls {
			if err := p.declaration(decl); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
		}
	}
	return p.lines, nil
}

// ignored says that a build tag keeps the file out of every build.
func ignored(file *ast.File) bool {
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if group.Pos() < file.Package && constraint.IsGoBuild(comment.Text) && strings.Contains(comment.Text, "ignore") {
				return true
			}
		}
	}
	return false
}

// internalImports are the folders of the internal packages that a file imports,
// by the name that it uses.
func internalImports(file *ast.File) map[string]string {
	of := map[string]string{}
	for _, spec := range file.Imports {
		path := strings.Trim(spec.Path.Value, `"`)
		rel, ours := strings.CutPrefix(path, module)
		if !ours || !strings.Contains(rel, "internal/") {
			continue
		}
		name := rel[strings.LastIndex(rel, "/")+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		of[name] = rel
	}
	return of
}

type pkg struct {
	name    string
	fset    *token.FileSet
	lines   []string
	imports map[string]string
	shown   map[string][]string
}

func (p *pkg) add(format string, values ...any) {
	p.lines = append(p.lines, p.name+": "+fmt.Sprintf(format, values...))
}

func (p *pkg) declaration(decl ast.Decl) error {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		return p.function(decl)
	case *ast.GenDecl:
		var last *ast.ValueSpec // the one whose type and value an empty one repeats
		for i, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				if len(spec.Values) > 0 || spec.Type != nil || decl.Tok == token.VAR {
					last = spec
				}
				if err := p.value(decl.Tok, spec, last, i); err != nil {
					return err
				}
			case *ast.TypeSpec:
				if err := p.typ(spec); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (p *pkg) function(decl *ast.FuncDecl) error {
	if !decl.Name.IsExported() {
		return nil
	}
	signature, err := p.text(decl.Type)
	if err != nil {
		return err
	}
	signature = strings.TrimPrefix(signature, "func")
	if decl.Recv == nil {
		p.add("func %s%s", decl.Name.Name, signature)
		return nil
	}
	receiver, err := p.text(decl.Recv.List[0].Type)
	if err != nil {
		return err
	}
	if ast.IsExported(strings.TrimLeft(receiver, "*")) {
		p.add("method (%s) %s%s", receiver, decl.Name.Name, signature)
	}
	return nil
}

// value lists constants with their values, which are part of the promise, and
// variables with their types where those are written. Among constants that count
// by iota, the place counts.
func (p *pkg) value(tok token.Token, spec, last *ast.ValueSpec, place int) error {
	for i, name := range spec.Names {
		if !name.IsExported() {
			continue
		}
		line := tok.String() + " " + name.Name
		if last.Type != nil {
			text, err := p.text(last.Type)
			if err != nil {
				return err
			}
			line += " " + text
		}
		if tok == token.CONST && i < len(last.Values) {
			text, err := p.text(last.Values[i])
			if err != nil {
				return err
			}
			line += " = " + text
			if strings.Contains(text, "iota") {
				line += fmt.Sprintf(", iota %d", place)
			}
		}
		p.add("%s", line)
	}
	return nil
}

func (p *pkg) typ(spec *ast.TypeSpec) error {
	if !spec.Name.IsExported() {
		return nil
	}
	name := spec.Name.Name
	if spec.TypeParams != nil {
		var of []string
		for _, field := range spec.TypeParams.List {
			text, err := p.text(field.Type)
			if err != nil {
				return err
			}
			for _, n := range field.Names {
				of = append(of, n.Name+" "+text)
			}
		}
		name += "[" + strings.Join(of, ", ") + "]"
	}
	switch t := spec.Type.(type) {
	case *ast.StructType:
		p.add("type %s struct", name)
		return p.members(name, "field", t.Fields)
	case *ast.InterfaceType:
		p.add("type %s interface", name)
		return p.members(name, "interface method", t.Methods)
	default:
		text, err := p.text(spec.Type)
		if err != nil {
			return err
		}
		if spec.Assign.IsValid() {
			if from, of, ok := strings.Cut(text, "."); ok && p.imports[from] != "" {
				p.shown[p.imports[from]] = append(p.shown[p.imports[from]], of)
			}
			text = "= " + text
		}
		p.add("type %s %s", name, text)
		return nil
	}
}

func (p *pkg) members(of, kind string, fields *ast.FieldList) error {
	for _, field := range fields.List {
		text, err := p.text(field.Type)
		if err != nil {
			return err
		}
		if kind != "field" {
			text = strings.TrimPrefix(text, "func")
		} else {
			text = " " + text
		}
		if len(field.Names) == 0 { // embedded
			p.add("%s (%s)%s", kind, of, " "+strings.TrimSpace(text))
			continue
		}
		for _, name := range field.Names {
			switch {
			case name.IsExported():
				p.add("%s (%s) %s%s", kind, of, name.Name, text)
			case kind != "field":
				p.add("%s (%s) of the package's own", kind, of)
			}
		}
	}
	return nil
}

// text is the source of a node, on one line.
func (p *pkg) text(node ast.Node) (string, error) {
	var b bytes.Buffer
	config := printer.Config{Mode: printer.RawFormat}
	if err := config.Fprint(&b, p.fset, node); err != nil {
		return "", err
	}
	return strings.Join(strings.Fields(b.String()), " "), nil
}
