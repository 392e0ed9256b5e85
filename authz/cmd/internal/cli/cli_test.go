package cli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/cmd/internal/cli"
	"github.com/usher-auth/usher/authz/cmd/internal/load"
	"github.com/usher-auth/usher/authz/lint"
)

// docs has four methods; each test changes it.
const docs = `syntax = "proto3";
package docs.v1;
import "usher/authz/v1/authz.proto";
// Docs keeps documents.
service Docs {
  // Get reads a document.
  rpc Get(GetRequest) returns (GetResponse) {
    option (usher.authz.v1.rule) = {
      check: {
        object: "document:{id}"
        relation: "viewer"
      }
    };
  }
  // Count counts documents.
  rpc Count(CountRequest) returns (GetResponse) {
    option (usher.authz.v1.rule) = { authenticated: {} access_token: { scopes: "docs" } };
  }
  // News lists news.
  rpc News(CountRequest) returns (GetResponse) {
    option (usher.authz.v1.rule) = { public: { reason: "everybody may read news" } };
  }
  // Search finds documents.
  rpc Search(CountRequest) returns (GetResponse) {
    option (usher.authz.v1.rule) = { handler: { reason: "known after a read" } };
  }
}
message GetRequest { string id = 1; }
message CountRequest {}
message GetResponse {}
`

const model = `model
  schema 1.1
type user
type document
  relations
    define owner: [user]
    define viewer: [user] or owner
`

func write(t testing.TB, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}

	return path
}

// inFolder makes a folder with proto/docs.proto and model.fga the working directory.
func inFolder(t *testing.T, replacements ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	write(t, "proto/docs.proto", strings.NewReplacer(replacements...).Replace(docs))
	write(t, "model.fga", model)
}

// run runs the command.
func run(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = cli.Main(t.Context(), args, strings.NewReader(stdin), &out, &errs, cli.Commands()...)

	return out.String(), errs.String(), code
}

// expect runs the command and compares all that it does.
func expect(t *testing.T, wantCode int, wantOut, wantErr string, args ...string) {
	t.Helper()
	stdout, stderr, code := run(t, "", args...)
	if code != wantCode || stdout != wantOut || stderr != wantErr {
		t.Errorf("usher %s: exit code %d\n--- stdout\n%s--- stderr\n%s--- want %d\n%s---\n%s", strings.Join(args, " "), code, stdout, stderr, wantCode, wantOut, wantErr)
	}
}

func TestLintOfGoodRulesIsClean(t *testing.T) {
	inFolder(t)
	for _, args := range [][]string{
		{"proto"},
		{"--in", "proto"},
		{"-I", "proto", "proto/docs.proto"},
		{"proto", "--format", "github"},
		{"--schema", "model.fga", "proto"},
		{"--subject-user", "user:{$sub}", "--subject-service=service:{$client_id}", "--issuers", "main", "--claim-permissions", "proto"},
		{"--", "proto"},
	} {
		expect(t, cli.Clean, "", "", append([]string{"lint"}, args...)...)
	}
	expect(t, cli.Clean, "{\n  \"version\": 1,\n  \"methods\": 4,\n  \"findings\": []\n}\n", "", "lint", "--format", "json", "proto")
}

var mistakes = []string{`"viewer"`, `"views"`, `public: { reason: "everybody may read news" }`, `public: {}`}

