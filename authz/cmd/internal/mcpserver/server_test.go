package mcpserver_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/cel"
	"github.com/usher-auth/usher/authz/cmd/internal/mcpserver"
	"github.com/usher-auth/usher/authz/lint"
)

const docs = `syntax = "proto3";
package docs.v1;
import "usher/authz/v1/authz.proto";
service Docs {
  rpc Get(GetRequest) returns (GetRequest) {
    option (.usher.authz.v1.rule) = {check: {object: "document:{id}" relation: "viewer"} access_token: {scopes: "read"}};
  }
}
message GetRequest { string id = 1; }
`

// secret is in a file beside the operator's folder, and in no answer.
const secret = "fake-secret-beside-the-root"

// folder is an operator's folder with one .proto, beside a file with a secret.
func folder(t *testing.T) string {
	t.Helper()
	above := t.TempDir()
	root := filepath.Join(above, "proto")
	for path, text := range map[string]string{
		filepath.Join(root, "docs", "v1", "docs.proto"): docs,
		filepath.Join(above, "secret.proto"):            `syntax = "proto3"; package ` + secret + `;`,
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	return root
}

// connect serves the tools in memory to a client of the SDK.
func connect(t *testing.T, config mcpserver.Config) *mcp.ClientSession {
	t.Helper()
	expressions, err := cel.New(cel.Config{})
	if err != nil {
		t.Fatal(err)
	}
	config.Template = lint.Source{Subjects: authz.Subjects{Service: "service:{$client_id}", User: "user:{$sub}"}, Expressions: expressions}
	client, server := mcp.NewInMemoryTransports()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = mcpserver.New(config).Run(ctx, server)
	}()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(ctx, client, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = session.Close()
		cancel()
		<-served
	})

	return session
}

// call calls a tool and returns its result as JSON, or its error.
func call(t *testing.T, session *mcp.ClientSession, tool string, arguments any) (text, fault string) {
	t.Helper()
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		return "", err.Error()
	}
	for _, content := range result.Content {
		if said, ok := content.(*mcp.TextContent); ok {
			text += said.Text
		}
	}
	if len(text) > mcpserver.MaxResult || strings.Contains(text, secret) {
		t.Errorf("%s answers %d bytes: %.200s", tool, len(text), text)
	}
	if result.IsError {
		return "", text
	}
	if structured, err := json.Marshal(result.StructuredContent); err != nil || len(structured) < 2 || structured[0] != '{' {
		t.Errorf("structured %s, %v", structured, err)
	}

	return text, ""
}

func TestExplainTellsWhereAPropertyBelongs(t *testing.T) {
	session := connect(t, mcpserver.Config{Inputs: []string{folder(t)}})
	const hint = "belongs in caller"
	for name, row := range map[string]struct {
		arguments map[string]any
		want      bool
	}{
		"the caller":          {map[string]any{"method": "docs.v1.Docs/Get", "as": "user:alice"}, true},
		"scopes beside it":    {map[string]any{"method": "docs.v1.Docs/Get", "caller": map[string]any{"as": "user:alice"}, "scopes": []string{"read"}}, true},
		"an unknown property": {map[string]any{"method": "docs.v1.Docs/Get", "caller": map[string]any{"as": "user:alice"}, "x": 1}, false},
		"within the caller":   {map[string]any{"method": "docs.v1.Docs/Get", "caller": map[string]any{"as": "user:alice", "sub": 1}}, false},
	} {
		if _, fault := call(t, session, "explain", row.arguments); fault == "" || strings.Contains(fault, hint) != row.want {
			t.Errorf("%s: %q", name, fault)
		}
	}
}

func TestToolsAreReadOnly(t *testing.T) {
	tools, err := connect(t, mcpserver.Config{}).ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	names := ""
	for _, tool := range tools.Tools {
		names += tool.Name + " "
		if !tool.Annotations.ReadOnlyHint || *tool.Annotations.DestructiveHint || *tool.Annotations.OpenWorldHint {
			t.Errorf("%s: %+v", tool.Name, tool.Annotations)
		}
		schema, err := json.Marshal(tool.InputSchema)
		if err != nil || !strings.Contains(string(schema), `"source"`) || !strings.Contains(string(schema), `"additionalProperties":false`) {
			t.Errorf("%s takes %s, %v", tool.Name, schema, err)
		}
	}
	if names != "breaking explain lint matrix " {
		t.Errorf("tools %s", names)
	}
}

type args = map[string]any

