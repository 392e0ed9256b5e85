// Package outside proves that a module outside the repository can write rules:
// its .proto finds usher's by buf and by protoc, the code that it generates links
// with usher's, and its methods are guarded, in each way to decide.
package outside

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const repository = "github.com/usher-auth/usher"

// outside makes a module in a folder of its own, from testdata.
func outside(t *testing.T) (folder, root string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	folder = t.TempDir()
	for from, to := range map[string]string{"notes.proto.txt": "proto/notes/v1/notes.proto", "main.go.txt": "main.go"} {
		copyFile(t, filepath.Join("testdata", from), filepath.Join(folder, to))
	}
	// The same versions as usher's own, so that nothing is looked up.
	text, sums := "module example.com/notes\n\ngo 1.25.0\n", ""
	for name, at := range map[string]string{repository: root, repository + "/authz/cel": filepath.Join(root, "authz", "cel")} {
		mod, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		sum, err := os.ReadFile(filepath.Join(at, "go.sum"))
		if err != nil {
			t.Fatal(err)
		}
		text += "\nrequire " + name + " v0.0.0\n\nreplace " + name + " => " + at + "\n\n"
		text += strings.Join(regexp.MustCompile(`(?ms)^require \(.*?^\)`).FindAllString(string(mod), -1), "\n") + "\n"
		sums += string(sum)
	}
	write(t, filepath.Join(folder, "go.sum"), sums)
	write(t, filepath.Join(folder, "go.mod"), text)

	return folder, root
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	write(t, to, string(content))
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tools is PATH with the repository's own tools first.
func tools(root string) string {
	return "PATH=" + filepath.Join(root, ".bin") + string(os.PathListSeparator) + os.Getenv("PATH")
}

// tool finds a tool, in the repository's folder of tools or in PATH.
func tool(t *testing.T, root, name string) string {
	t.Helper()
	if path, err := exec.LookPath(filepath.Join(root, ".bin", name)); err == nil {
		return path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: run this by `make e2e`, which builds the tools", name)
	}

	return path
}

func run(t *testing.T, folder, root, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = folder
	command.Env = append(os.Environ(), tools(root), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, output)
	}

	return string(output)
}

// serve builds and runs the module's program, which serves a guarded method and
// calls it.
func serve(t *testing.T, folder, root string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(folder, "gen", "usher")); !os.IsNotExist(err) {
		t.Error("usher's Go was generated again: two copies would be registered")
	}
	got := run(t, folder, root, "go", "run", ".")
	const want = `alice reads: OK
alice counts: OK
alice shares: OK
alice prints: OK
alice prints again: ResourceExhausted
bob reads: PermissionDenied
bob counts: PermissionDenied
bob shares: PermissionDenied
bob prints: OK
bob prints again: ResourceExhausted
nobody reads: Unauthenticated
nobody counts: Unauthenticated
nobody shares: Unauthenticated
nobody prints: Unauthenticated
nobody prints again: Unauthenticated
`
	if got != want {
		t.Errorf("the program says\n%swant\n%s", got, want)
	}
}

func TestOutsideModuleWithBuf(t *testing.T) {
	folder, root := outside(t)
	tool(t, root, "protoc-gen-go")
	tool(t, root, "protoc-gen-go-grpc")
	buf := tool(t, root, "buf")
	run(t, folder, root, "go", "run", repository+"/proto/export", "third_party")
	write(t, filepath.Join(folder, "buf.yaml"), "version: v2\nmodules:\n  - path: proto\n  - path: third_party\n")
	write(t, filepath.Join(folder, "buf.gen.yaml"), `version: v2
managed:
  enabled: true
  disable:
    - file_option: go_package
      path: usher/authz/v1
  override:
    - file_option: go_package_prefix
      value: example.com/notes/gen
plugins:
  - local: protoc-gen-go
    out: gen
    opt: paths=source_relative
  - local: protoc-gen-go-grpc
    out: gen
    opt: paths=source_relative
inputs:
  - directory: proto
`)
	run(t, folder, root, buf, "generate")
	serve(t, folder, root)
}

func TestOutsideModuleWithProtoc(t *testing.T) {
	folder, root := outside(t)
	tool(t, root, "protoc-gen-go")
	tool(t, root, "protoc-gen-go-grpc")
	// buf has a replacement for protoc, with the same arguments.
	protoc := []string{tool(t, root, "buf"), "alpha", "protoc"}
	if path, err := exec.LookPath("protoc"); err == nil {
		protoc = []string{path}
	}
	shipped := strings.TrimSpace(run(t, folder, root, "go", "list", "-m", "-f", "{{.Dir}}", repository))
	if err := os.MkdirAll(filepath.Join(folder, "gen"), 0o755); err != nil {
		t.Fatal(err)
	}
	args := slices.Concat(protoc[1:], []string{
		"-I", "proto", "-I", filepath.Join(shipped, "proto"),
		"--go_out=gen", "--go_opt=paths=source_relative", "--go-grpc_out=gen", "--go-grpc_opt=paths=source_relative",
		"proto/notes/v1/notes.proto",
	})
	run(t, folder, root, protoc[0], args...)
	serve(t, folder, root)
}