func TestLintWritesEachFormat(t *testing.T) {
	inFolder(t, mistakes...)
	const summary = "usher lint: 2 findings in 4 methods\n"
	const relation = `docs.v1.Docs/Get: rule.check.relation: the schema "model.fga" has no relation "views" of type "document"; write "viewer", or add the relation to the model`
	const reason = `docs.v1.Docs/News: rule.public: anyone may call, and the rule doesn't say why; write public: { reason: "…" }, for reviewers`
	expect(t, cli.Found, "proto/docs.proto:11:9: USHER_SCHEMA_RELATION: "+relation+"\nproto/docs.proto:21:38: USHER_REASON: "+reason+"\n",
		summary, "lint", "--schema", "model.fga", "proto")
	expect(t, cli.Found, "::error file=proto/docs.proto,line=11,col=9,title=USHER_SCHEMA_RELATION::"+relation+
		"\n::error file=proto/docs.proto,line=21,col=38,title=USHER_REASON::"+reason+"\n", summary, "lint", "--schema", "model.fga", "--format", "github", "proto")
	stdout, _, code := run(t, "", "lint", "--schema", "model.fga", "--format", "json", "proto")
	var read struct {
		Version  int            `json:"version"`
		Methods  int            `json:"methods"`
		Findings []lint.Finding `json:"findings"`
	}
	if err := json.Unmarshal([]byte(stdout), &read); err != nil || code != cli.Found || read.Version != 1 || read.Methods != 4 || len(read.Findings) != 2 {
		t.Fatalf("%v, exit code %d\n%s", err, code, stdout)
	}
	if f := read.Findings[0]; f.ID != authz.FaultSchemaRelation || f.File != "proto/docs.proto" || f.Line != 11 || f.Column != 9 || f.Path != "rule.check.relation" || f.Fix == "" {
		t.Errorf("%+v", f)
	}
}

func TestLintSelectsFindings(t *testing.T) {
	inFolder(t, mistakes...)
	for name, row := range map[string]struct {
		args []string
		want int
	}{
		"all":                             {nil, 2},
		"without an id":                   {[]string{"--except", "USHER_REASON"}, 1},
		"without two":                     {[]string{"--except", "USHER_REASON,USHER_SCHEMA_RELATION"}, 0},
		"without two, one by one":         {[]string{"--except", "USHER_REASON", "--except", "USHER_SCHEMA_RELATION"}, 0},
		"one method":                      {[]string{"--only", "docs.v1.Docs/Get"}, 1},
		"one method, as gRPC writes it":   {[]string{"--only", "/docs.v1.Docs/Get"}, 1},
		"a service":                       {[]string{"--only", "docs.v1.Docs/*"}, 2},
		"a package":                       {[]string{"--only", "docs.*"}, 2},
		"two methods":                     {[]string{"--only", "docs.v1.Docs/Get,docs.v1.Docs/News"}, 2},
		"all with a star":                 {[]string{"--only", "*"}, 2},
		"a star in the middle":            {[]string{"--only", "docs.*/N*s"}, 1},
		"a method that has nothing wrong": {[]string{"--only", "*/Count"}, 0},
	} {
		stdout, stderr, code := run(t, "", append([]string{"lint", "--schema", "model.fga", "proto"}, row.args...)...)
		if got := strings.Count(stdout, "\n"); got != row.want || (code == cli.Clean) != (row.want == 0) || code > cli.Found {
			t.Errorf("%s: exit code %d\n%s%s", name, code, stdout, stderr)
		}
	}
}

