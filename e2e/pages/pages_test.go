package pages

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// page is one Markdown file.
type page struct {
	path  string // relative to the repository, with slashes
	prose string // without its code blocks
	code  []block
}

// block is one code block.
type block struct{ language, text string }

func readPages(t *testing.T) []page {
	t.Helper()
	var pages []page
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".md") {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		pages = append(pages, parse(filepath.ToSlash(rel), read(t, path)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 8 {
		t.Fatalf("only %d pages found", len(pages))
	}
	return pages
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func parse(path, text string) page {
	p := page{path: path}
	for i, part := range strings.Split("\n"+text, "\n```") {
		if i%2 == 0 {
			p.prose += part + "\n"
			continue
		}
		language, body, _ := strings.Cut(part, "\n")
		p.code = append(p.code, block{language, body})
	}
	return p
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	inline  = regexp.MustCompile("`([^`\n]+)`")
	slugOut = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the names that a page's headings have as GitHub shows them.
func (p page) anchors() []string {
	var all []string
	for _, found := range heading.FindAllStringSubmatch(p.prose, -1) {
		all = append(all, strings.ReplaceAll(slugOut.ReplaceAllString(strings.ToLower(found[1]), ""), " ", "-"))
	}
	return all
}

func TestLinksLeadSomewhere(t *testing.T) {
	pages := readPages(t)
	for _, p := range pages {
		for _, found := range link.FindAllStringSubmatch(p.prose, -1) {
			target, anchor, _ := strings.Cut(found[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			path := p.path
			if target != "" {
				path = filepath.ToSlash(filepath.Join(filepath.Dir(p.path), target))
			}
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Errorf("%s: %s leads nowhere", p.path, found[1])
				continue
			}
			if anchor == "" {
				continue
			}
			i := slices.IndexFunc(pages, func(other page) bool { return other.path == path })
			if i < 0 || !slices.Contains(pages[i].anchors(), anchor) {
				t.Errorf("%s: there is no heading for %s", p.path, found[1])
			}
		}
	}
}

// api knows every exported name: package.Name, package.Type.Member.
func api(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	member := regexp.MustCompile(`^(?:field|method|interface method) \(\*?(\w+)(?:\[.*\])?\) (\w+)`)
	plain := regexp.MustCompile(`^(?:const|func|var|type) (\w+)`)
	alias := regexp.MustCompile(`^type (\w+) = (\w+)\.(\w+)$`)
	aliases := map[string]string{}
	for line := range strings.Lines(read(t, root+"/.ci/api.txt")) {
		path, declaration, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !ok {
			t.Fatalf("api.txt: %s", line)
		}
		pkg := path[strings.LastIndex(path, "/")+1:]
		if found := member.FindStringSubmatch(declaration); found != nil {
			names[pkg+"."+found[1]+"."+found[2]] = true
		} else if found := plain.FindStringSubmatch(declaration); found != nil {
			names[pkg+"."+found[1]] = true
		}
		if found := alias.FindStringSubmatch(declaration); found != nil {
			aliases[found[2]+"."+found[3]] = pkg + "." + found[1]
		}
	}
	for name := range names {
		for from, to := range aliases {
			if rest, ok := strings.CutPrefix(name, from+"."); ok {
				names[to+"."+rest] = true
			}
		}
	}
	if len(names) < 500 {
		t.Fatalf("only %d names in api.txt", len(names))
	}
	return names
}

// mention is a name of one of our packages in code, inline or in a block.
var mention = regexp.MustCompile(`\b(credentials|clientauth|verify|authz|cel|redislimit|interceptor|telemetry|lumoauth|authzen|openfga|spicedb|interceptortest|authztest|credentialstest|lumoauthtest)((?:\.[A-Z]\w*)+)`)

func TestNamesExist(t *testing.T) {
	names := api(t)
	total := 0
	for _, p := range readPages(t) {
		texts := []string{}
		for _, found := range inline.FindAllStringSubmatch(p.prose, -1) {
			texts = append(texts, found[1])
		}
		for _, b := range p.code {
			if b.language == "go" {
				texts = append(texts, b.text)
			}
		}
		for _, text := range texts {
			for _, found := range mention.FindAllStringSubmatch(text, -1) {
				total++
				if name := found[1] + found[2]; !names[name] {
					t.Errorf("%s: there is no %s", p.path, name)
				}
			}
		}
	}
	if total < 100 {
		t.Errorf("only %d names found in the pages", total)
	}
}

func TestGoParses(t *testing.T) {
	for _, p := range readPages(t) {
		for _, b := range p.code {
			if b.language != "go" {
				continue
			}
			text := strings.ReplaceAll(b.text, "…", "")
			var imports []string
			if rest, ok := strings.CutPrefix(text, "import "); ok { // before statements: as in a file, but shorter
				var clause string
				if strings.HasPrefix(rest, "(") {
					clause, rest, _ = strings.Cut(rest, "\n)\n")
					clause += "\n)"
				} else {
					clause, rest, _ = strings.Cut(rest, "\n")
				}
				imports, text = append(imports, "import "+clause), rest
			}
			head := "package p\n" + strings.Join(imports, "\n") + "\n"
			_, asFile := parser.ParseFile(token.NewFileSet(), "", head+text, parser.SkipObjectResolution)
			_, asBody := parser.ParseFile(token.NewFileSet(), "", head+"func _() {\n"+text+"\n}", parser.SkipObjectResolution)
			if asFile != nil && asBody != nil {
				t.Errorf("%s: %v\n%s", p.path, asBody, b.text)
			}
		}
	}
}

// firstColumn returns the texts in backticks at the start of a table's rows.
func firstColumn(text string) []string {
	var all []string
	for _, found := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(text, -1) {
		all = append(all, found[1])
	}
	return all
}

func section(t *testing.T, text, title string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "\n## "+title+"\n")
	if !ok {
		t.Fatalf("no section %s", title)
	}
	body, _, _ := strings.Cut(rest, "\n## ")
	return body
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if len(want) == 0 {
		t.Fatalf("no %s found", what)
	}
	for _, name := range want {
		if !slices.Contains(got, name) {
			t.Errorf("%s: no row for %s", what, name)
		}
	}
	for _, name := range got {
		if !slices.Contains(want, name) {
			t.Errorf("%s: a row for %s, which there isn't", what, name)
		}
	}
}

func TestEveryReasonHasItsRunbook(t *testing.T) {
	var reasons []string
	for _, found := range regexp.MustCompile(`(?m)^(?:interceptor|authz): const \w+ Reason = "(\w+)"$`).FindAllStringSubmatch(read(t, root+"/.ci/api.txt"), -1) {
		reasons = append(reasons, found[1])
	}
	same(t, "runbook", firstColumn(section(t, read(t, root+"/interceptor/operating.md"), "Runbook")), reasons)
}

func TestEveryMetricIsExplained(t *testing.T) {
	var metrics []string
	for _, found := range regexp.MustCompile(`(?m)^//\t(usher\.[a-z.]+) `).FindAllStringSubmatch(read(t, root+"/interceptor/telemetry/doc.go"), -1) {
		metrics = append(metrics, found[1])
	}
	same(t, "metrics", firstColumn(section(t, read(t, root+"/interceptor/operating.md"), "Metrics")), metrics)
}

func TestErrorsThatPagesQuoteAreReal(t *testing.T) {
	golden := read(t, root+"/authz/testdata/broken.golden")
	for _, file := range []string{
		"authz/authorizer", "authz/compile", "authz/issuers", "authz/subjects_collide", "authz/asked", "authz/held",
		"authz/expression_rule", "authz/limit_compile", "interceptor/interceptor",
		"authz/policy_schema", "authz/policy_schema_callers", "authz/policy_schema_context",
	} {
		golden += read(t, root+"/"+file+".go")
	}
	for _, quoted := range firstColumn(section(t, read(t, root+"/authz/README.md"), "When it doesn't start")) {
		for part := range strings.SplitSeq(quoted, "…") {
			if !strings.Contains(golden, part) {
				t.Errorf("no error says %q", part)
			}
		}
	}
}
