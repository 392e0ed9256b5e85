package verify

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The page issuers.md has each profile, in its table and in a section with the
// lines to write; the table of TestProfiles tests each.
func TestIssuersPage(t *testing.T) {
	t.Parallel()
	page := string(must(os.ReadFile("issuers.md")))
	exported, profiles := map[string]bool{}, []string{}
	files := must(os.ReadDir("."))
	for _, file := range files {
		if name := file.Name(); !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		parsed := must(parser.ParseFile(token.NewFileSet(), file.Name(), nil, parser.SkipObjectResolution))
		for _, d := range parsed.Decls {
			names, profile := declared(d)
			for _, name := range names {
				exported[name] = true
			}
			if profile != "" {
				profiles = append(profiles, profile)
			}
		}
	}
	if len(profiles) < 19 {
		t.Fatalf("only %d profiles: %q", len(profiles), profiles)
	}
	for _, name := range profiles {
		if !strings.Contains(page, "| `verify."+name+"` |") {
			t.Errorf("the page's table has no %s", name)
		}
		if !regexp.MustCompile(`verify\.` + name + `\(\),\n}\)`).MatchString(page) {
			t.Errorf("the page has no lines with %s", name)
		}
	}
	for _, found := range regexp.MustCompile(`verify\.([A-Z]\w*)`).FindAllStringSubmatch(page, -1) {
		if !exported[found[1]] {
			t.Errorf("the page names %s, which there isn't", found[1])
		}
	}
	tested := map[string]bool{}
	for _, issuer := range profileTable {
		tested[issuer.profile.Name] = true
	}
	for _, p := range []Profile{
		LumoAuth(), Keycloak(), KeycloakBefore25(), Auth0(), Auth0RFC9068(), Okta(), Entra(), Cognito(), GoogleServiceAccount(),
		KubernetesServiceAccount(), SPIFFE(), ZITADEL(), Hydra(), SpringAuthorizationServer(), Duende(), PingFederate(), ADFS(), Authentik(),
		NodeOIDCProvider(),
	} {
		if !tested[p.Name] {
			t.Errorf("no test of %s", p.Name)
		}
	}
	// Each block of Go on the page is Go.
	for _, found := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(page, -1) {
		if _, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc _() {\n"+found[1]+"\n}", 0); err != nil {
			t.Errorf("%v\n%s", err, found[1])
		}
	}
}

// declared returns the exported names of a declaration, and its name if it is a
// function that returns a Profile.
func declared(d ast.Decl) (names []string, profile string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv != nil || !d.Name.IsExported() {
			return nil, ""
		}
		if results := d.Type.Results; results != nil && len(results.List) == 1 {
			if id, ok := results.List[0].Type.(*ast.Ident); ok && id.Name == "Profile" {
				profile = d.Name.Name
			}
		}
		return []string{d.Name.Name}, profile
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, spec.Name.Name)
			case *ast.ValueSpec:
				for _, id := range spec.Names {
					names = append(names, id.Name)
				}
			}
		}
	}
	return names, ""
}