func TestWrongUseIsExitCode2(t *testing.T) {
	inFolder(t)
	write(t, "broken.proto", "syntax = \"proto3\";\nservice {\n")
	write(t, "broken.fga", "model\n  schema 1.1\ntype document\n  relations\n    define viewer: [user\n")
	write(t, "accepted", "everything\n")
	write(t, "empty/README.md", "")
	write(t, "data", "no image")
	write(t, "other.json", `{"version": 1, "other": 2}`)
	for name, row := range map[string]struct {
		args []string
		want string
	}{
		"an unknown command":              {[]string{"lnit"}, `there is no command "lnit"`},
		"an unknown flag":                 {[]string{"lint", "--schem", "x", "proto"}, "-schem"},
		"an unknown flag at the end":      {[]string{"lint", "proto", "--schem"}, `"usher help lint" lists the flags`},
		"an unknown format":               {[]string{"lint", "--format", "xml", "proto"}, `there is no format "xml": it is text, json or github`},
		"an unknown format of a matrix":   {[]string{"matrix", "--format", "xml", "proto"}, `there is no format "xml": it is text, markdown, json or html`},
		"an unknown format of changes":    {[]string{"breaking", "--against", "proto", "--format", "xml", "proto"}, "accept"},
		"an unknown id":                   {[]string{"lint", "--except", "USHER_X", "proto"}, `there is no id "USHER_X"`},
		"a pattern that matches nothing":  {[]string{"lint", "--only", "docs.v2.*", "proto"}, "--only docs.v2.*: no method matches it"},
		"an empty pattern":                {[]string{"lint", "--only", "", "proto"}, "an empty value"},
		"no input":                        {[]string{"lint"}, "no input"},
		"an input that isn't there":       {[]string{"lint", "none"}, "none: no such file or directory"},
		"a directory without files":       {[]string{"lint", "empty"}, "empty: no .proto file in it"},
		"a file that doesn't parse":       {[]string{"lint", "broken.proto"}, "broken.proto:2:9: "},
		"a file of another kind":          {[]string{"lint", "data"}, "data: not an image"},
		"JSON of another kind":            {[]string{"lint", "other.json"}, "other.json: neither an image"},
		"stdin that is empty":             {[]string{"lint", "-"}, "-: empty"},
		"a schema that isn't there":       {[]string{"lint", "--schema", "none.fga", "proto"}, "none.fga"},
		"a schema that doesn't parse":     {[]string{"lint", "--schema", "broken.fga", "proto"}, "broken.fga:"},
		"a subject that is wrong":         {[]string{"lint", "--subject-user", "x", "proto"}, "Subjects.User"},
		"no old rules":                    {[]string{"breaking", "proto"}, "--against is required"},
		"old rules that aren't there":     {[]string{"breaking", "--against", "none", "proto"}, "--against: none: no such file or directory"},
		"old rules of no repository":      {[]string{"breaking", "--against", "git:main", "proto"}, "--against: git:main: "},
		"old rules of no commit":          {[]string{"breaking", "--against", "git:", "proto"}, "git: is followed by a commit"},
		"old rules outside":               {[]string{"breaking", "--against", "git:main", "/tmp"}, "only what is within the working directory"},
		"both sides of stdin":             {[]string{"breaking", "--against", "-", "-"}, "both sides are the standard input"},
		"accepted changes that are none":  {[]string{"breaking", "--against", "proto", "--accept", "accepted", "proto"}, "accepted:1: not a change"},
		"a file that can't be written":    {[]string{"matrix", "-o", "none/matrix.html", "proto"}, "none/matrix.html"},
		"a matrix of an unknown old side": {[]string{"matrix", "--against", "none", "proto"}, "--against: none"},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, code := run(t, "", row.args...)
			if code != cli.Failed || !strings.Contains(stderr, row.want) || stdout != "" {
				t.Errorf("exit code %d, want 2 with %q\n%s%s", code, row.want, stdout, stderr)
			}
			for line := range strings.Lines(stderr) {
				if len(line) > 1000 {
					t.Errorf("a line of %d bytes", len(line))
				}
			}
		})
	}
}

// A server may have IssuerSubjects, for which there is no flag: the advice is what the
// flags can do.
func TestSubjectsOfSeveralIssuersAreAdvisedByFlags(t *testing.T) {
	inFolder(t)
	flags := []string{"--issuers", "main,partner", "--subject-user", "user:{$sub}"}
	for name, args := range map[string][]string{
		"lint": {"lint", "proto"}, "breaking": {"breaking", "--against", "proto", "proto"}, "lock": {"lock", "proto"}, "matrix": {"matrix", "proto"},
		"explain": {"explain", "--method", "docs.v1.Docs/Get", "--as", "user:a", "--issuer", "main", "proto"}, "mcp": {"mcp", "proto"},
	} {
		stdout, stderr, code := run(t, "", append(args, flags...)...)
		if code != cli.Failed || stdout != "" || strings.Count(stderr, "write {$issuer} in --subject-user and --subject-service") != 1 {
			t.Errorf("%s: exit code %d\n%s%s", name, code, stdout, stderr)
		}
	}
	expect(t, cli.Clean, "", "", "lint", "proto", "--issuers", "main,partner", "--subject-user", "user:{$issuer}/{$sub}")
}

