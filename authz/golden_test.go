package authz_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/usher-auth/usher/authz"
)

var update = flag.Bool("update", false, "write golden files")

//go:generate buf build .. --config "{\"version\":\"v2\",\"modules\":[{\"path\":\"proto\"},{\"path\":\"authz/testdata/brokenproto\"}]}" --path ../authz/testdata/brokenproto/usher --exclude-imports --as-file-descriptor-set -o testdata/broken.binpb

// brokenFiles is testdata/brokenproto, built by buf with source info.
func brokenFiles(tb testing.TB) *protoregistry.Files {
	tb.Helper()
	wire, err := os.ReadFile("testdata/broken.binpb")
	if err != nil {
		tb.Fatal(err)
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(wire, set); err != nil {
		tb.Fatal(err)
	}
	files := &protoregistry.Files{}
	for _, file := range set.GetFile() {
		descriptor, err := protodesc.NewFile(file, protoregistry.GlobalFiles)
		if err != nil {
			tb.Fatal(err)
		}
		if err := files.RegisterFile(descriptor); err != nil {
			tb.Fatal(err)
		}
	}

	return files
}

// TestBrokenRules prints what an operator is told of each mistake, all at
// once.
func TestBrokenRules(t *testing.T) {
	files := brokenFiles(t)
	engine := newTuples()
	engine.modes = []authz.Mode{authz.ModeMinimizeLatency, authz.ModeAtLeastAsFresh, authz.ModeFullyConsistent}
	reported := 0
	authorizer := newAuthorizer(t, authz.Config{
		Engine: engine, Resolver: files, Observer: authz.Observer{RuleFault: func(*authz.RuleError) { reported++ }},
	})
	var methods []string
	files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				methods = append(methods, "/"+string(service.FullName())+"/"+string(service.Methods().Get(j).Name()))
			}
		}

		return true
	})
	err := authorizer.ValidateMethods(methods...)
	if err == nil {
		t.Fatal("no fault was found")
	}
	got := err.Error() + "\n"
	if *update {
		if err := os.WriteFile("testdata/broken.golden", []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/broken.golden")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the faults are told otherwise; run with -update and look at the difference\n%s", got)
	}
	if lines := strings.Count(got, "\n"); reported != lines {
		t.Errorf("%d faults reported to the observer, %d told at start", reported, lines)
	}
	for _, method := range methods {
		t.Run("row 54: denied: "+method, func(t *testing.T) {
			if authorizer.Method(method).Err() == nil {
				t.Error("the mistake wasn't found")
			}
			if _, err := authorizer.Authorize(t.Context(), method, user("alice"), nil); reasonOf(err) != authz.ReasonMisconfigured {
				t.Errorf("got %v, want %v", err, authz.ReasonMisconfigured)
			}
		})
	}
}
