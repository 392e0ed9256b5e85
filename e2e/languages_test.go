package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// tool finds a program that the machine may not have. Without it the test does
// not pass: it logs the reason and is counted as skipped.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("NOTICE: %s is not on this machine, so this was not shown", name)
	}
	return path
}

// foreign is a chain for a client in another language: an address, a token of an
// editor of the handbook, and the authority's certificate in a file.
func foreign(t *testing.T) (s *system, target, token, roots string) {
	t.Helper()
	s = newSystem(t, 5*time.Minute, &client{id: "editor", method: "client_secret_basic"})
	s.allow("editor")
	target = s.guard(s.newJWT(), guardOptions{})
	token = must(s.credentials("editor").Token(s.ctx))(t).AccessToken
	roots = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(roots, s.ca.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return s, target, token, roots
}

func TestGrpcurl(t *testing.T) {
	grpcurl := tool(t, "grpcurl")
	s, target, token, roots := foreign(t)
	const service = "docs.v1.DocumentService/"
	for _, c := range []struct {
		name, data, method string
		header             string // of the call; reflection always has the token
		want, reason       string
	}{
		{name: "granted", data: `{"document_id":"onboarding"}`, method: "GetDocument", header: token, want: "Welcome"},
		{name: "denied", data: `{"document_id":"salaries"}`, method: "GetDocument", header: token, want: "PermissionDenied", reason: "RELATION_DENIED"},
		{name: "no token", data: `{"document_id":"onboarding"}`, method: "GetDocument", want: "Unauthenticated", reason: "TOKEN_MISSING"},
		{name: "bad token", data: `{"document_id":"onboarding"}`, method: "GetDocument", header: token + "x", want: "Unauthenticated", reason: "TOKEN_INVALID"},
		{name: "public", data: `{}`, method: "GetServiceInfo", want: "usher quickstart documents"},
		{name: "object missing", data: `{}`, method: "GetDocument", header: token, want: "InvalidArgument", reason: "OBJECT_MISSING"},
		{name: "closed to all", data: `{}`, method: "PurgeDocuments", header: token, want: "PermissionDenied", reason: "METHOD_DENIED"},
		{name: "bidi stream", data: `{"document_id":"onboarding","append":"!"}{"append":"?"}`, method: "EditDocument", header: token, want: "length"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := []string{"-cacert", roots, "-reflect-header", "authorization: Bearer " + token}
			if c.header != "" {
				args = append(args, "-rpc-header", "authorization: Bearer "+c.header)
			}
			args = append(args, "-d", c.data, target, service+c.method)
			out, _ := exec.CommandContext(s.ctx, grpcurl, args...).CombinedOutput() // fails when the call does
			for _, want := range []string{c.want, c.reason} {
				if !strings.Contains(string(out), want) {
					t.Errorf("no %q in:\n%s", want, out)
				}
			}
		})
	}
	t.Run("reflection needs a token", func(t *testing.T) {
		out, err := exec.CommandContext(s.ctx, grpcurl, "-cacert", roots, target, "list").CombinedOutput()
		if err == nil || strings.Contains(string(out), "DocumentService") {
			t.Errorf("listed:\n%s", out)
		}
	})
}

// nodeCall is what client.js prints of one call.
type nodeCall struct {
	Call      string           `json:"call"`
	Code      codes.Code       `json:"code"`
	Details   []string         `json:"details"`
	Challenge []string         `json:"challenge"`
	Got       []map[string]any `json:"got"`
}

func TestNodeClient(t *testing.T) {
	node, npm := tool(t, "node"), tool(t, "npm")
	s, target, token, roots := foreign(t)
	folder := nodeFolder(s.ctx, t, npm, "client.js")
	run := exec.CommandContext(s.ctx, node, append([]string{"client.js", target, roots}, protoFolders(t)...)...)
	run.Dir = folder
	run.Stdin = strings.NewReader(token)
	var out, errs bytes.Buffer
	run.Stdout, run.Stderr = &out, &errs
	if err := run.Run(); err != nil {
		t.Fatalf("client.js: %v\n%s%s", err, out.String(), errs.String())
	}

	want := map[string]string{
		"public":                "OK",
		"no token":              "Unauthenticated TOKEN_MISSING",
		"unary granted":         "OK",
		"unary denied":          denied,
		"server stream granted": "OK",
		"server stream denied":  denied,
		"client stream granted": "OK",
		"client stream denied":  denied,
		"bidi stream granted":   "OK",
		"bidi stream denied":    denied,
	}
	lines := bufio.NewScanner(&out)
	for lines.Scan() {
		var call nodeCall
		if err := json.Unmarshal(lines.Bytes(), &call); err != nil {
			t.Fatalf("%v: %s", err, lines.Text())
		}
		if got := call.reason(t); got != want[call.Call] {
			t.Errorf("%s: got %q, want %q", call.Call, got, want[call.Call])
		}
		if call.Call == "no token" && (len(call.Challenge) != 1 || call.Challenge[0] != "Bearer") {
			t.Errorf("no token: challenge %q", call.Challenge)
		}
		if call.Call == "bidi stream granted" && len(call.Got) != 2 {
			t.Errorf("bidi stream: %d answers, want 2", len(call.Got))
		}
		delete(want, call.Call)
	}
	if len(want) > 0 {
		t.Errorf("never called: %v\n%s", want, errs.String())
	}
}

// reason is as the Go client's.
func (c nodeCall) reason(t *testing.T) string {
	t.Helper()
	text := c.Code.String()
	for _, encoded := range c.Details {
		var status statuspb.Status
		if err := proto.Unmarshal(must(base64.StdEncoding.DecodeString(encoded))(t), &status); err != nil {
			t.Fatal(err)
		}
		for _, detail := range status.GetDetails() {
			var info errdetails.ErrorInfo
			if detail.MessageIs(&info) {
				if err := detail.UnmarshalTo(&info); err != nil {
					t.Fatal(err)
				}
				text += " " + info.GetReason()
			}
		}
	}
	return text
}

// nodeFolder makes a folder with a script of the folder node and the packages
// that it needs.
func nodeFolder(ctx context.Context, t *testing.T, npm, script string) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{script, "package.json", "package-lock.json"} {
		content := must(os.ReadFile(filepath.Join("node", name)))(t)
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	install := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = folder
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return folder
}

// protoFolders are the roots of the repository's schemas: usher's own, the
// quickstart's and those of tests.
func protoFolders(t *testing.T) []string {
	t.Helper()
	var folders []string
	for _, folder := range []string{"proto", "examples/quickstart/proto", "authz/internal/testproto", "authz/testdata/brokenproto"} {
		folders = append(folders, must(filepath.Abs(filepath.Join("..", filepath.FromSlash(folder))))(t))
	}
	return folders
}

// TestNodeLoadsEverySchema loads each .proto of the repository as services in
// Node do: whatever a rule can say, their parser must read.
func TestNodeLoadsEverySchema(t *testing.T) {
	node, npm := tool(t, "node"), tool(t, "npm")
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	folder := nodeFolder(ctx, t, npm, "load.js")
	folders := protoFolders(t)
	var files []string
	for _, root := range folders {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if filepath.Ext(path) == ".proto" {
				files = append(files, must(filepath.Rel(root, path))(t))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(files) < len(folders) {
		t.Fatalf("only %d files: %v", len(files), files)
	}
	for _, file := range files {
		run := exec.CommandContext(ctx, node, append([]string{"load.js", file}, folders...)...)
		run.Dir = folder
		out, err := run.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
}
