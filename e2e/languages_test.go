package e2e

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
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
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"
)

// tool finds a program that the machine may not have. Without it the test is no
// pass: it says so and is counted as skipped.
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
	folder := t.TempDir()
	for _, name := range []string{"client.js", "package.json", "package-lock.json"} {
		content := must(os.ReadFile(filepath.Join("node", name)))(t)
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	install := exec.CommandContext(s.ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = folder
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	descriptors := filepath.Join(folder, "docs.binpb")
	if err := os.WriteFile(descriptors, descriptorSet(t, docsv1.File_docs_v1_docs_proto), 0o600); err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(s.ctx, node, "client.js", target, roots, descriptors)
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

// descriptorSet is what `buf build` would make of the file: it and its imports,
// which come first.
func descriptorSet(t *testing.T, file protoreflect.FileDescriptor) []byte {
	t.Helper()
	set := &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(fd protoreflect.FileDescriptor) {
		if seen[fd.Path()] {
			return
		}
		seen[fd.Path()] = true
		for i := range fd.Imports().Len() {
			add(fd.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(fd))
	}
	add(file)
	return must(proto.Marshal(set))(t)
}
