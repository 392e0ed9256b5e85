package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPageIsCurrent(t *testing.T) {
	out := filepath.Join(t.TempDir(), "page.md")
	if err := run("../..", out); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("README.md is not current: run make generate")
	}
}

func TestFaultsOfThePage(t *testing.T) {
	root := t.TempDir()
	write := func(body string) {
		t.Helper()
		const private = 0o600
		if err := os.WriteFile(filepath.Join(root, "a_test.go"), []byte("package a\n"+body), private); err != nil {
			t.Fatal(err)
		}
	}
	generate := func(also ...string) string {
		t.Helper()
		byRow, byName, err := scan(root)
		if err != nil {
			return err.Error()
		}
		text, err := page([]section{{"Things", []row{{"7", "x", "y", also}}}}, byRow, byName)
		if err != nil {
			return err.Error()
		}
		return text
	}
	for _, c := range []struct {
		name, source, want string
		also               []string
	}{
		{"a row without a test", "func TestOther() {}", "row 7 has no test", nil},
		{"a test of another row", "func TestRow7Good() {}\nfunc TestRow8Bad() {}", "row 8, which there isn't", nil},
		{"a test that is gone", "func TestRow7Good() {}", "there is no test .TestGone", []string{".TestGone"}},
		{"a test that skips itself", "func TestRow7Good(t T) { t.Skip() }", "may skip itself", nil},
		{"named by its function", "func TestRow7Good() {}", "[.TestRow7Good](../../a_test.go) |", nil},
		{"named by its cases", `func TestGood() { _ = []string{"row 7: a", "row 7: b", "row 7: %v"} }`, "[.TestGood](../../a_test.go) 2 |", nil},
		{"a longer number is another row", "func TestRow7Good() {}\nfunc TestRow70() {}", "| 7 |", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			write(c.source)
			if got := generate(c.also...); !strings.Contains(got, c.want) {
				t.Errorf("got %s", got)
			}
		})
	}
}