func TestTools(t *testing.T) {
	engine := authztest.NewEngine("document:1#viewer@user:alice")
	session := connect(t, mcpserver.Config{Inputs: []string{folder(t)}, Engine: engine, EngineName: "tuples"})
	looser := strings.Replace(docs, ` access_token: {scopes: "read"}`, "", 1)
	for name, c := range map[string]struct {
		tool      string
		arguments args
		want      []string
	}{
		"lint of the operator's files": {"lint", args{}, []string{`"methods":1`, `"findings":[]`}},
		"lint of a draft": {"lint", args{"source": strings.Replace(docs, "{id}", "{nope}", 1), "path": "docs/v1/docs.proto"}, []string{
			`"id":"USHER_RULE_VALID"`, `"file":"docs/v1/docs.proto"`, `"line":6`, `"path":"rule.check.object"`, `"fix":`,
		}},
		"a draft that leaves an id out":      {"lint", args{"source": strings.Replace(docs, "string id = 1;", "string id = 1; string owner_id = 2;", 1), "path": "docs/v1/docs.proto"}, []string{"USHER_FIELD_READ"}},
		"lint without some":                  {"lint", args{"source": strings.Replace(docs, "{id}", "{nope}", 1), "path": "docs/v1/docs.proto", "except": []string{"USHER_RULE_VALID"}}, []string{`"findings":[`}},
		"matrix":                             {"matrix", args{}, []string{"docs.v1.Docs/Get", "document", "viewer"}},
		"matrix of one service":              {"matrix", args{"only": []string{"docs.v1.Docs"}}, []string{"docs.v1.Docs/Get"}},
		"a draft that is looser":             {"breaking", args{"source": looser, "path": "docs/v1/docs.proto"}, []string{`"methods":1`, `"id":"USHER_`, "without scope", `"file":"docs/v1/docs.proto"`}},
		"a draft that is the same":           {"breaking", args{"source": docs, "path": "docs/v1/docs.proto", "only": []string{"docs.v1.Docs/Get"}}, []string{`"findings":[]`}},
		"a draft against another":            {"breaking", args{"source": looser, "old_source": docs, "path": "docs/v1/docs.proto"}, []string{`"methods":1`, `"id":"USHER_`}},
		"explain asks the operator's engine": {"explain", args{"method": "docs.v1.Docs/Get", "caller": args{"as": "user:alice", "scopes": []string{"read"}}, "request": args{"id": "1"}}, []string{`"decision":"allowed"`, "document:1#viewer@user:alice", `"engine":"tuples"`, `"trace"`}},
		"explain of a denial":                {"explain", args{"method": "docs.v1.Docs/Get", "caller": args{"as": "service:reader"}, "request": args{"id": "1"}}, []string{`"reason":"INSUFFICIENT_SCOPE"`, `"code":"PERMISSION_DENIED"`}},
		"explain of a draft":                 {"explain", args{"method": "docs.v1.Docs/Get", "caller": args{"as": "user:alice"}, "request": args{"id": "1"}, "source": looser, "path": "docs/v1/docs.proto"}, []string{`"decision":"allowed"`}},
	} {
		t.Run(name, func(t *testing.T) {
			text, fault := call(t, session, c.tool, c.arguments)
			for _, want := range c.want {
				if fault != "" || !strings.Contains(text, want) {
					t.Errorf("no %s in %.2000s%s", want, text, fault)
				}
			}
		})
	}
}

