package outside

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// workspace is a workspace of buf with two modules, with the real plugin in PATH.
type workspace struct {
	folder, buf, plugin string
}

// newWorkspace makes a workspace: module "api" has services, module "common" has usher's
// file and a service of its own.
func newWorkspace(t *testing.T) *workspace {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	w := &workspace{folder: t.TempDir(), buf: tool(t, root, "buf"), plugin: buildPlugin(t, root)}
	copyFile(t, filepath.Join(root, "proto", "usher", "authz", "v1", "authz.proto"), filepath.Join(w.folder, "common", "usher", "authz", "v1", "authz.proto"))
	copyFile(t, filepath.Join("testdata", "health.proto.txt"), filepath.Join(w.folder, "common", "health", "v1", "health.proto"))
	copyFile(t, filepath.Join("testdata", "docs.proto.txt"), filepath.Join(w.folder, "api", "docs", "v1", "docs.proto"))
	copyFile(t, filepath.Join("testdata", "model.fga"), filepath.Join(w.folder, "model.fga"))
	w.configure(t)

	return w
}

// buildPlugin builds the plugin and the command, once for all tests.
func buildPlugin(t *testing.T, root string) string {
	t.Helper()
	folder, err := built(root)
	if err != nil {
		t.Fatal(err)
	}

	return folder
}

var (
	builtOnce sync.Once
	builtIn   string
	errBuilt  error
)

func built(root string) (string, error) {
	builtOnce.Do(func() {
		if builtIn, errBuilt = os.MkdirTemp("", "usher-"); errBuilt != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		command := exec.CommandContext(ctx, "go", "build", "-o", builtIn, "./buf-plugin-usher", "./usher")
		command.Dir = filepath.Join(root, "authz", "cmd")
		command.Env = append(os.Environ(), "GOWORK=off")
		if output, err := command.CombinedOutput(); err != nil {
			errBuilt = fmt.Errorf("go build: %w\n%s", err, output)
		}
	})

	return builtIn, errBuilt
}

func TestMain(m *testing.M) {
	code := m.Run()
	if builtIn != "" {
		_ = os.RemoveAll(builtIn)
	}
	os.Exit(code)
}

// configure writes buf.yaml with options of the plugin, one on a line.
func (w *workspace) configure(t *testing.T, options ...string) {
	t.Helper()
	text := `version: v2
modules:
  - path: api
  - path: common
lint:
  use: [USHER]
breaking:
  use: [USHER]
plugins:
  - plugin: buf-plugin-usher
`
	if len(options) > 0 {
		text += "    options:\n      " + strings.Join(options, "\n      ") + "\n"
	}
	write(t, filepath.Join(w.folder, "buf.yaml"), text)
}

// run runs buf in a folder, and returns what it writes to stdout, to stderr, and its exit
// code.
func (w *workspace) run(t *testing.T, folder string, args ...string) (stdout, stderr string, code int) {
	t.Helper()

	return w.command(t, folder, w.buf, args...)
}

func (w *workspace) command(t *testing.T, folder, name string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = folder
	command.Env = append(os.Environ(),
		"PATH="+w.plugin+string(os.PathListSeparator)+os.Getenv("PATH"), "BUF_CACHE_DIR="+filepath.Join(w.folder, ".cache"))
	var out, errs strings.Builder
	command.Stdout, command.Stderr = &out, &errs
	if err := command.Run(); err != nil && command.ProcessState == nil {
		t.Fatal(err)
	}

	return out.String(), errs.String(), command.ProcessState.ExitCode()
}

// edit replaces text in the services' file.
func (w *workspace) edit(t *testing.T, old, updated string) {
	t.Helper()
	path := filepath.Join(w.folder, "api", "docs", "v1", "docs.proto")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(content), old) != 1 {
		t.Fatalf("%q is in %s %d times", old, path, strings.Count(string(content), old))
	}
	write(t, path, strings.Replace(string(content), old, updated, 1))
}

// annotation is what buf's --error-format json writes for each finding.
type annotation struct {
	Path      string `json:"path"`
	StartLine int    `json:"start_line"`
	Type      string `json:"type"`
	Message   string `json:"message"`
}

// annotations are buf's findings as "path:line ID", sorted as buf does.
func annotations(t *testing.T, stdout string) (places []string, all []annotation) {
	t.Helper()
	for line := range strings.Lines(stdout) {
		var a annotation
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		places = append(places, fmt.Sprintf("%s:%d %s", a.Path, a.StartLine, a.Type))
		all = append(all, a)
	}

	return places, all
}

