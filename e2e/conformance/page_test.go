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
	generate := func(proofs ...proof) string {
		t.Helper()
		all, err := scan(root)
		if err != nil {
			return err.Error()
		}
		text, err := page([]section{{"Things", []row{{"7", "x", "y"}}}}, proofs, all)
		if err != nil {
			return err.Error()
		}
		return text
	}
	for _, c := range []struct {
		name, source, want string
		proofs             []proof
	}{
		{"a row without a test", "func TestOther() {}", "row 7 has no test", nil},
		{"a case of another row", `func TestGood() { _ = []string{"row 7: a", "row 8: b"} }`, "row 8, which there isn't", nil},
		{"cases of a test that skips itself before them", `func TestGood(t T) { t.Skip(); _ = "row 7: a" }`, "TestGood may skip itself by Skip", nil},
		{"a function's name is no row", "func TestRow7Good() {}", "row 7 has no test", nil},
		{"named by its cases", `func TestGood() { _ = []string{"row 7: a", "row 7: b", "row 7: %v"} }`, "[.TestGood](../../a_test.go) 2 |", nil},
		{"a longer number is another row", `func TestGood() { _ = "row 70: a" }`, "row 7 has no test", nil},
		{"named by the table", "func TestGood() {}", "[.TestGood](../../a_test.go) |", []proof{{".TestGood", "7"}}},
		{"named by the table, with cases", `func TestGood() { _ = "row 7: a" }`, "[.TestGood](../../a_test.go) 1 |", []proof{{".TestGood", "7"}}},
		{"one by the table, one by its cases", `func TestBetter() { _ = "row 7: a" }` + "\nfunc TestGood() {}", "| [.TestBetter](../../a_test.go) 1<br>[.TestGood](../../a_test.go) |", []proof{{".TestGood", "7"}}},
		{"the table has a test that is gone", "func TestGood() {}", "there is no test .TestGone", []proof{{".TestGone", "7"}}},
		{"the table has what is no test", "func TestGood() {}\nfunc helper() {}", "there is no test .helper", []proof{{".helper", "7"}}},
		{"the table has a test twice", "func TestGood() {}", ".TestGood is listed twice", []proof{{".TestGood", "7"}, {".TestGood", "7"}}},
		{"the table has a row that isn't", "func TestGood() {}", "TestGood is about row 8, which there isn't", []proof{{".TestGood", "7 8"}}},
		{"the table has a test that skips itself", "func TestGood(t T) { t.SkipNow() }", ".TestGood may skip itself: .TestGood calls SkipNow", []proof{{".TestGood", "7"}}},
		{"the table has a test that a helper's helper skips", "func TestGood(t T) { a(t) }\nfunc a(t T) { b(t); a(t) }\nfunc b(t T) { t.Skipf() }", ".TestGood may skip itself: .b calls Skipf", []proof{{".TestGood", "7"}}},
		{"the table has a test that a method skips", "func TestGood(t T) { w.a(t) }\nfunc (x) a(t T) {}\nfunc (y) a(t T) { t.Skip() }", ".TestGood may skip itself: .*.a calls Skip", []proof{{".TestGood", "7"}}},
		{"a helper names a row", `func helper() { _ = "row 7: a" }`, "row 7 has no test", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			write(c.source)
			if got := generate(c.proofs...); !strings.Contains(got, c.want) {
				t.Errorf("got %s", got)
			}
		})
	}
}