func TestHelpIsOnStdout(t *testing.T) {
	for want, args := range map[string][]string{
		"Usage: usher COMMAND":        {},
		"usher reviews":               {"help"},
		"  breaking   find rules":     {"--help"},
		"Usage: usher lint ":          {"help", "lint"},
		"--against OLD [flags] INPUT": {"breaking", "-h"},
		"Usage: usher matrix ":        {"matrix", "--help"},
		"USHER_FIELD_READ":            {"help", "ids"},
		"usher ":                      {"version"},
	} {
		stdout, stderr, code := run(t, "", args...)
		if code != cli.Clean || stderr != "" || !strings.Contains(stdout, want) {
			t.Errorf("usher %s: exit code %d, want %q\n%s%s", args, code, want, stdout, stderr)
		}
	}
}

func git(t *testing.T, args ...string) {
	t.Helper()
	args = append([]string{"-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main"}, args...)
	if output, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput(); err != nil {
		t.Fatalf("git: %v\n%s", err, output)
	}
}

func TestBreakingTakesEveryOldSide(t *testing.T) {
	inFolder(t)
	write(t, "old/docs.proto", docs)
	git(t, "init", "-q")
	git(t, "add", "-A")
	git(t, "commit", "-q", "-m", "first")
	sources, err := load.Read(t.Context(), load.Config{Inputs: []string{"proto"}})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := load.Policy(sources, lint.Source{})
	if err != nil {
		t.Fatal(err)
	}
	lock, err := lint.WriteLock(policy)
	if err != nil {
		t.Fatal(err)
	}
	write(t, "rules.lock.json", string(lock))
	handler := "usher breaking: 1 method can't be compared, since the handler decides, before and now\n"
	for _, old := range []string{"old", "old/docs.proto", "git:HEAD", "git:main", "rules.lock.json"} {
		expect(t, cli.Clean, "", "", "breaking", "--against", old, "proto")
		expect(t, cli.Clean, "", handler, "breaking", "--verbose", "--against", old, "proto")
	}
	write(t, "proto/docs.proto", strings.Replace(docs, ` access_token: { scopes: "docs" }`, "", 1))
	const found = "proto/docs.proto:17: USHER_RULE_NOT_LOOSENED: docs.v1.Docs/Count: rule.access_token.scopes: now also: a token without scope docs; have the change reviewed, or undo it\n"
	for _, old := range []string{"old", "old/docs.proto", "git:HEAD", "git:main", "rules.lock.json"} {
		stdout, stderr, code := run(t, "", "breaking", "--against", old, "proto")
		if code != cli.Found || !strings.HasPrefix(stdout, "proto/docs.proto:17: USHER_RULE_NOT_LOOSENED: docs.v1.Docs/Count: ") || !strings.Contains(stdout, "without scope docs") {
			t.Errorf("%s: exit code %d\n%s%s\nas in %s", old, code, stdout, stderr, found)
		}
	}
	// The commit is of the working directory, wherever in the repository that is.
	t.Chdir("proto")
	if stdout, stderr, code := run(t, "", "breaking", "--against", "git:HEAD", "."); code != cli.Found {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

// Methods whose handler decides before and now may have changed in any way: they aren't
// the same, and are named in JSON and counted beside findings.
func TestBreakingAlwaysTellsWhatItCannotCompare(t *testing.T) {
	inFolder(t)
	write(t, "old/docs.proto", docs)
	stdout, stderr, code := run(t, "", "breaking", "--against", "old", "--format", "json", "proto")
	var read struct {
		Version  int            `json:"version"`
		Methods  int            `json:"methods"`
		Findings []lint.Finding `json:"findings"`
		Opaque   []string       `json:"opaque"`
	}
	if err := json.Unmarshal([]byte(stdout), &read); err != nil || code != cli.Clean || stderr != "" ||
		read.Version != 1 || read.Methods != 4 || read.Findings == nil || len(read.Opaque) != 1 {
		t.Errorf("%+v, %v, exit code %d\n%s%s", read, err, code, stdout, stderr)
	}
	expect(t, cli.Clean, "{\n  \"version\": 1,\n  \"methods\": 1,\n  \"findings\": [],\n  \"opaque\": [],\n  \"tighter\": 0,\n  \"accepted\": 0\n}\n", "",
		"breaking", "--against", "old", "--only", "*/Get", "--format", "json", "proto")
	write(t, "proto/docs.proto", strings.Replace(docs, `"viewer"`, `"reader"`, 1))
	if _, stderr, code = run(t, "", "breaking", "--against", "old", "proto"); code != cli.Found || !strings.Contains(stderr, "1 method can't be compared, since the handler decides, before and now\n") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

func TestBreakingTellsWhatIsWrongWithACommit(t *testing.T) {
	inFolder(t)
	git(t, "init", "-q")
	git(t, "add", "-A")
	git(t, "commit", "-q", "-m", "first")
	const before = "usher breaking: --against: "
	for against, want := range map[string]string{
		"git:none":           "git:none: there is no such commit here (a shallow clone has only its newest): git: exit status 1\n",
		"git:HEAD:proto":     "git:HEAD:proto: git:REF takes no path, as in git:HEAD: INPUT says what is read at the commit, as in proto\n",
		"git:--all":          "git:--all: there is no such commit here (a shallow clone has only its newest): git: exit status 1\n",
		"git:HEAD^{tree}":    "git:HEAD^{tree}: there is no such commit here",
		"git:a\x1b[2J\u202e": `git:a\x1b[2J\u202e: there is no such commit here`,
	} {
		if stdout, stderr, code := run(t, "", "breaking", "--against", against, "proto"); code != cli.Failed || stdout != "" || !strings.HasPrefix(stderr, before+want) {
			t.Errorf("%s: exit code %d\n%s%s\nwant %s%s", against, code, stdout, stderr, before, want)
		}
	}
	write(t, "new.proto", docs)
	if _, stderr, code := run(t, "", "breaking", "--against", "git:HEAD", "new.proto"); code != cli.Failed || !strings.Contains(stderr, "new.proto' did not match any files") {
		t.Errorf("a file that the commit lacks: exit code %d\n%s", code, stderr)
	}
}

func TestBreakingFailsForLooserAndUnknownOnly(t *testing.T) {
	inFolder(t)
	write(t, "old/docs.proto", docs)
	for name, row := range map[string]struct {
		replace []string
		args    []string
		id      string
		code    int
	}{
		"tighter":                     {[]string{`authenticated: {}`, `deny: { reason: "closed" }`, ` access_token: { scopes: "docs" }`, ""}, nil, "", cli.Clean},
		"tighter, asked for":          {[]string{`authenticated: {}`, `deny: { reason: "closed" }`, ` access_token: { scopes: "docs" }`, ""}, []string{"--tighter"}, "USHER_RULE_NOT_TIGHTENED", cli.Found},
		"looser":                      {[]string{`"viewer"`, `"reader"`}, nil, "USHER_RULE_NOT_LOOSENED", cli.Found},
		"a handler decides":           {[]string{`authenticated: {}`, `handler: { reason: "it knows" }`}, nil, "", cli.Clean},
		"a handler decides no more":   {[]string{`handler: { reason: "known after a read" }`, `check: { object: "library:main" relation: "viewer" }`}, nil, "USHER_RULE_COMPARABLE", cli.Found},
		"tighter by the model":        {[]string{`"viewer"`, `"owner"`}, []string{"--schema", "model.fga"}, "", cli.Clean},
		"not tighter without a model": {[]string{`"viewer"`, `"owner"`}, nil, "USHER_RULE_NOT_LOOSENED", cli.Found},
		"of another method":           {[]string{`"viewer"`, `"reader"`}, []string{"--only", "*/Count"}, "", cli.Clean},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, "proto/docs.proto", strings.NewReplacer(row.replace...).Replace(docs))
			stdout, stderr, code := run(t, "", append([]string{"breaking", "--against", "old", "proto"}, row.args...)...)
			if code != row.code || (row.id == "") != (stdout == "") || !strings.Contains(stdout, row.id) {
				t.Errorf("exit code %d, want %d with %q\n%s%s", code, row.code, row.id, stdout, stderr)
			}
		})
	}
}

