// Command conformance writes README.md beside it: each fault and each kind of bad
// input that usher is held to, what it gets, and the tests that prove it.
//
//	go generate ./conformance    # in e2e; `make generate` runs it
//
// It finds the tests by their names, in the source of every module, and fails if
// a row has none. It ends with the table of profiles, which is read from the
// source of its test.
package main

import (
	"fmt"
	"os"
)

//go:generate go run .

func main() {
	if err := run("../..", "README.md"); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(root, out string) error {
	byRow, byName, err := scan(root)
	if err != nil {
		return err
	}
	text, err := page(sections, byRow, byName)
	if err != nil {
		return err
	}
	table, err := profiles(root)
	if err != nil {
		return err
	}
	text += fmt.Sprintf("\n## %c. Profiles\n%s", 'A'+len(sections), table)
	const readable = 0o644
	return os.WriteFile(out, []byte(text), readable)
}
