package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestExportCopiesTheSchema(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "third_party")
	for range 2 { // again after an upgrade
		written, err := export(folder)
		if err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(folder, "usher", "authz", "v1", "authz.proto")
		if len(written) != 1 || written[0] != target {
			t.Fatalf("wrote %q", written)
		}
		got, err := os.ReadFile(target)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile("../usher/authz/v1/authz.proto")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Error("the copy differs")
		}
	}
	if _, err := export(string([]byte{0})); err == nil {
		t.Error("a folder that can't be made is no error")
	}
}