func TestBreakingLeavesOutWhatWasAccepted(t *testing.T) {
	inFolder(t, `"viewer"`, `"reader"`)
	write(t, "old/docs.proto", docs)
	stdout, _, code := run(t, "", "breaking", "--against", "old", "--format", "accept", "proto")
	if code != cli.Found || strings.Count(stdout, "\n") != 1 {
		t.Fatalf("exit code %d\n%s", code, stdout)
	}
	write(t, "accepted", "# readers may read\n"+stdout)
	if stdout, stderr, code := run(t, "", "breaking", "--against", "old", "--accept", "accepted", "proto"); code != cli.Clean || stdout != "" || !strings.Contains(stderr, "usher breaking: 1 change accepted\n") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	write(t, "proto/docs.proto", strings.Replace(docs, `"viewer"`, `"guest"`, 1))
	stdout, stderr, code := run(t, "", "breaking", "--against", "old", "--accept", "accepted", "proto")
	if code != cli.Found || !strings.Contains(stdout, "guest") || !strings.Contains(stderr, "no such change any more") || strings.Contains(stderr, "change accepted") {
		t.Errorf("another change: exit code %d\n%s%s", code, stdout, stderr)
	}
}

func TestLockIsWhatBreakingComparesWith(t *testing.T) {
	inFolder(t)
	configured := []string{"--subject-user", "user:{$sub}", "--subject-service", "service:{$client_id}", "--issuers", "main", "proto"}
	stdout, stderr, code := run(t, "", append([]string{"lock"}, configured...)...)
	if code != cli.Clean || stderr != "" {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	expect(t, cli.Clean, "", "", append([]string{"lock", "-o", "rules.lock.json"}, configured...)...)
	if written, err := os.ReadFile("rules.lock.json"); err != nil || string(written) != stdout {
		t.Errorf("the file is another than stdout: %v", err)
	}
	const handler = "usher breaking: 1 method can't be compared, since the handler decides, before and now\n"
	// How the server is configured is the same, unless flags say it.
	expect(t, cli.Clean, "", handler, "breaking", "--verbose", "--tighter", "--against", "rules.lock.json", "proto")
	expect(t, cli.Clean, "", handler, append([]string{"breaking", "--verbose", "--tighter", "--against", "rules.lock.json"}, configured...)...)
	stdout, stderr, code = run(t, "", "breaking", "--against", "rules.lock.json", "--subject-user", "user:{$claim.mail}", "--subject-service", "service:{$client_id}", "--issuers", "main", "proto")
	if code != cli.Found || !strings.Contains(stdout, "{$claim.mail}") {
		t.Errorf("another subject: exit code %d\n%s%s", code, stdout, stderr)
	}
	expect(t, cli.Clean, "", "", "lint", "rules.lock.json")
	if stdout, _, code := run(t, "", "matrix", "rules.lock.json"); code != cli.Clean || !strings.Contains(stdout, "viewer of document:{id}") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	write(t, "rules.lock.json", "{\n  \"version\": 1,\n  broken\n}")
	if _, stderr, code := run(t, "", "lint", "rules.lock.json"); code != cli.Failed || !strings.Contains(stderr, "line 3") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

func TestMatrixWritesEachFormat(t *testing.T) {
	inFolder(t)
	for format, wants := range map[string][]string{
		"text":     {"viewer of document:{id}", "PUBLIC"},
		"markdown": {"| `Get` | check | `viewer` of `document:{id}` | `user` |"},
		"json":     {`"version": 1`, "docs.v1.Docs/Get"},
		"html":     {"<!DOCTYPE html>", "Content-Security-Policy", "<title>Ours"},
	} {
		stdout, stderr, code := run(t, "", "matrix", "--format", format, "--title", "Ours", "--schema", "model.fga", "proto")
		if code != cli.Clean || stderr != "" {
			t.Errorf("%s: exit code %d\n%s", format, code, stderr)
		}
		for _, want := range wants {
			if !strings.Contains(strings.ToLower(stdout), strings.ToLower(want)) {
				t.Errorf("%s: no %q in\n%.2000s", format, want, stdout)
			}
		}
		file := filepath.Join(t.TempDir(), "matrix")
		if out, stderr, code := run(t, "", "matrix", "--format", format, "--title", "Ours", "--schema", "model.fga", "-o", file, "proto"); code != cli.Clean || out+stderr != "" {
			t.Errorf("%s: exit code %d\n%s%s", format, code, out, stderr)
		}
		if written, err := os.ReadFile(file); err != nil || string(written) != stdout {
			t.Errorf("%s: the file is another than stdout: %v", format, err)
		}
	}
}

func TestMatrixTellsServersApartAndMarksChanges(t *testing.T) {
	inFolder(t)
	write(t, "other/user.proto", strings.ReplaceAll(docs, "docs.v1", "user.v1"))
	for _, name := range []string{"proto", "other"} {
		sources, err := load.Read(t.Context(), load.Config{Inputs: []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		policy, err := load.Policy(sources, lint.Source{})
		if err != nil {
			t.Fatal(err)
		}
		lock, err := lint.WriteLock(policy)
		if err != nil {
			t.Fatal(err)
		}
		write(t, name+".lock.json", string(lock))
	}
	stdout, stderr, code := run(t, "", "matrix", "--format", "json", "proto.lock.json", "other.lock.json")
	var read struct {
		Methods []struct {
			Server string `json:"server"`
			Method string `json:"method"`
		} `json:"methods"`
	}
	if err := json.Unmarshal([]byte(stdout), &read); err != nil || code != cli.Clean {
		t.Fatalf("%v, exit code %d\n%s", err, code, stderr)
	}
	servers := map[string]int{}
	for _, m := range read.Methods {
		servers[m.Server]++
	}
	if servers["proto"] != 4 || servers["other"] != 4 {
		t.Errorf("%v", servers)
	}
	write(t, "proto/docs.proto", strings.Replace(docs, `"viewer"`, `"reader"`, 1))
	stdout, _, code = run(t, "", "matrix", "--against", "proto.lock.json", "proto")
	if code != cli.Clean || !strings.Contains(stdout, "now also") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
}

// A witness is one call of many: an accepted change doesn't accept another one that has
// the same.
func TestBreakingAcceptsNoOtherChangeOfTheSameWitness(t *testing.T) {
	with := func(expression string) string {
		return strings.Replace(docs, "authenticated: {}", `any_of: {conditions: {has_scope: {scope: "a"}} conditions: {expression: {cel: "`+expression+`"}}}`, 1)
	}
	inFolder(t)
	write(t, "old/docs.proto", with("caller.client_id == 'a'"))
	write(t, "proto/docs.proto", with("caller.client_id == 'b'"))
	reviewed, stderr, code := run(t, "", "breaking", "--against", "old", "--format", "accept", "proto")
	if code != cli.Found || reviewed == "" {
		t.Fatalf("exit code %d\n%s%s", code, reviewed, stderr)
	}
	write(t, "accepted", reviewed)
	if stdout, stderr, code := run(t, "", "breaking", "--against", "old", "--accept", "accepted", "proto"); code != cli.Clean {
		t.Errorf("the same change: exit code %d\n%s%s", code, stdout, stderr)
	}
	write(t, "proto/docs.proto", with("caller.client_id != ''"))
	if stdout, stderr, code := run(t, "", "breaking", "--against", "old", "--accept", "accepted", "proto"); code != cli.Found {
		t.Errorf("another change: exit code %d\n%s%s", code, stdout, stderr)
	}
}

// The issuers that servers trust are part of lock files, and of the comparison.
func TestBreakingSeesTheIssuersOfEachLockFile(t *testing.T) {
	inFolder(t)
	lock := func(method, issuers string) string {
		return `{"version": 1, "subjects": {"user": "user:{$issuer}/{$sub}"}, "issuers": [` + issuers + `], "methods": {"t.S/` + method + `": {"rule": {"authenticated": {}}}}}`
	}
	write(t, "old.json", strings.Replace(lock("A", `"a"`), `{"t.S/A"`, `{"t.S/B": {"rule": {"authenticated": {}}}, "t.S/A"`, 1))
	write(t, "a.json", lock("A", `"a"`))
	write(t, "b.json", lock("B", `"a", "b"`))
	if stdout, stderr, code := run(t, "", "breaking", "--against", "old.json", "a.json", "b.json"); code != cli.Failed || !strings.Contains(stderr, "issuers") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	write(t, "b.json", lock("B", `"a"`))
	if stdout, stderr, code := run(t, "", "breaking", "--against", "old.json", "a.json", "b.json"); code != cli.Clean {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}
