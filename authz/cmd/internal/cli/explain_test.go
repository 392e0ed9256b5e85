package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/usher-auth/usher/authz/cmd/internal/cli"
)

// explained is a folder with a .proto and a file of tuples.
func explained(t *testing.T) (proto, tuples string) {
	t.Helper()
	folder := t.TempDir()
	proto, tuples = filepath.Join(folder, "docs.proto"), filepath.Join(folder, "tuples.txt")
	for path, text := range map[string]string{
		proto: `syntax = "proto3";
package docs.v1;
import "usher/authz/v1/authz.proto";
service Docs {
  rpc Get(GetRequest) returns (GetRequest) {
    option (.usher.authz.v1.rule) = {check: {object: "document:{id}" relation: "viewer" context: {name: "tier" value: "{$claim.tier}"}} access_token: {scopes: ["a", "b"]}};
  }
}
message GetRequest { string id = 1; }
`,
		tuples: "# who sees what\ndocument:1#viewer@user:alice\n\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	return proto, tuples
}

func TestExplainCommand(t *testing.T) {
	proto, tuples := explained(t)
	file := filepath.Join(t.TempDir(), "request.json")
	if err := os.WriteFile(file, []byte(`{"id":"1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	base := []string{"explain", "--method", "docs.v1.Docs/Get", "--scope", "a,b", proto}
	alice := slices.Concat(base, []string{"--as", "user:alice", "--engine", "tuples:" + tuples})
	with := func(args []string, more ...string) []string { return slices.Concat(args, more) }
	for name, c := range map[string]struct {
		args  []string
		stdin string
		code  int
		want  string
	}{
		"allowed":               {with(alice, "--request", `{"id":"1"}`), "", cli.Clean, "docs.v1.Docs/Get as user:alice: ALLOWED"},
		"a request in a file":   {with(alice, "--request", "@"+file), "", cli.Clean, "ALLOWED"},
		"a request from stdin":  {with(alice, "--request", "-"), `{"id":"1"}`, cli.Clean, "ALLOWED"},
		"a claim":               {with(alice, "--request", `{"id":"1"}`, "--claim", `tier={"a":[1]}`), "", cli.Clean, `context {"tier":{"a":[1]}}`},
		"a claim that is text":  {with(alice, "--request", `{"id":"1"}`, "--claim", `tier=gold x`), "", cli.Clean, `context {"tier":"gold x"}`},
		"denied":                {with(alice, "--request", `{"id":"2"}`), "", cli.Found, "the caller gets PERMISSION_DENIED RELATION_DENIED"},
		"JSON":                  {with(alice, "--request", `{"id":"2"}`, "--format", "json"), "", cli.Found, `"reason": "RELATION_DENIED"`},
		"without an engine":     {with(base, "--as", "service:x", "--request", `{"id":"1"}`), "", cli.Found, "DEPENDS ON THE ENGINE"},
		"help":                  {[]string{"explain", "-h"}, "", cli.Clean, "USHER_ENGINE_TOKEN"},
		"no method":             {[]string{"explain", "--as", "user:a", proto}, "", cli.Failed, "--method and --as are required"},
		"no input":              {with(base[:5], "--as", "user:a"), "", cli.Failed, "no input"},
		"another format":        {with(alice, "--format", "html"), "", cli.Failed, `there is no format "html"`},
		"no such file":          {with(alice, "--request", "@nope.json"), "", cli.Failed, "nope.json"},
		"a claim without value": {with(alice, "--claim", "tier"), "", cli.Failed, "not NAME=VALUE"},
		"a claim twice":         {with(alice, "--claim", "tier=1", "--claim", "tier=2"), "", cli.Failed, "given twice"},
		"metadata without one":  {with(alice, "--metadata", "x"), "", cli.Failed, "not KEY=VALUE"},
		"an engine that isn't":  {with(base, "--as", "user:a", "--engine", "ftp://x"), "", cli.Failed, `no scheme "ftp"`},
		"a secret in its name":  {with(base, "--as", "user:a", "--engine", "spicedb+grpc://:fake-secret@host:1"), "", cli.Failed, "no user and no password"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := cli.Main(t.Context(), c.args, strings.NewReader(c.stdin), &stdout, &stderr, cli.Commands()...)
			all := stdout.String() + stderr.String()
			if code != c.code || !strings.Contains(all, c.want) || strings.Contains(all, "fake-secret") {
				t.Errorf("code %d, want %d and %s\n%s", code, c.code, c.want, all)
			}
		})
	}
}

func TestMCPCommand(t *testing.T) {
	proto, tuples := explained(t)
	requests, fromClient := io.Pipe()
	toClient, answers := io.Pipe()
	var stderr bytes.Buffer
	done := make(chan int)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		done <- cli.Main(ctx, []string{"mcp", "--engine", "tuples:" + tuples, proto}, requests, answers, &stderr, cli.Commands()...)
	}()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(ctx, &mcp.IOTransport{Reader: toClient, Writer: fromClient}, nil)
	if err != nil {
		t.Fatal(err)
	}
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "explain", Arguments: map[string]any{
		"method": "docs.v1.Docs/Get", "caller": map[string]any{"as": "user:alice", "scopes": []string{"a", "b"}}, "request": map[string]any{"id": "1"},
	}})
	if err != nil || result.IsError {
		t.Fatalf("%+v, %v", result, err)
	}
	text, err := json.Marshal(result.StructuredContent)
	if err != nil || !strings.Contains(string(text), `"decision":"allowed"`) {
		t.Errorf("%s, %v", text, err)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
	if code := <-done; code != cli.Clean || stderr.Len() > 0 {
		t.Errorf("code %d: %s", code, stderr.String())
	}
}

func TestMCPCommandGivesNoTokenToASecondHost(t *testing.T) {
	t.Setenv("USHER_ENGINE_TOKEN", "not-a-real-key")
	var stdout, stderr bytes.Buffer
	args := []string{"mcp", "--schema", "spicedb+grpc://schema.example:443", "--engine", "spicedb+grpc://engine.example:443"}
	if code := cli.Main(t.Context(), args, strings.NewReader(""), &stdout, &stderr, cli.Commands()...); code != cli.Failed || !strings.Contains(stderr.String(), "two hosts") {
		t.Errorf("code %d: %s%s", code, stdout.String(), stderr.String())
	}
}

func TestMCPCommandRefuses(t *testing.T) {
	for name, args := range map[string][]string{
		"stdin as an input": {"mcp", "-"}, "an engine that isn't": {"mcp", "--engine", "x"}, "a schema that isn't": {"mcp", "--schema", "nope.fga"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := cli.Main(t.Context(), args, strings.NewReader(""), &stdout, &stderr, cli.Commands()...); code != cli.Failed || stderr.Len() == 0 || stdout.Len() > 0 {
				t.Errorf("code %d: %s%s", code, stdout.String(), stderr.String())
			}
		})
	}
}