func TestHostileArguments(t *testing.T) {
	root := folder(t)
	session := connect(t, mcpserver.Config{Inputs: []string{root}, Engine: authztest.NewEngine()})
	recursive := `syntax = "proto3"; package docs.v1; import "usher/authz/v1/authz.proto";
service Docs { rpc Get(M) returns (M) { option (.usher.authz.v1.rule) = {check: {object: "document:{m.m.m.id}" relation: "viewer"}}; } }
message M { M m = 1; string id = 2; }`
	var many strings.Builder
	many.WriteString(`syntax = "proto3"; package big.v1; message M {} service S {`)
	for i := range 3000 {
		many.WriteString("rpc M" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + strings.Repeat("y", i/26) + "(M) returns (M);\n")
	}
	many.WriteString("}")
	importing := func(name string) args {
		return args{"source": `syntax = "proto3"; import "` + name + `";`}
	}
	for name, c := range map[string]struct {
		tool      string
		arguments any
		want      string // of the error; empty: any result that is bounded
	}{
		"a path above the root":     {"lint", args{"source": docs, "path": "../secret.proto"}, "isn't a name like"},
		"an absolute path":          {"lint", args{"source": docs, "path": "/etc/passwd"}, "isn't a name like"},
		"a Windows path":            {"lint", args{"source": docs, "path": `..\secret.proto`}, "isn't a name like"},
		"a path with NUL":           {"lint", args{"source": docs, "path": "a\x00.proto"}, "isn't a name like"},
		"a path without a source":   {"lint", args{"path": "docs/v1/docs.proto"}, "no file to read"},
		"an import above the root":  {"lint", importing("../secret.proto"), "secret.proto"},
		"an absolute import":        {"lint", importing(filepath.Dir(root) + "/secret.proto"), "secret.proto"},
		"an import of a URL":        {"lint", importing("https://evil.example/x.proto"), "x.proto"},
		"an import of a device":     {"lint", importing("/dev/zero"), "zero"},
		"an import of itself":       {"lint", importing("draft.proto"), "cycle"},
		"a huge source":             {"lint", args{"source": strings.Repeat("/", 300<<10)}, "larger than"},
		"a source that isn't one":   {"lint", args{"source": "\x00\xff{"}, "draft.proto"},
		"nested deep":               {"lint", args{"source": `syntax = "proto3"; ` + strings.Repeat("message M {", 5000)}, "nested deeper"},
		"nested brackets":           {"lint", args{"source": `syntax = "proto3"; option x = ` + strings.Repeat("[", 100_000)}, "nested deeper"},
		"a recursive message":       {"matrix", args{"source": recursive, "path": "docs/v1/docs.proto"}, ""},
		"thousands of methods":      {"lint", args{"source": many.String()}, ""},
		"their matrix":              {"matrix", args{"source": many.String()}, ""},
		"a service twice":           {"lint", args{"source": docs, "path": "other.proto"}, "docs.v1"},
		"an unknown argument":       {"lint", args{"host": "evil.example"}, "host"},
		"an engine of one's own":    {"explain", args{"method": "docs.v1.Docs/Get", "caller": args{"as": "user:a"}, "engine": "spicedb+grpc://evil.example"}, "engine"},
		"a file of one's own":       {"lint", args{"inputs": []string{"/etc/passwd"}}, "inputs"},
		"another type":              {"lint", args{"source": 1}, "source"},
		"a name that matches none":  {"matrix", args{"only": []string{"x"}}, "no method or service"},
		"too many names":            {"matrix", args{"only": make([]string, 200)}, "more than 100"},
		"breaking without a draft":  {"breaking", args{}, "give the draft"},
		"a request that is no JSON": {"explain", args{"method": "docs.v1.Docs/Get", "caller": args{"as": "user:a"}, "request": "x"}, "isn't a docs.v1.GetRequest"},
		"a request nested deep":     {"explain", args{"method": "docs.v1.Docs/Get", "caller": args{"as": "user:a"}, "request": deep(150)}, ""},
		"a caller without a name":   {"explain", args{"method": "docs.v1.Docs/Get", "caller": args{}}, "as"},
		"no such method":            {"explain", args{"method": strings.Repeat("x", 100_000), "caller": args{"as": "user:a"}}, "there is no method"},
		"an unknown tool":           {"shell", args{"command": "id"}, "unknown tool"},
		"arguments of another type": {"lint", []string{"x"}, "arguments"},
	} {
		t.Run(name, func(t *testing.T) {
			text, fault := call(t, session, c.tool, c.arguments)
			if len(fault) > 10<<10 || strings.Contains(fault, secret) {
				t.Errorf("%d bytes: %.300s", len(fault), fault)
			}
			if c.want == "" && text == "" && fault == "" || c.want != "" && !strings.Contains(fault, c.want) {
				t.Errorf("no %q in %.1000s (%.100s)", c.want, fault, text)
			}
		})
	}
	if text, fault := call(t, session, "lint", args{}); fault != "" {
		t.Errorf("afterwards: %s%s", text, fault)
	}
}

func deep(levels int) any {
	var value any = "x"
	for range levels {
		value = args{"within": value}
	}

	return value
}

func TestWithoutFilesThereAreOnlyDrafts(t *testing.T) {
	session := connect(t, mcpserver.Config{})
	if _, fault := call(t, session, "lint", args{}); !strings.Contains(fault, "give the source") {
		t.Errorf("error %s", fault)
	}
	if text, fault := call(t, session, "lint", args{"source": docs}); fault != "" || !strings.Contains(text, `"methods":1`) {
		t.Errorf("%s%s", text, fault)
	}
	text, fault := call(t, session, "explain", args{"source": docs, "method": "docs.v1.Docs/Get", "caller": args{"as": "user:a", "scopes": []string{"read"}}, "request": args{"id": "1"}})
	if fault != "" || !strings.Contains(text, "depends on the engine") || !strings.Contains(text, `"engine":"none"`) {
		t.Errorf("%s%s", text, fault)
	}
}

func TestManyCallsAtOnce(t *testing.T) {
	session := connect(t, mcpserver.Config{Inputs: []string{folder(t)}})
	var calls sync.WaitGroup
	for range 16 {
		calls.Go(func() {
			if text, fault := call(t, session, "lint", args{}); !strings.Contains(text, `"findings":[]`) {
				t.Errorf("%s%s", text, fault)
			}
		})
	}
	calls.Wait()
}