// lineOf returns the line of the services' file that has a text, from one.
func (w *workspace) lineOf(t *testing.T, text string) int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(w.folder, "api", "docs", "v1", "docs.proto"))
	if err != nil {
		t.Fatal(err)
	}
	before, _, found := strings.Cut(string(content), text)
	if !found {
		t.Fatalf("there is no %q", text)
	}

	return 1 + strings.Count(before, "\n")
}

func TestBufLintFindsNothingInGoodRules(t *testing.T) {
	w := newWorkspace(t)
	w.configure(t, "schema: model.fga", `subject_service: "service:{$client_id}"`, `subject_user: "user:{$sub}"`, "issuers: [main]", "claim_permissions: true")
	if stdout, stderr, code := w.run(t, w.folder, "lint"); code != 0 || stdout+stderr != "" {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

func TestBufLintFindsMistakesAtTheRulesLines(t *testing.T) {
	w := newWorkspace(t)
	w.configure(t, "schema: model.fga", `subject_user: "user:{$sub}"`)
	for old, mistaken := range map[string]string{
		`object: "document:{document_id}" relation: "viewer" } }; // get`:   `object: "document:{document}" relation: "viewer" } }; // get`,
		`object: "folder:{folder_id}" relation: "editor" } }; // put`:       `object: "folder:{folder_id}" relation: "edits" } }; // put`,
		`object: "document:{document_id}" relation: "viewer" } }; // print`: `object: "paper:{document_id}" relation: "viewer" } }; // print`,
		`option (.usher.authz.v1.rule) = { authenticated: {} }; // count`:   `// count`,
		`option (.usher.authz.v1.rule) = { authenticated: {} }; // hits`:    `// hits`,
		`public: { reason: "shown on the start page" }`:                     `public: {}`,
		`object: "document:{document_id}" relation: "owner" } }; // share`:  `object: "document:main" relation: "owner" } }; // share`,
	} {
		w.edit(t, old, mistaken)
	}
	stdout, stderr, code := w.run(t, w.folder, "lint", "--error-format", "json")
	if code != 100 || stderr != "" {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	got, _ := annotations(t, stdout)
	var want []string
	for _, finding := range []struct{ text, id string }{
		{"{document}", "USHER_RULE_VALID"},
		{`"edits"`, "USHER_SCHEMA_RELATION"},
		{`"paper:{`, "USHER_SCHEMA_TYPE"},
		{"rpc CountDocuments", "USHER_RULE_VALID"},
		{"rpc CountHits", "USHER_RULE_PRESENT"},
		{"public: {}", "USHER_REASON"},
		{"document:main", "USHER_FIELD_READ"},
	} {
		want = append(want, fmt.Sprintf("api/docs/v1/docs.proto:%d %s", w.lineOf(t, finding.text), finding.id))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("findings\n%s\nwant\n%s\nin\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), stdout)
	}
}

func TestBufLintHonoursCommentsThatIgnoreAnID(t *testing.T) {
	w := newWorkspace(t)
	w.edit(t, `public: { reason: "shown on the start page" }`, `public: {}`)
	if stdout, _, code := w.run(t, w.folder, "lint"); code != 100 || !strings.Contains(stdout, "ListNews") {
		t.Fatalf("exit code %d\n%s", code, stdout)
	}
	w.edit(t, "// ListNews lists news.", "// ListNews lists news.\n  // buf:lint:ignore USHER_FIELD_READ")
	if stdout, _, code := w.run(t, w.folder, "lint"); code != 100 || !strings.Contains(stdout, "ListNews") {
		t.Fatalf("with another id: exit code %d\n%s", code, stdout)
	}
	w.edit(t, "buf:lint:ignore USHER_FIELD_READ", "buf:lint:ignore USHER_REASON")
	if stdout, stderr, code := w.run(t, w.folder, "lint"); code != 0 {
		t.Errorf("with the id: exit code %d\n%s%s", code, stdout, stderr)
	}
}

func TestBufPluginReadsASchemaRelativeToTheWorkingDirectory(t *testing.T) {
	w := newWorkspace(t)
	w.edit(t, `object: "folder:{folder_id}" relation: "editor" } }; // put`, `object: "folder:{folder_id}" relation: "edits" } }; // put`)
	w.configure(t, "schema: model.fga")
	if stdout, _, code := w.run(t, w.folder, "lint"); code != 100 || !strings.Contains(stdout, `"edits"`) {
		t.Errorf("relative to buf's working directory: exit code %d\n%s", code, stdout)
	}
	if _, stderr, code := w.run(t, filepath.Dir(w.folder), "lint", w.folder); code != 1 || !strings.Contains(stderr, "relative to buf's working directory") || !strings.Contains(stderr, "model.fga") {
		t.Errorf("from another directory: exit code %d\n%s", code, stderr)
	}
	w.configure(t, "schema: "+filepath.Join(w.folder, "model.fga"))
	if stdout, _, code := w.run(t, filepath.Dir(w.folder), "lint", w.folder); code != 100 || !strings.Contains(stdout, `"edits"`) {
		t.Errorf("an absolute path: exit code %d\n%s", code, stdout)
	}
}

func TestBufPluginRefusesWrongOptions(t *testing.T) {
	w := newWorkspace(t)
	write(t, filepath.Join(w.folder, "broken.fga"), "model\n  schema 1.1\ntype document\n  relations\n    define viewer: [user\n")
	write(t, filepath.Join(w.folder, "accepted.txt"), "everything\n")
	for name, row := range map[string]struct{ option, want string }{
		"an option that doesn't exist":     {"subject_servic: x", `there is no option "subject_servic": it is one of accept, claim_permissions, issuers, schema, subject_service, subject_user`},
		"a value of another type":          {"schema: 7", `"schema": expected string`},
		"issuers of another type":          {"issuers: 7", `"issuers": expected []string`},
		"a flag of another type":           {"claim_permissions: maybe", `"claim_permissions": expected bool`},
		"a subject without a type":         {"subject_user: x", "Subjects.User"},
		"a schema that isn't there":        {"schema: other.fga", "other.fga"},
		"a schema that doesn't parse":      {"schema: broken.fga", "broken.fga:"},
		"a schema of an engine unnamed":    {"schema: grpc://localhost:1", "openfga+grpc://"},
		"accepted changes that aren't any": {"accept: accepted.txt", "accepted.txt:1: not a change"},
	} {
		t.Run(name, func(t *testing.T) {
			w.configure(t, row.option)
			stdout, stderr, code := w.run(t, w.folder, "lint")
			if code != 1 || !strings.Contains(stderr, row.want) || stdout != "" {
				t.Errorf("exit code %d, want 1 with %q\n%s%s", code, row.want, stdout, stderr)
			}
			if strings.Count(stderr, "\n") > 6 {
				t.Errorf("the error is long:\n%s", stderr)
			}
		})
	}
}

// commit commits the workspace, so that it is what later states are compared with.
func (w *workspace) commit(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"},
		{"add", "-A"},
		{"-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "-q", "-m", "first"},
	} {
		if stdout, stderr, code := w.command(t, w.folder, "git", args...); code != 0 {
			t.Fatalf("git: %s%s", stdout, stderr)
		}
	}
}

func TestBufBreakingFindsWhatBecameLooser(t *testing.T) {
	w := newWorkspace(t)
	w.configure(t, "schema: model.fga", `subject_service: "service:{$client_id}"`, `subject_user: "user:{$sub}"`)
	w.commit(t)
	image := filepath.Join(t.TempDir(), "old.binpb")
	if _, stderr, code := w.run(t, w.folder, "build", "-o", image); code != 0 {
		t.Fatal(stderr)
	}
	for _, against := range []string{".git#branch=main", image} {
		if stdout, stderr, code := w.run(t, w.folder, "breaking", "--against", against); code != 0 || stdout+stderr != "" {
			t.Errorf("nothing changed, against %s: exit code %d\n%s%s", against, code, stdout, stderr)
		}
	}
	// By the model every owner is a viewer, so that only the second is looser.
	w.edit(t, `relation: "viewer" } }; // get`, `relation: "owner" } }; // get`)
	w.edit(t, `relation: "owner" } }; // share`, `relation: "viewer" } }; // share`)
	w.edit(t, `check: { object: "folder:{folder_id}" relation: "editor" } }; // put`, `handler: { reason: "depends on the tree" } }; // put`)
	w.edit(t, `authenticated: {} }; // hits`, `public: { reason: "counts are public" } }; // hits`)
	var want []string
	for _, finding := range []struct{ text, id string }{
		{"// put", "USHER_RULE_COMPARABLE"}, {"// share", "USHER_RULE_NOT_LOOSENED"}, {"// hits", "USHER_RULE_NOT_LOOSENED"},
	} {
		want = append(want, fmt.Sprintf("api/docs/v1/docs.proto:%d %s", w.lineOf(t, finding.text), finding.id))
	}
	for _, against := range []string{".git#branch=main", image} {
		stdout, stderr, code := w.run(t, w.folder, "breaking", "--against", against, "--error-format", "json")
		if code != 100 || stderr != "" {
			t.Errorf("against %s: exit code %d\n%s", against, code, stderr)
		}
		got, all := annotations(t, stdout)
		if !slices.Equal(slices.Compact(got), want) {
			t.Errorf("against %s: findings\n%s\nwant\n%s\nin\n%s", against, strings.Join(got, "\n"), strings.Join(want, "\n"), stdout)
		}
		if !slices.ContainsFunc(all, func(a annotation) bool {
			return strings.Contains(a.Message, "viewer of document:{document_id} but not owner")
		}) {
			t.Errorf("against %s: no witness in\n%s", against, stdout)
		}
	}
	// What was reviewed is no finding any more, and what wasn't still is.
	stdout, stderr, code := w.command(t, w.folder, filepath.Join(w.plugin, "usher"),
		"breaking", "--against", "git:main", "-I", "api", "-I", "common", "--schema", "model.fga",
		"--subject-service", "service:{$client_id}", "--subject-user", "user:{$sub}", "--format", "accept", "api")
	if code != 1 || !strings.HasPrefix(stdout, "docs.v1.") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	write(t, filepath.Join(w.folder, "accepted.txt"), "# reviewed\n"+stdout)
	w.configure(t, "accept: accepted.txt", "schema: model.fga", `subject_service: "service:{$client_id}"`, `subject_user: "user:{$sub}"`)
	if stdout, stderr, code := w.run(t, w.folder, "breaking", "--against", image); code != 0 {
		t.Errorf("accepted: exit code %d\n%s%s", code, stdout, stderr)
	}
	w.edit(t, `relation: "viewer" } }; // share`, `relation: "viewer" } access_token: { scopes: "other" } }; // share`)
	if stdout, _, code := w.run(t, w.folder, "breaking", "--against", image); code != 100 || !strings.Contains(stdout, "ShareDocument") {
		t.Errorf("accepted, and another change of the same method: exit code %d\n%s", code, stdout)
	}
}

func TestBufBreakingFindsWhatBecameTighterWhenAskedTo(t *testing.T) {
	w := newWorkspace(t)
	w.commit(t)
	w.edit(t, `authenticated: {} }; // hits`, `deny: { reason: "closed" } }; // hits`)
	if stdout, stderr, code := w.run(t, w.folder, "breaking", "--against", ".git#branch=main"); code != 0 {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	content, err := os.ReadFile(filepath.Join(w.folder, "buf.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(w.folder, "buf.yaml"), strings.Replace(string(content), "breaking:\n  use: [USHER]", "breaking:\n  use: [USHER, USHER_RULE_NOT_TIGHTENED]", 1))
	stdout, _, code := w.run(t, w.folder, "breaking", "--against", ".git#branch=main", "--error-format", "json")
	if places, _ := annotations(t, stdout); code != 100 || len(slices.Compact(places)) != 1 || !strings.HasSuffix(places[0], " USHER_RULE_NOT_TIGHTENED") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
}

func TestBufBreakingTakesAMethodThatIsNoMore(t *testing.T) {
	w := newWorkspace(t)
	w.commit(t)
	w.edit(t, `  // CountHits counts what was found.
  rpc CountHits(CountHitsRequest) returns (CountHitsResponse) {
    option (.usher.authz.v1.rule) = { authenticated: {} }; // hits
  }
`, "")
	content, err := os.ReadFile(filepath.Join(w.folder, "buf.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(w.folder, "buf.yaml"), strings.Replace(string(content), "breaking:\n  use: [USHER]", "breaking:\n  use: [USHER_RULE_NOT_TIGHTENED]", 1))
	stdout, stderr, code := w.run(t, w.folder, "breaking", "--against", ".git#branch=main", "--error-format", "json")
	if code != 100 || !strings.Contains(stdout, "docs.v1.SearchService/CountHits") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}
