package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	// profilesFile has the table of profiles, which its test goes through.
	profilesFile = "credentials/verify/profiles_test.go"
	profilesVar  = "profileTable"

	profilesPreface = `
The tokens that issuers write, as their documentation or source has them, and what each gets under its issuer's profile ([credentials/verify/issuers.md](../../credentials/verify/issuers.md)). A kind that is unclear is refused by every rule that isn't public. Proved by [credentials/verify.TestProfiles](../../` + profilesFile + `), which also shows that no profile weakens the signature, issuer, time or audience rules.

| issuer | token | gets | client | scopes |
|---|---|---|---|---|
`
)

// profiles is the section about profiles, read from the source of their test.
func profiles(root string) (string, error) {
	path := filepath.Join(root, filepath.FromSlash(profilesFile))
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	table := variable(file, profilesVar)
	if table == nil {
		return "", fmt.Errorf("%s: there is no %s", profilesFile, profilesVar)
	}
	var b strings.Builder
	b.WriteString(profilesPreface)
	for _, entry := range table.Elts {
		rows, err := profile(entry)
		if err != nil {
			return "", fmt.Errorf("%s: %w", profilesFile, err)
		}
		b.WriteString(rows)
	}
	return b.String(), nil
}

// variable finds a variable's composite literal.
func variable(file *ast.File, name string) *ast.CompositeLit {
	for _, decl := range file.Decls {
		general, ok := decl.(*ast.GenDecl)
		if !ok || general.Tok != token.VAR {
			continue
		}
		for _, spec := range general.Specs {
			value, ok := spec.(*ast.ValueSpec)
			if !ok || value.Names[0].Name != name || len(value.Values) != 1 {
				continue
			}
			literal, _ := value.Values[0].(*ast.CompositeLit)
			return literal
		}
	}
	return nil
}

var errShape = errors.New("the table of profiles has another shape than this program reads")

// profile reads name, profile, issuer, audience and cases.
func profile(entry ast.Expr) (string, error) {
	const fields = 5
	literal, ok := entry.(*ast.CompositeLit)
	if !ok || len(literal.Elts) != fields {
		return "", errShape
	}
	name, ok := text(literal.Elts[0])
	cases, isList := literal.Elts[fields-1].(*ast.CompositeLit)
	if !ok || !isList || len(cases.Elts) == 0 {
		return "", errShape
	}
	var b strings.Builder
	for _, c := range cases.Elts {
		row, err := profileCase(c)
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(&b, "| %s | %s\n", name, row)
		name = "" // once is enough
	}
	return b.String(), nil
}

// profileCase reads name, typ, claims, kind, client, scopes and why it is
// refused.
func profileCase(entry ast.Expr) (string, error) {
	const (
		fields                     = 7
		kind, client, scopes, want = 3, 4, 5, 6
	)
	literal, ok := entry.(*ast.CompositeLit)
	if !ok || len(literal.Elts) != fields {
		return "", errShape
	}
	name, ok := text(literal.Elts[0])
	if !ok {
		return "", errShape
	}
	refused, ok := literal.Elts[want].(*ast.Ident)
	if !ok {
		return "", errShape
	}
	if refused.Name != "nil" {
		return name + " | refused | | |", nil
	}
	id, ok := text(literal.Elts[client])
	if !ok {
		return "", errShape
	}
	kinds := map[string]string{"KindService": "service", "KindUser": "user", "KindUnclear": "unclear"}
	is, ok := literal.Elts[kind].(*ast.Ident)
	if !ok || kinds[is.Name] == "" {
		return "", errShape
	}
	var all []string
	if list, ok := literal.Elts[scopes].(*ast.CompositeLit); ok {
		for _, scope := range list.Elts {
			value, ok := text(scope)
			if !ok {
				return "", errShape
			}
			all = append(all, code(value))
		}
	}
	return fmt.Sprintf("%s | %s | %s | %s |", name, kinds[is.Name], code(id), strings.Join(all, " ")), nil
}

// code is a value in a cell.
func code(value string) string {
	if value == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(value, "|", `\|`) + "`"
}

// text is the value of a string literal.
func text(e ast.Expr) (string, bool) {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	value, err := strconv.Unquote(literal.Value)
	return value, err == nil
}
